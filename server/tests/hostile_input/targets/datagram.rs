//! Datagrams into a peer in each of its states, from strangers and from the one it talks with: raw,
//! changed on the way, and with everything authentic but their content.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use ferrite_server::media::data::{ChannelId, MessageKind, SEND_LIMIT};
use ferrite_server::media::net::demux::{Kind, classify};
use ferrite_server::media::net::path::Transport;
use ferrite_server::media::rtp::header::Header;
use rtc::stun::attributes::{ATTR_USERNAME, AttrType, RawAttribute};
use rtc::stun::fingerprint::FINGERPRINT;
use rtc::stun::integrity::MessageIntegrity;
use rtc::stun::message::{BINDING_REQUEST, Message, Setter, TransactionId};

use super::input::Input;
use super::rtp::Packets;
use super::speaker::{DCEP, Speaker};
use crate::harness::bare::{Bare, HERE, identity};
use crate::harness::link::{Datagram, Way};
use crate::harness::offer::Section;
use crate::harness::records::{HANDSHAKE, Record, fragment, records};
use crate::harness::server_end::MAX_DATAGRAM;
use crate::harness::{World, address};

/// Datagrams remembered, to be said again.
const MAX_HISTORY: usize = 64;

/// A DCEP OPEN of a reliable channel without a name.
const OPEN: [u8; 12] = [3, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// An offer was answered, and nothing heard yet.
pub fn new(input: &[u8]) {
    let mut input = Input(input);
    let mut call = Call::new(&mut input);
    call.world.far.interval = None;
    call.act_on(input);
}

/// The path is known, and DTLS has not begun.
pub fn checked(input: &[u8]) {
    let mut input = Input(input);
    let mut call = Call::new(&mut input);
    let dtls = call.world.far.dtls.take();
    call.wait("a check was answered", |world| {
        !world.far.answers.is_empty()
    });
    // It may begin later.
    if input.bool() {
        call.world.far.dtls = dtls;
    }
    call.act_on(input);
}

/// DTLS is in its handshake: the datagrams it is made of are changed on the way, and others come
/// between them.
pub fn handshake(input: &[u8]) {
    let mut input = Input(input);
    let mut call = Call::new(&mut input);
    let quiet = u64::from(input.u8()) % 8;
    *call.changes.borrow_mut() = input.piece().to_vec();
    call.wait_for(Duration::from_millis(20 * quiet));
    call.act_on(input);
}

/// Connected, with media and data.
pub fn connected(input: &[u8]) {
    let mut input = Input(input);
    let mut call = Call::new(&mut input);
    call.wait("connected", |world| {
        world.server.is_connected() && world.far.srtp.is_some()
    });
    call.begin_data();
    call.act_on(input);
}

/// A far end, and what it says besides what it must.
pub struct Call {
    pub world: World<Bare>,
    speaker: Speaker,
    /// How many of the received SCTP packets the speaker has heard.
    heard: usize,
    packets: Packets,
    history: Rc<RefCell<Vec<Datagram>>>,
    /// What happens to the next datagrams on their way to the server.
    changes: Rc<RefCell<Vec<u8>>>,
    restarts: u32,
}

impl Call {
    /// A call that is offered and answered.
    fn new(input: &mut Input<'_>) -> Self {
        let shape = input.u8();
        let mut world = World::bare(1);
        // A check on UDP ends what a reader is slow for.
        if shape & 0x80 != 0 {
            world.server.transport = Transport::Tcp;
        }
        let setup = if shape & 1 == 0 { "active" } else { "passive" };
        let offer = world.bare_offer(setup, &sections(shape >> 1));
        world.exchange(&offer).unwrap();
        let mut call = Self {
            world,
            speaker: Speaker::new(),
            heard: 0,
            packets: Packets::default(),
            history: Rc::default(),
            changes: Rc::default(),
            restarts: 0,
        };
        call.listen();
        call
    }

    /// A call that is connected and has a data channel.
    pub fn connected(transport: Transport) -> Self {
        let shape = u8::from(transport == Transport::Tcp) << 7;
        let mut call = Self::new(&mut Input(&[shape]));
        call.wait("connected", |world| {
            world.server.is_connected() && world.far.srtp.is_some()
        });
        call.begin_data();
        call
    }

    /// Keeps what the far end says, and changes it where that is asked for.
    fn listen(&mut self) {
        let (history, changes) = (self.history.clone(), self.changes.clone());
        self.world.link.tamper = Some(Box::new(move |way, datagram| {
            if way == Way::Down {
                check_size(&datagram.bytes);
                return vec![(Duration::ZERO, datagram)];
            }
            let mut history = history.borrow_mut();
            if history.len() < MAX_HISTORY {
                history.push(datagram.clone());
            }
            change(datagram, &mut changes.borrow_mut())
        }));
    }

    fn wait(&mut self, what: &str, is_so: impl FnMut(&mut World<Bare>) -> bool) {
        self.world.run_until(Duration::from_secs(5), what, is_so);
    }

    fn begin_data(&mut self) {
        let begin = self.speaker.begin();
        self.send_data(&begin);
        self.wait_for(Duration::from_millis(200));
        for packet in self.speaker.message(0, false, DCEP, &OPEN) {
            self.send_data(&packet);
        }
        self.wait_for(Duration::from_millis(100));
    }

    /// Does everything the input says, and lets its echo die away.
    fn act_on(&mut self, input: Input<'_>) {
        self.feed(input);
        self.wait_for(Duration::from_secs(2));
    }

    /// Does everything the input says.
    pub fn feed(&mut self, mut input: Input<'_>) {
        while !input.is_empty() {
            self.act(&mut input);
            self.wait_for(Duration::from_millis(25));
            let buffered = self.world.server.resident.peer.buffered();
            assert!(buffered <= SEND_LIMIT, "{buffered} bytes buffered");
        }
    }

    fn act(&mut self, input: &mut Input<'_>) {
        match input.u8() % 20 {
            0 => self.world.far.send_raw(input.piece().to_vec()),
            1 => {
                let from = elsewhere(input.u8());
                self.world.far.send_from(from, input.piece().to_vec());
            }
            2 => self.deliver(input.piece()),
            3 => self.say_again(input),
            4 => self.check(input),
            5 => self.sealed_stun(input),
            6..=8 => {
                let packet = self.packets.next(input);
                self.send_rtp(&packet);
            }
            9 => self.send_rtp(input.piece()),
            10 => {
                if self.world.far.srtp.is_some() {
                    self.send_rtcp(input.piece());
                }
            }
            11..=13 => {
                let packet = self.speaker.say(input);
                self.send_data(&packet);
            }
            14 => self.message(input),
            15 => self.record(input),
            16 => self.wait_for(Duration::from_millis(input.u8().into())),
            17 => self.wait_for(Duration::from_millis(100 * u64::from(input.u8()))),
            18 => self.offer_again(input),
            _ => self.act_as_server(input),
        }
    }

    /// Hands the peer a datagram, as if its path were known.
    fn deliver(&mut self, datagram: &[u8]) {
        let (now, server) = (self.world.now, &mut self.world.server);
        let path = server.path(server.address, address(HERE));
        if classify(datagram) == Some(Kind::Stun) {
            server.resident.peer.handle_stun(now, path, datagram);
        } else {
            server.resident.peer.handle_datagram(now, path, datagram);
        }
    }

    /// A datagram the far end has sent before, changed or not, from there or from elsewhere.
    fn say_again(&mut self, input: &mut Input<'_>) {
        let which = usize::from(input.u8());
        let history = self.history.borrow();
        let Some(datagram) = history.get(which % history.len().max(1)) else {
            return;
        };
        let mut bytes = datagram.bytes.clone();
        let shape = input.u8();
        for _ in 0..shape & 7 {
            let (at, bits) = (usize::from(input.u16()), input.u8());
            if !bytes.is_empty() {
                let at = at % bytes.len();
                bytes[at] ^= bits;
            }
        }
        if shape & 8 != 0 {
            bytes.truncate(input.u16().into());
        }
        if shape & 16 != 0 {
            bytes.extend_from_slice(input.piece());
        }
        let from = match shape & 32 {
            0 => datagram.from,
            _ => elsewhere(input.u8()),
        };
        self.world.far.send_from(from, bytes);
    }

    /// A check as an agent sends it, or almost.
    fn check(&mut self, input: &mut Input<'_>) {
        let shape = input.u8();
        let mut check = self.world.far.usual_check();
        check.nominate = shape & 1 != 0;
        check.controlled = shape & 2 != 0;
        if shape & 4 != 0 {
            check.theirs.pwd.push('x');
        }
        if shape & 8 != 0 {
            check.ours.ufrag = String::from_utf8_lossy(input.piece()).into_owned();
        }
        let from = match shape & 16 {
            0 => address(HERE),
            _ => elsewhere(input.u8()),
        };
        self.world.far.check(from, &check);
    }

    /// Attributes of any kind, under the right password.
    fn sealed_stun(&mut self, input: &mut Input<'_>) {
        let shape = input.u8();
        let (far, provider) = (&self.world.far, identity().provider);
        let raw = |typ: u16, value: &[u8]| -> Box<dyn Setter> {
            Box::new(RawAttribute {
                typ: AttrType(typ),
                length: value.len() as u16,
                value: value.to_vec(),
            })
        };
        let username = format!("{}:{}", far.theirs.ufrag, far.ours.ufrag);
        let mut setters: Vec<Box<dyn Setter + '_>> =
            vec![Box::new(TransactionId([7; 12])), Box::new(BINDING_REQUEST)];
        if shape & 0x80 == 0 {
            setters.push(raw(ATTR_USERNAME.0, username.as_bytes()));
        }
        for _ in 0..shape & 7 {
            setters.push(raw(input.u16(), input.piece()));
        }
        let (pwd, crypto) = (far.theirs.pwd.clone(), provider.crypto());
        let seal = MessageIntegrity::new_short_term_integrity_with_provider(pwd, crypto);
        setters.push(Box::new(seal));
        setters.push(Box::new(FINGERPRINT));
        let mut message = Message::new();
        if message.build(&setters).is_ok() {
            self.world.far.send_raw(message.raw);
        }
    }

    fn send_rtp(&mut self, packet: &[u8]) {
        if Header::parse(packet).is_some() && self.world.far.srtp.is_some() {
            self.world.far.send_rtp(packet);
        }
    }

    fn send_rtcp(&mut self, compound: &[u8]) {
        let srtp = self.world.far.srtp.as_mut();
        if let Some(Ok(sealed)) = srtp.map(|srtp| srtp.protect_rtcp(compound)) {
            self.world.far.send_raw(sealed.to_vec());
        }
    }

    fn send_data(&mut self, packet: &[u8]) {
        let now = self.world.now;
        // A record holds no more (RFC 6347 §4.1).
        if self.world.far.srtp.is_some() && packet.len() < 1 << 14 {
            self.world.far.send_data(now, packet);
        }
    }

    /// A whole message on a data channel.
    fn message(&mut self, input: &mut Input<'_>) {
        let shape = input.u8();
        let (stream, unordered) = (u16::from(shape & 15), shape & 16 != 0);
        let protocol = [DCEP, 51, 53, 56][usize::from(shape >> 6)];
        for packet in (self.speaker).message(stream, unordered, protocol, input.piece()) {
            self.send_data(&packet);
        }
    }

    /// A DTLS record that nothing protects.
    fn record(&mut self, input: &mut Input<'_>) {
        let record = Record {
            content_type: 20 + input.u8() % 6,
            version: [254, 253],
            epoch: (input.u8() % 3).into(),
            sequence: input.u16().into(),
            body: input.piece().to_vec(),
        };
        self.world.far.send_raw(record.write());
    }

    /// Another offer, perhaps with a restart of ICE.
    fn offer_again(&mut self, input: &mut Input<'_>) {
        let shape = input.u8();
        let interval = self.world.far.interval.take();
        // Answers under the old password come first.
        self.wait_for(Duration::from_millis(100));
        if shape & 1 != 0 {
            // The server still answers a check of before, under the password it was made with.
            self.history.borrow_mut().clear();
            self.restarts += 1;
            self.world.far.ours.ufrag = format!("bare{}", self.restarts);
        }
        let offer = self.world.bare_offer("actpass", &sections(shape >> 1));
        // It may not be possible in this state.
        let _ = self.world.exchange(&offer);
        self.world.far.interval = interval;
    }

    fn act_as_server(&mut self, input: &mut Input<'_>) {
        let (now, peer) = (self.world.now, &mut self.world.server.resident.peer);
        let byte = input.u8();
        match byte % 5 {
            0 => peer.set_congested(now, true),
            1 => peer.set_congested(now, false),
            2 => peer.request_keyframe(now, (byte >> 4).into()),
            3 => {
                let (channel, data) = (ChannelId((byte >> 4).into()), input.piece().to_vec());
                let _ = peer.send_data(now, channel, MessageKind::Binary, data.into());
            }
            _ if byte > 200 => self.world.server.close(now),
            _ => {}
        }
    }

    /// Lets time pass. What the server says in SCTP is heard, and answered where it must be.
    pub fn wait_for(&mut self, span: Duration) {
        let end = self.world.now + span;
        loop {
            while let Some(packet) = self.world.far.data.get(self.heard).cloned() {
                self.heard += 1;
                if let Some(answer) = self.speaker.hear(&packet) {
                    self.send_data(&answer);
                }
            }
            if !self.world.step(end) {
                return;
            }
        }
    }

    /// Whether nothing can come of it any more.
    pub fn is_over(&self) -> bool {
        self.world.server.finished
    }

    /// Forgets what was received, which is the far end's memory and not the server's.
    pub fn forget(&mut self) {
        let far = &mut self.world.far;
        (far.rtp, far.rtcp) = (Vec::new(), Vec::new());
        (far.data, far.answers) = (Vec::new(), Vec::new());
        self.heard = 0;
        self.world.server.states = Vec::new();
    }
}

/// The sections of an offer; the data channels are always there.
fn sections(shape: u8) -> Vec<Section> {
    let direction = ["sendrecv", "recvonly", "sendonly", "inactive"][usize::from(shape >> 4 & 3)];
    let audio = Section::Audio {
        mid: "0",
        direction,
    };
    let video = |mid, ssrcs| Section::Video {
        mid,
        direction: "sendrecv",
        ssrcs,
    };
    let stopped = |mid| Section::Stopped { kind: "video", mid };
    let mut sections = vec![audio, video("1", Some((1000, 1001)))];
    sections.push(Section::Data { mid: "2" });
    match shape & 3 {
        0 => {}
        1 => sections.push(video("3", None)),
        2 => sections[1] = stopped("1"),
        _ => sections.push(stopped("3")),
    }
    sections
}

/// Some other addresses, a few of them close by.
fn elsewhere(which: u8) -> SocketAddr {
    let here = address(HERE);
    match which & 0x80 {
        0 => SocketAddr::new(here.ip(), 40_000 + u16::from(which)),
        _ => SocketAddr::new([198, 51, 100, which].into(), here.port()),
    }
}

/// Everything but media, which is as long as its sender made it, passes every path.
fn check_size(datagram: &[u8]) {
    if classify(datagram) != Some(Kind::Srtp) {
        let (len, kind) = (datagram.len(), classify(datagram));
        assert!(len <= MAX_DATAGRAM, "{len} bytes of {kind:?}");
    }
}

/// The same records, but one handshake message has other content in a frame that is right.
fn with_other_message(datagram: &[u8], next: &mut impl FnMut() -> u8) -> Vec<u8> {
    let which = usize::from(next());
    let mut records = records(datagram);
    let whole = |record: &&mut Record| {
        let body = &record.body;
        let plain = record.content_type == HANDSHAKE && record.epoch == 0 && body.len() > 12;
        plain && body[6..9] == [0; 3] && body[1..4] == body[9..12]
    };
    let count = records.iter_mut().filter(whole).count().max(1);
    if let Some(record) = records.iter_mut().filter(whole).nth(which % count) {
        let (kind, message) = (record.body[0], u16::from_be_bytes([0, record.body[5]]));
        let mut content = record.body[12..].to_vec();
        let at = (usize::from(next()) << 8 | usize::from(next())) % content.len().max(1);
        match next() % 4 {
            0 => content.truncate(at),
            1 => drop(content.splice(at..at, [next(), next()])),
            2 => drop(content.drain(at..(at + 4).min(content.len()))),
            _ => content[at..]
                .iter_mut()
                .take(2)
                .for_each(|byte| *byte = next()),
        }
        record.body = fragment(kind, message, &content, 0..content.len()).body;
    }
    records.iter().flat_map(Record::write).collect()
}

/// One datagram, or none, or two, or one that is changed.
fn change(mut datagram: Datagram, changes: &mut Vec<u8>) -> Vec<(Duration, Datagram)> {
    let mut next = || changes.pop().unwrap_or(0);
    let late = Duration::from_millis(60);
    match next() {
        0..=127 => {}
        128..=159 => return Vec::new(),
        160..=191 => {
            let again = datagram.clone();
            return vec![(Duration::ZERO, datagram), (late, again)];
        }
        192..=207 => return vec![(late, datagram)],
        208..=215 => datagram.bytes.truncate(usize::from(next()) * 4),
        216..=239 => datagram.bytes = with_other_message(&datagram.bytes, &mut next),
        _ => {
            let (at, bits) = (usize::from(next()) << 8 | usize::from(next()), next());
            let at = at % datagram.bytes.len().max(1);
            if let Some(byte) = datagram.bytes.get_mut(at) {
                *byte ^= bits;
            }
        }
    }
    vec![(Duration::ZERO, datagram)]
}
