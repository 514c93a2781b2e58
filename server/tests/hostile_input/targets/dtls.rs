//! The DTLS handshake below the transports: messages whose frame is right and whose content is anyone's,
//! to both ends of a handshake.

use std::time::{Duration, Instant};

use ferrite_server::media::sdp::DtlsRole;
use ferrite_server::media::transport::dtls::{Dtls, DtlsState, HANDSHAKE_TIMEOUT};

use super::input::Input;
use crate::harness::bare::identity;
use crate::harness::records::{HANDSHAKE, Record, fragment, records};
use crate::harness::server_end::MAX_DATAGRAM;

const CLIENT_HELLO: u8 = 1;
const HELLO_VERIFY_REQUEST: u8 = 3;

/// Datagrams that one may bring.
const MAX_ANSWERS: usize = 50;

/// Handshake messages in an order the input decides, and records that are none.
pub fn dtls(input: &[u8]) {
    let mut input = Input(input);
    let role = match input.bool() {
        true => DtlsRole::Client,
        false => DtlsRole::Server,
    };
    let mut end = End::new(role);
    while !input.is_empty() {
        end.act(&mut input);
    }
    end.pass(HANDSHAKE_TIMEOUT + Duration::from_secs(1));
    assert_eq!(end.dtls.state(), DtlsState::Failed, "who was there?");
}

/// RFC 6347 §4.2.2, with a cookie, a few suites and any extensions.
pub(super) fn client_hello(input: &mut Input<'_>, random: u8, cookie: &[u8]) -> Vec<u8> {
    let mut hello = vec![254, 253];
    hello.extend([random; 32]);
    hello.push(0);
    hello.push(cookie.len() as u8);
    hello.extend(cookie);
    let suites = match input.u8() {
        0 => &[0xC0, 0x2B, 0xC0, 0x2F, 0xC0, 0x0A, 0xC0, 0x14][..],
        count => input.take(usize::from(count) * 2),
    };
    hello.extend((suites.len() as u16).to_be_bytes());
    hello.extend(suites);
    hello.extend([1, 0]);
    let extensions = input.piece();
    hello.extend((extensions.len() as u16).to_be_bytes());
    hello.extend(extensions);
    hello
}

struct End {
    now: Instant,
    dtls: Dtls,
    /// Our next record's and message's numbers.
    record: u64,
    message: u16,
    /// What the server wants to see again (RFC 6347 §4.2.1).
    cookie: Vec<u8>,
}

impl End {
    fn new(role: DtlsRole) -> Self {
        let now = Instant::now();
        let mut end = Self {
            now,
            dtls: Dtls::new(identity(), role, Vec::new()),
            record: 0,
            message: 0,
            cookie: Vec::new(),
        };
        end.dtls.start(now);
        end.drain();
        end
    }

    fn act(&mut self, input: &mut Input<'_>) {
        match input.u8() % 8 {
            0..=2 => {
                let kind = input.u8();
                self.say(kind, input.piece());
            }
            3 => {
                let hello = client_hello(input, 7, &self.cookie);
                self.say(CLIENT_HELLO, &hello);
            }
            4 => {
                self.message = self.message.wrapping_add(input.small() as u16);
                let (kind, whole) = (input.u8(), input.piece());
                let start = usize::from(input.u8()).min(whole.len());
                let part = start..(start + usize::from(input.u8())).min(whole.len());
                let record = fragment(kind, self.message, whole, part);
                self.send(record);
            }
            5 => {
                let (content_type, epoch) = (20 + input.u8() % 6, u16::from(input.u8() % 3));
                let body = input.piece().to_vec();
                self.send(Record {
                    content_type,
                    epoch,
                    body,
                    ..fragment(0, 0, &[], 0..0)
                });
            }
            6 => {
                self.dtls.handle_datagram(self.now, input.piece());
                self.drain();
            }
            _ => self.pass(Duration::from_millis(20 * u64::from(input.u8()))),
        }
    }

    fn say(&mut self, kind: u8, body: &[u8]) {
        let record = fragment(kind, self.message, body, 0..body.len());
        self.message = self.message.wrapping_add(1);
        self.send(record);
    }

    fn send(&mut self, record: Record) {
        let sequence = self.record;
        self.record += 1;
        let datagram = Record { sequence, ..record }.write();
        self.dtls.handle_datagram(self.now, &datagram);
        self.drain();
    }

    /// Takes what is sent, and the cookie if it has one.
    fn drain(&mut self) {
        let mut answers = 0;
        while let Some(datagram) = self.dtls.poll_transmit() {
            assert!(datagram.len() <= MAX_DATAGRAM, "{} bytes", datagram.len());
            answers += 1;
            assert!(answers <= MAX_ANSWERS, "no end of answers");
            for record in records(&datagram) {
                if record.content_type == HANDSHAKE && record.body[0] == HELLO_VERIFY_REQUEST {
                    self.cookie = record.body[15..].to_vec();
                }
            }
        }
        while self.dtls.poll_event().is_some() {}
    }

    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        let mut standing = 0;
        while let Some(due) = self.dtls.poll_timeout().filter(|due| *due <= end) {
            standing = if due > self.now { 0 } else { standing + 1 };
            assert!(standing < 1000, "time stands still");
            self.now = self.now.max(due);
            self.dtls.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }
}
