//! Data channels, without DTLS below: SCTP packets of any content, and DCEP messages of any content.

use std::time::{Duration, Instant};

use bytes::Bytes;
use ferrite_server::media::data::{
    ChannelId, ChannelOptions, MAX_CHANNELS, MAX_PACKET_SIZE, MessageKind, SEND_LIMIT, Sctp,
    SctpConfig, SctpEvent,
};
use rtc::datachannel::message::Message;
use rtc::shared::marshal::Unmarshal;

use super::input::Input;
use super::speaker::{DCEP, Speaker};

/// The longest message taken.
const MAX_MESSAGE: u32 = 1 << 18;

/// What may come of one packet, or of one moment.
const MAX_STEPS: usize = 20_000;

/// Packets of any chunks, and an application that opens, sends and closes meanwhile.
pub fn sctp(input: &[u8]) {
    let mut input = Input(input);
    let shape = input.u8();
    let mut ends = Ends::new(shape & 1 == 1);
    if shape & 2 == 0 {
        ends.connect();
    }
    while !input.is_empty() {
        ends.act(&mut input);
    }
    ends.pass(Duration::from_secs(120));
}

/// DCEP messages on any channels: what opens is what another implementation reads.
pub fn dcep(input: &[u8]) {
    let mut input = Input(input);
    let mut ends = Ends::new(false);
    ends.connect();
    while !input.is_empty() {
        let (stream, unordered) = (u16::from(input.u8()), input.bool());
        ends.open(stream, unordered, input.piece());
    }
    ends.pass(Duration::from_secs(1));
}

struct Ends {
    now: Instant,
    sctp: Sctp,
    far: Speaker,
    channels: Vec<ChannelId>,
    /// Since when the channels were last looked at.
    opened: Vec<(ChannelId, ChannelOptions)>,
    closed: bool,
    reads: bool,
}

impl Ends {
    fn new(dtls_client: bool) -> Self {
        let now = Instant::now();
        let config = SctpConfig {
            local_port: 5000,
            remote_port: 5000,
            max_message_size: MAX_MESSAGE,
            remote_max_message_size: MAX_MESSAGE,
            dtls_client,
        };
        Self {
            now,
            sctp: Sctp::new(now, config),
            far: Speaker::new(),
            channels: Vec::new(),
            opened: Vec::new(),
            closed: false,
            reads: true,
        }
    }

    fn connect(&mut self) {
        let begin = self.far.begin();
        self.receive(begin);
        assert!(!self.closed);
    }

    fn act(&mut self, input: &mut Input<'_>) {
        match input.u8() % 16 {
            0..=9 => {
                let packet = self.far.say(input);
                self.receive(packet);
            }
            10 => self.pass(Duration::from_millis(input.u8().into())),
            11 => self.pass(Duration::from_millis(200 * u64::from(input.u8()))),
            12 => self.open_channel(input),
            13 => {
                let (channel, kind) = (self.channel(input), MessageKind::Binary);
                let data = Bytes::copy_from_slice(input.piece());
                let _ = self.sctp.send(self.now, channel, kind, data);
                self.settle();
            }
            14 => {
                let channel = self.channel(input);
                self.sctp.close_channel(self.now, channel);
                self.settle();
            }
            _ => self.reads = input.bool(),
        }
    }

    fn channel(&self, input: &mut Input<'_>) -> ChannelId {
        let which = input.u8();
        let known = self
            .channels
            .get(usize::from(which) % self.channels.len().max(1));
        known.copied().unwrap_or(ChannelId(which.into()))
    }

    fn open_channel(&mut self, input: &mut Input<'_>) {
        let options = ChannelOptions {
            ordered: input.bool(),
            label: String::from_utf8_lossy(input.piece()).into_owned(),
            ..ChannelOptions::default()
        };
        let opened = self.sctp.open_channel(self.now, options);
        self.channels.extend(opened);
        self.settle();
    }

    /// Says a DCEP message and looks at what comes of it.
    fn open(&mut self, stream: u16, unordered: bool, message: &[u8]) {
        self.opened.clear();
        for packet in self.far.message(stream, unordered, DCEP, message) {
            self.receive(packet);
        }
        for (channel, options) in &self.opened {
            // Only of what opened a channel: it panics where a message is cut off.
            let read = Message::unmarshal(&mut Bytes::copy_from_slice(message));
            let Ok(Message::DataChannelOpen(open)) = read else {
                panic!("{options:?} of {message:02x?}");
            };
            assert_eq!(channel.0, stream);
            assert_eq!(options.label.as_bytes(), &open.label[..]);
            assert_eq!(options.protocol.as_bytes(), &open.protocol[..]);
        }
        assert!(self.opened.len() <= 1);
    }

    fn receive(&mut self, packet: Vec<u8>) {
        self.sctp.handle_packet(self.now, packet.into());
        self.settle();
    }

    /// Lets everything happen that happens now.
    fn settle(&mut self) {
        for _ in 0..MAX_STEPS {
            if self.reads
                && let Some(event) = self.sctp.poll_event()
            {
                self.note(event);
            } else if let Some(packet) = self.sctp.poll_transmit(self.now) {
                assert!(packet.len() <= MAX_PACKET_SIZE, "{} bytes", packet.len());
                if let Some(answer) = self.far.hear(&packet) {
                    self.sctp.handle_packet(self.now, answer.into());
                }
            } else {
                return self.check();
            }
        }
        panic!("there is no end to what one packet brings");
    }

    fn note(&mut self, event: SctpEvent) {
        match event {
            // As the echo does.
            SctpEvent::Message {
                channel,
                kind,
                data,
            } => {
                assert!(data.len() <= MAX_MESSAGE as usize);
                let _ = self.sctp.send(self.now, channel, kind, data);
            }
            SctpEvent::ChannelOpened { channel, options } => {
                self.channels.push(channel);
                self.opened.push((channel, options));
            }
            SctpEvent::ChannelClosed { channel } => self.channels.retain(|known| *known != channel),
            SctpEvent::Closed { reason } => {
                assert!(reason.len() < 400, "{reason}");
                self.closed = true;
                self.channels.clear();
            }
            SctpEvent::Connected => {}
        }
    }

    fn check(&self) {
        assert!(self.sctp.buffered() <= SEND_LIMIT + MAX_MESSAGE as usize);
        assert!(self.channels.len() <= MAX_CHANNELS);
    }

    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        let mut steps = 0;
        while let Some(due) = self.sctp.poll_timeout().filter(|due| *due <= end) {
            steps = if due > self.now { 0 } else { steps + 1 };
            assert!(steps < 1000, "time stands still");
            self.now = self.now.max(due);
            self.sctp.handle_timeout(self.now);
            self.settle();
        }
        self.now = end;
    }
}
