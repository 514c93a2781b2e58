//! A room in which somebody publishes a picture in three layers, and sound; and others who watch it,
//! each behind a way of their own, and say what came as browsers do.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ferrite_protocol::Pressure;
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
use super::reel::Reel;
use super::shards::SomeShards;

mod viewer;

use viewer::Seen;
pub use viewer::Viewer;

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

/// Of somebody who is sent again what is lost under its own number.
const WATCHED_WITHOUT_RTX: [Section; 2] = [
    Section::Audio {
        mid: "0",
        direction: "recvonly",
    },
    Section::Written {
        mid: "1",
        lines: "a=recvonly\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n\
                a=rtcp-fb:96 transport-cc\r\n",
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
    /// What is lost is sent again where it is asked for.
    pub repairs: bool,
    lost: Vec<(u32, u16, Vec<u8>)>,
    sent: u32,
    /// Its layers have temporal layers, and it goes on with these.
    reels: Option<[Reel; 3]>,
    frame: u32,
    sequences: [u16; 4],
    next_frame: Instant,
    next_sound: Instant,
    /// When sound was sent, by its timestamp.
    spoken: HashMap<u32, Instant>,
}

impl Cinema {
    pub fn new(seed: u64) -> Self {
        Self::limited(seed, Ceilings::default())
    }

    /// One in which nobody may send or be sent more than this.
    pub fn limited(seed: u64, ceilings: Ceilings) -> Self {
        Self::with(seed, ceilings, None)
    }

    /// One with a picture whose layers have temporal layers.
    pub fn scalable(seed: u64) -> Self {
        let mut cinema = Self::with(seed, Ceilings::default(), Some(Default::default()));
        cinema.lengthen_keyframes(40);
        cinema
    }

    fn with(seed: u64, ceilings: Ceilings, reels: Option<[Reel; 3]>) -> Self {
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
            repairs: false,
            lost: Vec::new(),
            sent: 0,
            reels,
            frame: 0,
            sequences: [1; 4],
            next_frame: now,
            next_sound: now,
            spoken: HashMap::new(),
        };
        cinema.run_for(Duration::from_secs(2));
        cinema
    }

    /// Somebody comes, over a way of so many bits per second.
    pub fn enter(&mut self, rate: f64) -> usize {
        self.enter_with(rate, &WATCHED, None)
    }

    /// The same, without a stream for what is sent again.
    pub fn enter_without_rtx(&mut self, rate: f64) -> usize {
        self.enter_with(rate, &WATCHED_WITHOUT_RTX, None)
    }

    /// The same, and estimates by themselves what that carries.
    pub fn enter_estimating(&mut self, rate: f64) -> usize {
        self.enter_with(rate, &WATCHED_BY_OLD, Some(Estimating::default()))
    }

    /// The same, though each packet of sound has a number.
    pub fn enter_estimating_pictures(&mut self, rate: f64) -> usize {
        let ([sound, _], [_, picture]) = (WATCHED, WATCHED_BY_OLD);
        self.enter_with(rate, &[sound, picture], Some(Estimating::default()))
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
            glimpses: Vec::new(),
            bare: Vec::new(),
            heard: Vec::new(),
            sound_took: Vec::new(),
            paused: Vec::new(),
            quality: Quality::default(),
            again: Vec::new(),
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

    /// Its keyframes are so long from now on, in tenths of the mean.
    pub fn lengthen_keyframes(&mut self, tenths: usize) {
        let reels = self.reels.iter_mut().flatten();
        reels.for_each(|reel| reel.key_tenths = tenths);
    }

    /// The picture goes on with a keyframe in all of its layers.
    pub fn cut(&mut self) {
        self.world.callers[self.film].owes_keyframe = true;
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
        let is_shown_three = self.world.callers[number].agreed.sections.len() > 2;
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

    /// A viewer is shown the picture, or none, and sound in any case.
    pub fn show(&mut self, viewer: usize, is_shown: bool) {
        let mut plan = Arc::unwrap_or_clone(watching(Some(Arc::clone(&self.talk))));
        if let Plan::Room { shows, .. } = &mut plan {
            shows.truncate(if is_shown { 2 } else { 1 });
        }
        self.world
            .set_plan(self.viewers[viewer].number, Arc::new(plan));
    }

    /// A viewer asks for packets of the picture again: those up to so many after the newest, and some before.
    pub fn ask_again(&mut self, viewer: usize, before: u16, after: u16) {
        let number = self.viewers[viewer].number;
        let Some(newest) = self.viewers[viewer].seen.last() else {
            return;
        };
        let numbers =
            (0..before + after).map(|at| newest.sequence.wrapping_add(1 + at).wrapping_sub(before));
        let caller = &mut self.world.callers[number];
        let (picture, mut compound) = (caller.slot(PICTURE), Vec::new());
        rtcp::write_nack(&mut compound, 1, picture, &numbers.collect::<Vec<_>>());
        caller.far.send_rtcp(&compound);
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
        for (_, ssrc, numbers) in std::mem::take(&mut caller.nacks) {
            let is_asked = |it: &(u32, u16, _)| it.0 == ssrc && numbers.contains(&it.1);
            for (.., packet) in self.lost.extract_if(.., |it| is_asked(it)) {
                caller.far.send_rtp(&packet);
            }
        }
        if self.next_sound <= now {
            self.next_sound += SOUND;
            let [sequence, ..] = &mut self.sequences;
            *sequence = sequence.wrapping_add(1);
            let timestamp = 960 * u32::from(*sequence);
            let elements: [(u8, &[u8]); 1] = [(MID, b"0")];
            let sound = packet_with(OPUS, 50, *sequence, timestamp, &elements, &[7; 80]);
            caller.far.send_rtp(&sound);
            self.spoken.insert(timestamp, now);
        }
        if self.next_frame > now {
            return;
        }
        self.next_frame += FRAME;
        if self.is_dark {
            return;
        }
        self.frame += 1;
        let is_keyframe = std::mem::take(&mut caller.owes_keyframe);
        for (layer, (rid, packets)) in LAYERS.iter().enumerate().skip(self.best) {
            let frame = match &mut self.reels {
                Some(reels) => reels[layer].next(layer as u8, packets.iter().sum(), is_keyframe),
                None => plain(layer as u8, packets, is_keyframe),
            };
            for payload in frame {
                let sequence = &mut self.sequences[1 + layer];
                *sequence = sequence.wrapping_add(1);
                let elements: [(u8, &[u8]); 2] = [(MID, b"1"), (RID, rid.as_bytes())];
                let ssrc = 60 + layer as u32;
                let timestamp = 3600 * self.frame;
                self.sent += 1;
                let packet = packet_with(VP8, ssrc, *sequence, timestamp, &elements, &payload);
                if !self.loses.is_some_and(|one| self.sent.is_multiple_of(one)) {
                    caller.far.send_rtp(&packet);
                } else if self.repairs {
                    self.lost.push((ssrc, *sequence, packet));
                }
            }
        }
    }

    /// A viewer notes what came, and says so.
    fn watch(&mut self, at: usize) {
        let now = self.world.now;
        let viewer = &mut self.viewers[at];
        let caller = &mut self.world.callers[viewer.number];
        let (sound, picture) = (caller.slot(0), caller.slot(PICTURE));
        let again = caller.rtx(PICTURE);
        for received in std::mem::take(&mut caller.far.rtp) {
            if let Some(estimating) = &mut viewer.estimating {
                estimating.receive(&received);
            }
            if let Some(number) = received.extension(TRANSPORT_CC) {
                let number = u16::from_be_bytes(number.try_into().unwrap());
                viewer.arrivals.record(received.at, number);
            }
            let payload = received.payload();
            if again == Some(received.header.ssrc) && !received.header.padding {
                let sequence = u16::from_be_bytes(payload[..2].try_into().unwrap());
                viewer.again.push((viewer.seen.len(), sequence));
            }
            if received.header.ssrc == sound {
                viewer.heard.push(received.at);
                let spoken = self.spoken.get(&received.header.timestamp);
                let took = spoken.map(|spoken| (*spoken, received.at - *spoken));
                viewer.sound_took.extend(took);
            } else if received.header.ssrc == picture && self.reels.is_some() {
                viewer.glimpse(received.at, received.header.sequence, payload);
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
                PeerEvent::Quality(quality) => viewer.quality = *quality,
                PeerEvent::State { .. }
                | PeerEvent::Channel(_)
                | PeerEvent::Watched(_)
                | PeerEvent::Evidence(_)
                | PeerEvent::Voice { .. }
                | PeerEvent::Messages(_)
                | PeerEvent::Sent
                | PeerEvent::Candidates => {}
            }
        }
    }
}

/// The packets of a frame.
fn plain(layer: u8, packets: &[usize], is_keyframe: bool) -> Vec<Vec<u8>> {
    let packets = packets.iter().enumerate().map(|(at, len)| {
        let mut payload = vec![7; *len];
        payload[0] = if at == 0 { 0x10 } else { 0 };
        payload[1] = u8::from(!is_keyframe);
        payload[2] = layer;
        payload
    });
    packets.collect()
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
