//! The SRTP of `rtc::srtp`, for AES128_CM_HMAC_SHA1_80: two contexts, one per direction.
//!
//! Adds what the library leaves open: a packet that fails authentication leaves no state behind,
//! however many SSRCs a stranger tries, and the number of authentic SSRCs is limited.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use rtc::crypto::RTCCryptoProvider;
use rtc::rtp::header::{Extension, Header as LibraryHeader};
use rtc::shared::error::{Error, Result};
use rtc::srtp::config::SessionKeys;
use rtc::srtp::context::Context;
use rtc::srtp::option::{srtcp_replay_protection, srtp_replay_protection};
use rtc::srtp::protection_profile::ProtectionProfile;

use super::limits::{MAX_LIBRARY_SSRCS, REPLAY_WORDS, RTCP_REPLAY_WORDS};
use crate::media::rtp::header::{FIXED_HEADER, Header};

/// SSRCs shown to one stranger's context before it is made anew.
const STRANGERS: usize = 64;

/// The two directions of one peer.
pub(super) struct Contexts {
    outbound: Context,
    inbound: Inbound,
    scratch: LibraryHeader,
}

struct Inbound {
    context: Context,
    /// SSRCs of which an authentic packet was seen. `context` keeps state for each it is shown,
    /// authentic or not, so it is shown only these. The other end chooses them: the hash has a seed.
    known_rtp: HashSet<u32>,
    known_rtcp: HashSet<u32>,
    /// Judges the first packets of every other SSRC, and is thrown away from time to time.
    stranger: Option<(Context, usize)>,
    keys: InboundKeys,
}

struct InboundKeys {
    profile: ProtectionProfile,
    key: Vec<u8>,
    salt: Vec<u8>,
    provider: Arc<dyn RTCCryptoProvider>,
}

impl InboundKeys {
    fn context(&self) -> Result<Context> {
        Context::new(
            &self.key,
            &self.salt,
            self.profile,
            Some(srtp_replay_protection(64 * REPLAY_WORDS)),
            Some(srtcp_replay_protection(64 * RTCP_REPLAY_WORDS)),
            self.provider.crypto(),
        )
    }
}

impl Contexts {
    /// Keys both directions.
    pub(super) fn new(
        profile: ProtectionProfile,
        session: SessionKeys,
        provider: &Arc<dyn RTCCryptoProvider>,
    ) -> Result<Self> {
        let keys = InboundKeys {
            profile,
            key: session.remote_master_key,
            salt: session.remote_master_salt,
            provider: provider.clone(),
        };
        Ok(Self {
            outbound: Context::new(
                &session.local_master_key,
                &session.local_master_salt,
                profile,
                None,
                None,
                provider.crypto(),
            )?,
            inbound: Inbound {
                context: keys.context()?,
                known_rtp: HashSet::default(),
                known_rtcp: HashSet::default(),
                stranger: None,
                keys,
            },
            scratch: LibraryHeader {
                version: 2,
                ..LibraryHeader::default()
            },
        })
    }

    /// Encrypts and authenticates the RTP packet that `out` ends with.
    pub(super) fn protect_rtp(
        &mut self,
        out: &mut BytesMut,
        at: usize,
        header: &Header,
    ) -> Result<()> {
        set_library_header(&mut self.scratch, header);
        let packet = out.get(at..).ok_or(Error::ErrTooShortRtp)?;
        let sealed = (self.outbound).encrypt_rtp_with_header(packet, &self.scratch)?;
        out.truncate(at);
        out.extend_from_slice(&sealed);
        Ok(())
    }

    /// The tag of a protected RTP packet.
    pub(super) fn rtp_overhead(&self) -> usize {
        let profile = &self.inbound.keys.profile;
        profile.rtp_auth_tag_len() + profile.aead_auth_tag_len()
    }

    /// Checks and decrypts an RTP packet; `header` must be the packet's own.
    pub(super) fn unprotect_rtp(&mut self, packet: &[u8], header: &Header) -> Result<BytesMut> {
        set_library_header(&mut self.scratch, header);
        let inbound = &mut self.inbound;
        if !inbound.known_rtp.contains(&header.ssrc) {
            let scratch = &self.scratch;
            inbound.meet(|context| context.decrypt_rtp_with_header(packet, scratch))?;
            remember(&mut inbound.known_rtp, header.ssrc)?;
        }
        inbound
            .context
            .decrypt_rtp_with_header(packet, &self.scratch)
    }

    /// Encrypts and authenticates a compound RTCP packet.
    pub(super) fn protect_rtcp(&mut self, packet: &[u8]) -> Result<BytesMut> {
        self.outbound.encrypt_rtcp(packet)
    }

    /// Checks and decrypts a compound RTCP packet.
    pub(super) fn unprotect_rtcp(&mut self, packet: &[u8]) -> Result<BytesMut> {
        let ssrc = packet.get(4..8).and_then(|bytes| bytes.first_chunk());
        let ssrc = u32::from_be_bytes(*ssrc.ok_or(Error::ErrTooShortRtcp)?);
        let inbound = &mut self.inbound;
        if !inbound.known_rtcp.contains(&ssrc) {
            inbound.meet(|context| context.decrypt_rtcp(packet))?;
            remember(&mut inbound.known_rtcp, ssrc)?;
        }
        inbound.context.decrypt_rtcp(packet)
    }
}

impl Inbound {
    fn meet(&mut self, open: impl FnOnce(&mut Context) -> Result<BytesMut>) -> Result<()> {
        let (mut context, shown) = match self.stranger.take() {
            Some((context, shown)) if shown < STRANGERS => (context, shown),
            _ => (self.keys.context()?, 0),
        };
        let opened = open(&mut context);
        // After a success the SSRC is known; usually no stranger follows.
        if opened.is_err() {
            self.stranger = Some((context, shown + 1));
        }
        opened.map(drop)
    }
}

fn remember(known: &mut HashSet<u32>, ssrc: u32) -> Result<()> {
    if known.len() == MAX_LIBRARY_SSRCS {
        return Err(Error::Other("too many SSRCs".to_owned()));
    }
    known.insert(ssrc);
    Ok(())
}

/// The library asks a header for its SSRC, its sequence number and its length, and nothing else. It
/// is given those without parsing every extension into an allocation of its own.
fn set_library_header(library: &mut LibraryHeader, header: &Header) {
    static FILLER: [u8; 4096] = [0; 4096];
    library.ssrc = header.ssrc;
    library.sequence_number = header.sequence;
    library.extension = header.len > FIXED_HEADER;
    library.extensions.clear();
    if library.extension {
        let filler = (header.len - FIXED_HEADER - 4).min(FILLER.len());
        library.extensions.push(Extension {
            id: 0,
            payload: Bytes::from_static(&FILLER[..filler]),
        });
    }
}
