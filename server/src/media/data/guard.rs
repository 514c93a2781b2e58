//! What stands between the wire and the SCTP library: what the library must not see, and what it must not send.
//!
//! The library takes its peer to be well-meaning and its own limits to be enough. Neither holds for a server, so every
//! packet passes here in both directions. Owns the numbers both ends have let be known (tags, sequence numbers, the
//! window) and the memory bound of what is received but not yet read. Knows nothing of channels.

mod outbound;

use super::contents::{
    abort_reason, few_gaps, is_one_parameter, of_streams, passes_sack, skipped, unrecognized,
};
use super::pacing::Pacing;
use super::packet::{self, Chunk, Header, Sieve};
use super::skips::{Arrival, Skip, Skips};
use super::toll::Toll;
use super::window::Window;
use bytes::{BufMut, Bytes};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Instant;

/// How far past the last acknowledged TSN a chunk may be. The library keeps every such chunk, walks them for each
/// selective acknowledgement, and counts a FORWARD TSN up one by one: without a bound, one chunk costs 2^31 steps.
const MAX_TSN_AHEAD: u32 = 8192;

/// How many chunks may be held unread. The window counts user bytes only; a chunk of one byte costs the library some
/// 400, so a window of them would cost more than a gigabyte.
const MAX_HELD_CHUNKS: usize = 16_384;

/// The same where memory is scarce, but for the one that lets what is held be read: as much memory again as the
/// smallest window.
const LEAST_HELD_CHUNKS: usize = 1024;

/// What the library may hold beyond its window before the peer is taken to be ignoring it.
const MAX_OVERRUN: usize = 512 * 1024;

/// TSN, stream identifier, stream sequence number, payload protocol identifier (RFC 9260 §3.3.1).
const DATA_HEADER_LENGTH: usize = 16 - 4;
const UNORDERED_FLAG: u8 = 0x04;
const WHOLE_FLAGS: u8 = 0x03; // B and E

/// What a packet from the wire comes to.
#[derive(Debug, Default)]
pub(super) struct Inbound {
    /// What the library is to see of it.
    pub(super) pass: Option<Bytes>,
    /// The streams on which messages are skipped, and which the library is to know for that.
    pub(super) skipped: Vec<Skip>,
    /// Of such streams those whose first message came, and whether they were skipped on another that had the number.
    pub(super) begun: Vec<(u16, bool)>,
    /// The values of its RE-CONFIG chunks.
    pub(super) reconfigs: Vec<Bytes>,
    /// The value of an ERROR chunk about what is not known.
    pub(super) error: Option<Vec<u8>>,
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
    /// The last TSN this end is known to have used, or one less than its first.
    last_used: u32,
    /// The last of them that the peer has acknowledged cumulatively.
    acknowledged: u32,
    /// The last TSN acknowledged cumulatively, or one less than the peer's first; none before the peer's INIT.
    received: Option<u32>,
    pub(super) window: Window,
    held_chunks: usize,
    /// How many of them are fragments.
    held_fragments: usize,
    overrun: usize,
    pub(super) skips: Skips,
    /// The streams on which unordered data has come.
    unordered: BTreeSet<u16>,
    pacing: Pacing,
    /// Reset requests the library made that must be answered, since they never reach the peer.
    unsent_requests: Vec<u32>,
    /// What the INIT ACK is to say of parameters that are not known.
    pub(super) report: Vec<u8>,
    /// How many streams and fragments the library was made to walk.
    #[cfg(test)]
    pub(super) steps: usize,
}

impl Guard {
    pub(super) fn new() -> Guard {
        Guard {
            local_tag: 0,
            peer_tag: 0,
            last_used: 0,
            acknowledged: 0,
            received: None,
            window: Window::new(),
            held_chunks: 0,
            held_fragments: 0,
            overrun: 0,
            skips: Skips::default(),
            unordered: BTreeSet::default(),
            pacing: Pacing::new(),
            unsent_requests: Vec::new(),
            report: Vec::new(),
            #[cfg(test)]
            steps: 0,
        }
    }

