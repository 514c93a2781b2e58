//! What clients find out about their NATs, and what nobody is sent for it (RFC 5780).

use std::net::SocketAddr;

use super::bench::*;
use crate::media::net::path::{FourTuple, Transport};
use crate::media::net::stun::attribute::*;
use crate::media::net::stun::{Message, Method, TransactionId, Writer};
use crate::turn::places::Places;
use crate::turn::server::ANSWERS_AT_ONCE;

const CLIENT: &str = "198.51.100.7:4000";
const FIRST: &str = "192.0.2.1";
const SECOND_ADDRESS: &str = "192.0.2.2";
const SECOND_PORT: u16 = 3479;
const RESPONSE_PORT: u16 = 0x0027;
const PADDING: u16 = 0x0026;

fn bench() -> Bench {
    Bench::discovering(Places {
        addresses: [FIRST, SECOND_ADDRESS].map(|address| address.parse().unwrap()),
        ports: [MEDIA_PORT, SECOND_PORT],
    })
}

fn request(attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut out = bytes::BytesMut::new();
    let mut writer = Writer::new(&mut out, Method::Binding.request(), TransactionId([3; 12]));
    for (typ, value) in attributes {
        writer.add(*typ, value);
    }
    writer.finish();
    out.to_vec()
}

/// The answers to a request to one of the four places, and where each comes from. All go to who asked.
fn ask(bench: &mut Bench, to: (&str, u16), attributes: &[(u16, &[u8])]) -> Vec<(String, Answer)> {
    let path = FourTuple {
        transport: Transport::Udp,
        local: SocketAddr::new(to.0.parse().unwrap(), to.1),
        remote: CLIENT.parse().unwrap(),
    };
    let request = request(attributes);
    match to.1 {
        SECOND_PORT => bench.turn.handle_second_port(bench.now, &path, &request),
        _ => assert!(bench.give(&path, &request).is_none()),
    }
    let sent = bench.sent().into_iter();
    sent.map(|(path, answer)| {
        assert_eq!(path.remote.to_string(), CLIENT);
        (path.local.to_string(), Answer(answer))
    })
    .collect()
}

fn plain(answer: &Answer, typ: u16) -> Option<String> {
    let value = answer.message().get(typ)?;
    let [0, 1, p, q, a, b, c, d] = *value else {
        panic!("{value:?}");
    };
    Some(SocketAddr::from(([a, b, c, d], u16::from_be_bytes([p, q]))).to_string())
}

#[test]
fn an_answer_comes_from_where_it_is_asked_for_and_says_so() {
    let all = [FIRST, SECOND_ADDRESS];
    let ports = [MEDIA_PORT, SECOND_PORT];
    for (address, port, flags) in
        (0..2).flat_map(|a| (0..2).flat_map(move |p| (0..4).map(move |f| (a, p, f))))
    {
        let mut bench = bench();
        let change = [0, 0, 0, flags << 1];
        let change: &[(u16, &[u8])] = match flags {
            0 => &[],
            _ => &[(CHANGE_REQUEST, &change)],
        };
        let mut answers = ask(&mut bench, (all[address], ports[port]), change);
        assert_eq!(answers.len(), 1);
        let (from, answer) = answers.remove(0);
        let other_port = usize::from(flags & 1 != 0);
        let other_address = usize::from(flags & 2 != 0);
        let expected = format!(
            "{}:{}",
            all[address ^ other_address],
            ports[port ^ other_port]
        );
        assert_eq!(from, expected);
        assert_eq!(plain(&answer, RESPONSE_ORIGIN), Some(expected));
        let other = format!("{}:{}", all[address ^ 1], ports[port ^ 1]);
        assert_eq!(plain(&answer, OTHER_ADDRESS), Some(other));
        assert_eq!(plain(&answer, MAPPED_ADDRESS).as_deref(), Some(CLIENT));
        assert_eq!(answer.address(XOR_MAPPED_ADDRESS).to_string(), CLIENT);
    }
}

