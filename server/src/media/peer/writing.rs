//! How a packet of media is written where it leaves from: numbered, stamped and sealed there, if its path may be sent to.

use std::time::{Duration, Instant};

use crate::congestion::{Estimator, PathEstimator};
use crate::media::egress::Outgoing;
use crate::media::net::outbox::Outbox;
use crate::media::net::path::FourTuple;
use crate::media::rtp::clock::Clock;
use crate::media::sdp::MediaKind;
use crate::media::transport::ice::IceLite;
use crate::media::transport::srtp::Srtp;

/// How long audio may wait for a slow path.
pub const AUDIO_LIFETIME: Duration = Duration::from_millis(200);

/// Bytes of what may be sent over a path that is not proven, kept for the check that proves it.
pub(super) const ROOM_FOR_A_CHECK: usize = 128;

/// What a packet may grow by on the way out: extensions of ours, and the seal.
pub(super) const MAX_GROWTH: usize = 64;

/// Whether so many bytes of media may be sent over a path, room for a check left; if so, they are noted.
pub(super) fn admits_media(ice: &mut IceLite, path: &FourTuple, bytes: usize) -> bool {
    ice.is_open(path) || ice.has_room(path, bytes + ROOM_FOR_A_CHECK) && ice.admit(path, bytes)
}

/// What is written into a packet as it is sealed.
pub(super) enum Stamp<'e> {
    /// The transport-wide number that this gives it.
    Number(&'e mut Estimator),
    /// When it is sent, on NTP's clock.
    Time(u64),
    Nothing,
}

/// What a packet is to have.
pub(super) fn stamp<'e>(
    now: Instant,
    outgoing: &Outgoing<'_>,
    estimator: &'e mut PathEstimator,
    clock: Clock,
) -> Stamp<'e> {
    match outgoing.is_numbered() {
        true => Stamp::Number(estimator.begun(now)),
        false => time(now, outgoing, clock),
    }
}

/// What one is to have that no number is for.
pub(super) fn time(now: Instant, outgoing: &Outgoing<'_>, clock: Clock) -> Stamp<'static> {
    match outgoing.is_timed() {
        true => Stamp::Time(clock.ntp(now)),
        false => Stamp::Nothing,
    }
}

/// Writes a packet where it leaves from, and stamps and seals it there.
pub(super) fn send_rtp(
    now: Instant,
    path: &FourTuple,
    outgoing: &Outgoing<'_>,
    srtp: &mut Srtp,
    ice: &mut IceLite,
    outbox: &mut Outbox,
    stamp: Stamp<'_>,
) {
    let len = outgoing.size() + srtp.rtp_overhead();
    if !admits_media(ice, path, len) {
        return;
    }
    let expires = match outgoing.kind {
        MediaKind::Audio => Some(now + AUDIO_LIFETIME),
        MediaKind::Video => None,
    };
    // The cipher refuses what has no index any more: it is lost, like any packet can be.
    let _ = outbox.write(path, len, expires, |out| {
        let at = out.len();
        outgoing.write(out);
        match stamp {
            Stamp::Number(estimator) => {
                let number = estimator.send(now, len, outgoing.purpose);
                outgoing.number(&mut out[at..], number);
            }
            Stamp::Time(ntp) => outgoing.time(&mut out[at..], ntp),
            Stamp::Nothing => {}
        }
        srtp.protect_rtp(out, at, &outgoing.header)
    });
}