    /// Whether the peer's first TSN is known, so that the handshake is past INIT.
    pub(super) fn knows_peer(&self) -> bool {
        self.received.is_some()
    }

    /// The last TSN this end is known to have used.
    pub(super) fn last_used(&self) -> u32 {
        self.last_used
    }

    /// The last TSN of this end's that the peer has acknowledged cumulatively.
    pub(super) fn acknowledged(&self) -> u32 {
        self.acknowledged
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
        self.skips.forget(stream);
    }

    /// Sorts the chunks of a packet from the wire into what the library takes and what it must not see. The library
    /// holds `streams` streams, on some of which there may be something to read.
    pub(super) fn inbound(
        &mut self,
        now: Instant,
        packet: &Bytes,
        streams: usize,
        readable: bool,
    ) -> Inbound {
        let mut inbound = Inbound::default();
        let Some(header) = packet::header(packet).filter(|_| packet::has_valid_checksum(packet))
        else {
            return inbound;
        };
        let mut toll = Toll::new(streams, self.held_fragments);
        let mut sieve = Sieve::new(packet);
        let mut chunks = packet::chunks(packet);
        while let Some(chunk) = chunks.next() {
            if chunk.is_to_be_reported() && self.is_from_peer(header, chunk) {
                inbound.error.get_or_insert_with(|| unrecognized(chunk));
            }
            if chunk.ends_packet() {
                break;
            }
            if !toll.allows(chunk.kind) {
                sieve.leave_out();
                continue;
            }
            match self.sieved(now, header, chunk, readable) {
                Some(Cow::Borrowed(_)) => {
                    sieve.keep(chunk, chunks.left());
                    inbound.begun.extend(self.begun(chunk));
                }
                Some(Cow::Owned(value)) => sieve.replace(chunk, &value),
                None => sieve.leave_out(),
            }
            if self.is_from_peer(header, chunk) {
                self.note(chunk, packet, &mut inbound);
            }
        }
        #[cfg(test)]
        {
            self.steps += toll.steps();
        }
        inbound.pass = sieve.finish();
        inbound
    }

    fn begun(&mut self, chunk: Chunk<'_>) -> Option<(u16, bool)> {
        let (tsn, stream, sequence) = (chunk.u32(0)?, chunk.u16(4)?, chunk.u16(6)?);
        if chunk.kind != packet::DATA || self.has_received(tsn) {
            return None;
        }
        let is_anew = self.skips.arrived(Arrival {
            stream,
            sequence: (chunk.flags & UNORDERED_FLAG == 0).then_some(sequence),
            tsn,
        })?;
        Some((stream, is_anew))
    }

