//! The handshake between two of ours, and what it does not take.

use std::sync::OnceLock;

use super::*;

struct Pair {
    client: Dtls,
    server: Dtls,
    now: Instant,
}

impl Pair {
    fn connected() -> Self {
        let mut pair = Self::new();
        pair.client.start(pair.now);
        while pair.step() {}
        assert_eq!(pair.client.state(), DtlsState::Connected);
        assert_eq!(pair.server.state(), DtlsState::Connected);
        pair
    }

    fn new() -> Self {
        static IDENTITY: OnceLock<Identity> = OnceLock::new();
        let identity = IDENTITY.get_or_init(|| Identity::generate().unwrap());
        let fingerprint = Fingerprint {
            algorithm: HashAlgorithm::Sha256,
            digest: identity.fingerprint.to_vec(),
        };
        let end = |role| Dtls::new(identity.clone(), role, vec![fingerprint.clone()]);
        Self {
            client: end(DtlsRole::Client),
            server: end(DtlsRole::Server),
            now: Instant::now(),
        }
    }

    /// Carries what there is to the other end.
    fn step(&mut self) -> bool {
        let up = std::iter::from_fn(|| self.client.poll_transmit()).collect::<Vec<_>>();
        let down = std::iter::from_fn(|| self.server.poll_transmit()).collect::<Vec<_>>();
        for datagram in &up {
            self.server.handle_datagram(self.now, datagram);
        }
        for datagram in &down {
            self.client.handle_datagram(self.now, datagram);
        }
        !up.is_empty() || !down.is_empty()
    }

    /// Datagrams of the client, one for each message.
    fn write(&mut self, messages: &[&str]) -> Vec<BytesMut> {
        for message in messages {
            self.client.send(self.now, message.as_bytes());
        }
        std::iter::from_fn(|| self.client.poll_transmit()).collect()
    }

    fn read(&mut self, datagram: &[u8]) -> Option<Bytes> {
        self.server.handle_datagram(self.now, datagram);
        assert!(self.server.poll_transmit().is_none());
        data(&mut self.server)
    }
}

fn data(end: &mut Dtls) -> Option<Bytes> {
    std::iter::from_fn(|| end.poll_event()).find_map(|event| match event {
        DtlsEvent::Data(data) => Some(data),
        _ => None,
    })
}

#[test]
fn what_is_listed_is_what_is_verified() {
    let identity = Identity::generate().unwrap();
    let mut server = Dtls::new(identity.clone(), DtlsRole::Server, Vec::new());
    let mut client = Dtls::new(identity, DtlsRole::Client, Vec::new());
    let now = Instant::now();
    client.start(now);
    // A hello, a cookie, the hello again, and the server's flight.
    let mut flights = Vec::new();
    for _ in 0..2 {
        let up: Vec<_> = std::iter::from_fn(|| client.poll_transmit()).collect();
        for datagram in &up {
            server.handle_datagram(now, datagram);
        }
        let down: Vec<_> = std::iter::from_fn(|| server.poll_transmit()).collect();
        for datagram in &down {
            client.handle_datagram(now, datagram);
        }
        flights = [up, down].concat();
    }
    let flights = flights.concat();
    let pairs: Vec<u8> = SIGNATURES
        .iter()
        .flat_map(|scheme| (*scheme as u16).to_be_bytes())
        .collect();
    let length = pairs.len() as u8;
    // The hello's extension (RFC 5246 §7.4.1.4.1), and the CertificateRequest (§7.4.4), which says
    // first that certificates may be RSA's and ECDSA's.
    let extension = [&[0, 13, 0, length + 2, 0, length], &pairs[..]].concat();
    let request = [&[2, 1, 64, 0, length], &pairs[..]].concat();
    for list in [extension, request] {
        assert!(flights.windows(list.len()).any(|w| w == list), "{list:?}");
    }
}

/// A record of plaintext or of something that is not.
fn record(kind: u8, version: [u8; 2], epoch: u8, number: u8, body: &[u8]) -> Vec<u8> {
    let header = [
        kind, version[0], version[1], 0, epoch, 0, 0, 0, 0, 0, number,
    ];
    [&header, &(body.len() as u16).to_be_bytes()[..], body].concat()
}

