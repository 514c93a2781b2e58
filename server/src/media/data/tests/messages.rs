//! Messages of every size and kind, over good links and bad.

use super::link::{A, B, Behaviour, PERFECT, Pair, ROUGH, config};
use crate::media::data::{
    ChannelError, ChannelId, ChannelOptions, MAX_CHANNELS, MessageKind, Reliability, SctpConfig,
    dcep,
};
use bytes::Bytes;
use rtc::sctp::PayloadProtocolIdentifier as Protocol;

const SIZES: [usize; 7] = [0, 1, 1131, 1132, 1133, 64 * 1024, 256 * 1024];

fn payload(length: usize) -> Bytes {
    // In ASCII, so that it can also be text.
    (0..length).map(|index| (index * 31 % 127) as u8).collect()
}

fn unordered() -> ChannelOptions {
    ChannelOptions {
        ordered: false,
        ..ChannelOptions::default()
    }
}

fn send_every_size(pair: &mut Pair, channel: ChannelId) -> Vec<(ChannelId, MessageKind, Bytes)> {
    let mut sent = Vec::new();
    for length in SIZES {
        for kind in [MessageKind::Text, MessageKind::Binary] {
            let data = payload(length);
            let now = pair.now;
            let result = pair.ends[A].sctp.send(now, channel, kind, data.clone());
            assert_eq!(result, Ok(()));
            sent.push((channel, kind, data));
        }
    }
    sent
}

fn sorted(mut messages: Vec<(ChannelId, MessageKind, Bytes)>) -> Vec<(ChannelId, bool, Bytes)> {
    messages
        .sort_by_key(|(channel, kind, data)| (*channel, data.len(), *kind == MessageKind::Text));
    messages
        .into_iter()
        .map(|(channel, kind, data)| (channel, kind == MessageKind::Text, data))
        .collect()
}

#[test]
fn every_size_and_kind_comes_back_in_order() {
    for (seed, conditions) in [(0, PERFECT), (1, ROUGH), (2, ROUGH), (3, ROUGH)] {
        let mut pair = Pair::connected(seed, conditions);
        pair.ends[B].behaviour = Behaviour::Echo;
        let channel = pair.open(A, ChannelOptions::default());
        let sent = send_every_size(&mut pair, channel);
        pair.run_until("all are back", |pair| {
            pair.ends[A].messages().len() >= sent.len()
        });
        assert_eq!(pair.ends[A].messages(), sent);
        pair.run_out();
        assert_eq!(pair.ends.each_ref().map(|end| end.sctp.buffered()), [0, 0]);
        assert_eq!(pair.ends[A].messages().len(), sent.len());
    }
}

#[test]
fn every_size_and_kind_comes_back_in_some_order() {
    for seed in 0..4 {
        let mut pair = Pair::connected(seed, ROUGH);
        pair.ends[B].behaviour = Behaviour::Echo;
        let channel = pair.open(A, unordered());
        let sent = send_every_size(&mut pair, channel);
        pair.run_until("all are back", |pair| {
            pair.ends[A].messages().len() >= sent.len()
        });
        assert_eq!(sorted(pair.ends[A].messages()), sorted(sent));
        assert!(!pair.ends[B].opened()[0].1.ordered);
    }
}

#[test]
fn channels_opened_by_either_end_have_their_parity() {
    let mut pair = Pair::connected(1, ROUGH);
    let even: Vec<u16> = (0..3)
        .map(|_| pair.open(A, ChannelOptions::default()).0)
        .collect();
    let odd: Vec<u16> = (0..3).map(|_| pair.open(B, unordered()).0).collect();
    assert_eq!(even, [0, 2, 4]);
    assert_eq!(odd, [1, 3, 5]);
    pair.run_out();
    for end in &pair.ends {
        assert_eq!(end.opened().len(), 6);
    }
}

#[test]
fn options_arrive_as_given() {
    let mut pair = Pair::connected(1, ROUGH);
    let mut wanted = Vec::new();
    for (index, reliability) in [
        Reliability::Reliable,
        Reliability::MaxRetransmits(0),
        Reliability::MaxLifetimeMs(500),
    ]
    .into_iter()
    .enumerate()
    {
        let options = ChannelOptions {
            label: format!("channel {index}"),
            protocol: "x".repeat(60_000),
            ordered: index % 2 == 0,
            reliability,
            priority: 1024,
        };
        wanted.push((pair.open(A, options.clone()), options));
    }
    pair.run_out();
    for end in &pair.ends {
        let mut opened = end.opened();
        opened.sort_by_key(|(channel, _)| *channel);
        assert_eq!(opened, wanted);
    }
}

#[test]
fn data_may_follow_the_opening_at_once_even_unordered() {
    for seed in 0..20 {
        let mut pair = Pair::connected(seed, ROUGH);
        let channel = pair.open(A, unordered());
        for _ in 0..10 {
            pair.send(A, channel, &payload(2000));
        }
        pair.run_out();
        let opened = pair.ends[B].opened();
        assert_eq!(opened, [(channel, unordered())]);
        assert_eq!(pair.ends[B].messages().len(), 10);
    }
}

