//! SRTP and SRTCP of one peer (RFC 3711, RFC 7714).
//!
//! | module | what lives there |
//! |---|---|
//! | `gcm` | AES-128-GCM, which nearly everybody agrees to: ours, because every packet goes through it |
//! | `aes_cm` | everything else: the library's |
//! | `limits` | how much of each is remembered |
//! | `window`, `sources` | indices and replay protection; what is kept per SSRC |
//!
//! Either way a packet that fails authentication leaves no state behind, however many SSRCs a
//! stranger tries, and the number of authentic SSRCs is limited.

mod aes_cm;
mod gcm;
mod limits;
mod sources;
mod window;

use std::sync::Arc;

use bytes::BytesMut;
use rtc::crypto::RTCCryptoProvider;
use rtc::dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc::dtls::state::State;
use rtc::shared::error::{Error, Result};
use rtc::srtp::config::{Config, LABEL_EXTRACTOR_DTLS_SRTP};
use rtc::srtp::protection_profile::ProtectionProfile;

use crate::media::rtp::header::Header;
use aes_cm::Contexts;
use gcm::Master;
pub use limits::{MAX_LIBRARY_SSRCS, MAX_SENT_SSRCS, MAX_SSRCS, MAX_SSRCS_IN_LIFE};

/// The two directions of one peer.
pub struct Srtp(Suite);

#[expect(
    clippy::large_enum_variant,
    reason = "nearly every peer has the large one"
)]
enum Suite {
    Gcm(gcm::Outbound, gcm::Inbound),
    Library(Box<Contexts>),
}

