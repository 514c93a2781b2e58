//! Setting the association up, whoever initiates, and ending it.

use super::link::{A, B, Behaviour, Conditions, End, PERFECT, Pair, ROUGH, config};
use crate::media::data::{
    ChannelError, ChannelId, ChannelOptions, MessageKind, SctpConfig, SctpEvent,
};
use bytes::Bytes;
use std::time::Duration;

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
