use super::*;
use mio::{Events, Poll};
use std::net::TcpStream as Caller;

struct Bench {
    poll: Poll,
    tcp: Tcp,
    port: u16,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        let poll = Poll::new().unwrap();
        let listener = TcpListener::bind(([127, 0, 0, 1], 0).into()).unwrap();
        let port = listener.local_addr().unwrap().port();
        let registry = poll.registry().try_clone().unwrap();
        Self {
            tcp: Tcp::new(vec![listener], registry).unwrap(),
            poll,
            port,
            now: Instant::now(),
        }
    }

    fn connect(&mut self) -> Caller {
        let caller = Caller::connect(("127.0.0.1", self.port)).unwrap();
        let before = self.tcp.connections.len();
        let mut events = Events::with_capacity(64);
        let mut received = Received::default();
        // It is refused by being closed, which the caller sees.
        self.poll
            .poll(&mut events, Some(Duration::from_secs(20)))
            .unwrap();
        for event in &events {
            self.tcp.handle_event(self.now, event, &mut received);
        }
        assert!(self.tcp.connections.len() <= before + 1);
        caller
    }

    fn sweep_after(&mut self, span: Duration) -> usize {
        self.now += span;
        let mut received = Received::default();
        self.tcp.sweep(self.now, &mut received);
        received.closed.len()
    }
}

#[test]
fn one_address_has_its_share_of_connections_and_gives_it_back() {
    // Both ends of each are here.
    rlimit::increase_nofile_limit(4 * MAX_PER_ADDRESS as u64).unwrap();
    let mut bench = Bench::new();
    let mut callers = Vec::new();
    while callers.len() < MAX_PER_ADDRESS + 10 {
        callers.push(bench.connect());
    }
    assert_eq!(bench.tcp.connections.len(), MAX_PER_ADDRESS);
    for caller in &mut callers[MAX_PER_ADDRESS..] {
        assert!(matches!(caller.read(&mut [0; 1]), Ok(0) | Err(_)));
    }
    assert_eq!(bench.sweep_after(INTRODUCTION), MAX_PER_ADDRESS);
    assert!(bench.tcp.by_address.is_empty() && bench.tcp.by_path.is_empty());
    let _again = bench.connect();
    assert_eq!(bench.tcp.connections.len(), 1);
}

#[test]
fn what_is_sent_in_a_turn_is_written_at_its_end_or_when_it_is_a_lot() {
    let mut bench = Bench::new();
    let mut caller = bench.connect();
    let path = *bench.tcp.by_path.keys().next().unwrap();
    let (frame, now) = ([7; 1000], bench.now);
    let send = |tcp: &mut Tcp| tcp.send(now, &path, frame[..].into(), None);
    let framed = frame.len() + 2;
    for _ in 0..3 {
        assert!(!send(&mut bench.tcp));
    }
    caller.set_nonblocking(true).unwrap();
    let early = caller.read(&mut [0; 1]).unwrap_err();
    assert_eq!(early.kind(), ErrorKind::WouldBlock);
    caller.set_nonblocking(false).unwrap();
    let long = Some(Duration::from_secs(20));
    caller.set_read_timeout(long).unwrap();
    bench.tcp.flush(now);
    caller.read_exact(&mut vec![0; 3 * framed]).unwrap();
    let many = AT_ONCE.div_ceil(frame.len());
    for _ in 0..many {
        assert!(!send(&mut bench.tcp));
    }
    caller.read_exact(&mut vec![0; many * framed]).unwrap();
    bench.tcp.flush(now);
    assert!(bench.tcp.unsent.is_empty());
}

#[test]
fn last_words_are_written_before_a_connection_is_closed() {
    let mut bench = Bench::new();
    let mut caller = bench.connect();
    let path = *bench.tcp.by_path.keys().next().unwrap();
    (bench.tcp).send(bench.now, &path, [7; 100][..].into(), None);
    bench.tcp.dismiss(bench.now, &path);
    assert_eq!(bench.sweep_after(Duration::ZERO), 1);
    let long = Some(Duration::from_secs(20));
    caller.set_read_timeout(long).unwrap();
    let mut words = Vec::new();
    caller.read_to_end(&mut words).unwrap();
    assert_eq!(words.len(), 102);
}

