//! SRTP and SRTCP of one peer (RFC 3711, RFC 7714): two contexts of `rtc::srtp`, one per direction.
//!
//! Adds what the library leaves open: a packet that fails authentication leaves no state behind,
//! however many SSRCs a stranger tries, and the number of authentic SSRCs is limited.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use rtc::crypto::{RTCCrypto, RTCCryptoProvider};
use rtc::dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc::dtls::state::State;
use rtc::rtp::header::{Extension, Header as LibraryHeader};
use rtc::shared::error::{Error, Result};
use rtc::srtp::config::{Config, LABEL_EXTRACTOR_DTLS_SRTP};
use rtc::srtp::context::Context;
use rtc::srtp::option::{srtcp_replay_protection, srtp_replay_protection};
use rtc::srtp::protection_profile::ProtectionProfile;
use rustc_hash::FxHashSet;

use super::rtp::{FIXED_HEADER, Header};

/// Synchronization sources accepted from one peer in its life, for RTP and again for RTCP.
pub const MAX_SSRCS: usize = 256;

/// Packets this far behind the newest are refused as too old (RFC 3711 §3.3.2). Wide enough for
/// retransmissions of a fast video stream.
const REPLAY_WINDOW: usize = 1024;
/// RTCP is rare: RFC 3711's minimum does.
const RTCP_REPLAY_WINDOW: usize = 64;

/// SSRCs shown to one stranger's context before it is made anew.
const STRANGERS: usize = 64;

/// The two directions of one peer.
pub struct Srtp {
    outbound: Context,
    inbound: Inbound,
    scratch: LibraryHeader,
}

struct Inbound {
    context: Context,
    /// SSRCs of which an authentic packet was seen. `context` keeps state for each it is shown,
    /// authentic or not, so it is shown only these.
    known_rtp: FxHashSet<u32>,
    known_rtcp: FxHashSet<u32>,
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
            Some(srtp_replay_protection(REPLAY_WINDOW)),
            Some(srtcp_replay_protection(RTCP_REPLAY_WINDOW)),
            self.provider.crypto(),
        )
    }
}

impl Srtp {
    /// Keys both directions from a completed handshake (RFC 5764 §4.2).
    pub fn from_dtls(state: &State, provider: &Arc<dyn RTCCryptoProvider>) -> Result<Self> {
        let profile = match state.srtp_protection_profile() {
            SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => ProtectionProfile::AeadAes128Gcm,
            SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80 => {
                ProtectionProfile::Aes128CmHmacSha1_80
            }
            _ => return Err(Error::ErrNoSuchSrtpProfile),
        };
        let len = 2 * (profile.key_len() + profile.salt_len());
        let material = state.export_keying_material(LABEL_EXTRACTOR_DTLS_SRTP, &[], len)?;
        Self::from_keying_material(profile, material.as_ref(), state.is_client(), provider)
    }

    /// Keys both directions from the exporter's output.
    pub fn from_keying_material(
        profile: ProtectionProfile,
        material: &[u8],
        is_client: bool,
        provider: &Arc<dyn RTCCryptoProvider>,
    ) -> Result<Self> {
        let mut config = Config {
            profile,
            ..Config::default()
        };
        config.set_session_keys_from_keying_material(material, is_client)?;
        let keys = InboundKeys {
            profile,
            key: config.keys.remote_master_key,
            salt: config.keys.remote_master_salt,
            provider: provider.clone(),
        };
        let crypto: &dyn RTCCrypto = provider.crypto();
        Ok(Self {
            outbound: Context::new(
                &config.keys.local_master_key,
                &config.keys.local_master_salt,
                profile,
                None,
                None,
                crypto,
            )?,
            inbound: Inbound {
                context: keys.context()?,
                known_rtp: FxHashSet::default(),
                known_rtcp: FxHashSet::default(),
                stranger: None,
                keys,
            },
            scratch: LibraryHeader {
                version: 2,
                ..LibraryHeader::default()
            },
        })
    }

    /// Encrypts and authenticates an RTP packet.
    pub fn protect_rtp(&mut self, packet: &[u8], header: &Header) -> Result<BytesMut> {
        set_library_header(&mut self.scratch, header);
        self.outbound.encrypt_rtp_with_header(packet, &self.scratch)
    }

