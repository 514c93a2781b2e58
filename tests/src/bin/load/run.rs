//! One run: the server starts, publishers come, then subscribers, then media flows and is measured.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use ferrite_tests::janus::Janus;
use ferrite_tests::load::rooms::{Camera, Field, Found, LAYERS, News, Part};
use ferrite_tests::load::{Meter, Raw, own_cpu};
use ferrite_tests::{Server, artefacts, network, wait};

use crate::data::{DataFigures, Members};
use crate::options::{Company, Options};
use crate::samples::{Figures, Sample, lost, ms};

/// How long media flows before it is measured, and how long what is under way may take in the end.
const SETTLE: Duration = Duration::from_millis(1500);

/// One turn, in which what is due a second is done.
const TURN: Duration = Duration::from_millis(20);

/// Of fewer than these memory is lost in the noise.
const TELLING: u32 = 20;

/// Nobody takes longer to come in than this, however many they are, nor those who send data to leave.
const PATIENCE: Duration = Duration::from_secs(60);

/// Fills rooms of Ferrite.
pub(crate) async fn run(options: &Options) -> Result<Figures> {
    let mut raw = Raw::new(options.packets_per_frame as usize)?;
    raw.measure(options.raw_rounds)?;
    let dir = artefacts::fresh(&options.log)?;
    let flags = options.flags();
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    let mut server = Server::start(&dir, &flags).await?;
    let media = SocketAddrV4::new(Ipv4Addr::LOCALHOST, server.media_port());
    let field = Field::new(server.address(), media, options.field())?;
    let meter = Meter::new(server.pid()?)?;
    let mut run = Run::new(options, options.company(), field, meter);
    run.data_at = Some(server.address().to_owned());
    let mut figures = run.go()?;
    let status = server.stop(wait::PATIENCE).await?;
    if !status.success() {
        bail!("the server ended with {status}");
    }
    // After the others, so that a noisy minute shows in both.
    raw.measure(options.raw_rounds)?;
    figures.limits = raw.limits();
    Ok(figures)
}

/// Fills rooms of Janus with the same, in a network that this thread is in from then on. `None` where Janus is not
/// installed, or no network can be made.
pub(crate) async fn run_at_janus(options: &Options) -> Result<Option<Figures>> {
    if !network::may_be_made() {
        eprintln!(
            "left out: Janus, because only root may make it a network, and not in most containers"
        );
        return Ok(None);
    }
    network::for_crowds()?;
    let mut raw = Raw::new(options.packets_per_frame as usize)?;
    let dir = artefacts::fresh(&format!("{}-janus", options.log))?;
    let Some(janus) = Janus::start(&dir).await? else {
        return Ok(None);
    };
    // It knows no way to say either.
    let options = &Options {
        watch_changes: 0.0,
        messages_per_second: 0.0,
        ..options.clone()
    };
    raw.measure(options.raw_rounds)?;
    let field = Field::at_janus(janus.socket(), network::CROWD, options.field())?;
    let meter = Meter::new(janus.pid()?)?;
    let mut figures = Run::new(options, options.company_at_janus(), field, meter).go()?;
    janus.stop().await?;
    raw.measure(options.raw_rounds)?;
    figures.limits = raw.limits();
    Ok(Some(figures))
}

struct Run<'a> {
    options: &'a Options,
    /// Where those go in who send data.
    data_at: Option<String>,
    data: Option<Members>,
    company: Company,
    field: Field,
    meter: Meter,
    began: Instant,
    next_sample: Instant,
    /// The server's, at the last sample.
    cpu: Duration,
    unsampled: News,
    total: News,
    /// What was found since the first participant came, and what of it was told as lost.
    ever: Found,
    /// What publishers sent since then, by layer.
    sent: [u64; LAYERS],
    told: u64,
    samples: Vec<Sample>,
    /// The server's memory before anybody came, and with the publishers.
    base: u64,
    with_publishers: Option<u64>,
}

