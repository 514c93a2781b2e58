//! The raw limit: what a packet costs on this machine that is only received, opened, sealed and
//! sent, with and without generic segmentation offload, in one thread, over two plain UDP sockets on the loopback interface, with nobody to wake.
//!
//! A round is 32 packets of 1100 bytes. Each step is timed by itself with the thread's CPU clock,
//! and the median of all rounds counts.

use std::io::{IoSlice, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use anyhow::{Context, Result, ensure};
use nix::sys::socket::{
    ControlMessage, MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg, sendmsg,
};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, Tag, UnboundKey};

use super::{PACKET, thread_cpu};

/// What SRTP authenticates but does not encrypt: the least RTP header.
const HEADER: usize = 12;
const TAG: usize = 16;
/// What one system call takes; quinn-udp's batch is the same.
const BATCH: usize = 32;

/// What one packet costs, in microseconds.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// recvmmsg.
    pub receive: f64,
    /// AES-128-GCM, to open.
    pub open: f64,
    /// AES-128-GCM, to seal.
    pub seal: f64,
    /// sendmmsg.
    pub send: f64,
    /// sendmsg with UDP_SEGMENT, of as many packets as were wished for.
    pub segments: f64,
}

impl Limits {
    /// The least an echo costs.
    #[must_use]
    pub fn echo(&self) -> f64 {
        self.receive + self.open + self.seal + self.send
    }

    /// The least it costs to send one packet that is there already.
    #[must_use]
    pub fn send_alone(&self) -> f64 {
        self.seal + self.send
    }

    /// The same with generic segmentation offload.
    #[must_use]
    pub fn send_segments(&self) -> f64 {
        self.seal + self.segments
    }
}

/// Two sockets and a key.
pub struct Raw {
    far: UdpSocket,
    near: UdpSocket,
    key: LessSafeKey,
    sequence: u64,
    batch: Vec<Vec<u8>>,
    /// How many packets one call sends in segments.
    together: usize,
    /// Nanoseconds per round, by step.
    rounds: [Vec<u64>; 5],
}

impl std::fmt::Debug for Raw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Raw").finish_non_exhaustive()
    }
}

impl Raw {
    /// So many packets go out together where segments are sent.
    pub fn new(together: usize) -> Result<Self> {
        let key = UnboundKey::new(&AES_128_GCM, &[7; 16])
            .ok()
            .context("AES-128-GCM")?;
        let (far, near) = (socket()?, socket()?);
        Ok(Self {
            far,
            near,
            key: LessSafeKey::new(key),
            sequence: 0,
            together: together.clamp(1, BATCH),
            batch: vec![vec![0; PACKET + TAG]; BATCH],
            rounds: Default::default(),
        })
    }

    /// Measures so many rounds.
    pub fn measure(&mut self, rounds: usize) -> Result<()> {
        for _ in 0..rounds {
            self.seal()?;
            send(&self.far, &self.batch, self.near.local_addr()?)?;
            let times = [
                thread_cpu()?,
                self.receive()?,
                self.open()?,
                self.seal()?,
                self.send()?,
            ];
            for (at, step) in self.rounds.iter_mut().take(4).enumerate() {
                step.push((times[at + 1] - times[at]).as_nanos() as u64);
            }
            receive(&self.far, &mut self.batch)?;
            self.measure_segments()?;
        }
        Ok(())
    }

    fn receive(&mut self) -> Result<std::time::Duration> {
        receive(&self.near, &mut self.batch)?;
        thread_cpu()
    }

    fn open(&mut self) -> Result<std::time::Duration> {
        for (at, packet) in self.batch.iter_mut().enumerate() {
            let (header, body) = packet.split_at_mut(HEADER);
            let opened =
                (self.key).open_in_place(nonce(self.sequence, at), Aad::from(&*header), body);
            ensure!(opened.is_ok(), "a packet came back changed");
        }
        thread_cpu()
    }

    fn seal(&mut self) -> Result<std::time::Duration> {
        self.sequence += 1;
        for (at, packet) in self.batch.iter_mut().enumerate() {
            let (header, body) = packet.split_at_mut(HEADER);
            let (body, tag) = body.split_at_mut(PACKET - HEADER);
            let nonce = nonce(self.sequence, at);
            let sealed: Tag = (self.key)
                .seal_in_place_separate_tag(nonce, Aad::from(&*header), body)
                .ok()
                .context("sealing")?;
            tag.copy_from_slice(sealed.as_ref());
        }
        thread_cpu()
    }

    fn send(&mut self) -> Result<std::time::Duration> {
        send(&self.near, &self.batch, self.far.local_addr()?)?;
        thread_cpu()
    }

    fn measure_segments(&mut self) -> Result<()> {
        let SocketAddr::V4(to) = self.far.local_addr()? else {
            anyhow::bail!("the sockets are IPv4");
        };
        let together = self.batch.chunks(self.together);
        let together: Vec<_> = together.map(<[_]>::concat).collect();
        let (to, length) = (SockaddrIn::from(to), (PACKET + TAG) as u16);
        let before = thread_cpu()?;
        for packets in &together {
            sendmsg(
                self.near.as_raw_fd(),
                &[IoSlice::new(packets)],
                &[ControlMessage::UdpGsoSegments(&length)],
                MsgFlags::empty(),
                Some(&to),
            )?;
        }
        let took = thread_cpu()? - before;
        self.rounds[4].push(took.as_nanos() as u64);
        receive(&self.far, &mut self.batch)
    }

    /// The medians of everything measured.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let [receive, open, seal, send, segments] = self.rounds.each_ref().map(|rounds| {
            let mut rounds = rounds.clone();
            rounds.sort_unstable();
            let median = rounds.get(rounds.len() / 2).copied();
            median.unwrap_or_default() as f64 / 1000.0 / BATCH as f64
        });
        Limits {
            receive,
            open,
            seal,
            send,
            segments,
        }
    }
}

fn socket() -> Result<UdpSocket> {
    Ok(UdpSocket::bind("127.0.0.1:0")?)
}

fn nonce(sequence: u64, at: usize) -> Nonce {
    let mut bytes = [at as u8; NONCE_LEN];
    bytes[4..].copy_from_slice(&sequence.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}

fn receive(socket: &UdpSocket, batch: &mut [Vec<u8>]) -> Result<()> {
    let mut slices: Vec<_> = batch
        .iter_mut()
        .map(|packet| [IoSliceMut::new(packet)])
        .collect();
    let mut headers = MultiHeaders::<SockaddrIn>::preallocate(BATCH, None);
    let descriptor = socket.as_raw_fd();
    let received = recvmmsg(
        descriptor,
        &mut headers,
        slices.iter_mut(),
        MsgFlags::MSG_DONTWAIT,
        None,
    )?;
    ensure!(
        received.count() == BATCH,
        "a packet was lost inside the machine"
    );
    Ok(())
}

fn send(socket: &UdpSocket, batch: &[Vec<u8>], to: SocketAddr) -> Result<()> {
    let SocketAddr::V4(to) = to else {
        anyhow::bail!("the sockets are IPv4");
    };
    let slices: Vec<_> = batch.iter().map(|packet| [IoSlice::new(packet)]).collect();
    let addresses = [Some(SockaddrIn::from(to)); BATCH];
    let mut headers = MultiHeaders::preallocate(BATCH, None);
    let flags = MsgFlags::empty();
    let sent = sendmmsg(
        socket.as_raw_fd(),
        &mut headers,
        &slices,
        addresses,
        [],
        flags,
    )?;
    ensure!(sent.count() == BATCH, "a packet was not sent");
    Ok(())
}
