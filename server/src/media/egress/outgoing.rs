//! A packet on its way out, as it will be written: nothing of it is before that.

use bytes::BytesMut;

use crate::congestion::Purpose;
use crate::media::rtp::frame_numbers::{FrameNumbers, PictureFields};
use crate::media::rtp::header::{
    FIXED_HEADER, Header, WrittenElement, first_value_at, write_header,
};
use crate::media::rtp::red;
use crate::media::sdp::MediaKind;

/// In the place of a transport-wide number.
pub(super) const UNNUMBERED: [u8; 2] = [0; 2];
/// In the place of the time that a packet is sent at.
pub(super) const UNTIMED: [u8; 3] = [0; 3];

/// What a packet holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contents<'a> {
    pub(super) payload: &'a [u8],
    /// The payload type that its blocks are to have, where it holds some (RFC 2198).
    pub(super) blocks: Option<u8>,
}

impl<'a> Contents<'a> {
    /// As it is.
    pub(super) fn of(payload: &'a [u8]) -> Self {
        Self {
            payload,
            blocks: None,
        }
    }
}

/// A packet as it is to be sent: written where it leaves from, and nowhere before that.
#[derive(Debug)]
pub struct Outgoing<'a> {
    /// Its header, as long as it will be.
    pub header: Header,
    /// Audio is worth nothing when it is late.
    pub kind: MediaKind,
    /// What it is sent for.
    pub purpose: Purpose,
    /// The transport-wide number, or when it is sent, comes first, and the dependency descriptor next.
    pub(super) elements: [WrittenElement<'a>; 5],
    /// The number that a retransmission was first sent under (RFC 4588 §4).
    pub(super) original: Option<u16>,
    pub(super) contents: Contents<'a>,
    /// Where the payload says which picture it is of.
    pub(super) picture: PictureFields,
    /// Which frame it is of, instead of what payload and descriptor say.
    pub(super) numbers: FrameNumbers,
    /// The newest numbers of frames that were given before it, unless it came late.
    pub(super) before: Option<FrameNumbers>,
}

impl Outgoing<'_> {
    /// How long it is.
    pub fn size(&self) -> usize {
        self.header.len + 2 * usize::from(self.original.is_some()) + self.contents.payload.len()
    }

    /// Appends it.
    pub fn write(&self, out: &mut BytesMut) {
        let begin = out.len();
        write_header(out, &self.header, &self.elements);
        if self.numbers.frame.is_some() && self.elements[1].0.is_some() {
            let written = &mut out[begin..];
            let at = self.second_value_at(written);
            self.numbers
                .write_frame(written.get_mut(at..).unwrap_or_default());
        }
        if let Some(original) = self.original {
            out.extend_from_slice(&original.to_be_bytes());
        }
        let begin = out.len();
        out.extend_from_slice(self.contents.payload);
        self.numbers.write_picture(self.picture, &mut out[begin..]);
        if let Some(payload_type) = self.contents.blocks {
            red::rename(&mut out[begin..], payload_type);
        }
    }

    /// Where the value of the second element lies, which is the first where that is left out.
    fn second_value_at(&self, written: &[u8]) -> usize {
        let first = first_value_at(written);
        let head = first - FIXED_HEADER - 4;
        match self.elements[0] {
            (Some(_), Some(value)) => first + value.len() + head,
            _ => first,
        }
    }

    /// Whether it has a transport-wide number.
    pub fn is_numbered(&self) -> bool {
        matches!(self.elements[0], (Some(_), Some(value)) if value.len() == UNNUMBERED.len())
    }

    /// Whether it says when it is sent.
    pub fn is_timed(&self) -> bool {
        matches!(self.elements[0], (Some(_), Some(value)) if value.len() == UNTIMED.len())
    }

    /// Numbers it where it was written.
    pub fn number(&self, written: &mut [u8], number: u16) {
        let at = first_value_at(written);
        if let Some(value) = written.get_mut(at..at + 2) {
            value.copy_from_slice(&number.to_be_bytes());
        }
    }

    /// Says when it is sent where it was written: seconds, in six bits and a fraction of eighteen, of NTP's 64.
    pub fn time(&self, written: &mut [u8], ntp: u64) {
        let at = first_value_at(written);
        let [.., high, middle, low] = (ntp >> 14).to_be_bytes();
        if let Some(value) = written.get_mut(at..at + 3) {
            value.copy_from_slice(&[high, middle, low]);
        }
    }
}
