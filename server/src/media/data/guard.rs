//! What stands between the wire and the SCTP library: what the library must not see, and what it must not send.
//!
//! The library takes its peer to be well-meaning and its own limits to be enough. Neither holds for a server, so every
//! packet passes here in both directions. Owns the numbers both ends have let be known (tags, sequence numbers, the
//! window) and the memory bound of what is received but not yet read. Knows nothing of channels.

use super::pacing::Pacing;
use super::packet::{self, Builder, Chunk, Header};
use super::{MAX_PACKET_SIZE, RECEIVE_WINDOW};
use bytes::{BufMut, Bytes};
use rustc_hash::FxHashSet;
use std::time::Instant;

/// How far past the last acknowledged TSN a chunk may be. The library keeps every such chunk, walks them for each
/// selective acknowledgement, and counts a FORWARD TSN up one by one: without a bound, one chunk costs 2^31 steps.
const MAX_TSN_AHEAD: u32 = 8192;

/// How many chunks may be held unread. The window counts user bytes only; a chunk of one byte costs the library some
/// 400, so a window of them would cost more than a gigabyte.
const MAX_HELD_CHUNKS: usize = 16_384;

/// What the library may hold beyond its window before the peer is taken to be ignoring it.
const MAX_OVERRUN: usize = 512 * 1024;

/// TSN, stream identifier, stream sequence number, payload protocol identifier (RFC 9260 §3.3.1).
const DATA_HEADER_LENGTH: usize = 16 - 4;
const UNORDERED_FLAG: u8 = 0x04;
const COMPLETE_NOW_FLAGS: u8 = 0x0b; // I, B and E
/// Cumulative TSN, window, number of gap blocks, number of duplicates (RFC 9260 §3.3.4).
const SACK_HEADER_LENGTH: usize = 12;
const MAX_GAP_BLOCKS: usize =
    (MAX_PACKET_SIZE - packet::HEADER_LENGTH - 4 - SACK_HEADER_LENGTH) / 4;
const OUTGOING_RESET_REQUEST: u16 = 13;
const RECONFIG_RESPONSE: u16 = 16;

/// What a packet from the wire comes to.
#[derive(Debug, Default)]
pub(super) struct Inbound {
    /// What the library is to see of it.
    pub(super) pass: Option<Bytes>,
    /// The values of its RE-CONFIG chunks.
    pub(super) reconfigs: Vec<Bytes>,
    /// The peer aborted the association, and why.
    pub(super) aborted: Option<String>,
    /// The peer began an orderly shutdown.
    pub(super) shutdown: bool,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Guard {
    local_tag: u32,
    peer_tag: u32,
    /// The last TSN this end used, or one less than its first.
    last_sent: u32,
    /// The last TSN acknowledged cumulatively, or one less than the peer's first; none before the peer's INIT.
    received: Option<u32>,
    /// The window as last advertised, and what was read since.
    advertised: usize,
    read_since: usize,
    held_chunks: usize,
    overrun: usize,
    /// The streams on which unordered data has come.
    unordered: FxHashSet<u16>,
    pacing: Pacing,
    /// Reset requests the library made that must be answered, since they never reach the peer.
    unsent_requests: Vec<u32>,
}

impl Guard {
    pub(super) fn new() -> Guard {
        Guard {
            local_tag: 0,
            peer_tag: 0,
            last_sent: 0,
            received: None,
            advertised: RECEIVE_WINDOW as usize,
            read_since: 0,
            held_chunks: 0,
            overrun: 0,
            unordered: FxHashSet::default(),
            pacing: Pacing::new(),
            unsent_requests: Vec::new(),
        }
    }

    /// Whether the peer's first TSN is known, so that the handshake is past INIT.
    pub(super) fn knows_peer(&self) -> bool {
        self.received.is_some()
    }

    /// The last TSN this end used.
    pub(super) fn last_sent(&self) -> u32 {
        self.last_sent
    }

    /// The TSN after the last acknowledged.
    pub(super) fn next_expected(&self) -> u32 {
        self.received.unwrap_or_default().wrapping_add(1)
    }

    /// Whether everything up to `tsn` has been received, as far as acknowledged.
    pub(super) fn has_received(&self, tsn: u32) -> bool {
        self.received
            .is_some_and(|received| !packet::is_before(received, tsn))
    }

    /// How many chunks are held unread.
    #[cfg(test)]
    pub(super) fn held_chunks(&self) -> usize {
        self.held_chunks
    }

    /// The header of a packet this end sends.
    pub(super) fn outgoing_header(&self, ports: (u16, u16)) -> Header {
        Header {
            source_port: ports.0,
            destination_port: ports.1,
            tag: self.peer_tag,
        }
    }

