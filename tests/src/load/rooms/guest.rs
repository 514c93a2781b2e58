//! One participant: its line to the server, how it got in, what it publishes and what it checks. It
//! does nothing by itself but answer; what it wants to send is put into the hands of its caller.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use ferrite_protocol::{
    ClientMessage, MediaKind, ParticipantId, PublicationId, RoomId, ServerMessage,
};

use super::entry::Entry;
use super::found::Found;
use super::histogram::Histogram;
use super::lane::Lane;
use super::layers::{Camera, LAYERS, RIDS};
use super::offer::{self, Answer, CAMERA, End, Part, Stream};
use super::packet::Header;
use super::rtcp::{self, Arrivals};
use super::seal::{Keys, TAG};
use super::sink::Sink;
use super::source::{Encoding, Source};
use super::wire::wall_clock;
use crate::load::Badge;
use crate::load::line::{Heard, Line};
use crate::load::token::{TokenKey, token};

mod wishes;

/// What concerns all participants.
pub(super) struct Common {
    pub(super) badge: Badge,
    pub(super) server: SocketAddrV4,
    /// Every how many packets one is opened.
    pub(super) open: u64,
    /// Publishers send only the layers that the server wants.
    pub(super) obeys: bool,
    pub(super) found: Found,
    /// Packets of each layer that publishers sent.
    pub(super) sent: [u64; LAYERS],
    /// Datagrams that are to go out, and whose they are.
    pub(super) out: Vec<(usize, Vec<u8>)>,
    /// How long each took to be let in, and to see a whole frame, from the moment it wanted to.
    pub(super) joined: Vec<Duration>,
    pub(super) seen: Vec<Duration>,
    /// How long messages of a room took.
    pub(super) said: Histogram,
    /// Bytes of media received, with their headers.
    pub(super) bytes: u64,
    next_source: u32,
}

impl Common {
    pub(super) fn new(badge: Badge, server: SocketAddrV4, open: u64, obeys: bool) -> Self {
        Self {
            badge,
            server,
            open,
            obeys,
            sent: [0; LAYERS],
            found: Found::default(),
            out: Vec::new(),
            joined: Vec::new(),
            seen: Vec::new(),
            said: Histogram::default(),
            bytes: 0,
            next_source: 0,
        }
    }
}

/// A stream that the server sends.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every other one is the large one"
)]
enum Received {
    Media { section: usize, sink: Sink },
    Again { of: u32, highest: Option<u64> },
}

/// A participant.
pub(super) struct Guest {
    pub(super) number: usize,
    pub(super) room: u32,
    pub(super) part: Part,
    pub(super) line: Option<Line>,
    entry: Option<Entry>,
    /// Where it sends media to.
    pub(super) server: SocketAddrV4,
    pub(super) keys: Option<Keys>,
    pub(super) sources: Vec<Source>,
    pub(super) transport: u16,
    streams: Vec<(u32, Received)>,
    /// The id of the transport-wide numbers that it is sent.
    transport_id: Option<u8>,
    arrivals: Arrivals,
    /// Its link, to it and from it, where it is not perfect.
    pub(super) lanes: Option<Box<(Lane, Lane)>>,
    pub(super) asked: Instant,
    has_seen: bool,
    pub(super) id: Option<ParticipantId>,
    shown: BTreeMap<usize, PublicationId>,
    /// The layers of its camera that the server wants, once it said so.
    wanted: Option<Vec<String>>,
    reports: u32,
}

