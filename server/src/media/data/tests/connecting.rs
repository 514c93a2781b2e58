//! Setting the association up, whoever initiates, and ending it.

use super::link::{A, B, Behaviour, Conditions, End, PERFECT, Pair, ROUGH, config};
use super::raw::{Raw, TAG, init};
use crate::media::data::packet;
use crate::media::data::state::COOKIE_PATIENCE;
use crate::media::data::{
    ChannelError, ChannelId, ChannelOptions, MessageKind, Sctp, SctpConfig, SctpEvent,
};
use bytes::Bytes;
use std::time::{Duration, Instant};

fn connects_and_echoes(pair: &mut Pair) {
    pair.ends[B].behaviour = Behaviour::Echo;
    pair.run_until("both are connected", |pair| {
        pair.ends.iter().all(End::is_connected)
    });
    let options = ChannelOptions {
        label: "chat".to_owned(),
        ..ChannelOptions::default()
    };
    let channel = pair.open(A, options.clone());
    let hello = Bytes::from_static(b"hello");
    pair.send(A, channel, &hello);
    pair.run_until("the message is back", |pair| {
        pair.ends[A].messages() == [(channel, MessageKind::Binary, hello.clone())]
    });
    for end in &pair.ends {
        assert_eq!(end.opened(), [(channel, options.clone())]);
        let connected = end.events.iter().filter(|e| **e == SctpEvent::Connected);
        assert_eq!(connected.count(), 1);
        assert_eq!(end.end(), None);
    }
}

#[test]
fn the_dtls_client_initiates_at_once() {
    let mut pair = Pair::new(1, PERFECT);
    let start = pair.now;
    pair.run_until("both are connected", |pair| {
        pair.ends.iter().all(End::is_connected)
    });
    assert!(pair.now - start < Duration::from_millis(100));
    connects_and_echoes(&mut pair);
}

#[test]
fn an_end_that_waits_in_vain_initiates() {
    // Neither is DTLS client, which cannot be, but is how a peer looks that leaves initiating to others.
    let mut pair = Pair::with(1, PERFECT, [config(false), config(false)]);
    pair.ends[B].sctp = super::super::Sctp::new(pair.now + Duration::from_secs(60), config(false));
    connects_and_echoes(&mut pair);
}

#[test]
fn ends_that_initiate_at_once_set_up_one_association() {
    for delay in [1, 20, 400, 1400, 1499, 1500] {
        let conditions = Conditions { delay, ..PERFECT };
        // With a delay about the server's patience, its own INIT crosses the client's.
        let mut pair = Pair::with(delay, conditions, [config(false), config(true)]);
        connects_and_echoes(&mut pair);
    }
}

#[test]
fn both_waiting_ends_initiate_and_one_gives_way() {
    let mut pair = Pair::with(3, PERFECT, [config(false), config(false)]);
    pair.run_for(Duration::from_secs(30));
    // Each gives way to the other, so this pair may fail; what must not happen is a panic or two associations.
    for end in &pair.ends {
        let connected = end.events.iter().filter(|e| **e == SctpEvent::Connected);
        assert!(connected.count() <= 1);
    }
}

#[test]
fn a_rough_link_delays_the_handshake_and_no_more() {
    for seed in 0..100 {
        for configs in [[config(true), config(false)], [config(false), config(true)]] {
            let mut pair = Pair::with(seed, ROUGH, configs);
            connects_and_echoes(&mut pair);
        }
    }
}

#[test]
fn other_ports_than_the_usual_work() {
    let ports = |local_port, remote_port, dtls_client| SctpConfig {
        local_port,
        remote_port,
        ..config(dtls_client)
    };
    let mut pair = Pair::with(
        1,
        ROUGH,
        [ports(6000, 7000, true), ports(7000, 6000, false)],
    );
    pair.record = true;
    connects_and_echoes(&mut pair);
    for (end, wanted) in [(A, [0x17, 0x70, 0x1b, 0x58]), (B, [0x1b, 0x58, 0x17, 0x70])] {
        assert!(
            pair.ends[end]
                .sent
                .iter()
                .all(|packet| packet[..4] == wanted)
        );
    }
}

