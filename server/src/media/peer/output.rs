//! What a peer gives out.

use bytes::Bytes;

use crate::media::data::{ChannelId, MessageKind};
use crate::media::egress::{Began, Wanted};
use crate::media::rtp::packet::MediaPacket;
use crate::media::transport::dtls::DtlsState;
use crate::media::transport::ice::IceState;

/// What a peer tells the one who drives it.
#[derive(Debug)]
pub enum PeerOutput {
    /// A received packet.
    Media(MediaPacket),
    /// The other end wants a keyframe of what is sent on a section.
    KeyframeWanted {
        /// The section's index.
        section: usize,
    },
    /// The other end asks for packets again of what is sent on a section.
    Wanted {
        /// The section's index.
        section: usize,
        /// The packets.
        packets: Vec<Wanted>,
    },
    /// What is sent on a section began with this packet. What overtook it on its way here was not sent, and is to be.
    Began {
        /// The section's index.
        section: usize,
        /// The packet.
        with: Began,
    },
    /// A data channel message.
    Data {
        /// Its channel.
        channel: ChannelId,
        /// Text or binary.
        kind: MessageKind,
        /// The message.
        data: Bytes,
    },
    /// A data channel is open.
    ChannelOpened {
        /// Which.
        channel: ChannelId,
        /// What the other end calls it.
        label: String,
    },
    /// A data channel is closed.
    ChannelClosed {
        /// Which.
        channel: ChannelId,
    },
    /// ICE or DTLS changed.
    State(PeerState),
}

/// The states of the transports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerState {
    /// ICE.
    pub ice: IceState,
    /// DTLS.
    pub dtls: DtlsState,
    /// Why, when it is not good news; while connected, why the data channels are over.
    pub reason: Option<String>,
}