impl Guest {
    pub(super) fn new(number: usize, room: u32, part: Part, now: Instant) -> Self {
        Self {
            number,
            room,
            part,
            line: None,
            entry: None,
            server: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0),
            keys: None,
            sources: Vec::new(),
            transport: 0,
            streams: Vec::new(),
            transport_id: None,
            arrivals: Arrivals::default(),
            lanes: None,
            asked: now,
            has_seen: false,
            id: None,
            shown: BTreeMap::new(),
            wanted: None,
            reports: 0,
        }
    }

    /// SSRCs of its own: no two participants of a run have the same.
    fn first_ssrc(&self) -> u32 {
        0x1000_0000 + 4096 * self.number as u32
    }

    /// Has a line now: enters its room and offers.
    pub(super) fn sit(
        &mut self,
        mut line: Line,
        badge: &Badge,
        key: Option<TokenKey>,
    ) -> Result<()> {
        let room = format!("load-{}", self.room);
        let token = key.map(|key| token(key, &room, &format!("guest-{}", self.number)));
        line.say(&ClientMessage::Join {
            id: None,
            room: RoomId(room),
            name: None,
            metadata: None,
            token,
        })?;
        line.say(&ClientMessage::Offer {
            id: None,
            sdp: self.offer(badge, None),
            tracks: Some(self.part.tracks()),
        })?;
        self.line = Some(line);
        Ok(())
    }

    /// What it offers; from this address where the server wants to know it.
    pub(super) fn offer(&self, badge: &Badge, local: Option<SocketAddrV4>) -> String {
        let end = End {
            fingerprint: &badge.fingerprint,
            local,
        };
        self.part.sdp(&end, self.first_ssrc())
    }

    /// What it answers to the server's offer.
    pub(super) fn answer(&self, offer: &str, badge: &Badge, local: SocketAddrV4) -> String {
        let end = End {
            fingerprint: &badge.fingerprint,
            local: Some(local),
        };
        offer::answer(offer, &end)
    }

    /// Hears what the server says. What others do is not looked into.
    pub(super) fn listen(&mut self, now: Instant, common: &mut Common) -> Result<()> {
        while let Some(heard) = self.line.as_mut().and_then(|line| line.hear_if(is_wanted)) {
            match heard {
                Heard::Message(message) => self.note(now, message, common)?,
                Heard::Closed(code) => bail!("the server closed a WebSocket with {code}"),
            }
        }
        Ok(())
    }

    fn note(&mut self, now: Instant, message: ServerMessage, common: &mut Common) -> Result<()> {
        match message {
            ServerMessage::Answer { sdp, .. } => self.accept(now, &sdp, common)?,
            ServerMessage::Joined { participant, .. } => self.id = Some(participant),
            ServerMessage::Watching { slots, .. } => {
                let shown = slots.into_iter().filter_map(|(mid, slot)| {
                    let carries = slot.idle.is_none();
                    carries.then_some((mid.parse().ok()?, slot.publication))
                });
                self.shown = shown.collect();
            }
            ServerMessage::Wanted { mut layers, .. } if common.obeys => {
                self.wanted = layers.remove(CAMERA);
                self.obey();
            }
            ServerMessage::Wanted { .. } => {}
            ServerMessage::Said { message } => {
                if let Ok(sent) = message.text.trim_end().parse() {
                    let took = wall_clock().saturating_sub(sent);
                    common.said.note(Duration::from_nanos(took));
                }
            }
            ServerMessage::Ping { id } => self.say(&ClientMessage::Pong { id })?,
            ServerMessage::Error { code, message, .. } => {
                bail!("the server says {code:?}: {message}")
            }
            other => bail!("the server says {}", other.type_name()),
        }
        Ok(())
    }

    /// Takes the server's description: its answer, or what it offers.
    pub(super) fn accept(&mut self, now: Instant, sdp: &str, common: &mut Common) -> Result<()> {
        let answer = Answer::read(sdp);
        self.server = match common.server.port() {
            0 => answer
                .candidate
                .context("a description without a candidate")?,
            _ => common.server,
        };
        self.transport_id = answer.transport;
        let badge = &common.badge;
        let mut entry = Entry::new(
            badge,
            self.server.into(),
            now,
            &answer.ufrag,
            &answer.password,
        );
        let mut out = Vec::new();
        entry.step(now, &mut out)?;
        self.entry = Some(entry);
        self.put(out, common);
        let streams = answer.streams.into_iter();
        self.streams = streams
            .map(|(ssrc, stream)| match stream {
                Stream::Media(kind, section) => {
                    let is_video = kind == MediaKind::Video;
                    // What is delayed or lost alone is no reason to show less.
                    let may_pause = self.lanes.as_ref().is_some_and(|it| it.0.is_narrow());
                    let sink = Sink::new(is_video, common.open == 1, may_pause);
                    (ssrc, Received::Media { section, sink })
                }
                Stream::Again(of) => (ssrc, Received::Again { of, highest: None }),
            })
            .collect();
        // Media before what is sent again of it.
        self.streams
            .sort_by_key(|(_, stream)| matches!(stream, Received::Again { .. }));
        Ok(())
    }

    fn put(&self, out: Vec<Vec<u8>>, common: &mut Common) {
        let number = self.number;
        (common.out).extend(out.into_iter().map(|datagram| (number, datagram)));
    }

    pub(super) fn say(&mut self, message: &ClientMessage) -> Result<()> {
        match &mut self.line {
            Some(line) => line.say(message),
            None => Ok(()),
        }
    }

    /// Does what is due on the way in and for consent.
    pub(super) fn step(&mut self, now: Instant, common: &mut Common) -> Result<()> {
        let Some(entry) = &mut self.entry else {
            return Ok(());
        };
        let mut out = Vec::new();
        entry.step(now, &mut out)?;
        self.put(out, common);
        Ok(())
    }

    /// Takes a datagram, which arrived at this time of the kernel's clock.
    pub(super) fn take(
        &mut self,
        now: Instant,
        arrived: u64,
        datagram: &mut [u8],
        common: &mut Common,
    ) -> Result<()> {
        match datagram {
            [0..=3, ..] => {
                let mut out = Vec::new();
                if let Some(entry) = &mut self.entry {
                    entry.take_stun(now, datagram, &mut out)?;
                }
                self.put(out, common);
            }
            [20..=63, ..] => self.take_dtls(now, datagram, common)?,
            [128..=191, 192..=223, ..] => self.take_rtcp(datagram),
            [128..=191, ..] => self.take_rtp(arrived, datagram, common),
            _ => {}
        }
        Ok(())
    }

    fn take_dtls(&mut self, now: Instant, datagram: &[u8], common: &mut Common) -> Result<()> {
        let Some(entry) = &mut self.entry else {
            return Ok(());
        };
        let mut out = Vec::new();
        let keys = entry.take_dtls(now, datagram, &mut out)?;
        self.put(out, common);
        if keys.is_none() {
            return Ok(());
        }
        self.keys = keys;
        common.joined.push(now - self.asked);
        self.begin_sources(now, common);
        Ok(())
    }

    fn begin_sources(&mut self, now: Instant, common: &mut Common) {
        let sections = self.part.sections().into_iter().enumerate();
        for (at, section) in sections.filter(|(_, section)| section.publishes) {
            let ssrc = self.first_ssrc() + at as u32;
            common.next_source += 1;
            let id = common.next_source;
            let mut begin = |encoding, ssrc| {
                let source = Source::new(id, ssrc, encoding, at, now);
                self.sources.push(source);
            };
            match (section.kind, self.part.camera) {
                (MediaKind::Audio, _) => begin(Encoding::Sound, ssrc),
                (MediaKind::Video, Camera::Simulcast) => (0..LAYERS).for_each(|layer| {
                    begin(Encoding::Layer(layer), offer::layer_ssrc(ssrc, layer));
                }),
                (MediaKind::Video, _) => begin(Encoding::Picture, ssrc),
            }
        }
        self.obey();
    }

    /// Sends the layers that the server wants.
    fn obey(&mut self) {
        let Some(wanted) = &self.wanted else {
            return;
        };
        for source in &mut self.sources {
            if let Some(layer) = source.layer() {
                source.turn(wanted.iter().any(|rid| rid == RIDS[layer]));
            }
        }
    }

    fn take_rtcp(&mut self, datagram: &[u8]) {
        let opened = self.keys.as_ref().and_then(|keys| keys.open_rtcp(datagram));
        let asked = rtcp::keyframes_asked(opened.as_deref().unwrap_or_default());
        for source in &mut self.sources {
            source.wants_key |= asked.contains(&source.ssrc);
        }
    }

    /// Its link took a datagram, or swallowed it. Returns whether that is a packet of media which will be
    /// missed: one after the first that came through.
    pub(super) fn note_link(&mut self, datagram: &[u8], is_through: bool) -> bool {
        let is_rtp = matches!(datagram, [128..=191, 0..=191 | 224.., ..]);
        let Some(header) = is_rtp.then(|| Header::read(datagram, None)).flatten() else {
            return false;
        };
        for (ssrc, stream) in &mut self.streams {
            if let (true, Received::Media { sink, .. }) = (*ssrc == header.ssrc, stream) {
                sink.is_under_way |= is_through;
                return sink.is_under_way && !is_through;
            }
        }
        false
    }

    fn take_rtp(&mut self, arrived: u64, packet: &mut [u8], common: &mut Common) {
        let Some(keys) = &self.keys else {
            return;
        };
        let Some(header) = Header::read(packet, self.transport_id) else {
            common.found.broken += 1;
            return;
        };
        if let Some(number) = header.transport {
            self.arrivals.note(number, arrived);
        }
        let stream = self
            .streams
            .iter_mut()
            .find(|(ssrc, _)| *ssrc == header.ssrc);
        match stream {
            Some((_, Received::Media { sink, .. })) => {
                let index = sink.index(header.sequence);
                common.bytes += (packet.len() - TAG.min(packet.len())) as u64;
                if !sink.count(index, &header, arrived, &mut common.found) {
                    return;
                }
                if index.is_multiple_of(common.open) {
                    match keys.open(packet, header.length, header.ssrc, index) {
                        Some(payload) => {
                            sink.look_into(index, &header, payload, arrived, &mut common.found);
                        }
                        None => common.found.broken += 1,
                    }
                }
                sink.end_frame(&header, &mut common.found);
                if let Some(layer) = sink.layer() {
                    common.found.layers[layer] += 1;
                }
                if !self.has_seen && sink.frames > 0 {
                    self.has_seen = true;
                    common.seen.push(self.asked.elapsed());
                }
            }
            Some((_, Received::Again { of, highest })) => {
                let index = highest.map_or(u64::from(header.sequence), |highest| {
                    let ahead = header.sequence.wrapping_sub(highest as u16) as i16;
                    highest.saturating_add_signed(ahead.into())
                });
                *highest = Some(index.max(highest.unwrap_or_default()));
                let of = *of;
                let payload = keys.open(packet, header.length, header.ssrc, index);
                let original = payload.and_then(|payload| payload.first_chunk());
                let Some(original) = original.map(|number| u16::from_be_bytes(*number)) else {
                    common.found.broken += 1;
                    return;
                };
                self.fill(of, original, &header, common);
            }
            None => common.found.broken += 1,
        }
    }

    /// What was missing of a stream came again.
    fn fill(&mut self, of: u32, original: u16, header: &Header, common: &mut Common) {
        for (ssrc, stream) in &mut self.streams {
            if let (true, Received::Media { sink, .. }) = (*ssrc == of, stream)
                && sink.fill(sink.index(original), &mut common.found)
            {
                common.found.repaired += 1;
                sink.end_frame(header, &mut common.found);
            }
        }
    }

    /// The streams that carry media.
    pub(super) fn sinks(&self) -> impl Iterator<Item = &Sink> {
        self.streams.iter().filter_map(|(_, stream)| match stream {
            Received::Media { sink, .. } => Some(sink),
            Received::Again { .. } => None,
        })
    }
}

/// Whether a message is more than news of others.
fn is_wanted(text: &str) -> bool {
    const WANTED: [&str; 8] = [
        "answer", "joined", "watching", "wanted", "said", "ping", "error", "left",
    ];
    let kind = text.strip_prefix("{\"type\":\"");
    let kind = kind.and_then(|rest| rest.split('"').next());
    kind.is_none_or(|kind| WANTED.contains(&kind) || kind == "goingAway")
}
