//! Stream reset (RFC 6525), both ways: how a data channel closes (RFC 8831 §6.7).
//!
//! The library's own is not used. It drops a request that the peer answered "in progress", never repeats the request
//! it makes in answer to the peer's, makes none when the peer's arrives before the last data, repeats a peer's reset
//! for every duplicate of the request even when the stream is in use again, keeps any number of them, and waits for
//! ever when a stream closed here still has unread data. So the guard takes RE-CONFIG out of the library's sight in
//! both directions, and the requests, answers and repetitions are made here. Knows nothing of data.

use super::packet::{is_before, u16_at, u32_at};
use bytes::BufMut;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

const OUTGOING_RESET_REQUEST: u16 = 13;
const RESPONSE: u16 = 16;

const PERFORMED: u32 = 1;
const DENIED: u32 = 2;
const REQUEST_IN_PROGRESS: u32 = 4;
const IN_PROGRESS: u32 = 6;

/// For so many streams a request is granted at a time, which is what may be done at the coming of one packet. A packet has
/// room for more than five hundred, and a request may be for all there are.
pub(super) const MAX_STREAMS_PER_TURN: usize = 128;

/// What an end may be made to do by the answer to a request.
const MAX_STREAMS_PER_REQUEST: usize = MAX_STREAMS_PER_TURN;
const MIN_INTERVAL: Duration = Duration::from_millis(250);
const MAX_INTERVAL: Duration = Duration::from_secs(8);

/// What became of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The peer will send no more on it, and has been answered.
    ByPeer(u16),
    /// Both directions are reset: its identifier is free.
    Finished(u16),
}

/// How far the two directions of a stream are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Directions {
    incoming_reset: bool,
    outgoing: Outgoing,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Outgoing {
    #[default]
    Open,
    Requested,
    Reset,
}

/// A stream to be reset once the peer knows of everything that was sent on it.
#[derive(Clone, Copy, Debug)]
struct Drained {
    stream: u16,
    /// No chunk of the stream is after this.
    last_tsn: u32,
}

/// A request of ours that is not answered yet.
#[derive(Debug)]
struct Request {
    number: u32,
    last_tsn: u32,
    streams: Vec<u16>,
    send_at: Instant,
    interval: Duration,
}

/// A request of the peer's that cannot be granted yet.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    number: u32,
    /// Everything up to this TSN must have been received.
    pub(super) last_tsn: u32,
    /// The streams, all of which must have been read empty. None are named when it is all of them.
    pub(super) streams: Vec<u16>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Reset {
    next_number: u32,
    /// The number of the peer's newest request, or one less than its first will have.
    peer_number: u32,
    waiting: VecDeque<Drained>,
    request: Option<Request>,
    /// The newest request of the peer's that was answered for good, and the answer.
    answered: Option<(u32, u32)>,
    pending: Option<Pending>,
    streams: BTreeMap<u16, Directions>,
    /// Values of RE-CONFIG chunks to send.
    answers: VecDeque<Vec<u8>>,
    outcomes: VecDeque<Outcome>,
}

impl Reset {
    /// Requests are numbered from the first TSN on, each end from its own (RFC 6525 §4.1).
    pub(super) fn start(first_tsn: u32, peer_first_tsn: u32) -> Reset {
        Reset {
            next_number: first_tsn,
            peer_number: peer_first_tsn.wrapping_sub(1),
            ..Reset::default()
        }
    }

    /// Asks the peer to reset its incoming side of `stream`, on which everything was acknowledged or given up, nothing
    /// of it with a TSN after `last_tsn`. Whether the stream is over: no side will use it again as it is.
    pub(super) fn request(&mut self, stream: u16, last_tsn: u32) -> bool {
        let directions = self.streams.entry(stream).or_default();
        if directions.outgoing == Outgoing::Open {
            directions.outgoing = Outgoing::Requested;
            self.waiting.push_back(Drained { stream, last_tsn });
        }
        directions.incoming_reset
    }