/// Records that say nothing a handshake can go on from, nor that it is over.
fn noise() -> impl Iterator<Item = Vec<u8>> {
    let bodies = [
        &[][..],
        &[0],
        &[1, 90],
        &[1, 112],
        &[7, 7],
        &[1; 14],
        &[7; 1200],
    ];
    let bodies = bodies
        .into_iter()
        .flat_map(|body| [(body, 0), (body, 1), (body, 2)]);
    bodies.flat_map(|(body, epoch)| {
        let versions = [[254, 253], [254, 255], [3, 3]];
        versions.into_iter().flat_map(move |version| {
            [20, 21, 22, 23, 24, 63].map(|kind| record(kind, version, epoch, 60, body))
        })
    })
}

/// RFC 6347 §4.1.2.7, RFC 5246 §7.2.2.
#[test]
fn what_cannot_be_read_is_discarded_while_connecting() {
    for (n, noise) in noise().enumerate() {
        let mut pair = Pair::new();
        pair.client.start(pair.now);
        for _ in 0..n % 4 {
            pair.step();
        }
        pair.client.handle_datagram(pair.now, &noise);
        pair.server.handle_datagram(pair.now, &noise);
        while pair.step() {}
        let states = [pair.client.state(), pair.server.state()];
        assert_eq!(states, [DtlsState::Connected; 2], "{n}: {noise:?}");
    }
}

#[test]
fn a_fatal_alert_ends_a_handshake_at_once() {
    let mut pair = Pair::new();
    pair.client.start(pair.now);
    let refusal = record(21, [254, 253], 0, 0, &[2, 40]);
    pair.client.handle_datagram(pair.now, &refusal);
    assert_eq!(pair.client.state(), DtlsState::Failed);
}

/// What is told of one whose handshake was done is not that it failed.
#[test]
fn who_gives_up_after_the_handshake_has_closed() {
    let alert = || DtlsError("the other end gave up".to_owned());
    let mut pair = Pair::connected();
    pair.server.fail(pair.now, alert());
    assert_eq!(pair.server.state(), DtlsState::Failed);
    assert_eq!(pair.server.evidence(pair.now).fate, DtlsFate::Closed);
    let mut pair = Pair::new();
    pair.server.fail(pair.now, alert());
    let fate = pair.server.evidence(pair.now).fate;
    assert!(matches!(fate, DtlsFate::Failed(_)), "{fate:?}");
}

#[test]
fn the_handshake_is_kept_until_the_other_end_uses_its_keys() {
    let mut pair = Pair::connected();
    assert!(!pair.server.association.is_settled());
    let hello = pair.write(&["hello"]);
    assert_eq!(pair.read(&hello[0]).as_deref(), Some(&b"hello"[..]));
    assert!(pair.server.association.is_settled());
    assert!(!pair.client.association.is_settled());
    pair.server.send(pair.now, b"you too");
    while pair.step() {}
    assert_eq!(data(&mut pair.client).as_deref(), Some(&b"you too"[..]));
    assert!(pair.client.association.is_settled());
    // With new keys for old, and numbers that go on.
    for message in ["one", "two", "three"] {
        let sent = pair.write(&[message]);
        assert_eq!(pair.read(&sent[0]).as_deref(), Some(message.as_bytes()));
    }
}

#[test]
fn no_record_counts_twice_whenever_the_handshake_is_forgotten() {
    let mut pair = Pair::connected();
    let sent = pair.write(&["late", "first", "second"]);
    assert!(pair.read(&sent[1]).is_some());
    assert!(pair.server.association.is_settled());
    assert!(pair.read(&sent[1]).is_none());
    assert!(pair.read(&sent[2]).is_some());
    assert!(pair.read(&sent[2]).is_none());
    assert!(pair.read(&sent[0]).is_none());
}

#[test]
fn a_goodbye_is_heard_and_said_after_the_handshake_is_forgotten() {
    let mut pair = Pair::connected();
    let sent = pair.write(&["hello"]);
    assert!(pair.read(&sent[0]).is_some());
    pair.client.close(pair.now);
    while pair.step() {}
    assert_eq!(pair.server.state(), DtlsState::Closed);

    let mut pair = Pair::connected();
    let sent = pair.write(&["hello"]);
    assert!(pair.read(&sent[0]).is_some());
    pair.server.close(pair.now);
    while pair.step() {}
    assert_eq!(pair.client.state(), DtlsState::Closed);
}