#[test]
fn an_initiator_that_nobody_answers_gives_up() {
    let silence = Conditions {
        loss: 100,
        ..PERFECT
    };
    let mut pair = Pair::new(1, silence);
    pair.run_out();
    for end in &pair.ends {
        let reason = end.end().expect("the end of it is told");
        assert!(reason.contains("handshake failed"), "{reason}");
        assert_eq!(end.sctp.poll_timeout(), None);
    }
}

#[test]
fn what_begins_an_association_is_soon_said_again_and_then_ever_later() {
    let began = Instant::now();
    let mut sctp = Sctp::new(began, config(true));
    let (mut now, mut sent) = (began, Vec::new());
    while now < began + Duration::from_secs(2) {
        while sctp.poll_transmit(now).is_some() {
            sent.push((now - began).as_millis());
        }
        now = sctp.poll_timeout().unwrap();
        sctp.handle_timeout(now);
    }
    assert_eq!(sent, [0, 150, 450, 1050]);
}

#[test]
fn nothing_can_be_opened_before_the_association_is_up() {
    let mut pair = Pair::new(1, PERFECT);
    let now = pair.now;
    let sctp = &mut pair.ends[A].sctp;
    assert_eq!(
        sctp.open_channel(now, ChannelOptions::default()),
        Err(ChannelError::NotConnected)
    );
    assert_eq!(
        sctp.send(now, ChannelId(0), MessageKind::Text, Bytes::new()),
        Err(ChannelError::NotOpen)
    );
}

#[test]
fn closing_aborts_and_the_other_end_is_told() {
    for end in [A, B] {
        let mut pair = Pair::connected(1, PERFECT);
        let channel = pair.open(A, ChannelOptions::default());
        pair.run_out();
        pair.ends[end].events.clear();
        pair.send(end, channel, &Bytes::from_static(b"last words"));
        let now = pair.now;
        pair.ends[end].sctp.close(now);
        pair.run_out();
        let other = &pair.ends[1 - end];
        assert_eq!(other.end().as_deref(), Some("closed by the peer"));
        assert_eq!(other.messages().len(), 1);
        assert_eq!(pair.ends[end].events, []);
        for end in &mut pair.ends {
            assert_eq!(end.sctp.poll_timeout(), None);
            assert_eq!(end.sctp.buffered(), 0);
            assert_eq!(
                end.sctp.send(now, channel, MessageKind::Text, Bytes::new()),
                Err(ChannelError::NotOpen)
            );
        }
    }
}

#[test]
fn closing_before_the_association_is_up_is_silent() {
    let mut pair = Pair::new(1, PERFECT);
    let now = pair.now;
    for end in &mut pair.ends {
        end.sctp.close(now);
    }
    pair.run_out();
    assert!(pair.ends.iter().all(|end| end.events.is_empty()));
}

/// Says an INIT with these parameters, and then the rest of the handshake; what the INIT ACK has behind its cookie.
fn handshake_with(parameters: &[u8]) -> Vec<u8> {
    let mut raw = Raw::new(1);
    let mut value = init(TAG, 1)[..16].to_vec();
    value.extend_from_slice(parameters);
    let answers = raw.say(packet::INIT, 0, &value);
    assert_eq!(answers.len(), 1, "{parameters:02x?}");
    let (kind, init_ack) = &answers[0];
    assert_eq!(*kind, packet::INIT_ACK, "{parameters:02x?}");
    raw.learn_tag(init_ack);
    let length = usize::from(packet::u16_at(init_ack, 18).expect("a cookie"));
    let cookie = init_ack[20..16 + length].to_vec();
    let answers = raw.say(packet::COOKIE_ECHO, 0, &cookie);
    assert_eq!(answers, [(packet::COOKIE_ACK, vec![])]);
    assert_eq!(raw.sctp.poll_event(), Some(SctpEvent::Connected));
    init_ack[16 + length..].to_vec()
}

