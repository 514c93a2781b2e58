//! A ClientHello as it stands in a datagram (RFC 6347 §4.2.2), and the cookie exchange that comes before there is
//! anything to keep (§4.2.1): who asks is given a cookie, of which nothing is remembered, and shows with it that what is
//! sent to its address arrives there.
//!
//! A ClientHello in several records is none: to put it together would be to keep a part of it for who has shown nothing.
//! Nor is one with a session id: the library misreads it, and no session is resumed.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ring::hmac;
use subtle::ConstantTimeEq as _;

use crate::media::net::dtls::gate::{HANDSHAKE, HANDSHAKE_HEADER, RECORD_HEADER, Records};
use crate::media::net::path::FourTuple;

/// How long a cookie is good: as long as a handshake may take.
pub const COOKIE_LIFETIME: Duration = Duration::from_secs(20);

/// The length of a cookie. It is that of the library's own.
pub const COOKIE: usize = 20;

/// Where a record's number begins, within its epoch.
const NUMBER: usize = 5;

/// Bytes of the time in it.
const TIME: usize = 4;

/// Handshake messages (RFC 6347 §4.3.2).
const CLIENT_HELLO: u8 = 1;
const HELLO_VERIFY_REQUEST: u8 = 3;

/// DTLS 1.0, which a HelloVerifyRequest has whatever is agreed on later (RFC 6347 §4.2.1).
const VERSION: [u8; 2] = [254, 255];

/// The client's version and its random, with which it begins.
const BEGIN: usize = 2 + RANDOM;
const RANDOM: usize = 32;

/// The least that follows the cookie: one cipher suite and one compression method.
const LEAST_REST: usize = 2 + 2 + 1 + 1;

/// A ClientHello that is a datagram's first record, and whole.
#[derive(Clone, Copy, Debug)]
pub struct ClientHello<'a> {
    /// What the client drew for this handshake.
    pub random: [u8; RANDOM],
    cookie: &'a [u8],
    /// What is before the cookie and its length, and what follows it.
    around: [&'a [u8]; 2],
    version: [u8; 2],
    /// The number of its record. The answer's is the same (RFC 6347 §4.2.1).
    pub number: u64,
    message: u16,
}

impl<'a> ClientHello<'a> {
    /// `None` if it is none.
    pub fn read(datagram: &'a [u8]) -> Option<Self> {
        let record = Records(datagram).next()?;
        if (record.kind, record.epoch) != (HANDSHAKE, 0) {
            return None;
        }
        let (header, hello) = record.body.split_first_chunk::<HANDSHAKE_HEADER>()?;
        let [kind, l0, l1, l2, m0, m1, 0, 0, 0, f0, f1, f2] = *header else {
            return None;
        };
        let length = u32::from_be_bytes([0, l0, l1, l2]) as usize;
        if kind != CLIENT_HELLO || [l0, l1, l2] != [f0, f1, f2] || length != hello.len() {
            return None;
        }
        let (_, random) = hello.get(..BEGIN)?.split_last_chunk()?;
        let (before, rest) = hello.split_at_checked(BEGIN + 1)?;
        if before.last() != Some(&0) {
            return None;
        }
        let (cookie, rest) = rest.split_first()?;
        let (cookie, after) = rest.split_at_checked(usize::from(*cookie))?;
        (after.len() >= LEAST_REST).then_some(Self {
            random: *random,
            cookie,
            around: [before, after],
            version: [record.bytes[1], record.bytes[2]],
            number: record.number,
            message: u16::from_be_bytes([m0, m1]),
        })
    }

    /// The cookie, if it has one of the length of ours.
    pub fn cookie(&self) -> Option<[u8; COOKIE]> {
        self.cookie.try_into().ok()
    }

    /// Whether it is the client's second message, as one with a cookie is.
    pub fn is_second(&self) -> bool {
        self.message == 1
    }

    /// The client's first message, as it was (RFC 6347 §4.2.1: the same but for the cookie), in a record of its own.
    pub fn without_cookie(&self) -> Vec<u8> {
        let [before, after] = self.around;
        // Any number but this one's, which is yet to come.
        let number = self.number.checked_sub(1).unwrap_or(self.number + 1);
        let hello = [before, &[0], after].concat();
        message(CLIENT_HELLO, self.version, number, &hello)
    }
}