#[test]
fn where_there_is_no_second_address_nothing_is_said_of_one_and_no_answer_changes() {
    let change: &[(u16, &[u8])] = &[(CHANGE_REQUEST, &[0, 0, 0, 6])];
    let mut without = Bench::new();
    for (bench, to) in [(&mut without, FIRST), (&mut bench(), "192.0.2.3")] {
        let (_, answer) = ask(bench, (to, MEDIA_PORT), &[]).remove(0);
        assert_eq!(answer.code(), 0);
        for typ in [OTHER_ADDRESS, RESPONSE_ORIGIN, MAPPED_ADDRESS] {
            assert!(answer.message().get(typ).is_none());
        }
        let (from, answer) = ask(bench, (to, MEDIA_PORT), change).remove(0);
        assert_eq!((from, answer.code()), (format!("{to}:{MEDIA_PORT}"), 420));
    }
    // Nor over a connection, which goes where it came from.
    let mut bench = bench();
    for transport in [Transport::Tcp, Transport::Dtls] {
        let path = Client::new(CLIENT).over(transport).path;
        let answer = bench.ask(&path, &request(change));
        assert_eq!(answer.code(), 420);
    }
}

#[test]
fn what_would_send_to_somebody_else_or_much_is_refused_from_where_it_came() {
    let mut bench = bench();
    let change: (u16, &[u8]) = (CHANGE_REQUEST, &[0, 0, 0, 6]);
    for attributes in [
        &[(RESPONSE_PORT, &[0x1f, 0x90, 0, 0][..])][..],
        &[change, (RESPONSE_PORT, &[0x1f, 0x90, 0, 0])],
        &[(PADDING, &[0; 1500])],
    ] {
        let asked = request(attributes).len();
        let (from, answer) = ask(&mut bench, (FIRST, MEDIA_PORT), attributes).remove(0);
        assert_eq!((from.as_str(), answer.code()), ("192.0.2.1:3478", 420));
        assert!(answer.0.len() <= asked.max(80));
    }
    for wrong in [&[][..], &[6], &[0; 8]] {
        let (_, answer) =
            ask(&mut bench, (FIRST, MEDIA_PORT), &[(CHANGE_REQUEST, wrong)]).remove(0);
        assert_eq!(answer.code(), 400);
    }
}

#[test]
fn an_answer_is_short_and_a_source_has_few_wherever_it_asks() {
    let mut bench = bench();
    let change: &[(u16, &[u8])] = &[(CHANGE_REQUEST, &[0, 0, 0, 6])];
    let (_, answer) = ask(&mut bench, (FIRST, MEDIA_PORT), change).remove(0);
    assert!(Message::read(&answer.0).is_some() && answer.0.len() <= 68);
    let places = [
        (FIRST, MEDIA_PORT),
        (SECOND_ADDRESS, MEDIA_PORT),
        (FIRST, SECOND_PORT),
        (SECOND_ADDRESS, SECOND_PORT),
    ];
    let asked = 4 * ANSWERS_AT_ONCE as usize;
    let answered: usize = (0..asked)
        .map(|n| ask(&mut bench, places[n % 4], change).len())
        .sum();
    assert_eq!(answered, ANSWERS_AT_ONCE as usize - 1);
}

#[test]
fn the_second_port_serves_nothing_else() {
    let mut bench = bench();
    let path = FourTuple {
        transport: Transport::Udp,
        local: SocketAddr::new(FIRST.parse().unwrap(), SECOND_PORT),
        remote: CLIENT.parse().unwrap(),
    };
    for method in [
        Method::Allocate,
        Method::Refresh,
        Method::CreatePermission,
        Method::ChannelBind,
    ] {
        let request = bare(&mut bench, method);
        bench.turn.handle_second_port(bench.now, &path, &request);
    }
    for other in [&[][..], &[0, 1], &channel(0x4000, b"data"), &[22; 100]] {
        bench.turn.handle_second_port(bench.now, &path, other);
    }
    assert!(bench.sent().is_empty() && bench.turn.is_empty());
}
