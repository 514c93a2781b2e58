//! AEAD_AES_128_GCM (RFC 7714), in place: a packet is copied once when it is opened, and not at all
//! when it is sealed. The cipher is the library's; what is ours is where the bytes lie.
//!
//! A packet that fails authentication leaves no state behind.

use bytes::BytesMut;
use rtc::crypto::{AeadAlgorithm, AeadCipher, BlockCipherAlgorithm, RTCCrypto};
use rtc::shared::error::{Error, Result};

use super::limits::{
    MAX_SENT_SSRCS, MAX_SSRCS, MAX_SSRCS_IN_LIFE, REPLAY_WORDS, RTCP_REPLAY_WORDS,
};
use super::sources::{Heard, Sources};
use super::window::{MAX_INDEX, index_of};
use crate::media::rtp::header::Header;
use crate::prefetch::prefetch;

const KEY: usize = 16;
const SALT: usize = 12;
/// The authentication tag, which follows what is encrypted.
pub(super) const TAG: usize = 16;

/// What of an RTCP packet is not encrypted: its first header and SSRC (RFC 7714 §9.2).
const RTCP_HEADER: usize = 8;
/// The trailer of an SRTCP packet: the E flag and the SRTCP index.
const RTCP_TRAILER: usize = 4;
/// The E flag: the packet is encrypted (RFC 3711 §3.4).
const ENCRYPTED: u32 = 1 << 31;

/// A master key and salt, as the handshake gives them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Master<'a> {
    /// 16 bytes.
    pub(super) key: &'a [u8],
    /// 12 bytes.
    pub(super) salt: &'a [u8],
}

/// A session key and salt, of RTP or of RTCP.
struct SessionKeys {
    cipher: Box<dyn AeadCipher>,
    salt: [u8; SALT],
}

/// The labels of a session key and salt (RFC 3711 §4.3.2).
const RTP_LABELS: (u8, u8) = (0, 2);
const RTCP_LABELS: (u8, u8) = (3, 5);

impl SessionKeys {
    fn derive(master: Master<'_>, labels: (u8, u8), crypto: &dyn RTCCrypto) -> Result<Self> {
        let key = derive(master, labels.0, crypto)?;
        let salt = derive(master, labels.1, crypto)?;
        let cipher = crypto.new_aead(AeadAlgorithm::Aes128Gcm, &key);
        let salt = *salt.first_chunk().ok_or(Error::ErrNoSuchSrtpProfile)?;
        Ok(Self {
            cipher: cipher.map_err(failed)?,
            salt,
        })
    }

    /// The initialization vector: SSRC and 48 bits of index, after two zero bytes (RFC 7714 §8.1). That
    /// of SRTCP is the same with an index of 31 bits (§9.1).
    fn nonce(&self, ssrc: u32, index: u64) -> [u8; SALT] {
        let value = u128::from(ssrc) << 48 | u128::from(index);
        let mut nonce = self.salt;
        for (byte, value) in nonce.iter_mut().zip(&value.to_be_bytes()[16 - SALT..]) {
            *byte ^= value;
        }
        nonce
    }

    fn open(&mut self, nonce: &[u8], aad: &[u8], body: &mut [u8], tag: &[u8]) -> Result<()> {
        let opened = self.cipher.open_in_place(nonce, aad, body, tag);
        opened.map_err(|_| Error::ErrFailedToVerifyAuthTag)
    }

    fn seal(&mut self, nonce: &[u8], aad: &[u8], body: &mut [u8]) -> Result<[u8; TAG]> {
        let mut tag = [0; TAG];
        let sealed = self.cipher.seal_in_place(nonce, aad, body, &mut tag);
        sealed.map_err(failed).map(|()| tag)
    }
}

/// The first block of AES in counter mode, which is as much as any session key or salt takes here
/// (RFC 3711 §4.3.3; RFC 7714 §11 pads the salt on the right).
fn derive(master: Master<'_>, label: u8, crypto: &dyn RTCCrypto) -> Result<[u8; KEY]> {
    let mut block = [0; KEY];
    block
        .get_mut(..master.salt.len())
        .ok_or(Error::ErrNoSuchSrtpProfile)?
        .copy_from_slice(master.salt);
    block[7] ^= label;
    crypto
        .block_encrypt(BlockCipherAlgorithm::Aes128, master.key, &mut block)
        .map_err(failed)?;
    Ok(block)
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Crypto(error.to_string())
}

