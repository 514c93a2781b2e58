//! A room in which somebody publishes a picture in three layers, and sound; and others who watch it,
//! each behind a way of their own, and say what came as browsers do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ferrite_protocol::{Limit, Pressure};
use ferrite_server::media::ceilings::Ceilings;
use ferrite_server::media::event::PeerEvent;
use ferrite_server::media::ingest::arrivals::ArrivalRecorder;
use ferrite_server::media::peer::quality::Quality;
use ferrite_server::media::plan::SCREEN;
use ferrite_server::media::rtp::rtcp;
use ferrite_server::media::{Gathering, Plan, Shown, Talk, TrackId};

use super::bare::packet_with;
use super::estimating::Estimating;
use super::offer::{MID, OPUS, RID, Section, TRANSPORT_CC, VP8};
use super::shards::SomeShards;

const STEP: Duration = Duration::from_millis(5);
const FRAME: Duration = Duration::from_millis(40);
const SOUND: Duration = Duration::from_millis(20);

/// What a frame of each layer has, in packets of a thousand bytes: 1.2 Mbit/s, 400 and 120 kbit/s.
const LAYERS: [(&str, &[usize]); 3] = [("a", &[1000; 6]), ("b", &[1000; 2]), ("c", &[600])];

const PUBLISHED: [Section; 2] = [
    Section::Audio {
        mid: "0",
        direction: "sendonly",
    },
    Section::Written {
        mid: "1",
        lines: "a=sendonly\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n\
                a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n\
                a=rid:a send\r\na=rid:b send\r\na=rid:c send\r\na=simulcast:send a;b;c\r\n",
    },
];

const WATCHED: [Section; 2] = [
    Section::Audio {
        mid: "0",
        direction: "recvonly",
    },
    Section::Video {
        mid: "1",
        direction: "recvonly",
        ssrcs: None,
    },
];

/// Of somebody who knows nothing of transport-wide numbers, and estimates by themselves.
const WATCHED_BY_OLD: [Section; 2] = [
    Section::PlainAudio {
        mid: "0",
        direction: "recvonly",
    },
    Section::Written {
        mid: "1",
        lines: "a=extmap:5 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\r\n\
                a=recvonly\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n\
                a=rtcp-fb:96 goog-remb\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n",
    },
];

/// The section that shows the picture.
pub const PICTURE: usize = 1;

/// A packet of the picture that came.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub at: Instant,
    pub sequence: u16,
    pub layer: u8,
    pub starts_keyframe: bool,
}

/// Who watches.
pub struct Viewer {
    number: usize,
    arrivals: ArrivalRecorder,
    /// What it makes of its path itself, where it does.
    pub estimating: Option<Estimating>,
    /// Packets of the picture.
    pub seen: Vec<Seen>,
    /// When sound came.
    pub heard: Vec<Instant>,
    /// What is paused, as its session was told, and when.
    pub paused: Vec<(Instant, Vec<usize>)>,
    /// How well it does, as its session was told last.
    pub quality: Quality,
    /// It says what came.
    pub reports: bool,
}

/// Everything.
pub struct Cinema {
    pub world: SomeShards,
    pub viewers: Vec<Viewer>,
    film: usize,
    talk: Arc<Talk>,
    /// Nothing comes of the picture.
    pub is_dark: bool,
    /// The best layer that is sent: who sends them has no room for more.
    pub best: usize,
    /// One packet of so many of the picture is lost before it comes to the server.
    pub loses: Option<u32>,
    sent: u32,
    sequences: [u16; 4],
    next_frame: Instant,
    next_sound: Instant,
}

impl Cinema {
    pub fn new(seed: u64) -> Self {
        Self::limited(seed, Ceilings::default())
    }

