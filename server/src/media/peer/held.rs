//! A packet of pictures that waits for its turn, and on which section. Knows no peer.

use std::time::Instant;

use crate::congestion::{Pacer, Urgency};
use crate::media::egress::{Outgoing, Unwritten, Wanted};
use crate::media::rtp::packet::MediaPacket;
use crate::media::sdp::MediaKind;

/// What waits on a section.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) section: usize,
    pub(super) packet: Packet,
}

/// A packet without its bytes.
#[derive(Debug)]
pub(super) enum Packet {
    New(Unwritten),
    Again(Wanted, MediaPacket),
}

impl Held {
    /// It, where it was not sent before.
    pub(super) fn unwritten(&self) -> Option<&Unwritten> {
        match &self.packet {
            Packet::New(unwritten) => Some(unwritten),
            Packet::Again(..) => None,
        }
    }

    /// The number that it goes out under, or was sent under first.
    pub(super) fn sequence(&self) -> u16 {
        match &self.packet {
            Packet::New(unwritten) => unwritten.sequence(),
            Packet::Again(wanted, _) => wanted.sequence(),
        }
    }
}

/// What comes of a packet that is to go out.
pub(super) enum Turn {
    Now,
    /// So many bytes of payload are not sent as yet.
    Later(usize),
}

/// Has a packet that is about to go out wait, where it has to.
pub(super) fn queue(
    pacer: &mut Pacer<Held>,
    now: Instant,
    section: usize,
    outgoing: &Outgoing<'_>,
    media: &MediaPacket,
) -> Turn {
    let bytes = outgoing.size();
    if outgoing.kind == MediaKind::Audio || !pacer.must_wait(now, Urgency::New) {
        pacer.sent(now, bytes);
        return Turn::Now;
    }
    let unwritten = outgoing.put_off(media);
    let (octets, kept) = (unwritten.octets(), unwritten.kept());
    let packet = Packet::New(unwritten);
    pacer.push(now, Urgency::New, bytes, kept, Held { section, packet });
    Turn::Later(octets)
}
