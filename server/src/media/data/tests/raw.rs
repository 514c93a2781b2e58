//! A peer made of single packets, which can say what no library would.

use super::link::config;
use crate::media::data::packet::{self, Builder, Header};
use crate::media::data::{Sctp, SctpEvent};
use bytes::{BufMut, Bytes};
use std::time::{Duration, Instant};

/// One chunk that was answered: its type and value.
pub(super) type Answer = (u8, Vec<u8>);

pub(super) struct Raw {
    pub(super) now: Instant,
    pub(super) sctp: Sctp,
    /// What this peer puts into its packets.
    header: Header,
    /// What this peer chose for its first DATA chunk.
    pub(super) tsn: u32,
    /// What the other end's first DATA chunk has.
    pub(super) peer_tsn: u32,
    acknowledged: u32,
}

pub(super) const TAG: u32 = 0x0102_0304;
const WINDOW: u32 = 1 << 20;
const SUPPORTED_EXTENSIONS: [u8; 8] = [
    0x80,
    0x08,
    0,
    6,
    packet::RECONFIG,
    packet::FORWARD_TSN,
    0,
    0,
];

pub(super) fn init(tag: u32, tsn: u32) -> Vec<u8> {
    let mut value = Vec::new();
    value.put_u32(tag);
    value.put_u32(WINDOW);
    value.put_u16(65535);
    value.put_u16(65535);
    value.put_u32(tsn);
    value.put_slice(&SUPPORTED_EXTENSIONS);
    value
}

impl Raw {
    /// A peer that has not said anything, to an end that waits for it.
    pub(super) fn new(tsn: u32) -> Raw {
        let now = Instant::now();
        Raw {
            now,
            sctp: Sctp::new(now, config(false)),
            header: Header {
                source_port: 5000,
                destination_port: 5000,
                tag: 0,
            },
            tsn,
            peer_tsn: 0,
            acknowledged: 0,
        }
    }

    /// A peer that is connected, whose first chunk will have `tsn`.
    pub(super) fn connected(tsn: u32) -> Raw {
        let mut raw = Raw::new(tsn);
        let answers = raw.say(packet::INIT, 0, &init(TAG, tsn));
        let (kind, init_ack) = &answers[0];
        assert_eq!(*kind, packet::INIT_ACK);
        raw.learn_tag(init_ack);
        raw.peer_tsn = packet::u32_at(init_ack, 12).expect("a TSN");
        let length = usize::from(packet::u16_at(init_ack, 18).expect("a cookie"));
        let cookie = init_ack[20..16 + length].to_vec();
        let answers = raw.say(packet::COOKIE_ECHO, 0, &cookie);
        assert_eq!(answers, [(packet::COOKIE_ACK, vec![])]);
        assert_eq!(raw.sctp.poll_event(), Some(SctpEvent::Connected));
        raw
    }

    /// Takes the tag from an INIT ACK.
    pub(super) fn learn_tag(&mut self, init_ack: &[u8]) {
        self.header.tag = packet::u32_at(init_ack, 0).expect("a tag");
    }

    pub(super) fn header(&self) -> Header {
        self.header
    }

    /// Says one chunk; what is answered at once.
    pub(super) fn say(&mut self, kind: u8, flags: u8, value: &[u8]) -> Vec<Answer> {
        self.say_packet(Builder::new(self.header).chunk(kind, flags, value).finish())
    }

    pub(super) fn say_all(&mut self, chunks: &[(u8, u8, Vec<u8>)]) -> Vec<Answer> {
        let mut packet = Builder::new(self.header);
        for (kind, flags, value) in chunks {
            packet = packet.chunk(*kind, *flags, value);
        }
        self.say_packet(packet.finish())
    }

    pub(super) fn say_packet(&mut self, packet: Bytes) -> Vec<Answer> {
        self.sctp.handle_packet(self.now, packet);
        self.answers()
    }

    /// What the other end has to say.
    pub(super) fn answers(&mut self) -> Vec<Answer> {
        let mut answers = Vec::new();
        while let Some(packet) = self.sctp.poll_transmit(self.now) {
            assert!(packet::has_valid_checksum(&packet));
            for chunk in packet::chunks(&packet) {
                if chunk.kind == packet::SACK {
                    self.acknowledged = chunk.u32(0).expect("a TSN");
                }
                answers.push((chunk.kind, chunk.value.to_vec()));
            }
        }
        answers
    }

    /// Says that the channel is there which the other end opened on `stream`.
    pub(super) fn confirm_opening(&mut self, tsn: u32, stream: u16) -> Vec<Answer> {
        let mut value = tsn.to_be_bytes().to_vec();
        for field in [stream, 0, 0, 50] {
            value.put_u16(field);
        }
        value.put_u8(2);
        self.say(packet::DATA, WHOLE, &value)
    }

    /// Says that everything up to `tsn` has come.
    pub(super) fn acknowledge(&mut self, tsn: u32) -> Vec<Answer> {
        let mut value = tsn.to_be_bytes().to_vec();
        for field in [WINDOW, 0] {
            value.put_u32(field);
        }
        self.say(packet::SACK, 0, &value)
    }

    /// What the other end has to say after `duration`.
    pub(super) fn wait(&mut self, duration: Duration) -> Vec<Answer> {
        self.now += duration;
        self.sctp.handle_timeout(self.now);
        self.answers()
    }

    pub(super) fn events(&mut self) -> Vec<SctpEvent> {
        std::iter::from_fn(|| self.sctp.poll_event()).collect()
    }

    /// The TSN acknowledged last, after the other end had time to.
    pub(super) fn acknowledged(&mut self) -> u32 {
        self.wait(Duration::from_millis(200));
        self.acknowledged
    }
}

/// The value of a DATA chunk: binary.
pub(super) fn data(tsn: u32, stream: u16, sequence: u16, payload: &[u8]) -> Vec<u8> {
    let mut value = Vec::new();
    value.put_u32(tsn);
    value.put_u16(stream);
    value.put_u16(sequence);
    value.put_u32(53);
    value.put_slice(payload);
    value
}

pub(super) const BEGIN: u8 = 2;
pub(super) const END: u8 = 1;
pub(super) const UNORDERED: u8 = 4;
pub(super) const WHOLE: u8 = BEGIN | END;