// RFC 9260 §3.2.1: whatever parameters it has, in any order.
#[test]
fn an_init_is_answered_whatever_parameters_it_has() {
    let parameters: [&[u8]; 10] = [
        &[0x80, 8, 0, 6, 0xc0, 0x82, 0, 0],
        &[0xc0, 0, 0, 4],
        &[0x80, 0, 0, 4],
        &[0x80, 1, 0, 8, 0, 0, 0, 1],
        &[0, 12, 0, 6, 0, 5, 0, 0],
        &[0, 5, 0, 8, 127, 0, 0, 1],
        &[0xc0, 6, 0, 8, 1, 2, 3, 4],
        &[
            0x80, 2, 0, 36, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20,
            21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32,
        ],
        &[0x90, 0, 0, 4],
        &[0xff, 0xff, 0, 5, 1, 0, 0, 0],
    ];
    handshake_with(&[]);
    for first in parameters {
        for second in parameters {
            handshake_with(&[first, second].concat());
        }
    }
    // One of them in a length that is none, and the last without its padding.
    handshake_with(&[0xc0, 0, 0, 3]);
    handshake_with(&[0xc0, 0, 0, 200]);
    handshake_with(&[0xff, 0xff, 0, 5, 1]);
}

#[test]
fn of_a_parameter_that_is_not_known_its_sender_hears_if_it_wants_to() {
    let report = |parameter: &[u8]| {
        let after = handshake_with(&[parameter, &[0xff, 0xfe, 0, 4]].concat());
        let at = after.windows(2).position(|bytes| bytes == [0, 8]);
        at.map(|at| after[at..].to_vec()).unwrap_or_default()
    };
    let last = [0, 8, 0, 8, 0xff, 0xfe, 0, 4];
    // Skip; skip and report; stop; stop and report (RFC 9260 §3.2.1).
    assert_eq!(report(&[0xbf, 1, 0, 4]), last);
    let both = [&[0, 8, 0, 9, 0xff, 1, 0, 5, 7, 0, 0, 0][..], &last].concat();
    assert_eq!(report(&[0xff, 1, 0, 5, 7, 0, 0, 0]), both);
    assert!(report(&[0x3f, 1, 0, 4]).is_empty());
    assert_eq!(report(&[0x7f, 1, 0, 4]), [0, 8, 0, 8, 0x7f, 1, 0, 4]);
}

#[test]
fn flags_of_an_init_and_a_window_below_the_least_are_put_up_with() {
    let mut raw = Raw::new(1);
    let mut value = init(TAG, 1);
    value[4..8].fill(0);
    assert_eq!(raw.say(packet::INIT, 0xff, &value)[0].0, packet::INIT_ACK);
}

// What cannot be answered leaves this end as it was: it initiates when it has waited enough.
#[test]
fn an_init_that_cannot_be_answered_is_as_if_none_had_come() {
    for (at, bytes) in [(0..4, 0), (8..10, 0), (10..12, 0)] {
        let mut raw = Raw::new(1);
        let mut value = init(TAG, 1);
        value[at].fill(bytes);
        assert_eq!(raw.say(packet::INIT, 0, &value), []);
        let answers = raw.wait(Duration::from_secs(2));
        assert_eq!(answers[0].0, packet::INIT);
    }
}

#[test]
fn an_end_whose_answer_leads_to_nothing_initiates_and_then_gives_up() {
    let mut raw = Raw::new(1);
    assert_eq!(raw.say(packet::INIT, 0, &init(TAG, 1)).len(), 1);
    let mut said = Vec::new();
    while let Some(at) = raw.sctp.poll_timeout() {
        let wait = at.saturating_duration_since(raw.now);
        said.extend(raw.wait(wait).into_iter().map(|(kind, _)| kind));
    }
    assert!(said.contains(&packet::INIT), "{said:?}");
    assert!(matches!(raw.events()[..], [SctpEvent::Closed { .. }]));
}

#[test]
fn an_end_that_forgot_its_answer_and_begins_anew_is_answered() {
    let far = Conditions {
        delay: 100,
        ..PERFECT
    };
    let mut pair = Pair::new(1, far);
    // The INIT arrives, and so does its answer; every cookie gets lost until nobody waits for one.
    pair.run_for(Duration::from_millis(150));
    pair.conditions.loss = 100;
    pair.run_for(COOKIE_PATIENCE);
    pair.conditions.loss = 0;
    connects_and_echoes(&mut pair);
}
