//! AEAD_AES_128_GCM of SRTP (RFC 7714) with `ring`, which is not what the server seals with. Knows
//! keys and bytes; which number a packet has its caller knows.

use anyhow::{Context, Result, ensure};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use rtc::crypto::{BlockCipherAlgorithm, RTCCrypto};
use rtc::srtp::config::Config;

/// The authentication tag.
pub(super) const TAG: usize = 16;

/// What of an RTCP packet is not encrypted (RFC 7714 §9.2), and what follows it: the E flag and the
/// SRTCP index.
const RTCP_HEADER: usize = 8;
const RTCP_TRAILER: usize = 4;
const ENCRYPTED: u32 = 1 << 31;

/// The keys of both directions.
pub(super) struct Keys {
    send_rtp: Session,
    send_rtcp: Session,
    receive_rtp: Session,
    receive_rtcp: Session,
    rtcp_index: u32,
}

/// A session key and salt.
struct Session {
    key: LessSafeKey,
    salt: [u8; NONCE_LEN],
}

impl Session {
    /// RFC 3711 §4.3.2; RFC 7714 §11 pads the salt on the right.
    fn derive(
        master: &[u8],
        salt: &[u8],
        labels: (u8, u8),
        crypto: &dyn RTCCrypto,
    ) -> Result<Self> {
        let block = |label: u8| -> Result<[u8; 16]> {
            let mut block = [0; 16];
            block
                .get_mut(..salt.len())
                .context("a salt that is too long")?
                .copy_from_slice(salt);
            block[7] ^= label;
            crypto.block_encrypt(BlockCipherAlgorithm::Aes128, master, &mut block)?;
            Ok(block)
        };
        let key = UnboundKey::new(&AES_128_GCM, &block(labels.0)?);
        let mut salt = [0; NONCE_LEN];
        salt.copy_from_slice(&block(labels.1)?[..NONCE_LEN]);
        Ok(Self {
            key: LessSafeKey::new(key.ok().context("AES-128-GCM")?),
            salt,
        })
    }

    /// RFC 7714 §8.1 and §9.1.
    fn nonce(&self, ssrc: u32, index: u64) -> Nonce {
        let value = u128::from(ssrc) << 48 | u128::from(index);
        let mut nonce = self.salt;
        for (byte, value) in nonce.iter_mut().zip(&value.to_be_bytes()[4..]) {
            *byte ^= value;
        }
        Nonce::assume_unique_for_key(nonce)
    }
}

impl Keys {
    /// Of a finished handshake.
    pub(super) fn new(config: &Config, crypto: &dyn RTCCrypto) -> Result<Self> {
        let (own, own_salt) = (
            &config.keys.local_master_key,
            &config.keys.local_master_salt,
        );
        let (theirs, their_salt) = (
            &config.keys.remote_master_key,
            &config.keys.remote_master_salt,
        );
        Ok(Self {
            send_rtp: Session::derive(own, own_salt, (0, 2), crypto)?,
            send_rtcp: Session::derive(own, own_salt, (3, 5), crypto)?,
            receive_rtp: Session::derive(theirs, their_salt, (0, 2), crypto)?,
            receive_rtcp: Session::derive(theirs, their_salt, (3, 5), crypto)?,
            rtcp_index: 0,
        })
    }

    /// Encrypts a packet where it is, and appends the tag.
    pub(super) fn seal(
        &self,
        packet: &mut Vec<u8>,
        header: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<()> {
        let nonce = self.send_rtp.nonce(ssrc, index);
        let (head, body) = packet.split_at_mut(header);
        let tag = self
            .send_rtp
            .key
            .seal_in_place_separate_tag(nonce, Aad::from(&*head), body);
        let tag = tag.ok().context("sealing")?;
        packet.extend_from_slice(tag.as_ref());
        Ok(())
    }

    /// Decrypts a packet where it is, and returns its payload; `None` of one that is not authentic.
    pub(super) fn open<'a>(
        &self,
        packet: &'a mut [u8],
        header: usize,
        ssrc: u32,
        index: u64,
    ) -> Option<&'a [u8]> {
        let nonce = self.receive_rtp.nonce(ssrc, index);
        let (head, body) = packet.split_at_mut_checked(header)?;
        let opened = (self.receive_rtp.key).open_in_place(nonce, Aad::from(&*head), body);
        opened.ok().map(|payload| &*payload)
    }

    /// Encrypts a compound packet.
    pub(super) fn seal_rtcp(&mut self, compound: &[u8]) -> Result<Vec<u8>> {
        ensure!(compound.len() >= RTCP_HEADER, "half an RTCP packet");
        let ssrc = u32::from_be_bytes([compound[4], compound[5], compound[6], compound[7]]);
        let trailer = (ENCRYPTED | self.rtcp_index).to_be_bytes();
        let nonce = self.send_rtcp.nonce(ssrc, self.rtcp_index.into());
        self.rtcp_index += 1;
        let mut packet = compound.to_vec();
        let (head, body) = packet.split_at_mut(RTCP_HEADER);
        let aad = [&*head, &trailer].concat();
        let tag = (self.send_rtcp.key).seal_in_place_separate_tag(nonce, Aad::from(aad), body);
        packet.extend_from_slice(tag.ok().context("sealing")?.as_ref());
        packet.extend_from_slice(&trailer);
        Ok(packet)
    }

    /// Decrypts a compound packet.
    pub(super) fn open_rtcp(&self, packet: &[u8]) -> Option<Vec<u8>> {
        let (sealed, trailer) = packet.split_last_chunk::<RTCP_TRAILER>()?;
        let mut opened = sealed.to_vec();
        let (head, body) = opened.split_at_mut_checked(RTCP_HEADER)?;
        let ssrc = u32::from_be_bytes(*head.last_chunk()?);
        let index = u32::from_be_bytes(*trailer) & !ENCRYPTED;
        let aad = [&*head, trailer].concat();
        let nonce = self.receive_rtcp.nonce(ssrc, index.into());
        let length = (self.receive_rtcp.key)
            .open_in_place(nonce, Aad::from(aad), body)
            .ok()?
            .len();
        opened.truncate(RTCP_HEADER + length);
        Some(opened)
    }
}