    /// One in which nobody may send or be sent more than this.
    pub fn limited(seed: u64, ceilings: Ceilings) -> Self {
        let mut world = SomeShards::with(1, seed);
        world.ceilings = ceilings;
        let talk = Arc::new(Talk {
            gathering: Gathering::default(),
            participant: "who publishes".into(),
            may_send: true,
        });
        let film = world.enter(&PUBLISHED, publishing(0, &talk));
        let now = world.now;
        let mut cinema = Self {
            world,
            viewers: Vec::new(),
            film,
            talk,
            is_dark: false,
            best: 0,
            loses: None,
            sent: 0,
            sequences: [1; 4],
            next_frame: now,
            next_sound: now,
        };
        cinema.run_for(Duration::from_secs(2));
        cinema
    }

    /// Somebody comes, over a way of so many bits per second.
    pub fn enter(&mut self, rate: f64) -> usize {
        self.enter_with(rate, &WATCHED, None)
    }

    /// The same, and estimates by themselves what that carries.
    pub fn enter_estimating(&mut self, rate: f64) -> usize {
        self.enter_with(rate, &WATCHED_BY_OLD, Some(Estimating::default()))
    }

    fn enter_with(
        &mut self,
        rate: f64,
        sections: &[Section],
        estimating: Option<Estimating>,
    ) -> usize {
        let talk = Some(Arc::clone(&self.talk));
        let number = self.world.enter(sections, watching(talk));
        self.viewers.push(Viewer {
            number,
            arrivals: ArrivalRecorder::new(self.world.now),
            estimating,
            seen: Vec::new(),
            heard: Vec::new(),
            paused: Vec::new(),
            quality: Quality::default(),
            reports: true,
        });
        let viewer = self.viewers.len() - 1;
        self.set_rate(viewer, rate);
        viewer
    }

    /// Somebody else comes who publishes, too, and nobody watches.
    pub fn enter_another(&mut self) -> usize {
        self.world.enter(&PUBLISHED, publishing(2, &self.talk))
    }

    /// What who publishes was told to send at most.
    pub fn told_to_send(&self) -> Option<u64> {
        self.world.callers[self.film].max_bitrate
    }

    /// A viewer goes to another room, where the same is shown.
    pub fn change_rooms(&mut self, viewer: usize) {
        let talk = Talk {
            gathering: Gathering::default(),
            participant: "a viewer".into(),
            may_send: true,
        };
        let viewer = &mut self.viewers[viewer];
        viewer.quality = Quality::default();
        let plan = watching(Some(Arc::new(talk)));
        self.world.set_plan(viewer.number, plan);
    }

    /// Somebody comes who is shown the picture three times: large, small, and as a screen is.
    pub fn enter_with_three(&mut self, rate: f64) -> usize {
        let watched = ["1", "2", "3"].map(|mid| Section::Video {
            mid,
            direction: "recvonly",
            ssrcs: None,
        });
        let [sound, _] = WATCHED;
        let [large, small, screen] = watched;
        let viewer = self.enter_with(rate, &[sound, large, small, screen], None);
        self.press(viewer, Pressure::Nominal);
        viewer
    }

    /// What the sections of who is shown three show.
    fn three() -> Vec<(usize, Shown)> {
        let priorities = [20, 10, SCREEN].into_iter().enumerate();
        let shown = priorities.map(|(at, priority)| {
            let film = Shown::at_best(TrackId::of_publication(1));
            (PICTURE + at, Shown { priority, ..film })
        });
        shown.collect()
    }

    /// A viewer says whether they keep up.
    pub fn press(&mut self, viewer: usize, said: Pressure) {
        let number = self.viewers[viewer].number;
        let is_shown_three = self.world.callers[number].session.sections.len() > 2;
        let mut plan = Arc::unwrap_or_clone(watching(Some(Arc::clone(&self.talk))));
        if let Plan::Room {
            shows, pressure, ..
        } = &mut plan
        {
            *pressure = said;
            if is_shown_three {
                shows.truncate(1);
                shows.extend(Self::three());
            }
        }
        self.world.set_plan(number, Arc::new(plan));
    }