/// What a client without a cookie is answered. It is shorter than any ClientHello.
///
/// Its record has the number of the ClientHello's: who is told the same again takes another number for new, and the same
/// for what it has had (RFC 6347 §4.1.2.6, §4.2.1).
pub fn hello_verify_request(hello: &ClientHello<'_>, cookie: [u8; COOKIE]) -> Vec<u8> {
    let request = [&VERSION[..], &[COOKIE as u8], &cookie].concat();
    message(HELLO_VERIFY_REQUEST, VERSION, hello.number, &request)
}

/// Numbers the plaintext records of a datagram as many higher. No keys protect their numbers.
pub fn renumber(datagram: &mut [u8], by: u64) {
    let mut start = 0;
    while let Some(record) = datagram.get(start..).and_then(|rest| Records(rest).next()) {
        let (epoch, length) = (record.epoch, record.bytes.len());
        let number = (record.number.wrapping_add(by)).to_be_bytes();
        if epoch == 0 {
            datagram[start + NUMBER..start + NUMBER + 6].copy_from_slice(&number[2..]);
        }
        start += length;
    }
}

/// A record with a handshake message that is its sender's first.
fn message(kind: u8, version: [u8; 2], number: u64, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32).to_be_bytes();
    let mut bytes = Vec::with_capacity(RECORD_HEADER + HANDSHAKE_HEADER + body.len());
    bytes.extend([HANDSHAKE, version[0], version[1], 0, 0]);
    bytes.extend(&number.to_be_bytes()[2..]);
    bytes.extend(((HANDSHAKE_HEADER + body.len()) as u16).to_be_bytes());
    bytes.push(kind);
    bytes.extend(&length[1..]);
    bytes.extend([0; 5]);
    bytes.extend(&length[1..]);
    bytes.extend(body);
    bytes
}

/// What makes and knows cookies: each says when it was made, and a keyed hash says that it was made here, for this path
/// and this ClientHello.
pub struct Cookies {
    key: hmac::Key,
    start: Instant,
}

impl Cookies {
    /// With a key that nobody else has.
    pub fn new(now: Instant, key: &[u8; 32]) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, key),
            start: now,
        }
    }

    /// For who sent this over a path.
    pub fn make(&self, now: Instant, path: &FourTuple, hello: &ClientHello<'_>) -> [u8; COOKIE] {
        self.seal(self.second(now).to_be_bytes(), path, hello)
    }

    /// The cookie of a ClientHello, if it is one of ours for it, and still good.
    pub fn check(
        &self,
        now: Instant,
        path: &FourTuple,
        hello: &ClientHello<'_>,
    ) -> Option<[u8; COOKIE]> {
        let cookie = hello.cookie()?;
        let time = *cookie.first_chunk::<TIME>()?;
        let age = self.second(now).wrapping_sub(u32::from_be_bytes(time));
        let is_ours = cookie.ct_eq(&self.seal(time, path, hello)).into();
        (is_ours && u64::from(age) < COOKIE_LIFETIME.as_secs()).then_some(cookie)
    }

    fn second(&self, now: Instant) -> u32 {
        now.saturating_duration_since(self.start).as_secs() as u32
    }

    fn seal(&self, time: [u8; TIME], path: &FourTuple, hello: &ClientHello<'_>) -> [u8; COOKIE] {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&time);
        context.update(&bytes_of(path.local));
        context.update(&bytes_of(path.remote));
        context.update(&hello.random);
        let tag = context.sign();
        let tag = tag.as_ref();
        std::array::from_fn(|at| match at.checked_sub(TIME) {
            None => time[at],
            Some(at) => tag[at],
        })
    }
}