impl<'a> Run<'a> {
    fn new(options: &'a Options, company: Company, field: Field, meter: Meter) -> Self {
        Self {
            options,
            data_at: None,
            data: None,
            company,
            field,
            meter,
            began: Instant::now(),
            next_sample: Instant::now(),
            cpu: Duration::ZERO,
            unsampled: News::default(),
            total: News::default(),
            ever: Found::default(),
            sent: [0; LAYERS],
            told: 0,
            samples: Vec::new(),
            base: 0,
            with_publishers: None,
        }
    }

    fn go(&mut self) -> Result<Figures> {
        self.warm_up()?;
        let (publishers, subscribers) = (self.company.publishers, self.company.subscribers());
        let rooms = self.options.rooms;
        self.base = self.meter.memory()?;
        self.began = Instant::now();
        self.next_sample = self.began;
        self.cpu = self.meter.cpu()?;
        let before = self.cpu;
        self.join(publishers, rooms, self.company.publisher)?;
        let mut join_cpu = (self.meter.cpu()? - before) / publishers.max(1);
        if subscribers > 0 {
            self.field.start();
            self.live(SETTLE)?;
            self.field.stop();
            self.live(Duration::from_millis(200))?;
            self.with_publishers = Some(self.meter.memory()?);
            let before = self.meter.cpu()?;
            for (count, part) in self.company.receiving.clone() {
                self.join(count, rooms, part)?;
            }
            join_cpu = (self.meter.cpu()? - before) / subscribers;
        }
        self.take_news();
        let joined = std::mem::take(&mut self.total.joined);
        self.enter_data()?;
        self.field.start();
        self.live(SETTLE)?;
        let mut figures = self.measure()?;
        figures.join_cpu = join_cpu;
        figures.joined.extend(joined);
        Ok(figures)
    }

    /// The first participants cost what is made once: the tables and buffers of every thread.
    fn warm_up(&mut self) -> Result<()> {
        let room = self.options.rooms;
        let subscriber = Part {
            camera: Camera::Off,
            microphone: false,
            shown: 1,
            heard: usize::from(self.options.audio),
            ..self.options.subscriber()
        };
        let mut first = vec![self.field.invite(room, self.company.publisher)?];
        for _ in 0..3 {
            first.push(self.field.invite(room, subscriber)?);
        }
        self.field
            .live(Instant::now() + Duration::from_millis(500))?;
        self.field.start();
        self.field
            .live(Instant::now() + Duration::from_millis(500))?;
        self.field.stop();
        for number in first {
            self.field.dismiss(number)?;
        }
        self.field.live(Instant::now() + SETTLE)?;
        self.field.take_news();
        Ok(())
    }

    /// So many come in, to one room after the other.
    fn join(&mut self, count: u32, rooms: u32, part: Part) -> Result<()> {
        let before = self.field.present().1;
        let (began, mut invited) = (Instant::now(), 0);
        let mut last = began;
        while self.field.present().1 < before + count as usize {
            let due = began.elapsed().as_secs_f64() * self.options.joins_per_second + 1.0;
            while invited < count.min(due as u32) {
                self.field.invite(invited % rooms, part)?;
                invited += 1;
                last = Instant::now();
            }
            self.live(TURN)?;
            if last.elapsed() > PATIENCE {
                let (there, connected) = self.field.present();
                bail!("of {there} participants {connected} are connected");
            }
        }
        self.live(Duration::from_millis(300))
    }

