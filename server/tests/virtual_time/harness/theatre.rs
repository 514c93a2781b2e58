//! A room in which somebody publishes a picture in spatial layers of one stream, and others who watch it, each as large as
//! they do and behind a way of their own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ferrite_server::media::event::PeerEvent;
use ferrite_server::media::ingest::arrivals::ArrivalRecorder;
use ferrite_server::media::peer::quality::Quality;
use ferrite_server::media::rtp::rtcp;
use ferrite_server::media::{Gathering, Plan, Shown, Talk, TrackId};

use super::bare::packet_with;
use super::offer::{MID, Section, TRANSPORT_CC};
use super::pyramid::{Came, Codec, Mode, Pyramid};
use super::shards::SomeShards;

const STEP: Duration = Duration::from_millis(5);
const FRAME: Duration = Duration::from_millis(40);
const PAYLOAD_TYPE: u8 = 98;
const DESCRIPTOR: u8 = 6;

const PUBLISHED: Section = Section::Written {
    mid: "0",
    lines: "a=extmap:6 https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension\r\n\
            a=sendonly\r\na=rtpmap:98 VP9/90000\r\na=rtcp-fb:98 nack\r\na=rtcp-fb:98 nack pli\r\n\
            a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=98\r\n",
};
const PUBLISHED_AV1: Section = Section::Written {
    mid: "0",
    lines: "a=extmap:6 https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension\r\n\
            a=sendonly\r\na=rtpmap:98 AV1/90000\r\na=rtcp-fb:98 nack\r\na=rtcp-fb:98 nack pli\r\n\
            a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=98\r\n",
};
const WATCHED: Section = Section::Written {
    mid: "0",
    lines: "a=recvonly\r\na=rtpmap:98 VP9/90000\r\na=rtcp-fb:98 nack\r\na=rtcp-fb:98 nack pli\r\n\
            a=rtcp-fb:98 transport-cc\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=98\r\n",
};
const WATCHED_AV1: Section = Section::Written {
    mid: "0",
    lines: "a=recvonly\r\na=rtpmap:98 AV1/90000\r\na=rtcp-fb:98 nack\r\na=rtcp-fb:98 nack pli\r\n\
            a=rtcp-fb:98 transport-cc\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=98\r\n",
};

/// Everything.
pub struct Theatre {
    pub world: SomeShards,
    pub seats: Vec<Seat>,
    pub pyramid: Pyramid,
    /// Keyframes that were asked for.
    pub keyframes: u32,
    film: usize,
    talk: Arc<Talk>,
    picture: u32,
    sequence: u16,
    next_picture: Instant,
}

/// Who watches.
pub struct Seat {
    pub number: usize,
    pub came: Vec<Came>,
    pub quality: Quality,
    /// It was told that there is no room for anything.
    pub was_paused: bool,
    arrivals: ArrivalRecorder,
}

impl Theatre {
    pub fn new(seed: u64, codec: Codec, mode: Mode) -> Self {
        let mut world = SomeShards::with(1, seed);
        let talk = Arc::new(Talk {
            gathering: Gathering::default(),
            participant: "who publishes".into(),
            may_send: true,
        });
        let plan = Plan::Room {
            publishes: vec![(0, TrackId::of_publication(0))],
            shows: Vec::new(),
            talk: Some(Arc::clone(&talk)),
            pressure: Default::default(),
        };
        let published = match codec {
            Codec::Vp9 => PUBLISHED,
            Codec::Av1 => PUBLISHED_AV1,
        };
        let film = world.enter(&[published], Arc::new(plan));
        let now = world.now;
        let mut theatre = Self {
            world,
            seats: Vec::new(),
            pyramid: Pyramid::new(codec, mode),
            keyframes: 0,
            film,
            talk,
            picture: 0,
            sequence: 0,
            next_picture: now,
        };
        theatre.run_for(Duration::from_secs(2));
        theatre
    }

    /// Somebody comes who watches it so large, over a way of so many bits per second.
    pub fn enter(&mut self, rate: f64, size: (u16, u16)) -> usize {
        let watched = match self.pyramid.codec {
            Codec::Vp9 => WATCHED,
            Codec::Av1 => WATCHED_AV1,
        };
        let number = self.world.enter(&[watched], self.plan(size));
        self.seats.push(Seat {
            number,
            came: Vec::new(),
            quality: Quality::default(),
            was_paused: false,
            arrivals: ArrivalRecorder::new(self.world.now),
        });
        self.set_rate(self.seats.len() - 1, rate);
        self.seats.len() - 1
    }