    /// Whether unordered data has come on `stream`.
    pub(super) fn is_unordered(&self, stream: u16) -> bool {
        self.unordered.contains(&stream)
    }

    /// `stream` starts anew.
    pub(super) fn forget(&mut self, stream: u16) {
        self.unordered.remove(&stream);
    }

    /// Sorts the chunks of a packet from the wire into what the library takes and what it must not see.
    pub(super) fn inbound(&mut self, now: Instant, packet: Bytes) -> Inbound {
        let mut inbound = Inbound::default();
        let as_it_is =
            packet::chunks(&packet).all(|chunk| chunk.kind != packet::SACK && self.passes(chunk));
        if as_it_is {
            inbound.shutdown = packet::chunks(&packet).any(|chunk| chunk.kind == packet::SHUTDOWN);
            inbound.pass = Some(packet);
        } else if packet::has_valid_checksum(&packet) {
            self.sort(now, &packet, &mut inbound);
        }
        inbound
    }

    fn sort(&mut self, now: Instant, packet: &Bytes, inbound: &mut Inbound) {
        let Some(header) = packet::header(packet) else {
            return;
        };
        let mut pass = Builder::new(header);
        for chunk in packet::chunks(packet) {
            let is_from_peer = self.is_from_peer(header, chunk);
            if chunk.kind == packet::SACK && is_from_peer && passes_sack(chunk) {
                pass = pass.chunk(chunk.kind, chunk.flags, &self.paced(now, chunk));
            } else if self.passes(chunk) {
                pass = pass.chunk(chunk.kind, chunk.flags, chunk.value);
            } else if is_from_peer {
                note(chunk, packet, inbound);
            }
        }
        if !pass.is_empty() {
            inbound.pass = Some(pass.finish());
        }
    }

    /// An acknowledgement with the window that the library is to keep to.
    fn paced(&mut self, now: Instant, sack: Chunk<'_>) -> Vec<u8> {
        let mut value = sack.value.to_vec();
        if let (Some(tsn), Some(window)) = (sack.u32(0), sack.u32(4)) {
            let window = self
                .pacing
                .acknowledged(now, tsn, gaps(sack), window as usize);
            value[4..8].copy_from_slice(&(window as u32).to_be_bytes());
        }
        value
    }

    // RFC 9260 §8.5: the tag of every packet is the one its receiver chose, except that an ABORT with the T bit
    // reflects the sender's.
    fn is_from_peer(&self, header: Header, chunk: Chunk<'_>) -> bool {
        let reflected = chunk.kind == packet::ABORT && chunk.flags & 1 == 1;
        let expected = if reflected {
            self.peer_tag
        } else {
            self.local_tag
        };
        expected != 0 && header.tag == expected
    }

    // ABORT and ERROR panic the library when a cause is cut short; ERROR makes it close the association, which it
    // need not; what it does with RE-CONFIG is wrong in several ways (see `reset`); and a chunk type it does not know
    // makes it drop the packet, where RFC 9260 §3.2 says to skip the chunk.
    fn passes(&mut self, chunk: Chunk<'_>) -> bool {
        match chunk.kind {
            packet::DATA => self.passes_data(chunk),
            packet::FORWARD_TSN => self.passes_forward_tsn(chunk),
            packet::INIT_ACK => self.passes_init_ack(chunk),
            packet::COOKIE_ECHO => true,
            // The library goes on behind what it knows of a chunk, and so would take the rest for the next one.
            packet::HEARTBEAT => is_one_parameter(chunk),
            packet::SHUTDOWN => chunk.value.len() == 4,
            packet::SHUTDOWN_ACK | packet::COOKIE_ACK | packet::SHUTDOWN_COMPLETE => {
                chunk.value.is_empty()
            }
            _ => false,
        }
    }

    fn passes_data(&mut self, chunk: Chunk<'_>) -> bool {
        let (Some(tsn), Some(stream)) = (chunk.u32(0), chunk.u16(4)) else {
            return false;
        };
        if chunk.flags & UNORDERED_FLAG != 0 {
            self.unordered.insert(stream);
        }
        chunk.value.len() > DATA_HEADER_LENGTH
            && self.is_near(tsn)
            && self.held_chunks < MAX_HELD_CHUNKS
    }

    fn passes_forward_tsn(&self, chunk: Chunk<'_>) -> bool {
        chunk.value.len().is_multiple_of(4) && chunk.u32(0).is_some_and(|tsn| self.is_near(tsn))
    }

    fn is_near(&self, tsn: u32) -> bool {
        self.received
            .is_some_and(|received| packet::is_before(tsn, received.wrapping_add(MAX_TSN_AHEAD)))
    }