    /// Whether the peer has reset `stream`, and this end not yet.
    pub(super) fn is_half_reset(&self, stream: u16) -> bool {
        let directions = self.streams.get(&stream);
        directions.is_some_and(|directions| directions.incoming_reset)
    }

    /// The peer uses a stream anew. It would not before our reset reached it, so that is answered.
    pub(super) fn reused(&mut self, stream: u16) {
        if !self.is_half_reset(stream) {
            return;
        }
        self.finish_outgoing(stream);
        self.waiting.retain(|waiting| waiting.stream != stream);
        if let Some(request) = &mut self.request {
            request.streams.retain(|&requested| requested != stream);
        }
        self.request.take_if(|request| request.streams.is_empty());
    }

    /// What became of streams since the last call.
    pub(super) fn poll_outcome(&mut self) -> Option<Outcome> {
        self.outcomes.pop_front()
    }

    /// The value of the next RE-CONFIG chunk to send, while the peer has acknowledged everything up to `acknowledged`.
    pub(super) fn poll_transmit(
        &mut self,
        now: Instant,
        acknowledged: u32,
        rtt: Duration,
    ) -> Option<Vec<u8>> {
        if let Some(answer) = self.answers.pop_front() {
            return Some(answer);
        }
        self.start_request(now, acknowledged, rtt);
        let answered = self.peer_number;
        let request = self
            .request
            .as_mut()
            .filter(|request| request.send_at <= now)?;
        request.send_at = now + request.interval;
        request.interval = (request.interval * 2).min(MAX_INTERVAL);
        Some(request.encode(answered))
    }

    // RFC 6525 §5.1.1: one request at a time. Of what was given up the peer hears in a FORWARD-TSN, which names streams
    // (RFC 3758 §3.2): were the stream in use anew when it comes, it would lose the messages of another channel.
    fn start_request(&mut self, now: Instant, acknowledged: u32, rtt: Duration) {
        if self.request.is_some() {
            return;
        }
        let drained = |waiting: &&Drained| !is_before(acknowledged, waiting.last_tsn);
        let ready = self.waiting.iter().take_while(drained);
        let count = ready.take(MAX_STREAMS_PER_REQUEST).count();
        let Some(last) = count.checked_sub(1).map(|last| self.waiting[last]) else {
            return;
        };
        let ready = self.waiting.drain(..count);
        self.request = Some(Request {
            number: self.next_number,
            last_tsn: last.last_tsn,
            streams: ready.map(|drained| drained.stream).collect(),
            send_at: now,
            interval: (rtt * 2).clamp(MIN_INTERVAL, MAX_INTERVAL),
        });
        self.next_number = self.next_number.wrapping_add(1);
    }