    /// They leave, and come back in the same breath; nobody says any more that they cannot keep up.
    pub fn leave_and_come_back(&mut self, viewer: usize) {
        let number = self.viewers[viewer].number;
        self.world.set_plan(number, watching(None));
        let talk = Some(Arc::clone(&self.talk));
        self.world.set_plan(number, watching(talk));
    }

    pub fn set_rate(&mut self, viewer: usize, rate: f64) {
        let number = self.viewers[viewer].number;
        let way = self.world.narrow.entry(number);
        way.or_default().rate = rate;
    }

    pub fn run_for(&mut self, span: Duration) {
        let end = self.world.now + span;
        while self.world.now < end {
            self.play();
            self.world.run_for(STEP);
            for at in 0..self.viewers.len() {
                self.watch(at);
            }
        }
    }

    /// The film goes on.
    fn play(&mut self) {
        let now = self.world.now;
        let caller = &mut self.world.callers[self.film];
        if caller.far.srtp.is_none() {
            return;
        }
        if self.next_sound <= now {
            self.next_sound += SOUND;
            let [sequence, ..] = &mut self.sequences;
            *sequence = sequence.wrapping_add(1);
            let timestamp = 960 * u32::from(*sequence);
            let elements: [(u8, &[u8]); 1] = [(MID, b"0")];
            let sound = packet_with(OPUS, 50, *sequence, timestamp, &elements, &[7; 80]);
            caller.far.send_rtp(&sound);
        }
        if self.next_frame > now {
            return;
        }
        self.next_frame += FRAME;
        if self.is_dark {
            return;
        }
        let is_keyframe = std::mem::take(&mut caller.owes_keyframe);
        for (layer, (rid, packets)) in LAYERS.iter().enumerate().skip(self.best) {
            for (at, len) in packets.iter().enumerate() {
                let sequence = &mut self.sequences[1 + layer];
                *sequence = sequence.wrapping_add(1);
                let mut payload = vec![7; *len];
                payload[0] = if at == 0 { 0x10 } else { 0 };
                payload[1] = u8::from(!is_keyframe);
                payload[2] = layer as u8;
                let elements: [(u8, &[u8]); 2] = [(MID, b"1"), (RID, rid.as_bytes())];
                let ssrc = 60 + layer as u32;
                let timestamp = 3600 * (u32::from(*sequence) / packets.len() as u32);
                self.sent += 1;
                if self.loses.is_some_and(|one| self.sent.is_multiple_of(one)) {
                    continue;
                }
                let packet = packet_with(VP8, ssrc, *sequence, timestamp, &elements, &payload);
                caller.far.send_rtp(&packet);
            }
        }
    }

    /// A viewer notes what came, and says so.
    fn watch(&mut self, at: usize) {
        let now = self.world.now;
        let viewer = &mut self.viewers[at];
        let caller = &mut self.world.callers[viewer.number];
        let (sound, picture) = (caller.slot(0), caller.slot(PICTURE));
        for received in std::mem::take(&mut caller.far.rtp) {
            if let Some(estimating) = &mut viewer.estimating {
                estimating.receive(&received);
            }
            if let Some(number) = received.extension(TRANSPORT_CC) {
                let number = u16::from_be_bytes(number.try_into().unwrap());
                viewer.arrivals.record(received.at, number);
            }
            let payload = received.payload();
            if received.header.ssrc == sound {
                viewer.heard.push(received.at);
            } else if received.header.ssrc == picture {
                viewer.seen.push(Seen {
                    at: received.at,
                    sequence: received.header.sequence,
                    layer: payload[2],
                    starts_keyframe: payload[0] == 0x10 && payload[1] == 0,
                });
            }
        }
        let rate = self.world.narrow.get(&viewer.number).map(|way| way.rate);
        if let Some(estimating) = &mut viewer.estimating
            && let Some(compound) = estimating.compound(now, rate.unwrap_or(f64::INFINITY))
        {
            caller.far.send_rtcp(&compound);
        } else if viewer.reports
            && let Some(body) = viewer.arrivals.feedback(now)
        {
            let mut compound = Vec::new();
            rtcp::write_transport_cc(&mut compound, 1, 2, &body);
            caller.far.send_rtcp(&compound);
        }
        for event in self.world.told(viewer.number) {
            match event {
                PeerEvent::Paused(sections) => viewer.paused.push((now, sections)),
                PeerEvent::Quality(quality) => viewer.quality = quality,
                PeerEvent::State { .. }
                | PeerEvent::Channel(_)
                | PeerEvent::Watched(_)
                | PeerEvent::Evidence(_)
                | PeerEvent::Voice { .. }
                | PeerEvent::Messages(_)
                | PeerEvent::Sent => {}
            }
        }
    }
}