fn bytes_of(address: SocketAddr) -> [u8; 18] {
    let ip = match address.ip() {
        std::net::IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        std::net::IpAddr::V6(ip) => ip.octets(),
    };
    let port = address.port().to_be_bytes();
    std::array::from_fn(|at| match at.checked_sub(ip.len()) {
        None => ip[at],
        Some(at) => port[at],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::net::path::Transport;

    fn path(remote: &str) -> FourTuple {
        FourTuple {
            transport: Transport::Dtls,
            local: "192.0.2.1:5349".parse().unwrap(),
            remote: remote.parse().unwrap(),
        }
    }

    /// A ClientHello with one cipher suite and no extension.
    fn hello(random: u8, cookie: &[u8]) -> Vec<u8> {
        let mut body = vec![254, 253];
        body.extend([random; RANDOM]);
        body.extend([0, cookie.len() as u8]);
        body.extend(cookie);
        body.extend([0, 2, 0xC0, 0x2B, 1, 0]);
        let mut bytes = message(CLIENT_HELLO, [254, 255], 7, &body);
        bytes[RECORD_HEADER + 5] = u8::from(!cookie.is_empty());
        bytes
    }

    #[test]
    fn a_cookie_is_good_for_one_path_one_hello_and_a_while() {
        let start = Instant::now();
        let cookies = Cookies::new(start, &[7; 32]);
        let (me, now) = (path("192.0.2.2:5000"), start + Duration::from_secs(100));
        let first = hello(1, &[]);
        let cookie = cookies.make(now, &me, &ClientHello::read(&first).unwrap());
        let is_good = |cookies: &Cookies, now, path: &FourTuple, random, cookie: &[u8]| {
            let second = hello(random, cookie);
            let second = ClientHello::read(&second).unwrap();
            cookies.check(now, path, &second).is_some()
        };
        assert!(is_good(&cookies, now, &me, 1, &cookie));
        let late = now + COOKIE_LIFETIME;
        assert!(is_good(
            &cookies,
            late - Duration::from_secs(1),
            &me,
            1,
            &cookie
        ));
        assert!(!is_good(&cookies, late, &me, 1, &cookie));
        assert!(!is_good(
            &cookies,
            now - Duration::from_secs(1),
            &me,
            1,
            &cookie
        ));
        assert!(!is_good(&cookies, now, &me, 2, &cookie));
        for other in ["192.0.2.2:5001", "192.0.2.3:5000", "[2001:db8::1]:5000"] {
            assert!(!is_good(&cookies, now, &path(other), 1, &cookie), "{other}");
        }
        let others = Cookies::new(start, &[8; 32]);
        assert!(!is_good(&others, now, &me, 1, &cookie));
        for at in 0..COOKIE {
            let mut changed = cookie;
            changed[at] ^= 1;
            assert!(!is_good(&cookies, now, &me, 1, &changed), "{at}");
            assert!(!is_good(&cookies, now, &me, 1, &cookie[..at]), "{at}");
        }
    }

    #[test]
    fn the_first_message_is_the_second_without_its_cookie() {
        let second = hello(1, &[9; COOKIE]);
        let second = ClientHello::read(&second).unwrap();
        assert!(second.is_second());
        let first = second.without_cookie();
        let mut expected = hello(1, &[]);
        // The record before it.
        expected[10] = 6;
        assert_eq!(first, expected);
        let first = ClientHello::read(&first).unwrap();
        assert!(!first.is_second() && first.cookie().is_none());
    }

    #[test]
    fn an_answer_is_shorter_than_what_asks_for_it() {
        let least = hello(1, &[]);
        let read = ClientHello::read(&least).unwrap();
        let answer = hello_verify_request(&read, [9; COOKIE]);
        assert!(answer.len() < least.len());
        for len in 0..least.len() {
            assert!(ClientHello::read(&least[..len]).is_none(), "{len}");
        }
    }

    #[test]
    fn what_is_no_whole_hello_is_none() {
        let whole = hello(1, &[]);
        let change = |at: usize, to: u8| {
            let mut changed = whole.clone();
            changed[at] = to;
            ClientHello::read(&changed).is_none()
        };
        // The record's type and epoch; the message's type, its fragment's place and length.
        for (at, to) in [(0, 23), (4, 1), (13, 2), (21, 1), (24, 1)] {
            assert!(change(at, to), "{at}");
        }
        let session = RECORD_HEADER + HANDSHAKE_HEADER + BEGIN;
        // A session id, which the library misreads; and a cookie that is longer than what is left.
        assert!(change(session, 1) && change(session, 255) && change(session + 1, 255));
    }

    #[test]
    fn an_answer_has_the_number_of_what_it_answers() {
        let mut asked = hello(1, &[]);
        let asked_at = |asked: &[u8]| {
            let hello = ClientHello::read(asked).unwrap();
            let answer = hello_verify_request(&hello, [9; COOKIE]);
            Records(&answer).next().unwrap().number
        };
        assert_eq!(asked_at(&asked), 7);
        asked[NUMBER + 5] = 8;
        assert_eq!(asked_at(&asked), 8);
    }

    #[test]
    fn only_plaintext_is_numbered_anew() {
        let plain = message(CLIENT_HELLO, VERSION, 300, &[7; 5]);
        let mut sealed = plain.clone();
        sealed[4] = 1;
        let mut datagram = [&plain[..], &sealed, &plain, &[22]].concat();
        renumber(&mut datagram, 2);
        let numbers: Vec<_> = Records(&datagram).map(|record| record.number).collect();
        assert_eq!(numbers, [302, 300, 302]);
        assert_eq!(datagram.len(), 3 * plain.len() + 1);
    }
}