/// What is sent: keys, and the indices given.
pub(super) struct Outbound {
    rtp: SessionKeys,
    rtcp: SessionKeys,
    highest: Sources<Option<u64>, MAX_SENT_SSRCS>,
    /// One count for all sources: an index is used once with each, which is what matters.
    rtcp_index: u32,
}

impl Outbound {
    /// With nothing sent yet.
    pub(super) fn new(master: Master<'_>, crypto: &dyn RTCCrypto) -> Result<Self> {
        Ok(Self {
            rtp: SessionKeys::derive(master, RTP_LABELS, crypto)?,
            rtcp: SessionKeys::derive(master, RTCP_LABELS, crypto)?,
            highest: Sources::default(),
            rtcp_index: 0,
        })
    }

    /// Has memory fetched that tells where the keys and indices are.
    pub(super) fn prefetch(&self) {
        prefetch(&self.rtp);
        prefetch(&self.highest);
    }

    /// Has those fetched.
    pub(super) fn prefetch_keys(&self) {
        prefetch(&*self.rtp.cipher);
        self.highest.prefetch();
    }

    /// Encrypts the packet where it is, at the end of `out`, and appends the tag.
    pub(super) fn protect_rtp(
        &mut self,
        out: &mut BytesMut,
        at: usize,
        header: &Header,
    ) -> Result<()> {
        let highest = self.highest.get_or_add(header.ssrc)?;
        let index = match *highest {
            Some(MAX_INDEX) => MAX_INDEX,
            highest => index_of(highest, header.sequence),
        };
        if index >= MAX_INDEX {
            // It is over for good: half a round further numbers would be taken for those of before.
            *highest = Some(MAX_INDEX);
            return Err(Error::ErrExceededMaxPackets);
        }
        let nonce = self.rtp.nonce(header.ssrc, index);
        let packet = out.get_mut(at..);
        let parts = packet.and_then(|packet| packet.split_at_mut_checked(header.len));
        let (aad, payload) = parts.ok_or(Error::ErrTooShortRtp)?;
        let tag = self.rtp.seal(&nonce, aad, payload)?;
        out.extend_from_slice(&tag);
        *highest = (*highest).max(Some(index));
        Ok(())
    }

    /// So much of a source was sent.
    #[cfg(test)]
    pub(super) fn go_to(&mut self, ssrc: u32, index: u64) {
        if let Ok(highest) = self.highest.get_or_add(ssrc) {
            *highest = Some(index);
        }
    }

    /// Encrypts a compound packet.
    pub(super) fn protect_rtcp(&mut self, compound: &[u8]) -> Result<BytesMut> {
        let ssrc = ssrc_of_rtcp(compound)?;
        let index = self.rtcp_index;
        if index >= ENCRYPTED {
            return Err(Error::ErrExceededMaxPackets);
        }
        let trailer = (ENCRYPTED | index).to_be_bytes();
        let mut packet = BytesMut::with_capacity(compound.len() + TAG + RTCP_TRAILER);
        packet.extend_from_slice(compound);
        let (head, body) = packet.split_at_mut(RTCP_HEADER);
        let nonce = self.rtcp.nonce(ssrc, index.into());
        let tag = self.rtcp.seal(&nonce, &rtcp_aad(head, trailer), body)?;
        packet.extend_from_slice(&tag);
        packet.extend_from_slice(&trailer);
        self.rtcp_index += 1;
        Ok(packet)
    }
}

/// What is received: keys, and what came already.
pub(super) struct Inbound {
    rtp: SessionKeys,
    rtcp: SessionKeys,
    rtp_sources: Heard<REPLAY_WORDS, MAX_SSRCS, MAX_SSRCS_IN_LIFE>,
    rtcp_sources: Heard<RTCP_REPLAY_WORDS, MAX_SSRCS, MAX_SSRCS_IN_LIFE>,
}