    /// The value of `chunk` as the library is to see it, if it is.
    fn sieved<'a>(
        &mut self,
        now: Instant,
        header: Header,
        chunk: Chunk<'a>,
        readable: bool,
    ) -> Option<Cow<'a, [u8]>> {
        match chunk.kind {
            packet::DATA => {
                let passes = self.passes_data(now, chunk, readable);
                passes.then_some(Cow::Borrowed(chunk.value))
            }
            packet::SACK => (self.is_from_peer(header, chunk) && passes_sack(chunk))
                .then(|| Cow::Owned(self.paced(now, chunk))),
            packet::FORWARD_TSN => self
                .passes_forward_tsn(chunk)
                .then(|| of_streams(chunk, |stream| self.skips.may_concern(stream))),
            _ => self.passes(chunk).then_some(Cow::Borrowed(chunk.value)),
        }
    }

    /// An acknowledgement with the window that the library is to keep to, and no more gaps than it may look at.
    fn paced(&mut self, now: Instant, sack: Chunk<'_>) -> Vec<u8> {
        let (tsn, window) = (sack.u32(0).unwrap_or(0), sack.u32(4).unwrap_or(0));
        if packet::is_before(self.acknowledged, tsn) {
            self.acknowledged = tsn;
        }
        let window = self
            .pacing
            .acknowledged(now, tsn, few_gaps(sack), window as usize);
        let mut value = Vec::with_capacity(sack.value.len());
        value.put_u32(tsn);
        value.put_u32(window as u32);
        value.put_u16(few_gaps(sack).count() as u16);
        value.put_u16(0);
        for (start, end) in few_gaps(sack) {
            value.put_u16(start);
            value.put_u16(end);
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
    // need not; and what it does with RE-CONFIG is wrong in several ways (see `reset`).
    fn passes(&mut self, chunk: Chunk<'_>) -> bool {
        match chunk.kind {
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

    fn passes_data(&mut self, now: Instant, chunk: Chunk<'_>, readable: bool) -> bool {
        let (Some(tsn), Some(stream)) = (chunk.u32(0), chunk.u16(4)) else {
            return false;
        };
        let length = chunk.value.len().saturating_sub(DATA_HEADER_LENGTH);
        // The next in sequence is what makes room where nothing can be read.
        let is_urgent = !readable && tsn == self.next_expected();
        let passes = length > 0
            && self.is_near(tsn)
            && self.held_chunks < self.most_chunks(is_urgent)
            && (is_urgent || self.window.has_room(length));
        if passes {
            self.window.arrived(now, length);
            self.held_fragments += usize::from(chunk.flags & WHOLE_FLAGS != WHOLE_FLAGS);
            if chunk.flags & UNORDERED_FLAG != 0 {
                self.unordered.insert(stream);
            }
        }
        passes
    }

    // Of one that closes a gap there must be room wherever there is some for those behind it.
    fn most_chunks(&self, is_urgent: bool) -> usize {
        if self.window.is_scarce() && !is_urgent {
            LEAST_HELD_CHUNKS
        } else {
            MAX_HELD_CHUNKS
        }
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

    /// Notes what a chunk of the peer's is to others than the library.
    fn note(&self, chunk: Chunk<'_>, packet: &Bytes, inbound: &mut Inbound) {
        match chunk.kind {
            packet::RECONFIG => inbound.reconfigs.push(packet.slice_ref(chunk.value)),
            packet::SHUTDOWN if chunk.value.len() == 4 => inbound.shutdown = true,
            packet::ABORT => inbound.aborted = Some(abort_reason(chunk)),
            packet::ERROR => {
                tracing::debug!(cause = chunk.u16(0), "SCTP error reported by the peer");
            }
            // One that repeats what is known says nothing new of streams.
            packet::FORWARD_TSN
                if self.passes_forward_tsn(chunk)
                    && let Some(tsn) = chunk.u32(0).filter(|tsn| !self.has_received(*tsn)) =>
            {
                let skips = skipped(chunk).map(|(stream, sequence)| Skip {
                    stream,
                    sequence,
                    tsn,
                });
                inbound
                    .skipped
                    .extend(skips.filter(|skip| self.skips.may_concern(skip.stream)));
            }
            _ => {}
        }
    }

    /// The library took `chunks` more chunks, of `bytes` in all; false when the peer is ignoring the window. The
    /// library always takes the next chunk in sequence when nothing can be read, window or not, and so would keep a
    /// message without end.
    pub(super) fn note_held(&mut self, chunks: usize, bytes: usize, readable: bool) -> bool {
        self.held_chunks += chunks;
        if self.window.advertised() == 0 && !readable && chunks > 0 {
            self.overrun += bytes;
        }
        chunks == 0 || self.overrun <= MAX_OVERRUN
    }

    /// A message of `chunks` chunks and `bytes` bytes was read.
    pub(super) fn note_read(&mut self, chunks: usize, bytes: usize) {
        self.held_chunks = self.held_chunks.saturating_sub(chunks);
        if chunks > 1 {
            self.held_fragments = self.held_fragments.saturating_sub(chunks);
        }
        self.window.read(bytes);
        self.overrun = 0;
    }

    // What the library is told on its peer's behalf.
}