#[test]
fn a_message_longer_than_the_peer_takes_is_refused() {
    let limited = SctpConfig {
        remote_max_message_size: 1000,
        ..config(true)
    };
    let mut pair = Pair::with(1, PERFECT, [limited, config(false)]);
    pair.run_out();
    let channel = pair.open(A, ChannelOptions::default());
    let now = pair.now;
    let sctp = &mut pair.ends[A].sctp;
    assert_eq!(
        sctp.send(now, channel, MessageKind::Binary, payload(1001)),
        Err(ChannelError::TooLarge { limit: 1000 })
    );
    assert_eq!(
        sctp.send(now, channel, MessageKind::Binary, payload(1000)),
        Ok(())
    );
}

#[test]
fn a_peer_without_a_limit_takes_any_length_and_ours_closes_the_channel() {
    let unlimited = SctpConfig {
        remote_max_message_size: 0,
        ..config(true)
    };
    let mut pair = Pair::with(1, PERFECT, [unlimited, config(false)]);
    pair.run_out();
    let fine = pair.open(A, ChannelOptions::default());
    let channel = pair.open(A, ChannelOptions::default());
    pair.send(A, channel, &payload(300 * 1024));
    pair.run_out();
    assert_eq!(pair.ends[B].messages(), []);
    for end in &pair.ends {
        assert_eq!(end.closed(), [channel]);
    }
    pair.send(A, fine, &payload(10));
    pair.run_out();
    assert_eq!(pair.ends[B].messages().len(), 1);
}

#[test]
fn one_channel_too_many_is_closed_and_harms_no_other() {
    let mut pair = Pair::connected(1, PERFECT);
    let mut opened = 0;
    for end in [A, B] {
        while opened < MAX_CHANNELS * (end + 1) / 2 {
            pair.open(end, ChannelOptions::default());
            opened += 1;
        }
    }
    pair.run_out();
    let now = pair.now;
    assert_eq!(
        pair.ends[A]
            .sctp
            .open_channel(now, ChannelOptions::default()),
        Err(ChannelError::TooManyChannels)
    );
    for end in [A, B] {
        assert_eq!(pair.ends[end].opened().len(), MAX_CHANNELS);
    }
    pair.send(A, ChannelId(0), &payload(10));
    pair.run_out();
    assert_eq!(pair.ends[B].messages().len(), 1);
}

#[test]
fn text_that_is_not_utf8_closes_its_channel_and_no_other() {
    for broken in [
        &b"\xff"[..],
        b"fine so far \xc3",
        b"\xed\xa0\x80",
        b"\0\xc0\x80",
    ] {
        let mut pair = Pair::connected(1, PERFECT);
        let spoilt = pair.open(A, ChannelOptions::default());
        let fine = pair.open(A, ChannelOptions::default());
        let now = pair.now;
        for (channel, kind, data) in [
            (spoilt, MessageKind::Text, "gr\u{fc}n".as_bytes()),
            (fine, MessageKind::Binary, broken),
            (spoilt, MessageKind::Text, broken),
            (spoilt, MessageKind::Text, b"behind"),
            (fine, MessageKind::Text, "\u{1f600}".as_bytes()),
        ] {
            let data = Bytes::copy_from_slice(data);
            let sent = pair.ends[A].sctp.send(now, channel, kind, data);
            assert_eq!(sent, Ok(()));
        }
        pair.run_out();
        let mut seen = sorted(pair.ends[B].messages());
        seen.retain(|(channel, ..)| *channel == spoilt);
        assert_eq!(seen, [(spoilt, true, "gr\u{fc}n".into())]);
        assert_eq!(pair.ends[B].messages().len(), 3);
        for end in &pair.ends {
            assert_eq!(end.closed(), [spoilt]);
        }
    }
}

// RFC 8832 §6 would have it closed; `handle_open` says why it is not.
#[test]
fn a_channel_of_the_wrong_parity_is_a_channel() {
    let mut pair = Pair::connected(1, PERFECT);
    let now = pair.now;
    let open = dcep::encode_open(&ChannelOptions::default());
    let streams = &mut pair.ends[A].sctp.streams;
    // A is the DTLS client: its own are the even ones.
    assert!(streams.write(now, 1, Protocol::Dcep, &open));
    pair.run_out();
    let wrong = ChannelId(1);
    assert_eq!(pair.ends[B].opened(), [(wrong, ChannelOptions::default())]);
    // It is not taken again by the end whose it would be.
    let own = pair.open(B, ChannelOptions::default());
    assert_eq!(own, ChannelId(3));
    pair.send(B, own, &payload(10));
    pair.run_out();
    assert_eq!(
        pair.ends[A].messages(),
        [(own, MessageKind::Binary, payload(10))]
    );
    let now = pair.now;
    let data = payload(10);
    let streams = &mut pair.ends[A].sctp.streams;
    assert!(streams.write(now, 1, Protocol::Binary, &data));
    pair.run_out();
    assert_eq!(
        pair.ends[B].messages(),
        [(wrong, MessageKind::Binary, data)]
    );
}

// Both ends open the same one at once.
#[test]
fn a_channel_of_the_wrong_parity_that_meets_one_of_ours_is_closed() {
    let mut pair = Pair::connected(1, PERFECT);
    let now = pair.now;
    let own = pair.open(B, ChannelOptions::default());
    let open = dcep::encode_open(&ChannelOptions::default());
    let streams = &mut pair.ends[A].sctp.streams;
    assert!(streams.write(now, own.0, Protocol::Dcep, &open));
    pair.run_out();
    assert!(pair.ends.iter().all(|end| end.sctp.channels.is_empty()));
    assert!(pair.ends.iter().all(|end| end.end().is_none()));
}
