//! What the library says, on its way out: what both ends know by it, and what it should not say. And what it is told
//! in the peer's name, which never crossed the wire.

use super::super::config::{DEFAULT_PORT, MAX_PACKET_SIZE, RECEIVE_WINDOW};
use super::super::contents::{SACK_HEADER_LENGTH, rewritten};
use super::super::init;
use super::super::packet::{self, Builder, Chunk, Header};
use super::{DATA_HEADER_LENGTH, Guard};
use bytes::{BufMut, Bytes};
use std::time::Instant;

const COMPLETE_NOW_FLAGS: u8 = 0x0b; // I, B and E
const MAX_GAP_BLOCKS: usize =
    (MAX_PACKET_SIZE - packet::HEADER_LENGTH - 4 - SACK_HEADER_LENGTH) / 4;
const OUTGOING_RESET_REQUEST: u16 = 13;
const RECONFIG_RESPONSE: u16 = 16;

impl Guard {
    /// Notes what the library says, and holds back what it should not; the packet as it is to go out.
    pub(in crate::media::data) fn outbound(
        &mut self,
        now: Instant,
        packet: Bytes,
    ) -> Option<Bytes> {
        for chunk in packet::chunks(&packet) {
            match chunk.kind {
                packet::DATA => self.note_data(now, chunk),
                packet::FORWARD_TSN => self.note_used(chunk.u32(0)),
                packet::SACK => return Some(self.outbound_sack(&packet, chunk)),
                packet::INIT | packet::INIT_ACK => {
                    return self.outbound_init(packet.clone(), chunk);
                }
                packet::RECONFIG => {
                    self.note_unsent_request(chunk);
                    return None;
                }
                _ => {}
            }
        }
        Some(packet)
    }

    // The window in it is the biggest there may be: senders take it for how fast they may begin, and go by the one in
    // the first acknowledgement soon after (RFC 9260 §7.2.1).
    fn outbound_init(&mut self, packet: Bytes, init: Chunk<'_>) -> Option<Bytes> {
        self.note_local(init);
        if init.kind == packet::INIT || self.report.is_empty() {
            return Some(packet.clone());
        }
        init::with_report(&packet, init, &self.report)
    }

    fn note_data(&mut self, now: Instant, chunk: Chunk<'_>) {
        self.note_used(chunk.u32(0));
        if let Some(tsn) = chunk.u32(0) {
            self.pacing.sent(now, tsn, chunk.value.len());
        }
    }

    fn note_used(&mut self, tsn: Option<u32>) {
        if let Some(tsn) = tsn.filter(|tsn| packet::is_before(self.last_used, *tsn)) {
            self.last_used = tsn;
        }
    }

    fn note_local(&mut self, init: Chunk<'_>) {
        if let (Some(tag), Some(first)) = (init.u32(0), init.u32(12)) {
            self.local_tag = tag;
            self.last_used = first.wrapping_sub(1);
            self.acknowledged = self.last_used;
        }
    }

    fn note_unsent_request(&mut self, chunk: Chunk<'_>) {
        if chunk.u16(0) == Some(OUTGOING_RESET_REQUEST) {
            self.unsent_requests.extend(chunk.u32(4));
            self.note_used(chunk.u32(12));
        }
    }

    // The library reports every gap, so that under loss an acknowledgement outgrows a datagram and is itself lost;
    // the earliest gaps are what the sender needs first (RFC 9260 §6.2 lets the rest wait). Its arithmetic also fails
    // where TSNs wrap around: those past it are reported at 0, where no gap can be, and the peer would object.
    // And it tells the whole window at once, where ours grows with use.
    fn outbound_sack(&mut self, packet: &Bytes, sack: Chunk<'_>) -> Bytes {
        let window = self.note_sack(sack);
        let gaps = usize::from(sack.u16(8).unwrap_or(0));
        let sound = (0..gaps)
            .take_while(|index| sack.u16(SACK_HEADER_LENGTH + 4 * index) > Some(0))
            .count();
        let kept = sound.min(MAX_GAP_BLOCKS);
        window
            .and_then(|window| rewritten(packet, sack, window, kept))
            .unwrap_or_else(|| packet.clone())
    }

    fn note_sack(&mut self, sack: Chunk<'_>) -> Option<usize> {
        let (received, window) = (sack.u32(0)?, sack.u32(4)?);
        self.received = Some(received);
        // Every chunk holds at least a byte. This also forgets chunks that were held and then skipped.
        let unread = RECEIVE_WINDOW.saturating_sub(window) as usize;
        self.held_chunks = self.held_chunks.min(unread);
        self.held_fragments = self.held_fragments.min(unread);
        let advertised = self.window.advertise(unread);
        if advertised > 0 {
            self.overrun = 0;
        }
        Some(advertised)
    }

    /// A duplicate of data it has: the library acknowledges at once, with the window as it is now.
    pub(in crate::media::data) fn duplicate(&self) -> Option<Bytes> {
        let mut value = Vec::with_capacity(DATA_HEADER_LENGTH + 1);
        value.put_u32(self.received?);
        value.put_bytes(0, DATA_HEADER_LENGTH - 4 + 1);
        Some(self.as_peer(packet::DATA, COMPLETE_NOW_FLAGS, &value))
    }

    /// A reset of `streams`, for which the library forgets them in both directions. As many as one request of a peer's
    /// names, so the length fits.
    pub(in crate::media::data) fn reset(&self, streams: &[u16]) -> Option<Bytes> {
        let length = 16 + 2 * streams.len();
        let mut value = Vec::with_capacity(length);
        value.put_u16(OUTGOING_RESET_REQUEST);
        value.put_u16(length as u16);
        value.put_u32(0);
        value.put_u32(0);
        value.put_u32(self.received?);
        streams.iter().for_each(|stream| value.put_u16(*stream));
        Some(self.as_peer(packet::RECONFIG, 0, &value))
    }

    /// Answers to the requests the library made in turn, which are not sent.
    pub(in crate::media::data) fn responses(&mut self) -> Vec<Bytes> {
        let requests = std::mem::take(&mut self.unsent_requests);
        requests
            .into_iter()
            .map(|request| {
                let mut value = Vec::with_capacity(12);
                value.put_u16(RECONFIG_RESPONSE);
                value.put_u16(12);
                value.put_u32(request);
                value.put_u32(1);
                self.as_peer(packet::RECONFIG, 0, &value)
            })
            .collect()
    }

    fn as_peer(&self, kind: u8, flags: u8, value: &[u8]) -> Bytes {
        let header = Header {
            source_port: DEFAULT_PORT,
            destination_port: DEFAULT_PORT,
            tag: self.local_tag,
        };
        Builder::new(header).chunk(kind, flags, value).finish()
    }
}