impl Srtp {
    /// Keys both directions from a completed handshake (RFC 5764 §4.2).
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the library's enum: what we do not offer"
    )]
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
        let keys = config.keys;
        if !matches!(profile, ProtectionProfile::AeadAes128Gcm) {
            let contexts = Contexts::new(profile, keys, provider)?;
            return Ok(Self(Suite::Library(Box::new(contexts))));
        }
        let local = Master {
            key: &keys.local_master_key,
            salt: &keys.local_master_salt,
        };
        let remote = Master {
            key: &keys.remote_master_key,
            salt: &keys.remote_master_salt,
        };
        let crypto = provider.crypto();
        let (outbound, inbound) = (
            gcm::Outbound::new(local, crypto)?,
            gcm::Inbound::new(remote, crypto)?,
        );
        Ok(Self(Suite::Gcm(outbound, inbound)))
    }

    /// Encrypts and authenticates the RTP packet that `out` ends with, from `at` on, where it is;
    /// `header` must be the packet's own. It grows by [`Self::rtp_overhead`].
    pub fn protect_rtp(&mut self, out: &mut BytesMut, at: usize, header: &Header) -> Result<()> {
        match &mut self.0 {
            Suite::Gcm(outbound, _) => outbound.protect_rtp(out, at, header),
            Suite::Library(contexts) => contexts.protect_rtp(out, at, header),
        }
    }

    /// Has memory fetched that tells where the keys are that a packet is sealed with.
    pub fn prefetch(&self) {
        match &self.0 {
            Suite::Gcm(outbound, _) => outbound.prefetch(),
            Suite::Library(_) => {}
        }
    }

    /// Has those fetched.
    pub fn prefetch_keys(&self) {
        match &self.0 {
            Suite::Gcm(outbound, _) => outbound.prefetch_keys(),
            Suite::Library(_) => {}
        }
    }

    /// What protection adds to an RTP packet, in bytes.
    pub fn rtp_overhead(&self) -> usize {
        match &self.0 {
            Suite::Gcm(..) => gcm::TAG,
            Suite::Library(contexts) => contexts.rtp_overhead(),
        }
    }

    /// Checks and decrypts an RTP packet; `header` must be the packet's own.
    pub fn unprotect_rtp(&mut self, packet: &[u8], header: &Header) -> Result<BytesMut> {
        match &mut self.0 {
            Suite::Gcm(_, inbound) => inbound.unprotect_rtp(packet, header),
            Suite::Library(contexts) => contexts.unprotect_rtp(packet, header),
        }
    }

    /// Encrypts and authenticates a compound RTCP packet.
    pub fn protect_rtcp(&mut self, compound: &[u8]) -> Result<BytesMut> {
        match &mut self.0 {
            Suite::Gcm(outbound, _) => outbound.protect_rtcp(compound),
            Suite::Library(contexts) => contexts.protect_rtcp(compound),
        }
    }

    /// Checks and decrypts a compound RTCP packet.
    pub fn unprotect_rtcp(&mut self, packet: &[u8]) -> Result<BytesMut> {
        match &mut self.0 {
            Suite::Gcm(_, inbound) => inbound.unprotect_rtcp(packet),
            Suite::Library(contexts) => contexts.unprotect_rtcp(packet),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::rtp::header::write_header;

    fn pair(profile: ProtectionProfile) -> (Srtp, Srtp) {
        let provider = rtc::crypto::default_provider().unwrap();
        let material = vec![7; 2 * (profile.key_len() + profile.salt_len())];
        let end = |is_client| {
            Srtp::from_keying_material(profile, &material, is_client, &provider).unwrap()
        };
        (end(true), end(false))
    }

    fn packet(ssrc: u32, sequence: u16, elements: &[(Option<u8>, Option<&[u8]>)]) -> BytesMut {
        let mut fixed = [0x80, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        fixed[2..4].copy_from_slice(&sequence.to_be_bytes());
        fixed[8..12].copy_from_slice(&ssrc.to_be_bytes());
        let header = Header::parse(&fixed).unwrap();
        let mut packet = BytesMut::new();
        write_header(&mut packet, &header, elements);
        packet.extend_from_slice(b"some media");
        packet
    }

    fn protect(srtp: &mut Srtp, packet: &[u8]) -> BytesMut {
        let header = Header::parse(packet).unwrap();
        // Behind another, as in a batch.
        let mut out = BytesMut::from(&b"before"[..]);
        out.extend_from_slice(packet);
        srtp.protect_rtp(&mut out, 6, &header).unwrap();
        assert_eq!(&out[..6], b"before");
        assert_eq!(out.len(), 6 + packet.len() + srtp.rtp_overhead());
        out.split_off(6)
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
        let Suite::Gcm(_, inbound) = &b.0 else {
            panic!("another suite");
        };
        assert_eq!(inbound.sources(), 0);
        let sealed = protect(&mut a, &packet(20_000, 1, &[]));
        assert!(unprotect(&mut b, &sealed).is_ok());
    }

    #[test]
    fn ever_new_ssrcs_displace_the_longest_unheard_and_none_is_played_back() {
        let (mut a, mut b) = pair(ProtectionProfile::AeadAes128Gcm);
        let sealed: Vec<_> = (0..2 * MAX_SSRCS as u32)
            .map(|ssrc| protect(&mut a, &packet(ssrc, 1, &[])))
            .collect();
        for sealed in &sealed {
            assert!(unprotect(&mut b, sealed).is_ok());
        }
        for sealed in &sealed {
            assert!(unprotect(&mut b, sealed).is_err(), "a replay was accepted");
        }
        let again = protect(&mut a, &packet(0, 2, &[]));
        assert!(unprotect(&mut b, &again).is_ok());
    }

    #[test]
    fn the_number_of_ssrcs_under_one_key_is_limited() {
        for (profile, most) in [
            (ProtectionProfile::AeadAes128Gcm, MAX_SSRCS_IN_LIFE),
            (ProtectionProfile::Aes128CmHmacSha1_80, MAX_LIBRARY_SSRCS),
        ] {
            let (_, mut b) = pair(profile);
            // One that sends may have no more itself.
            for first in (0..most as u32 + 10).step_by(1000) {
                let (mut a, _) = pair(profile);
                for ssrc in first..(first + 1000).min(most as u32 + 10) {
                    let sealed = protect(&mut a, &packet(ssrc, 1, &[]));
                    assert_eq!(unprotect(&mut b, &sealed).is_ok(), ssrc < most as u32);
                }
            }
        }
    }

    /// Two ends between which so many packets of source 5 went.
    fn at_index(index: u64) -> (Srtp, Srtp) {
        let (mut a, mut b) = pair(ProtectionProfile::AeadAes128Gcm);
        let (Suite::Gcm(outbound, _), Suite::Gcm(_, inbound)) = (&mut a.0, &mut b.0) else {
            panic!("another suite");
        };
        outbound.go_to(5, index);
        inbound.go_to(5, index);
        (a, b)
    }

    #[test]
    fn packets_go_on_over_2_to_the_32nd_each_sealed_otherwise() {
        for limit in [1 << 17, 1 << 32, 7 << 16] {
            let (mut a, mut b) = at_index(limit - 10);
            let mut seen = std::collections::HashSet::new();
            // Over a round, so that every number is there twice.
            for index in limit - 9..limit + 65_540 {
                // All say the same.
                let plain = packet(5, index as u16, &[]);
                let sealed = protect(&mut a, &plain);
                assert_eq!(unprotect(&mut b, &sealed).unwrap(), plain, "{index}");
                assert!(seen.insert(sealed[12..].to_vec()), "{index}");
            }
        }
    }

    /// RFC 3711 §9.2: a key protects 2^48 packets of a source.
    #[test]
    fn after_the_last_packet_of_a_key_none_is_sealed_whatever_its_number() {
        let limit = 1_u64 << 48;
        let (mut a, mut b) = at_index(limit - 3);
        for index in [limit - 2, limit - 1] {
            let plain = packet(5, index as u16, &[]);
            let sealed = protect(&mut a, &plain);
            assert_eq!(unprotect(&mut b, &sealed).unwrap(), plain);
        }
        for sequence in (0..3 * 65_536_u32).map(|at| at as u16) {
            let plain = packet(5, sequence, &[]);
            let header = Header::parse(&plain).unwrap();
            let mut out = BytesMut::from(&plain[..]);
            assert!(a.protect_rtp(&mut out, 0, &header).is_err(), "{sequence}");
            assert_eq!(out, plain, "nothing is written");
        }
        let sealed = protect(&mut a, &packet(6, 1, &[]));
        assert!(unprotect(&mut b, &sealed).is_ok(), "other sources go on");
    }

    #[test]
    fn rtcp_goes_both_ways() {
        let (mut a, mut b) = pair(ProtectionProfile::AeadAes128Gcm);
        let report = [0x80, 201, 0, 1, 0, 0, 0, 9];
        let sealed = a.protect_rtcp(&report).unwrap();
        assert_eq!(&b.unprotect_rtcp(&sealed).unwrap()[..], report);
        assert!(b.unprotect_rtcp(&sealed).is_err(), "a replay was accepted");
    }

    #[test]
    fn what_the_library_protects_we_open_and_the_other_way_round() {
        let profile = ProtectionProfile::AeadAes128Gcm;
        let provider = rtc::crypto::default_provider().unwrap();
        let material: Vec<u8> = (0..56).collect();
        let mut ours = Srtp::from_keying_material(profile, &material, true, &provider).unwrap();
        let mut config = Config {
            profile,
            ..Config::default()
        };
        config
            .set_session_keys_from_keying_material(&material, false)
            .unwrap();
        let theirs = Contexts::new(profile, config.keys, &provider).unwrap();
        let mut theirs = Srtp(Suite::Library(Box::new(theirs)));
        // Over two wraps, with every tenth packet behind the next.
        for at in (100..150_000_u32).step_by(50) {
            let sequence = if at % 500 == 0 { at - 60 } else { at } as u16;
            let plain = packet(5, sequence, &[(Some(3), Some(&[1, 2][..]))]);
            let sealed = protect(&mut ours, &plain);
            assert_eq!(unprotect(&mut theirs, &sealed).unwrap(), plain, "{at}");
            let sealed = protect(&mut theirs, &plain);
            assert_eq!(unprotect(&mut ours, &sealed).unwrap(), plain, "{at}");
        }
        for ssrc in [9, 9, 8, 9] {
            let report = [0x80, 201, 0, 1, 0, 0, 0, ssrc];
            let sealed = ours.protect_rtcp(&report).unwrap();
            assert_eq!(&theirs.unprotect_rtcp(&sealed).unwrap()[..], report);
            let sealed = theirs.protect_rtcp(&report).unwrap();
            assert_eq!(&ours.unprotect_rtcp(&sealed).unwrap()[..], report);
        }
    }

    #[test]
    fn short_and_changed_packets_are_refused() {
        let (mut a, mut b) = pair(ProtectionProfile::AeadAes128Gcm);
        let sealed = protect(&mut a, &packet(5, 1, &[(Some(3), Some(&[1, 2][..]))]));
        for len in 0..sealed.len() {
            if let Some(header) = Header::parse(&sealed[..len]) {
                assert!(b.unprotect_rtp(&sealed[..len], &header).is_err());
            }
        }
        let report = a.protect_rtcp(&[0x80, 201, 0, 1, 0, 0, 0, 9]).unwrap();
        for len in 0..report.len() {
            assert!(b.unprotect_rtcp(&report[..len]).is_err());
        }
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            if let Some(header) = Header::parse(&changed) {
                assert!(b.unprotect_rtp(&changed, &header).is_err(), "{at}");
            }
        }
        for at in 0..report.len() {
            let mut changed = report.clone();
            changed[at] ^= 1;
            assert!(b.unprotect_rtcp(&changed).is_err(), "{at}");
        }
        assert!(unprotect(&mut b, &sealed).is_ok() && b.unprotect_rtcp(&report).is_ok());
    }
}
