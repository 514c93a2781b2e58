//! What a peer saw of a call that is not connected, by real datagrams, and the cause that is told of it.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use ferrite_protocol::diagnosis::{
    Cause, ClientEvidence, Gathered, Handshake, PairSums, ServerEvidence, judge,
};
use ferrite_server::media::net::demux::{Kind, classify};

use crate::handshakes::{CERTIFICATE, CLIENT_HELLO, Mishap, call_with_setup, forge, splits};
use crate::harness::checker::Check;
use crate::harness::link::Tamper;
use crate::harness::offer::Section;
use crate::harness::records::{HANDSHAKE, Record, records};
use crate::harness::{Bare, Browser, Datagram, Way, World, browser, seed};

const AUDIO: Section = Section::Audio {
    mid: "0",
    direction: "sendrecv",
};

/// When clients ask.
const PATIENCE: Duration = Duration::from_secs(5);

/// A client that tried UDP and TCP, and counted so many answers.
fn client(answered: u32) -> ClientEvidence {
    let tried = |sent, answered| PairSums {
        pairs: 1,
        sent: Some(sent),
        answered: Some(answered),
        lost: Some(0),
    };
    ClientEvidence {
        local: Gathered {
            host: 1,
            complete: true,
            ..Gathered::default()
        },
        remote: 2,
        udp: tried(20, answered),
        tcp: tried(0, 0),
        ..ClientEvidence::default()
    }
}

/// What is told a client of a peer.
fn told<F>(world: &World<F>, client: &ClientEvidence) -> (Cause, String) {
    let (ice, dtls) = world.server.resident.peer.evidence(world.now);
    let seen = ServerEvidence {
        port: 3478,
        is_out_of_reach: false,
        ice,
        dtls,
    };
    let diagnosis = judge(Some(client), Some(&seen));
    (diagnosis.cause, diagnosis.text)
}

/// A call over a link on which this is lost, when its client asks.
fn lost(setup: &str, is_lost: impl Fn(Way, &Datagram) -> bool + 'static) -> World<Browser> {
    let keep = move |way, datagram: Datagram| match is_lost(way, &datagram) {
        true => Vec::new(),
        false => vec![(Duration::ZERO, datagram)],
    };
    tampered(setup, Box::new(keep))
}

fn tampered(setup: &str, tamper: Tamper) -> World<Browser> {
    let mut world = World::browser(seed(1), browser::config());
    world.link.tamper = Some(tamper);
    call_with_setup(&mut world, setup);
    world.run_for(PATIENCE);
    world
}

fn is_dtls(datagram: &Datagram) -> bool {
    classify(&datagram.bytes) == Some(Kind::Dtls)
}

#[test]
fn nothing_arrives() {
    let world = lost("actpass", |way, _| way == Way::Up);
    let (cause, text) = told(&world, &client(0));
    assert_eq!(cause, Cause::NothingArrives, "{text}");
}

#[test]
fn our_answers_are_lost() {
    let world = lost("actpass", |way, _| way == Way::Down);
    let (cause, text) = told(&world, &client(0));
    assert_eq!(cause, Cause::AnswersLost);
    assert!(text.contains("by UDP"), "{text}");
}

#[test]
fn no_dtls_arrives() {
    let world = lost("active", |way, it| way == Way::Up && is_dtls(it));
    assert_eq!(told(&world, &client(20)).0, Cause::DtlsMissing);
}

#[test]
fn our_dtls_has_no_answer() {
    for setup in ["actpass", "passive"] {
        for way in [Way::Up, Way::Down] {
            let world = lost(setup, move |it, datagram| it == way && is_dtls(datagram));
            let (cause, text) = told(&world, &client(20));
            assert_eq!(cause, Cause::DtlsUnanswered, "{setup}, {way:?}: {text}");
        }
    }
}

#[test]
fn our_part_of_the_handshake_is_lost() {
    let world = lost("active", |way, it| way == Way::Down && is_dtls(it));
    assert_eq!(told(&world, &client(20)).0, Cause::HandshakeStalls);
}

/// Where the server began, its next flight or what answers that is lost.
#[test]
fn what_the_server_began_does_not_go_on() {
    for way in [Way::Up, Way::Down] {
        let world = lost("actpass", move |it, datagram| {
            let mut carried = records(&datagram.bytes).into_iter();
            it == way && is_dtls(datagram) && carried.any(|it| it.epoch == 1)
        });
        let mut client = client(20);
        client.dtls = Some(Handshake::Connecting);
        let (cause, text) = told(&world, &client);
        assert_eq!(cause, Cause::HandshakeStalls, "{way:?}: {text}");
    }
}

/// Who has the most to say first, where this is offered: the far end's message.
const LONG_MESSAGES: [(&str, u8); 2] = [("active", CLIENT_HELLO), ("actpass", CERTIFICATE)];