    fn passes_init_ack(&mut self, chunk: Chunk<'_>) -> bool {
        if !self.knows_peer() {
            self.note_peer(chunk);
        }
        true
    }

    /// Takes the peer's tag and first TSN from its INIT or INIT ACK (RFC 9260 §3.3.2).
    pub(super) fn note_peer(&mut self, init: Chunk<'_>) {
        if let (Some(tag), Some(first)) = (init.u32(0), init.u32(12)) {
            self.peer_tag = tag;
            self.received = Some(first.wrapping_sub(1));
        }
    }

    /// Notes what the library says, and holds back what it should not; the packet as it is to go out.
    pub(super) fn outbound(&mut self, now: Instant, packet: Bytes) -> Option<Bytes> {
        for chunk in packet::chunks(&packet) {
            match chunk.kind {
                packet::DATA => self.note_data(now, chunk),
                packet::FORWARD_TSN => self.note_sent(chunk),
                packet::SACK => return Some(self.outbound_sack(&packet, chunk)),
                packet::INIT | packet::INIT_ACK => self.note_local(chunk),
                packet::RECONFIG => {
                    self.note_unsent_request(chunk);
                    return None;
                }
                _ => {}
            }
        }
        Some(packet)
    }

    fn note_data(&mut self, now: Instant, chunk: Chunk<'_>) {
        self.note_sent(chunk);
        if let Some(tsn) = chunk.u32(0) {
            self.pacing.sent(now, tsn, chunk.value.len());
        }
    }

    fn note_sent(&mut self, chunk: Chunk<'_>) {
        if let Some(tsn) = chunk.u32(0)
            && packet::is_before(self.last_sent, tsn)
        {
            self.last_sent = tsn;
        }
    }

    fn note_local(&mut self, init: Chunk<'_>) {
        if let (Some(tag), Some(first)) = (init.u32(0), init.u32(12)) {
            self.local_tag = tag;
            self.last_sent = first.wrapping_sub(1);
        }
    }

    fn note_unsent_request(&mut self, chunk: Chunk<'_>) {
        if chunk.u16(0) == Some(OUTGOING_RESET_REQUEST) {
            self.unsent_requests.extend(chunk.u32(4));
        }
    }

    // The library reports every gap, so that under loss an acknowledgement outgrows a datagram and is itself lost;
    // the earliest gaps are what the sender needs first (RFC 9260 §6.2 lets the rest wait). Its arithmetic also fails
    // where TSNs wrap around: those past it are reported at 0, where no gap can be, and the peer would object.
    fn outbound_sack(&mut self, packet: &Bytes, sack: Chunk<'_>) -> Bytes {
        self.note_sack(sack);
        let gaps = usize::from(sack.u16(8).unwrap_or(0));
        let sound = (0..gaps)
            .take_while(|index| sack.u16(SACK_HEADER_LENGTH + 4 * index) > Some(0))
            .count();
        let kept = sound.min(MAX_GAP_BLOCKS);
        if kept == gaps {
            return packet.clone();
        }
        with_gaps(packet, sack, kept).unwrap_or_else(|| packet.clone())
    }

    fn note_sack(&mut self, sack: Chunk<'_>) {
        let (Some(received), Some(window)) = (sack.u32(0), sack.u32(4)) else {
            return;
        };
        self.received = Some(received);
        self.advertised = window as usize;
        self.read_since = 0;
        // Every chunk holds at least a byte. This also forgets chunks that were held and then skipped.
        let unread = RECEIVE_WINDOW.saturating_sub(window) as usize;
        self.held_chunks = self.held_chunks.min(unread);
        if window > 0 {
            self.overrun = 0;
        }
    }

    /// The library took `chunks` more chunks, of `bytes` in all; false when the peer is ignoring the window. The
    /// library always takes the next chunk in sequence when nothing can be read, window or not, and so would keep a
    /// message without end.
    pub(super) fn note_held(&mut self, chunks: usize, bytes: usize, readable: bool) -> bool {
        self.held_chunks += chunks;
        if self.advertised == 0 && !readable && chunks > 0 {
            self.overrun += bytes;
        }
        chunks == 0 || self.overrun <= MAX_OVERRUN
    }

    /// A message of `chunks` chunks and `bytes` bytes was read.
    pub(super) fn note_read(&mut self, chunks: usize, bytes: usize) {
        self.held_chunks = self.held_chunks.saturating_sub(chunks);
        self.read_since += bytes;
        self.overrun = 0;
    }

    /// Whether enough was read to tell the peer, who stopped sending when the window was small (RFC 9260 §6.2). The
    /// library only tells in answer to data.
    pub(super) fn owes_window_update(&self) -> bool {
        let quarter = RECEIVE_WINDOW as usize / 4;
        self.advertised < 3 * quarter && self.read_since >= quarter
    }