    /// Checks and decrypts an RTP packet; `header` must be the packet's own.
    pub fn unprotect_rtp(&mut self, packet: &[u8], header: &Header) -> Result<BytesMut> {
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
    pub fn protect_rtcp(&mut self, packet: &[u8]) -> Result<BytesMut> {
        self.outbound.encrypt_rtcp(packet)
    }

    /// Checks and decrypts a compound RTCP packet.
    pub fn unprotect_rtcp(&mut self, packet: &[u8]) -> Result<BytesMut> {
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

fn remember(known: &mut FxHashSet<u32>, ssrc: u32) -> Result<()> {
    if known.len() == MAX_SSRCS {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::rtp::write_header;

    fn pair(profile: ProtectionProfile) -> (Srtp, Srtp) {
        let provider = rtc::crypto::default_provider().unwrap();
        let material = vec![7; 2 * (profile.key_len() + profile.salt_len())];
        let end = |is_client| {
            Srtp::from_keying_material(profile, &material, is_client, &provider).unwrap()
        };
        (end(true), end(false))
    }

    fn packet(ssrc: u32, sequence: u16, elements: &[(Option<u8>, Option<&[u8]>)]) -> Vec<u8> {
        let mut fixed = [0x80, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        fixed[2..4].copy_from_slice(&sequence.to_be_bytes());
        fixed[8..12].copy_from_slice(&ssrc.to_be_bytes());
        let header = Header::parse(&fixed).unwrap();
        let mut packet = Vec::new();
        write_header(&mut packet, &header, elements);
        packet.extend_from_slice(b"some media");
        packet
    }

    fn protect(srtp: &mut Srtp, packet: &[u8]) -> BytesMut {
        let header = Header::parse(packet).unwrap();
        srtp.protect_rtp(packet, &header).unwrap()
    }

    fn unprotect(srtp: &mut Srtp, packet: &[u8]) -> Result<BytesMut> {
        let header = Header::parse(packet).unwrap();
        srtp.unprotect_rtp(packet, &header)
    }

    #[test]
    fn what_one_end_protects_the_other_opens_once() {
        for profile in [
            ProtectionProfile::AeadAes128Gcm,
            ProtectionProfile::Aes128CmHmacSha1_80,
        ] {
            let (mut a, mut b) = pair(profile);
            for (sequence, elements) in [
                (1, vec![]),
                (2, vec![(Some(3), Some(&[1, 2][..]))]),
                (65535, vec![(Some(100), Some(&[9; 30][..]))]),
            ] {
                let plain = packet(5, sequence, &elements);
                let sealed = protect(&mut a, &plain);
                assert_ne!(&sealed[sealed.len() - 10..], &plain[plain.len() - 10..]);
                assert_eq!(unprotect(&mut b, &sealed).unwrap(), plain);
                assert!(unprotect(&mut b, &sealed).is_err(), "a replay was accepted");
            }
        }
    }

    #[test]
    fn forged_packets_leave_no_state() {
        let (mut a, mut b) = pair(ProtectionProfile::AeadAes128Gcm);
        for ssrc in 0..10_000 {
            let mut forged = packet(ssrc, 1, &[]);
            forged.extend_from_slice(&[0; 16]);
            assert!(unprotect(&mut b, &forged).is_err());
            let mut forged = vec![0x80, 201, 0, 1];
            forged.extend_from_slice(&ssrc.to_be_bytes());
            forged.extend_from_slice(&[0; 20]);
            assert!(b.unprotect_rtcp(&forged).is_err());
        }
        assert!(b.inbound.known_rtp.is_empty() && b.inbound.known_rtcp.is_empty());
        let sealed = protect(&mut a, &packet(20_000, 1, &[]));
        assert!(unprotect(&mut b, &sealed).is_ok());
    }

    #[test]
    fn the_number_of_ssrcs_is_limited() {
        let (mut a, mut b) = pair(ProtectionProfile::AeadAes128Gcm);
        for ssrc in 0..MAX_SSRCS as u32 + 10 {
            let sealed = protect(&mut a, &packet(ssrc, 1, &[]));
            assert_eq!(unprotect(&mut b, &sealed).is_ok(), ssrc < MAX_SSRCS as u32);
        }
    }

    #[test]
    fn rtcp_goes_both_ways() {
        let (mut a, mut b) = pair(ProtectionProfile::AeadAes128Gcm);
        let report = [0x80, 201, 0, 1, 0, 0, 0, 9];
        let sealed = a.protect_rtcp(&report).unwrap();
        assert_eq!(&b.unprotect_rtcp(&sealed).unwrap()[..], report);
        assert!(b.unprotect_rtcp(&sealed).is_err(), "a replay was accepted");
    }
}