/// A call of whose message of this type, in thirds, those whose place this says are lost.
fn without_thirds(
    (setup, message_type): (&str, u8),
    is_lost: impl Fn(usize) -> bool + 'static,
) -> World<Browser> {
    let split = Rc::new(Cell::new(0));
    let mut split_it = splits(message_type, vec![0, 1, 2], Mishap::None, split.clone());
    let number = |three: &[u8]| three.iter().fold(0, |n, &byte| n << 8 | usize::from(byte));
    let is_split = move |it: &Record| {
        it.epoch == 0 && it.content_type == HANDSHAKE && it.body[0] == message_type
    };
    let third = move |it: &Record| (3 * number(&it.body[6..9])).div_ceil(number(&it.body[1..4]));
    let goes = move |datagram: &Datagram| {
        let carried = records(&datagram.bytes);
        let mut parts = carried.iter().filter(|it| is_split(it));
        parts.any(|it| is_lost(third(it)))
    };
    let world = tampered(
        setup,
        Box::new(move |way, datagram| {
            let mut carried = split_it(way, datagram);
            carried.retain(|(_, it)| way == Way::Down || !goes(it));
            carried
        }),
    );
    assert!(split.get() > 0);
    world
}

/// As where the MTU is small: of a long message the larger part never comes.
#[test]
fn large_datagrams_are_lost() {
    for long in LONG_MESSAGES {
        let world = without_thirds(long, |third| third < 2);
        let (cause, text) = told(&world, &client(20));
        assert_eq!(cause, Cause::LargeDatagramsLost, "{long:?}: {text}");
        assert!(!text.contains(" 0 bytes"), "{text}");
    }
}

/// What is as long as others that came is not lost for its size.
#[test]
fn a_datagram_like_others_is_lost() {
    for long in LONG_MESSAGES {
        for lost in 0..3 {
            let world = without_thirds(long, move |third| third == lost);
            let (cause, text) = told(&world, &client(20));
            assert_eq!(cause, Cause::HandshakeStalls, "{long:?}: {text}");
        }
    }
}

/// The server has all that it needs, and its end of the handshake never comes.
#[test]
fn the_last_flight_is_lost() {
    let is_sealed = Rc::new(Cell::new(false));
    let seen = is_sealed.clone();
    let world = lost("active", move |way, datagram| {
        let carried = records(&datagram.bytes);
        if way == Way::Up && is_dtls(datagram) && carried.iter().any(|it| it.epoch == 1) {
            seen.set(true);
        }
        way == Way::Down && is_dtls(datagram) && seen.get()
    });
    assert!(is_sealed.get());
    let mut client = client(20);
    client.dtls = Some(Handshake::Connecting);
    assert_eq!(told(&world, &client).0, Cause::LastFlightLost);
}

#[test]
fn another_certificate_came() {
    let mut world = World::browser(seed(2), browser::config());
    let (offer, pending) = world.make_offer(&mut |api| {
        api.add_channel("chat".to_owned());
    });
    let answer = world.server.offer(world.now, &forge(&offer)).unwrap();
    world.take_answer(pending, &answer);
    world.run_until(PATIENCE, "failed", |world| world.server.finished);
    assert_eq!(told(&world, &client(20)).0, Cause::WrongCertificate);
}

#[test]
fn of_a_call_that_works_nothing_is_said() {
    let world = lost("actpass", |_, _| false);
    assert!(world.is_connected());
    let mut client = client(20);
    client.dtls = Some(Handshake::Connected);
    assert_eq!(told(&world, &client).0, Cause::Unclear);
}

#[test]
fn what_came_comes_no_more() {
    let cut = Rc::new(Cell::new(false));
    let is_cut = cut.clone();
    let mut world = lost("actpass", move |_, _| is_cut.get());
    cut.set(true);
    world.run_for(Duration::from_secs(15));
    assert_eq!(told(&world, &client(20)).0, Cause::WentSilent);
}

/// A far end that checks in a way of its own.
fn checked(change: impl Fn(&mut Check)) -> World<Bare> {
    let mut world = World::bare(seed(3));
    world.far.interval = None;
    let offer = world.bare_offer("actpass", &[AUDIO]);
    world.exchange(&offer).unwrap();
    for _ in 0..10 {
        let mut check = world.far.usual_check();
        change(&mut check);
        world.far.check(world.far.address, &check);
        world.run_for(Duration::from_millis(500));
    }
    world
}

#[test]
fn the_password_is_wrong() {
    let world = checked(|check| check.theirs.pwd.push('x'));
    let (cause, text) = told(&world, &client(0));
    assert_eq!(cause, Cause::WrongPassword);
    assert!(text.contains("(10)"), "{text}");
}

#[test]
fn both_ends_claim_to_be_controlled() {
    let world = checked(|check| check.controlled = true);
    assert_eq!(told(&world, &client(0)).0, Cause::RoleConflict);
}

#[test]
fn no_path_is_chosen() {
    let world = checked(|check| check.nominate = false);
    assert_eq!(told(&world, &client(10)).0, Cause::NotNominated);
}