    fn plan(&self, (width, height): (u16, u16)) -> Arc<Plan> {
        let shown = Shown {
            size: (Some(width), Some(height)),
            ..Shown::at_best(TrackId::of_publication(0))
        };
        Arc::new(Plan::Room {
            publishes: Vec::new(),
            shows: vec![(0, shown)],
            talk: Some(Arc::clone(&self.talk)),
            pressure: Default::default(),
        })
    }

    /// Somebody watches it larger or smaller.
    pub fn resize(&mut self, seat: usize, size: (u16, u16)) {
        let plan = self.plan(size);
        self.world.set_plan(self.seats[seat].number, plan);
    }

    pub fn set_rate(&mut self, seat: usize, rate: f64) {
        let way = self.world.narrow.entry(self.seats[seat].number);
        way.or_default().rate = rate;
    }

    pub fn run_for(&mut self, span: Duration) {
        let end = self.world.now + span;
        while self.world.now < end {
            self.play();
            self.world.run_for(STEP);
            (0..self.seats.len()).for_each(|at| self.watch(at));
        }
    }

    fn play(&mut self) {
        let now = self.world.now;
        let caller = &mut self.world.callers[self.film];
        if caller.far.srtp.is_none() || self.next_picture > now {
            return;
        }
        self.next_picture = now + FRAME;
        self.picture += 1;
        let is_key = std::mem::take(&mut caller.owes_keyframe);
        self.keyframes += u32::from(is_key);
        for written in self.pyramid.next(is_key) {
            self.sequence = self.sequence.wrapping_add(1);
            let mut elements: Vec<(u8, &[u8])> = vec![(MID, b"0")];
            elements.extend(written.descriptor.as_deref().map(|it| (DESCRIPTOR, it)));
            let timestamp = 3600 * self.picture;
            let (sequence, payload) = (self.sequence, &written.payload);
            let mut packet = packet_with(PAYLOAD_TYPE, 60, sequence, timestamp, &elements, payload);
            packet[1] |= u8::from(written.marker) << 7;
            caller.far.send_rtp(&packet);
        }
    }

    fn watch(&mut self, at: usize) {
        let (now, codec) = (self.world.now, self.pyramid.codec);
        let seat = &mut self.seats[at];
        let caller = &mut self.world.callers[seat.number];
        let picture = caller.slot(0);
        for received in std::mem::take(&mut caller.far.rtp) {
            if let Some(number) = received.extension(TRANSPORT_CC) {
                let number = u16::from_be_bytes(number.try_into().unwrap());
                seat.arrivals.record(received.at, number);
            }
            if received.header.ssrc == picture {
                let place = (received.header.sequence, received.header.marker);
                let came = Came::read(codec, received.at, place, received.payload());
                seat.came.push(came);
            }
        }
        if let Some(body) = seat.arrivals.feedback(now) {
            let mut compound = Vec::new();
            rtcp::write_transport_cc(&mut compound, 1, 2, &body);
            caller.far.send_rtcp(&compound);
        }
        for event in self.world.told(seat.number) {
            if let PeerEvent::Quality(quality) = event {
                seat.quality = *quality;
            } else if let PeerEvent::Paused(sections) = event {
                seat.was_paused |= !sections.is_empty();
            }
        }
    }
}

impl Seat {
    /// The largest spatial layer of each picture that came since, each time it was another.
    pub fn shown(&self, from: Instant) -> Vec<u8> {
        let ends = self.came.iter().filter(|it| it.at >= from && it.marker);
        let mut shown: Vec<_> = ends.map(|it| it.id).collect();
        shown.dedup();
        shown
    }

    /// Pictures in the mean second of a time that has so many.
    pub fn pictures(&self, from: Instant, seconds: u32) -> u32 {
        let until = from + Duration::from_secs(seconds.into());
        let seen = self.came.iter().filter(|it| it.at >= from && it.at < until);
        let mut pictures: Vec<_> = seen.map(|it| it.picture).collect();
        pictures.dedup();
        pictures.len() as u32 / seconds
    }

    /// The spatial layers of which anything came since.
    pub fn layers(&self, from: Instant) -> Vec<u8> {
        let since = self.came.iter().filter(|it| it.at >= from);
        let mut layers: Vec<_> = since.map(|it| it.id).collect();
        layers.sort_unstable();
        layers.dedup();
        layers
    }

    /// The longest time without a picture.
    pub fn freeze(&self, from: Instant) -> Duration {
        let came: Vec<_> = self.came.iter().filter(|it| it.at >= from).collect();
        let gaps = came.windows(2).map(|pair| pair[1].at - pair[0].at);
        gaps.max().unwrap_or(Duration::MAX)
    }
}