#[test]
fn a_crowd_of_callers_is_let_in_a_few_at_a_turn() {
    let mut bench = Bench::new();
    let call = |_| std::net::TcpStream::connect(("127.0.0.1", bench.port)).unwrap();
    let callers: Vec<_> = (0..3 * MAX_ACCEPTS).map(call).collect();
    let mut events = Events::with_capacity(64);
    while bench.tcp.len() < callers.len() {
        let before = bench.tcp.len();
        // Nothing tells of those who wait: that there are more is known.
        if !bench.tcp.has_unread() {
            bench
                .poll
                .poll(&mut events, Some(Duration::from_secs(20)))
                .unwrap();
        }
        let mut received = Received::default();
        bench.tcp.read_on(bench.now, &mut received);
        for event in &events {
            bench.tcp.handle_event(bench.now, event, &mut received);
        }
        events.clear();
        let accepted = bench.tcp.len() - before;
        assert!((1..=MAX_ACCEPTS).contains(&accepted), "{accepted}");
    }
}

#[test]
fn a_connection_that_never_pauses_is_read_once_a_turn() {
    let mut bench = Bench::new();
    let mut caller = bench.connect();
    caller.set_nonblocking(true).unwrap();
    let frame = [&1000_u16.to_be_bytes()[..], &[0; 1000]].concat();
    let stream: Vec<u8> = frame.repeat(8 << 10);
    let mut written = 0;
    let mut events = Events::with_capacity(64);
    let mut turns_with_more = 0;
    while written < stream.len() {
        written += caller.write(&stream[written..]).unwrap_or(0);
        let soon = Some(Duration::from_millis(10));
        bench.poll.poll(&mut events, soon).unwrap();
        let mut received = Received::default();
        bench.tcp.read_on(bench.now, &mut received);
        for event in &events {
            bench.tcp.handle_event(bench.now, event, &mut received);
        }
        assert!(received.datagrams.len() <= READ_BUDGET / frame.len() + 1);
        turns_with_more += usize::from(bench.tcp.has_unread());
    }
    assert!(turns_with_more > 10, "{turns_with_more}");
}

#[test]
fn connections_without_checks_are_closed() {
    let mut bench = Bench::new();
    let _callers = [bench.connect(), bench.connect()];
    let known = *bench.tcp.by_path.keys().next().unwrap();
    bench.tcp.introduce(bench.now, &known);
    assert_eq!(bench.sweep_after(INTRODUCTION), 1);
    assert!(bench.tcp.has(&known));
    bench.now += SILENCE / 2;
    bench.tcp.introduce(bench.now, &known);
    assert_eq!(bench.sweep_after(SILENCE - Duration::from_secs(1)), 0);
    assert_eq!(bench.sweep_after(Duration::from_secs(1)), 1);
}