    /// When `poll_transmit` has something to repeat.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.request.as_ref().map(|request| request.send_at)
    }

    /// Takes the value of a RE-CONFIG chunk: one or two parameters (RFC 6525 §3.1).
    pub(super) fn handle(&mut self, now: Instant, mut value: &[u8]) {
        for _ in 0..2 {
            let (Some(kind), Some(length)) = (u16_at(value, 0), u16_at(value, 2)) else {
                return;
            };
            let length = usize::from(length);
            let Some(parameter) = value.get(4..length) else {
                return;
            };
            self.handle_parameter(now, kind, parameter);
            value = value.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
    }

    fn handle_parameter(&mut self, now: Instant, kind: u16, parameter: &[u8]) {
        let Some(number) = u32_at(parameter, 0) else {
            return;
        };
        match (kind, u32_at(parameter, 4), u32_at(parameter, 8)) {
            (OUTGOING_RESET_REQUEST, Some(_), Some(last_tsn)) => {
                let (streams, _) = parameter[12..].as_chunks();
                let streams = streams.iter().map(|it| u16::from_be_bytes(*it));
                let streams = streams.collect();
                self.handle_request(Pending {
                    number,
                    last_tsn,
                    streams,
                });
            }
            (RESPONSE, Some(result), _) => self.handle_response(now, number, result),
            (OUTGOING_RESET_REQUEST | RESPONSE, ..) => {}
            // Incoming resets, TSN resets and more streams: nothing data channels need.
            _ => self.answer(number, DENIED),
        }
    }

    // A repetition gets the same answer; anything older is a stray. What cannot be granted at once is tried again as
    // data comes and is read, and only told to be in progress when the peer asks again.
    fn handle_request(&mut self, request: Pending) {
        if let Some((number, result)) = self.answered {
            if number == request.number {
                return self.answer(number, result);
            }
            if is_before(request.number, number) {
                return;
            }
        }
        if let Some(pending) = &self.pending
            && pending.number == request.number
        {
            return self
                .answers
                .push_back(response(request.number, IN_PROGRESS));
        }
        self.pending = Some(request);
    }

    /// The peer's request that waits to be granted.
    pub(super) fn pending(&self) -> Option<&Pending> {
        self.pending.as_ref()
    }

    /// Grants the pending request, for `streams` and for the `rest` another time; those that are over.
    pub(super) fn grant(&mut self, mut streams: Vec<u16>, rest: Vec<u16>) -> Vec<u16> {
        if let Some(pending) = self.pending.take_if(|_| rest.is_empty()) {
            self.answer(pending.number, PERFORMED);
        } else if let Some(pending) = &mut self.pending {
            pending.streams = rest;
        }
        streams.retain(|&stream| self.finish_incoming(stream));
        streams
    }

    fn finish_incoming(&mut self, stream: u16) -> bool {
        let directions = self.streams.entry(stream).or_default();
        let is_over = directions.outgoing != Outgoing::Open;
        if !directions.incoming_reset {
            directions.incoming_reset = true;
            self.outcomes.push_back(Outcome::ByPeer(stream));
            self.finish(stream);
        }
        is_over
    }

    fn finish_outgoing(&mut self, stream: u16) {
        if let Some(directions) = self.streams.get_mut(&stream) {
            directions.outgoing = Outgoing::Reset;
            self.finish(stream);
        }
    }

    fn finish(&mut self, stream: u16) {
        let over = Directions {
            incoming_reset: true,
            outgoing: Outgoing::Reset,
        };
        if self.streams.get(&stream) == Some(&over) {
            self.streams.remove(&stream);
            self.outcomes.push_back(Outcome::Finished(stream));
        }
    }

    fn answer(&mut self, number: u32, result: u32) {
        self.peer_number = number;
        self.answered = Some((number, result));
        self.answers.push_back(response(number, result));
    }

    // RFC 6525 §5.2.7: "in progress" and "already in progress" ask for a repetition. Any other answer is final; a
    // refusal leaves nothing better to do than to consider the stream gone.
    fn handle_response(&mut self, now: Instant, number: u32, result: u32) {
        let Some(request) = self.request.take_if(|request| request.number == number) else {
            return;
        };
        if matches!(result, IN_PROGRESS | REQUEST_IN_PROGRESS) {
            self.request = Some(Request {
                send_at: now + MIN_INTERVAL,
                interval: MIN_INTERVAL,
                ..request
            });
            return;
        }
        for stream in request.streams {
            self.finish_outgoing(stream);
        }
    }
}

impl Request {
    // RFC 6525 §4.1.
    fn encode(&self, answered: u32) -> Vec<u8> {
        let length = 16 + 2 * self.streams.len();
        let mut value = Vec::with_capacity(length);
        value.put_u16(OUTGOING_RESET_REQUEST);
        value.put_u16(length as u16);
        value.put_u32(self.number);
        value.put_u32(answered);
        value.put_u32(self.last_tsn);
        for &stream in &self.streams {
            value.put_u16(stream);
        }
        value
    }
}

// RFC 6525 §4.4.
fn response(number: u32, result: u32) -> Vec<u8> {
    let mut value = Vec::with_capacity(12);
    value.put_u16(RESPONSE);
    value.put_u16(12);
    value.put_u32(number);
    value.put_u32(result);
    value
}