    fn measure(&mut self) -> Result<Figures> {
        self.take_news();
        // What is measured begins here; what was found so far stays found.
        self.total = News::default();
        let (server, load, began) = (self.meter.cpu()?, own_cpu()?, Instant::now());
        let end = began + Duration::from_secs(self.options.seconds.into());
        let mut happenings = Happenings::default();
        self.data.iter().for_each(Members::start);
        while Instant::now() < end {
            happenings.happen(self.options, began.elapsed(), self)?;
            self.live(TURN)?;
        }
        self.take_news();
        let (server_cpu, load_cpu) = (self.meter.cpu()? - server, own_cpu()? - load);
        let (measured, memory) = (began.elapsed(), self.meter.memory()?);
        let total = self.total.clone();
        let (kb_per_publisher, kb_per_subscriber) = self.kilobytes(memory);
        let data = self.end_data()?;
        let blind = self.visit()?;
        // Who came in the last moment may have seen nothing yet.
        let since = Instant::now() - 2 * SETTLE;
        self.field.stop();
        let link = Duration::from_millis(self.options.delay);
        self.field.live(Instant::now() + SETTLE + 2 * link)?;
        self.take_news();
        let (late, silent) = self.field.at_the_end(since);
        let found = self.ever.clone();
        Ok(Figures {
            samples: std::mem::take(&mut self.samples),
            limits: Raw::new(1)?.limits(),
            packets_per_frame: self.options.packets_per_frame,
            measured,
            server_cpu,
            load_cpu,
            forwarded: total.found.packets,
            bytes: total.bytes,
            latency: total.found.latency,
            said: total.said,
            data,
            found,
            sent: self.sent,
            layers: total.found.layers,
            late: if self.options.field().link.is_perfect() {
                late
            } else {
                0
            },
            silent,
            blind,
            joined: self.total.joined.clone(),
            seen: self.total.seen.clone(),
            join_cpu: Duration::ZERO,
            kb_per_publisher,
            kb_per_subscriber,
            dropped_here: self.field.overflowed()?,
            dropped_there: self.field.dropped_there()?,
            load_average: load_average(),
        })
    }

    fn enter_data(&mut self) -> Result<()> {
        let address = self.data_at.as_deref();
        self.data = address.and_then(|address| Members::enter(address, self.options));
        let deadline = Instant::now() + PATIENCE;
        while let Some(data) = &self.data {
            if data.are_in() {
                break;
            }
            ensure!(
                Instant::now() < deadline,
                "those who send data do not come in"
            );
            self.live(TURN)?;
        }
        Ok(())
    }

    fn end_data(&mut self) -> Result<Option<DataFigures>> {
        self.data.iter().for_each(Members::stop);
        let deadline = Instant::now() + PATIENCE;
        while self.data.as_ref().is_some_and(|data| !data.have_left()) {
            let is_late = Instant::now() >= deadline;
            ensure!(!is_late, "those who send data do not leave");
            self.live(TURN)?;
        }
        self.data.take().map(Members::figures).transpose()
    }

    /// Visitors come and go, one after the other. Returns how many of them saw nothing.
    fn visit(&mut self) -> Result<u32> {
        let mut blind = 0;
        for at in 0..self.options.visitors {
            let before = self.total.seen.len();
            let (room, part) = (at % self.options.rooms, self.options.subscriber());
            let number = self.field.invite(room, part)?;
            let deadline = Instant::now() + wait::PATIENCE;
            while self.total.seen.len() == before && Instant::now() < deadline {
                self.live(TURN)?;
                self.take_news();
            }
            blind += u32::from(self.total.seen.len() == before);
            self.field.dismiss(number)?;
        }
        Ok(blind)
    }

    fn kilobytes(&self, memory: u64) -> (Option<f64>, Option<f64>) {
        let per = |now: u64, before: u64, count: u32| {
            (count >= TELLING).then(|| (now as f64 - before as f64) / 1024.0 / f64::from(count))
        };
        let (publishers, subscribers) = (self.company.publishers, self.company.subscribers());
        // Those who send data came in beside whoever came in last.
        let has_data = self.data_at.is_some() && self.options.data_per_second > 0.0;
        match self.with_publishers {
            None if has_data => (None, None),
            Some(with) if has_data => (per(with, self.base, publishers), None),
            None => (per(memory, self.base, publishers), None),
            Some(with) => (
                per(with, self.base, publishers),
                per(memory, with, subscribers),
            ),
        }
    }

    /// Goes on for so long, and notes what is to be noted every second.
    fn live(&mut self, length: Duration) -> Result<()> {
        let end = Instant::now() + length;
        while Instant::now() < end {
            self.field.live(end.min(self.next_sample))?;
            if Instant::now() >= self.next_sample {
                self.next_sample += Duration::from_secs(1);
                self.sample()?;
            }
        }
        Ok(())
    }