mod sealed {
    use super::*;
    use bytes::BytesMut;
    use rustls::crypto::ring::default_provider;
    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
    use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};

    /// A client that has shaken hands, and the shard's end of its connection.
    struct Sealed {
        client: ClientConnection,
        stream: Caller,
    }

    fn configs() -> (ClientConfig, ServerConfig) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let key = PrivateKeyDer::from(key);
        let provider = Arc::new(default_provider());
        let client = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        (client, server)
    }

    /// Shakes hands, sends this at once with the last flight, and hands the connection over with it.
    fn connect(bench: &mut Bench, early: &[u8]) -> Sealed {
        let (client, server) = configs();
        let name = ServerName::try_from("localhost").unwrap();
        let mut client = ClientConnection::new(Arc::new(client), name).unwrap();
        let mut server = ServerConnection::new(Arc::new(server)).unwrap();
        client.writer().write_all(early).unwrap();
        while client.is_handshaking() || server.is_handshaking() || client.wants_write() {
            let (mut up, mut down) = (Vec::new(), Vec::new());
            while client.wants_write() {
                client.write_tls(&mut up).unwrap();
            }
            while !up.is_empty() {
                let taken = server.read_tls(&mut &up[..]).unwrap();
                up.drain(..taken);
                server.process_new_packets().unwrap();
            }
            while server.wants_write() {
                server.write_tls(&mut down).unwrap();
            }
            while !down.is_empty() {
                let taken = client.read_tls(&mut &down[..]).unwrap();
                down.drain(..taken);
                client.process_new_packets().unwrap();
            }
        }
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = Caller::connect(listener.local_addr().unwrap()).unwrap();
        let (ours, _) = listener.accept().unwrap();
        ours.set_nonblocking(true).unwrap();
        // The kernel takes little at a time: less than is sealed at once.
        let small = socket2::SockRef::from(&ours).set_send_buffer_size(8192);
        small.unwrap();
        let small = socket2::SockRef::from(&stream).set_recv_buffer_size(16384);
        small.unwrap();
        let patience = Some(Duration::from_secs(20));
        stream.set_read_timeout(patience).unwrap();
        let session = TlsSession::new(server);
        let secured = Secured {
            stream: ours,
            session,
        };
        bench.tcp.adopt(bench.now, secured);
        Sealed { client, stream }
    }

    impl Sealed {
        fn send(&mut self, plain: &[u8]) {
            self.client.writer().write_all(plain).unwrap();
            while self.client.wants_write() {
                self.client.write_tls(&mut self.stream).unwrap();
            }
        }

        /// Reads this much, or to the end.
        fn read(&mut self, len: usize) -> std::io::Result<Vec<u8>> {
            let mut plain = Vec::new();
            while plain.len() < len {
                if self.client.read_tls(&mut self.stream)? == 0 {
                    self.client.process_new_packets().unwrap();
                    break;
                }
                let state = self.client.process_new_packets().unwrap();
                let mut opened = vec![0; state.plaintext_bytes_to_read()];
                self.client.reader().read_exact(&mut opened)?;
                plain.extend(opened);
            }
            Ok(plain)
        }
    }

    impl Bench {
        /// Serves until this is so.
        fn serve_until(&mut self, mut done: impl FnMut(&Received) -> bool) -> Received {
            let mut received = Received::default();
            let mut events = Events::with_capacity(64);
            let deadline = Instant::now() + Duration::from_secs(20);
            while !done(&received) {
                assert!(Instant::now() < deadline, "nothing came of it");
                self.tcp.read_on(self.now, &mut received);
                let soon = Some(Duration::from_millis(10));
                self.poll.poll(&mut events, soon).unwrap();
                for event in &events {
                    self.tcp.handle_event(self.now, event, &mut received);
                }
            }
            received
        }
    }

    /// A message of STUN's of this length, all told.
    fn message(len: usize) -> Vec<u8> {
        let body = u16::try_from(len - 20).unwrap().to_be_bytes();
        [&[0, 3, body[0], body[1]][..], &vec![7; len - 4]].concat()
    }

    #[test]
    fn what_came_with_the_handshake_and_after_it_is_opened() {
        let mut bench = Bench::new();
        let mut caller = connect(&mut bench, &message(100));
        let first = bench.serve_until(|received| !received.datagrams.is_empty());
        let (path, datagram) = &first.datagrams[0];
        assert_eq!(*datagram, message(100));
        assert_eq!(path.remote, caller.stream.local_addr().unwrap());
        // More than a record holds, and cut where it happens to be.
        let many = message(1000).repeat(50);
        for piece in many.chunks(7777) {
            caller.send(piece);
        }
        let rest = bench.serve_until(|received| received.datagrams.len() == 50);
        assert!(
            rest.datagrams
                .iter()
                .all(|(_, datagram)| *datagram == message(1000))
        );
    }

    #[test]
    fn what_leaves_is_sealed_and_a_slow_reader_costs_no_more_than_without() {
        let mut bench = Bench::new();
        let mut caller = connect(&mut bench, &message(20));
        let received = bench.serve_until(|received| !received.datagrams.is_empty());
        let (path, _) = received.datagrams[0];
        let frame = message(1000);
        let mut given = 0;
        // Until the kernel takes no more, and the queue has what it may have.
        while bench.tcp.connections[&bench.tcp.by_path[&path]]
            .queue
            .queued()
            + 1000
            <= 512 * 1024
        {
            bench
                .tcp
                .send(bench.now, &path, BytesMut::from(&frame[..]), None);
            given += frame.len();
        }
        assert!(
            bench
                .tcp
                .send(bench.now, &path, BytesMut::from(&frame[..]), None)
        );
        let reader = std::thread::spawn(move || {
            let read = caller.read(given).unwrap();
            (caller, read)
        });
        bench.serve_until(|_| reader.is_finished());
        let (_, read) = reader.join().unwrap();
        assert!(read.chunks(1000).all(|chunk| chunk == frame));
        assert_eq!(read.len(), given);
    }

    /// coturn's client sees the first message of a record alone.
    #[test]
    fn each_message_is_a_record_of_its_own() {
        let mut bench = Bench::new();
        let mut caller = connect(&mut bench, &message(20));
        let received = bench.serve_until(|received| !received.datagrams.is_empty());
        let (path, _) = received.datagrams[0];
        // Channel data, which is padded, between two messages.
        let channel = [&[0x40, 0, 0, 5][..], b"hello", &[0; 3]].concat();
        for message in [&message(100), &channel, &message(20)] {
            bench
                .tcp
                .send(bench.now, &path, BytesMut::from(&message[..]), None);
        }
        bench.tcp.flush(bench.now);
        let mut lengths = Vec::new();
        while lengths.len() < 3 {
            let mut header = [0; 5];
            caller.stream.read_exact(&mut header).unwrap();
            let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
            caller.stream.read_exact(&mut vec![0; length]).unwrap();
            // TLS 1.3 adds a type and a tag of 16 bytes (RFC 8446 §5.2).
            lengths.push(length - 17);
        }
        assert_eq!(lengths, [100, 12, 20]);
    }

    /// What would be carried is not lost because nothing more comes.
    #[test]
    fn the_end_that_comes_with_a_request_to_join_waits_until_it_is_answered() {
        let joins = [&[0, 0x0b, 0, 0][..], &[7; 16], b"all there is"].concat();
        for is_joined in [true, false] {
            let mut bench = Bench::new();
            let mut caller = connect(&mut bench, &message(20));
            bench.serve_until(|received| !received.datagrams.is_empty());
            caller.client.writer().write_all(&joins).unwrap();
            caller.client.send_close_notify();
            let mut sealed = Vec::new();
            while caller.client.wants_write() {
                caller.client.write_tls(&mut sealed).unwrap();
            }
            caller.stream.write_all(&sealed).unwrap();
            let received = bench.serve_until(|received| !received.datagrams.is_empty());
            assert!(received.closed.is_empty());
            let (path, _) = received.datagrams[0];
            if is_joined {
                let mut detached = bench.tcp.detach(bench.now, &path).unwrap();
                assert_eq!(detached.arrived, b"all there is");
                let tls = detached.tls.as_mut().unwrap();
                assert_eq!(tls.read(&mut detached.stream, &mut [0]).unwrap(), 0);
            } else {
                bench.serve_until(|received| !received.closed.is_empty());
            }
        }
    }

    #[test]
    fn both_ends_hear_of_the_end() {
        let mut bench = Bench::new();
        let mut caller = connect(&mut bench, &message(20));
        bench.serve_until(|received| !received.datagrams.is_empty());
        caller.client.send_close_notify();
        caller.client.write_tls(&mut caller.stream).unwrap();
        let closed = bench.serve_until(|received| !received.closed.is_empty());
        assert_eq!(closed.closed.len(), 1);
        assert!(bench.tcp.is_empty() && bench.tcp.by_address.is_empty());

        // One that shows no credentials is told so in TLS's way, too: no end of the stream by itself.
        let mut caller = connect(&mut bench, &message(20));
        bench.serve_until(|received| !received.datagrams.is_empty());
        assert_eq!(bench.sweep_after(INTRODUCTION), 1);
        assert!(caller.read(1).unwrap().is_empty());
        assert!(matches!(caller.client.reader().read(&mut [0]), Ok(0)));
    }

    #[test]
    fn a_stream_that_is_not_what_it_should_be_ends() {
        for nonsense in [
            // No record; one that nobody sealed; in a good one neither STUN nor channel data.
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            &[
                23, 3, 3, 0, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19,
                20,
            ],
            &[],
        ] {
            let mut bench = Bench::new();
            let mut caller = connect(&mut bench, &[]);
            match nonsense.is_empty() {
                true => caller.send(&[0x80; 100]),
                false => caller.stream.write_all(nonsense).unwrap(),
            }
            let received = bench.serve_until(|received| !received.closed.is_empty());
            assert!(received.datagrams.is_empty() && bench.tcp.is_empty());
        }
    }
}