    // What the library is told on its peer's behalf.

    /// A duplicate of data it has: the library acknowledges at once, with the window as it is now.
    pub(super) fn duplicate(&self) -> Option<Bytes> {
        let mut value = Vec::with_capacity(DATA_HEADER_LENGTH + 1);
        value.put_u32(self.received?);
        value.put_bytes(0, DATA_HEADER_LENGTH - 4 + 1);
        Some(self.as_peer(packet::DATA, COMPLETE_NOW_FLAGS, &value))
    }

    /// A reset of `stream`, for which the library forgets the stream in both directions.
    pub(super) fn reset(&self, stream: u16) -> Option<Bytes> {
        let mut value = Vec::with_capacity(18);
        value.put_u16(OUTGOING_RESET_REQUEST);
        value.put_u16(18);
        value.put_u32(0);
        value.put_u32(0);
        value.put_u32(self.received?);
        value.put_u16(stream);
        Some(self.as_peer(packet::RECONFIG, 0, &value))
    }

    /// Answers to the requests the library made in turn, which are not sent.
    pub(super) fn responses(&mut self) -> Vec<Bytes> {
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
            source_port: super::DEFAULT_PORT,
            destination_port: super::DEFAULT_PORT,
            tag: self.local_tag,
        };
        Builder::new(header).chunk(kind, flags, value).finish()
    }
}

/// Whether a parameter (RFC 9260 §3.2.1) fills the chunk.
fn is_one_parameter(chunk: Chunk<'_>) -> bool {
    chunk.u16(2).map(usize::from) == Some(chunk.value.len())
}

// Blocks in ascending order and apart. The library looks every TSN of every block up, so overlapping ones would make
// it look up the same thousands for each, and one that starts at 0 makes it close the association.
fn passes_sack(chunk: Chunk<'_>) -> bool {
    let mut last = 0;
    let apart = gaps(chunk).all(|(start, end)| {
        let apart = start > last && end >= start;
        last = end;
        apart
    });
    fills_chunk(chunk) && apart
}

/// Whether the gap blocks and duplicates that an acknowledgement counts are there, and nothing else is.
fn fills_chunk(sack: Chunk<'_>) -> bool {
    let count = |offset| sack.u16(offset).map_or(0, usize::from);
    sack.value.len() == SACK_HEADER_LENGTH + 4 * (count(8) + count(10))
}

/// The gap blocks of an acknowledgement, as far as they are there.
fn gaps(sack: Chunk<'_>) -> impl Iterator<Item = (u16, u16)> {
    let count = usize::from(sack.u16(8).unwrap_or(0));
    (0..count).map_while(move |index| {
        let offset = SACK_HEADER_LENGTH + 4 * index;
        Some((sack.u16(offset)?, sack.u16(offset + 2)?))
    })
}

fn with_gaps(packet: &Bytes, sack: Chunk<'_>, gaps: usize) -> Option<Bytes> {
    let mut value = sack.value.get(..SACK_HEADER_LENGTH + 4 * gaps)?.to_vec();
    value[8..10].copy_from_slice(&(gaps as u16).to_be_bytes());
    value[10..12].fill(0);
    let packet = Builder::new(packet::header(packet)?)
        .chunk(packet::SACK, sack.flags, &value)
        .finish();
    Some(packet)
}

fn note(chunk: Chunk<'_>, packet: &Bytes, inbound: &mut Inbound) {
    match chunk.kind {
        packet::RECONFIG => inbound.reconfigs.push(packet.slice_ref(chunk.value)),
        packet::SHUTDOWN => inbound.shutdown = true,
        packet::ABORT => inbound.aborted = Some(abort_reason(chunk)),
        packet::ERROR => tracing::debug!(cause = chunk.u16(0), "SCTP error reported by the peer"),
        _ => {}
    }
}

// RFC 9260 §3.3.10: a cause code, its length, and for 12 (user-initiated) and 13 (protocol violation) often a text.
fn abort_reason(chunk: Chunk<'_>) -> String {
    let detail = chunk.value.get(4..).unwrap_or_default();
    let detail = String::from_utf8_lossy(&detail[..detail.len().min(100)]);
    let detail: String = detail.chars().filter(|c| !c.is_control()).collect();
    match (chunk.u16(0), detail.is_empty()) {
        (None, _) => "aborted by the peer".to_owned(),
        (Some(12), true) => "closed by the peer".to_owned(),
        (Some(12), false) => format!("closed by the peer: {detail}"),
        (Some(13), false) => format!("aborted by the peer, protocol violation: {detail}"),
        (Some(cause), _) => format!("aborted by the peer, cause {cause}"),
    }
}