    fn take_news(&mut self) {
        let news = self.field.take_news();
        add(&mut self.unsampled, &news);
        add(&mut self.total, &news);
        self.ever.add(&news.found);
        add_each(&mut self.sent, news.sent);
    }

    fn sample(&mut self) -> Result<()> {
        self.take_news();
        let news = std::mem::take(&mut self.unsampled);
        let cpu = self.meter.cpu()?;
        let used = cpu - std::mem::replace(&mut self.cpu, cpu);
        let (there, connected) = self.field.present();
        let packets = news.found.packets;
        let media = |value: f64| (packets > 0).then_some(value);
        let (kb_per_publisher, kb_per_subscriber) = self.kilobytes(self.meter.memory()?);
        let publishers = self.company.publishers as usize;
        let all_in = connected == publishers + self.company.subscribers() as usize;
        // A link may have swallowed in one second what is missed in the next.
        let lost_ever = lost(&self.ever);
        let lost = lost_ever.saturating_sub(self.told);
        self.told = self.told.max(lost_ever);
        let sample = Sample {
            at: self.began.elapsed().as_secs_f64(),
            publishers: there.min(publishers),
            subscribers: there.saturating_sub(publishers),
            packets,
            us_per_packet: media(used.as_secs_f64() * 1e6 / packets.max(1) as f64),
            lost,
            layers: news.found.layers,
            jitter_ms: media(news.found.jitter.ms(0.5)),
            latency_ms: media(news.found.latency.ms(0.5)).zip(media(news.found.latency.ms(0.99))),
            join_ms: (!news.joined.is_empty()).then(|| ms(&news.joined, 50)),
            kb_per_publisher: kb_per_publisher.filter(|_| all_in || self.with_publishers.is_some()),
            kb_per_subscriber: kb_per_subscriber.filter(|_| all_in),
        };
        tell(&sample, connected, used);
        self.samples.push(sample);
        Ok(())
    }
}

/// The progress line.
fn tell(sample: &Sample, connected: usize, used: Duration) {
    let (_, p99) = sample.latency_ms.unwrap_or_default();
    eprintln!(
        "{:5.0} s  {connected} of {} in  {:7} packets/s  {:6.2} us each  {:4.2} cores  {} lost  latency p99 {p99:.2} ms",
        sample.at,
        sample.publishers + sample.subscribers,
        sample.packets,
        sample.us_per_packet.unwrap_or_default(),
        used.as_secs_f64(),
        sample.lost,
    );
}

/// What happens while media flows: how often each did.
#[derive(Debug, Default)]
struct Happenings {
    left: u64,
    changed: u64,
    said: u64,
}

impl Happenings {
    fn happen(&mut self, options: &Options, since: Duration, run: &mut Run<'_>) -> Result<()> {
        let due = |rate: f64| (since.as_secs_f64() * rate) as u64;
        let field = &mut run.field;
        while self.left < due(options.churn) {
            self.left += 1;
            let leaves_nothing = |part: &Part| !part.has_camera();
            let anybody = |_: &Part| true;
            let gone = match run.company.subscribers() {
                0 => field.draw(anybody),
                _ => field.draw(leaves_nothing),
            };
            if let Some((number, (room, part))) = gone.and_then(|it| Some((it, field.seat(it)?))) {
                field.dismiss(number)?;
                field.invite(room, part)?;
            }
        }
        while self.changed < due(options.watch_changes) {
            self.changed += 1;
            if let Some(number) = field.draw(|part| part.shown > 0) {
                field.change_watch(number)?;
            }
        }
        while self.said < due(options.messages_per_second) {
            self.said += 1;
            if let Some(number) = field.draw(|_| true) {
                field.say(number, 200)?;
            }
        }
        Ok(())
    }
}

fn add(to: &mut News, more: &News) {
    to.found.add(&more.found);
    to.joined.extend(&more.joined);
    to.seen.extend(&more.seen);
    to.said.add(&more.said);
    to.bytes += more.bytes;
    add_each(&mut to.sent, more.sent);
}

fn add_each(to: &mut [u64; LAYERS], more: [u64; LAYERS]) {
    for (sum, more) in to.iter_mut().zip(more) {
        *sum += more;
    }
}

fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}