/// What sound and a picture are called, from this number on.
fn publishing(first: u64, talk: &Arc<Talk>) -> Arc<Plan> {
    let track = |at| TrackId::of_publication(first + at);
    Arc::new(Plan::Room {
        publishes: vec![(0, track(0)), (1, track(1))],
        shows: Vec::new(),
        talk: Some(Arc::clone(talk)),
        pressure: Pressure::default(),
    })
}

/// What a viewer is shown.
fn watching(talk: Option<Arc<Talk>>) -> Arc<Plan> {
    let shows = [0, 1].map(|at| (at as usize, Shown::at_best(TrackId::of_publication(at))));
    Arc::new(Plan::Room {
        publishes: Vec::new(),
        shows: shows.to_vec(),
        talk,
        pressure: Pressure::default(),
    })
}

impl Viewer {
    /// The layers that go out, and what keeps each from a better one.
    pub fn slots(&self) -> Vec<(Option<u8>, Option<Limit>)> {
        let slots = self.quality.slots.iter();
        slots.map(|(_, slot)| (slot.sent, slot.limit)).collect()
    }

    /// The layer of the picture that goes out, and what keeps it from a better one.
    pub fn does(&self) -> (Option<u8>, Option<Limit>) {
        let [(PICTURE, slot)] = &self.quality.slots[..] else {
            panic!("{:?}", self.quality);
        };
        (slot.sent, slot.limit)
    }

    /// Which of the callers it is.
    pub fn number(&self) -> usize {
        self.number
    }

    fn since(&self, from: Instant) -> impl Iterator<Item = &Seen> {
        self.seen.iter().filter(move |seen| seen.at >= from)
    }

    /// The layers that came since, each time another one did.
    pub fn layers(&self, from: Instant) -> Vec<u8> {
        let mut layers: Vec<_> = self.since(from).map(|seen| seen.layer).collect();
        layers.dedup();
        layers
    }

    /// How long after a moment a layer came first.
    pub fn reached(&self, from: Instant, layer: u8) -> Option<Duration> {
        let seen = self.since(from).find(|seen| seen.layer == layer)?;
        Some(seen.at - from)
    }

    /// The longest time without any of it.
    pub fn freeze(&self, from: Instant) -> Duration {
        longest(self.since(from).map(|seen| seen.at))
    }

    /// The longest time without sound.
    pub fn silence(&self, from: Instant) -> Duration {
        longest(self.heard.iter().copied().filter(|at| *at >= from))
    }

    /// Whether each other layer began with a keyframe, as far as that was not lost on the way.
    pub fn decodes(&self) -> bool {
        let pairs = self.seen.windows(2);
        let mut switches = pairs.filter(|pair| pair[0].layer != pair[1].layer);
        switches.all(|pair| {
            let is_next = pair[1].sequence == pair[0].sequence.wrapping_add(1);
            pair[1].starts_keyframe || !is_next
        })
    }
}

fn longest(moments: impl Iterator<Item = Instant>) -> Duration {
    let moments: Vec<_> = moments.collect();
    let gaps = moments.windows(2).map(|pair| pair[1] - pair[0]);
    gaps.max().unwrap_or(Duration::MAX)
}
