//! Closing channels: by either end, both, in the middle of traffic, over bad links; and using their streams again.

use super::link::{A, B, Behaviour, End, PERFECT, Pair, ROUGH};
use super::raw::{Answer, Raw};
use crate::media::data::packet;
use crate::media::data::reset::Reset;
use crate::media::data::{
    ChannelError, ChannelId, ChannelOptions, MessageKind, Reliability, SctpEvent,
};
use bytes::Bytes;
use rtc::sctp::PayloadProtocolIdentifier as Protocol;
use std::time::Duration;

fn text(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn close(pair: &mut Pair, end: usize, channel: ChannelId) {
    let now = pair.now;
    pair.ends[end].sctp.close_channel(now, channel);
}

fn is_gone(end: &End, channel: ChannelId) -> bool {
    !end.sctp.channels.contains_key(&channel.0)
}

fn open_and_confirmed(pair: &mut Pair, end: usize) -> ChannelId {
    let channel = pair.open(end, ChannelOptions::default());
    pair.run_until("the channel is open on both ends", |pair| {
        pair.ends
            .iter()
            .all(|end| end.opened().iter().any(|(opened, _)| *opened == channel))
    });
    channel
}

#[test]
fn a_closed_channel_is_closed_at_both_ends() {
    for seed in 0..50 {
        for opener in [A, B] {
            for closer in [A, B] {
                let mut pair = Pair::connected(seed, ROUGH);
                let channel = open_and_confirmed(&mut pair, opener);
                close(&mut pair, closer, channel);
                let now = pair.now;
                assert_eq!(
                    pair.ends[closer]
                        .sctp
                        .send(now, channel, MessageKind::Text, text("late")),
                    Err(ChannelError::NotOpen)
                );
                pair.run_out();
                for end in &pair.ends {
                    assert_eq!(end.closed(), [channel], "seed {seed}");
                    assert!(is_gone(end, channel), "seed {seed}");
                }
            }
        }
    }
}

#[test]
fn both_ends_may_close_at_once() {
    for seed in 0..50 {
        let mut pair = Pair::connected(seed, ROUGH);
        let channel = open_and_confirmed(&mut pair, A);
        close(&mut pair, A, channel);
        close(&mut pair, B, channel);
        pair.run_out();
        for end in &pair.ends {
            assert_eq!(end.closed(), [channel]);
            assert!(is_gone(end, channel));
        }
    }
}

#[test]
fn what_was_sent_before_closing_arrives_before_the_end() {
    for seed in 0..20 {
        let mut pair = Pair::connected(seed, ROUGH);
        let channel = open_and_confirmed(&mut pair, A);
        for index in 0..20 {
            pair.send(A, channel, &text(&format!("{index:0>2000}")));
        }
        close(&mut pair, A, channel);
        pair.run_out();
        assert_eq!(pair.ends[B].messages().len(), 20);
        assert_eq!(
            pair.ends[B].events.last(),
            Some(&SctpEvent::ChannelClosed { channel })
        );
    }
}

#[test]
fn closing_while_the_other_end_is_sending_ends_all_the_same() {
    for seed in 0..20 {
        let mut pair = Pair::connected(seed, ROUGH);
        let channel = open_and_confirmed(&mut pair, A);
        for index in 0..50 {
            pair.send(B, channel, &text(&format!("{index:0>5000}")));
        }
        pair.run_for(Duration::from_millis(30));
        close(&mut pair, A, channel);
        pair.run_out();
        for end in &pair.ends {
            assert_eq!(end.closed(), [channel]);
            assert!(is_gone(end, channel));
            assert_eq!(end.sctp.buffered(), 0);
        }
    }
}

#[test]
fn a_channel_can_be_closed_before_it_is_confirmed() {
    for seed in 0..20 {
        let mut pair = Pair::connected(seed, ROUGH);
        let channel = pair.open(A, ChannelOptions::default());
        close(&mut pair, A, channel);
        pair.run_out();
        assert!(pair.ends.iter().all(|end| is_gone(end, channel)));
        assert_eq!(pair.ends[B].closed(), [channel]);
    }
}

#[test]
fn a_stream_can_be_used_again_and_again() {
    for seed in 0..20 {
        let mut pair = Pair::connected(seed, ROUGH);
        pair.ends[B].behaviour = Behaviour::Echo;
        for round in 0..5 {
            let channel = pair.open(
                A,
                ChannelOptions {
                    label: format!("round {round}"),
                    ordered: round % 2 == 0,
                    ..ChannelOptions::default()
                },
            );
            assert_eq!(channel, ChannelId(0));
            for index in 0..round + 3 {
                pair.send(A, channel, &text(&format!("{round} {index}")));
            }
            pair.ends[A].events.clear();
            pair.run_until("the echo is complete", |pair| {
                pair.ends[A].messages().len() == round + 3
            });
            close(&mut pair, [A, B][round % 2], channel);
            pair.run_until("the channel is gone", |pair| {
                is_gone(&pair.ends[A], channel)
            });
        }
        assert_eq!(pair.ends[B].opened().len(), 5);
        assert_eq!(pair.ends[B].opened()[4].1.label, "round 4");
    }
}

// The peer has both our reset and our answer to its own before we have its answer to ours.
#[test]
fn a_stream_used_again_at_once_is_a_new_channel() {
    for seed in 0..200 {
        let mut pair = Pair::connected(seed, ROUGH);
        let channel = open_and_confirmed(&mut pair, A);
        pair.send(A, channel, &text("old"));
        close(&mut pair, A, channel);
        pair.run_until("A is rid of it", |pair| is_gone(&pair.ends[A], channel));
        assert_eq!(pair.open(A, ChannelOptions::default()), channel);
        pair.send(A, channel, &text("new"));
        pair.run_out();
        let messages = pair.ends[B].messages();
        let data: Vec<&Bytes> = messages.iter().map(|(_, _, data)| data).collect();
        assert_eq!(data, ["old", "new"], "seed {seed}");
        assert_eq!(pair.ends[B].opened().len(), 2);
        assert_eq!(pair.ends[B].closed(), [channel]);
        assert!(!is_gone(&pair.ends[A], channel) && !is_gone(&pair.ends[B], channel));
    }
}

#[test]
fn many_channels_close_together() {
    let mut pair = Pair::connected(1, ROUGH);
    let channels: Vec<ChannelId> = (0..500)
        .map(|_| pair.open(A, ChannelOptions::default()))
        .collect();
    pair.run_out();
    for &channel in &channels {
        close(&mut pair, A, channel);
    }
    pair.run_out();
    for end in &pair.ends {
        assert_eq!(end.closed().len(), 500);
        assert!(end.sctp.channels.is_empty());
    }
}

#[test]
fn malformed_dcep_closes_its_channel_and_harms_no_other() {
    for message in [&b"\x03"[..], b"\x09", b"", b"\x03\x77aaaaaaaaaaaaaaa"] {
        let mut pair = Pair::connected(1, ROUGH);
        let fine = open_and_confirmed(&mut pair, A);
        let now = pair.now;
        let message = if message.is_empty() {
            &b"\0"[..]
        } else {
            message
        };
        let message = Bytes::copy_from_slice(message);
        // Once on a stream of its own, once on an open channel.
        let spoilt = open_and_confirmed(&mut pair, A);
        for stream in [9, spoilt.0] {
            assert!(
                pair.ends[A]
                    .sctp
                    .streams
                    .write(now, stream, Protocol::Dcep, &message)
            );
        }
        pair.run_out();
        assert_eq!(pair.ends[B].closed(), [spoilt]);
        assert_eq!(pair.ends[A].closed(), [spoilt]);
        for end in &pair.ends {
            assert!(is_gone(end, ChannelId(9)) && is_gone(end, spoilt));
        }
        pair.send(A, fine, &text("fine"));
        pair.run_out();
        assert_eq!(pair.ends[B].messages().len(), 1);
    }
}

#[test]
fn an_opening_that_comes_twice_is_confirmed_twice_and_another_closes() {
    use crate::media::data::dcep;
    let mut pair = Pair::connected(1, PERFECT);
    let channel = open_and_confirmed(&mut pair, A);
    let now = pair.now;
    let again = dcep::encode_open(&ChannelOptions::default());
    let streams = &mut pair.ends[A].sctp.streams;
    assert!(streams.write(now, channel.0, Protocol::Dcep, &again));
    pair.run_out();
    assert_eq!(pair.ends[B].opened().len(), 1);
    assert_eq!(pair.ends[B].closed(), []);
    let other = dcep::encode_open(&ChannelOptions {
        ordered: false,
        ..ChannelOptions::default()
    });
    let now = pair.now;
    let streams = &mut pair.ends[A].sctp.streams;
    assert!(streams.write(now, channel.0, Protocol::Dcep, &other));
    pair.run_out();
    assert_eq!(pair.ends[B].closed(), [channel]);
}

#[test]
fn data_without_an_opening_opens_a_channel_without_a_name() {
    for seed in 0..10 {
        let mut pair = Pair::connected(seed, ROUGH);
        pair.ends[B].behaviour = Behaviour::Echo;
        let now = pair.now;
        let streams = &mut pair.ends[A].sctp.streams;
        assert!(streams.write(now, 1000, Protocol::String, &text("hello")));
        assert!(streams.write(now, 1000, Protocol::StringEmpty, &text("\0")));
        pair.run_out();
        let channel = ChannelId(1000);
        for end in &pair.ends {
            assert_eq!(end.opened(), [(channel, ChannelOptions::default())]);
            let messages = end.messages();
            assert_eq!(
                messages,
                [
                    (channel, MessageKind::Text, text("hello")),
                    (channel, MessageKind::Text, text(""))
                ]
            );
        }
        close(&mut pair, B, channel);
        pair.run_out();
        assert!(pair.ends.iter().all(|end| end.closed() == [channel]));
    }
}

// An agreed channel on which nothing was ever sent: the peer resets a stream that is news to us.
#[test]
fn a_reset_of_a_stream_never_used_is_answered_in_kind() {
    let mut pair = Pair::connected(1, ROUGH);
    pair.ends[A].sctp.streams.reset(77);
    pair.run_out();
    for end in &mut pair.ends {
        assert!(end.sctp.channels.is_empty());
        assert_eq!(end.closed(), []);
        assert!(!end.sctp.streams.is_resetting());
    }
}

// A message of which a part was sent before it was given up. The rest has TSNs too, that are said to be skipped once
// what is before them has come: by then the peer must not have taken the stream for another channel's.
#[test]
fn a_channel_is_reset_once_the_peer_knows_what_was_given_up() {
    let mut raw = Raw::connected(1);
    for reliability in [Reliability::Reliable, Reliability::MaxLifetimeMs(50)] {
        let options = ChannelOptions {
            reliability,
            ..ChannelOptions::default()
        };
        let opened = raw.sctp.open_channel(raw.now, options);
        assert!(opened.is_ok());
    }
    raw.confirm_opening(1, 1);
    raw.confirm_opening(2, 3);
    raw.acknowledge(raw.peer_tsn.wrapping_add(1));
    for (channel, length) in [(1, 4), (3, 100_000)] {
        let message = Bytes::from(vec![0; length]);
        let (channel, kind) = (ChannelId(channel), MessageKind::Binary);
        assert_eq!(raw.sctp.send(raw.now, channel, kind, message), Ok(()));
    }
    assert!(kinds(&raw.answers()).all(|kind| kind == packet::DATA));
    raw.sctp.close_channel(raw.now, ChannelId(3));
    let said = raw.wait(Duration::from_millis(60));
    assert_eq!(raw.sctp.buffered(), 4, "given up");
    assert_eq!(kinds(&said).find(|kind| *kind == packet::RECONFIG), None);

    let said = raw.acknowledge(raw.peer_tsn.wrapping_add(2));
    let [(packet::FORWARD_TSN, skip)] = &said[..] else {
        panic!("{said:?}");
    };
    let skipped = packet::u32_at(skip, 0).expect("a TSN");
    let count = skipped.wrapping_sub(raw.peer_tsn);
    assert!(count > 80, "what was never sent, too");

    let said = raw.acknowledge(skipped);
    let [(packet::RECONFIG, request)] = &said[..] else {
        panic!("{said:?}");
    };
    assert_eq!(packet::u32_at(request, 12), Some(skipped));
}

fn kinds(said: &[Answer]) -> impl Iterator<Item = u8> {
    said.iter().map(|(kind, _)| *kind)
}

#[test]
fn a_request_in_progress_is_repeated_until_it_is_done() {
    let now = std::time::Instant::now();
    let rtt = Duration::from_millis(100);
    let mut reset = Reset::start(1000, 5000);
    reset.request(4, 1007);
    let request = reset.poll_transmit(now, 1007, rtt).expect("a request");
    assert_eq!(
        request,
        [
            0, 13, 0, 18, 0, 0, 3, 232, 0, 0, 19, 135, 0, 0, 3, 239, 0, 4
        ]
    );
    assert_eq!(reset.poll_transmit(now, 1007, rtt), None);
    let in_progress = [0, 16, 0, 12, 0, 0, 3, 232, 0, 0, 0, 6];
    reset.handle(now, &in_progress);
    let later = reset.poll_timeout().expect("to be repeated");
    assert!(later > now);
    assert_eq!(reset.poll_transmit(later, 1009, rtt), Some(request));
    let performed = [0, 16, 0, 12, 0, 0, 3, 232, 0, 0, 0, 1];
    reset.handle(later, &performed);
    assert_eq!(reset.poll_timeout(), None);
    assert_eq!(reset.poll_transmit(later, 1009, rtt), None);
}
