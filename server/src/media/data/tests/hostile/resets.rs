//! Streams that are reset early, late and again.

use super::super::raw::{Answer, Raw, WHOLE, data};
use super::{is_alive, message, opened};
use crate::media::data::packet;
use crate::media::data::{ChannelId, SctpEvent};
use bytes::BufMut;

pub(super) fn reset_request(number: u32, last_tsn: u32, streams: &[u16]) -> Vec<u8> {
    let mut value = Vec::new();
    value.put_u16(13);
    value.put_u16(16 + 2 * streams.len() as u16);
    value.put_u32(number);
    value.put_u32(0);
    value.put_u32(last_tsn);
    streams.iter().for_each(|stream| value.put_u16(*stream));
    value
}

pub(super) fn response(number: u32, result: u32) -> Vec<u8> {
    let mut value = vec![0, 16, 0, 12];
    value.put_u32(number);
    value.put_u32(result);
    value
}

// A duplicate of an old request must not reset the stream that is in use again.
#[test]
fn an_old_reset_does_not_hit_the_new_channel() {
    let mut raw = Raw::connected(1);
    raw.say(packet::DATA, WHOLE, &data(1, 5, 0, b"old"));
    raw.events();
    let request = reset_request(1, 1, &[5]);
    let answers = reconfigs(raw.say(packet::RECONFIG, 0, &request));
    assert_eq!(answers[0], response(1, 1));
    let ours = reset_request_of(&answers[1]);
    assert_eq!(ours, (raw.peer_tsn, vec![5]));
    assert_eq!(
        raw.events(),
        [SctpEvent::ChannelClosed {
            channel: ChannelId(5)
        }]
    );
    raw.say(packet::RECONFIG, 0, &response(ours.0, 1));
    raw.say(packet::DATA, WHOLE, &data(2, 5, 0, b"new"));
    assert_eq!(raw.events(), [opened(5), message(5, b"new")]);
    assert_eq!(
        reconfigs(raw.say(packet::RECONFIG, 0, &request)),
        [response(1, 1)]
    );
    raw.say(packet::DATA, WHOLE, &data(3, 5, 1, b"newer"));
    assert_eq!(raw.events(), [message(5, b"newer")]);
}

/// The values of the RE-CONFIG chunks among the answers.
fn reconfigs(answers: Vec<Answer>) -> Vec<Vec<u8>> {
    let reconfigs = answers
        .into_iter()
        .filter(|(kind, _)| *kind == packet::RECONFIG);
    reconfigs.map(|(_, value)| value).collect()
}

fn reset_request_of(value: &[u8]) -> (u32, Vec<u16>) {
    assert_eq!(packet::u16_at(value, 0), Some(13));
    let streams = value[16..].chunks(2).filter_map(|s| packet::u16_at(s, 0));
    (
        packet::u32_at(value, 4).expect("a number"),
        streams.collect(),
    )
}

#[test]
fn a_reset_ahead_of_its_data_waits_for_it() {
    let mut raw = Raw::connected(1);
    raw.say(packet::DATA, WHOLE, &data(1, 5, 0, b"a"));
    let request = reset_request(1, 2, &[5]);
    assert!(reconfigs(raw.say(packet::RECONFIG, 0, &request)).is_empty());
    assert_eq!(
        reconfigs(raw.say(packet::RECONFIG, 0, &request)),
        [response(1, 6)]
    );
    raw.events();
    let answers = reconfigs(raw.say(packet::DATA, WHOLE, &data(2, 5, 1, b"b")));
    // Not before it is read.
    assert!(answers.is_empty());
    assert_eq!(
        raw.events(),
        [
            message(5, b"b"),
            SctpEvent::ChannelClosed {
                channel: ChannelId(5)
            }
        ]
    );
    assert_eq!(reconfigs(raw.answers())[0], response(1, 1));
}

#[test]
fn resets_for_ever_ahead_of_data_are_not_collected() {
    let mut raw = Raw::connected(1);
    for number in 1..5000 {
        raw.say(packet::RECONFIG, 0, &reset_request(number, 1000, &[5; 200]));
    }
    is_alive(&mut raw, 1, 5);
}

#[test]
fn a_reset_of_every_stream_resets_those_there_are() {
    let mut raw = Raw::connected(1);
    for stream in 0..3 {
        raw.say(
            packet::DATA,
            WHOLE,
            &data(1 + u32::from(stream), stream, 0, b"x"),
        );
    }
    raw.events();
    raw.say(packet::RECONFIG, 0, &reset_request(1, 3, &[]));
    assert_eq!(raw.events().len(), 3);
}

#[test]
fn requests_for_more_streams_are_denied() {
    let mut raw = Raw::connected(1);
    let add = [0, 17, 0, 12, 0, 0, 0, 1, 0, 16, 0, 0];
    let answers = raw.say(packet::RECONFIG, 0, &add);
    assert_eq!(answers, [(packet::RECONFIG, response(1, 2))]);
    is_alive(&mut raw, 1, 5);
}
