//! Tells datagrams apart by their first byte (RFC 7983 §7), and STUN requests from responses.

use crate::media::net::stun::attribute::USERNAME;
use crate::media::net::stun::{Attributes, MAX_ATTRIBUTES};

/// What a datagram is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// RFC 8489: a request or an indication, which says whom it is for.
    Stun,
    /// RFC 6347
    Dtls,
    /// RFC 3711, RTP
    Srtp,
    /// RFC 3711, RTCP (RFC 5761 §4 tells the two apart)
    Srtcp,
    /// RFC 8489: a response, which belongs to whoever asked over its path.
    StunResponse,
}

/// Classifies a datagram. `None` is none of ours.
pub fn classify(datagram: &[u8]) -> Option<Kind> {
    match *datagram {
        // The class of a message is in its first byte's last bit, and one in the second (RFC 8489 §5).
        [0 | 2, ..] => Some(Kind::Stun),
        [1 | 3, ..] => Some(Kind::StunResponse),
        [20..=63, ..] => Some(Kind::Dtls),
        // RTCP packet types 192 to 223 are no RTP payload types with rtcp-mux.
        [128..=191, 192..=223, ..] => Some(Kind::Srtcp),
        [128..=191, _, ..] => Some(Kind::Srtp),
        _ => None,
    }
}

/// Whether a datagram is none of a peer's, but for the server of STUN and TURN that is a guest on the port: what
/// is neither a check nor a response, and channel data (RFC 8656 §12), of RFC 5766's clients, too.
#[inline]
pub fn is_guests(datagram: &[u8]) -> bool {
    match *datagram {
        [64..=127, ..] => true,
        [0, 1, ..] => !has_username(datagram),
        // A Binding indication keeps a path alive.
        [0, 0x11, ..] => false,
        [0, ..] => true,
        _ => false,
    }
}

fn has_username(datagram: &[u8]) -> bool {
    let attributes = Attributes::of(datagram).into_iter().flatten();
    let mut attributes = attributes.take(MAX_ATTRIBUTES);
    attributes.any(|(typ, _)| typ == USERNAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_table_of_rfc_7983() {
        assert_eq!(classify(&[0, 1]), Some(Kind::Stun));
        assert_eq!(classify(&[0, 0x11]), Some(Kind::Stun));
        assert_eq!(classify(&[1, 1]), Some(Kind::StunResponse));
        assert_eq!(classify(&[1, 0x11]), Some(Kind::StunResponse));
        assert_eq!(classify(&[22, 254, 253]), Some(Kind::Dtls));
        assert_eq!(classify(&[128, 96]), Some(Kind::Srtp));
        assert_eq!(classify(&[144, 0x80 | 111]), Some(Kind::Srtp));
        assert_eq!(classify(&[129, 201]), Some(Kind::Srtcp));
        // TURN channels (64..=79) are a guest's.
        for first in [4, 16, 19, 64, 79, 80, 127, 192, 255] {
            assert_eq!(classify(&[first, 0]), None);
        }
        assert_eq!(classify(&[]), None);
        assert_eq!(classify(&[128]), None);
    }
}