impl Inbound {
    /// With nothing received yet.
    pub(super) fn new(master: Master<'_>, crypto: &dyn RTCCrypto) -> Result<Self> {
        Ok(Self {
            rtp: SessionKeys::derive(master, RTP_LABELS, crypto)?,
            rtcp: SessionKeys::derive(master, RTCP_LABELS, crypto)?,
            rtp_sources: Heard::default(),
            rtcp_sources: Heard::default(),
        })
    }

    /// How many sources were heard.
    #[cfg(test)]
    pub(super) fn sources(&self) -> usize {
        self.rtp_sources.len() + self.rtcp_sources.len()
    }

    /// So much of a source came.
    #[cfg(test)]
    pub(super) fn go_to(&mut self, ssrc: u32, index: u64) {
        self.rtp_sources.go_to(ssrc, index);
    }

    /// Checks and decrypts a copy of the packet.
    pub(super) fn unprotect_rtp(&mut self, packet: &[u8], header: &Header) -> Result<BytesMut> {
        let (sealed, tag) = packet
            .split_last_chunk::<TAG>()
            .ok_or(Error::ErrTooShortRtp)?;
        let (ssrc, rtp) = (header.ssrc, &mut self.rtp);
        self.rtp_sources.admit(
            ssrc,
            |highest| index_of(highest, header.sequence),
            |index| {
                let nonce = rtp.nonce(ssrc, index);
                let mut opened = BytesMut::with_capacity(sealed.len());
                opened.extend_from_slice(sealed);
                let parts = opened.split_at_mut_checked(header.len);
                let (aad, payload) = parts.ok_or(Error::ErrTooShortRtp)?;
                rtp.open(&nonce, aad, payload, tag)?;
                Ok(opened)
            },
        )
    }

    /// Checks and decrypts a copy of a compound packet.
    pub(super) fn unprotect_rtcp(&mut self, packet: &[u8]) -> Result<BytesMut> {
        let split = packet
            .split_last_chunk::<RTCP_TRAILER>()
            .and_then(|(rest, trailer)| {
                let (sealed, tag) = rest.split_last_chunk::<TAG>()?;
                Some((sealed, tag, trailer))
            });
        let (sealed, tag, trailer) = split.ok_or(Error::ErrTooShortRtcp)?;
        let (ssrc, word) = (ssrc_of_rtcp(sealed)?, u32::from_be_bytes(*trailer));
        // What is only authenticated nobody sends, and it would be opened otherwise (RFC 7714 §9.3).
        if word & ENCRYPTED == 0 {
            return Err(Error::ErrFailedToVerifyAuthTag);
        }
        let rtcp = &mut self.rtcp;
        self.rtcp_sources.admit(
            ssrc,
            |_| u64::from(word & !ENCRYPTED),
            |index| {
                let mut opened = BytesMut::from(sealed);
                let (head, body) = opened.split_at_mut(RTCP_HEADER);
                let aad = rtcp_aad(head, *trailer);
                rtcp.open(&rtcp.nonce(ssrc, index), &aad, body, tag)?;
                Ok(opened)
            },
        )
    }
}

fn ssrc_of_rtcp(packet: &[u8]) -> Result<u32> {
    let ssrc = packet
        .get(4..RTCP_HEADER)
        .and_then(|ssrc| ssrc.first_chunk());
    Ok(u32::from_be_bytes(*ssrc.ok_or(Error::ErrTooShortRtcp)?))
}

/// What of an SRTCP packet is authenticated and not encrypted (RFC 7714 §9.2).
fn rtcp_aad(head: &[u8], trailer: [u8; RTCP_TRAILER]) -> [u8; RTCP_HEADER + RTCP_TRAILER] {
    let mut aad = [0; RTCP_HEADER + RTCP_TRAILER];
    let (first, last) = aad.split_at_mut(RTCP_HEADER);
    first.copy_from_slice(head);
    last.copy_from_slice(&trailer);
    aad
}
