//! A bare echo: what the same traffic costs a loop that is woken, receives and sends back, and does
//! nothing else. The raw limit is that of packets in batches, with nobody to wake; this is how near
//! traffic that comes a few packets at a time can get to it on this machine.
//!
//! One thread with the same system calls as the server's; it is measured with its own CPU clock.

use std::io::IoSliceMut;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use mio::{Events, Interest, Poll, Token};
use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSockRef, UdpSocketState};

use ferrite_tests::load::{PACKET, thread_cpu};

use crate::Traffic;

/// A packet and the tag of AES-128-GCM.
const LENGTH: usize = PACKET + 16;

/// How often the echo looks whether it shall end.
const LOOK: Duration = Duration::from_millis(100);

/// Plays the traffic for this long. Returns what a packet costs, in microseconds of CPU.
pub(crate) fn measure(traffic: Traffic, length: Duration) -> Result<f64> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let (address, ended) = (socket.local_addr()?, AtomicBool::new(false));
    std::thread::scope(|scope| {
        let echo = scope.spawn(|| echo(socket, &ended));
        let played = play(address, traffic, length);
        ended.store(true, Ordering::Relaxed);
        let cost = echo.join().map_err(|_| anyhow!("the bare echo panicked"))?;
        played.and(cost)
    })
}

/// Bursts from one sender after the other, evenly, as the benchmark's peers send them.
fn play(to: SocketAddr, traffic: Traffic, length: Duration) -> Result<()> {
    let senders = (0..traffic.peers).map(|_| sender(to));
    let senders = senders.collect::<Result<Vec<_>>>()?;
    let gap = traffic.each.interval / u32::try_from(senders.len())?;
    let (began, packet, mut returned) = (Instant::now(), [0; LENGTH], [0; LENGTH]);
    for (turn, at) in (0..).zip(senders.iter().cycle()) {
        let due = began + gap * turn;
        if due >= began + length {
            break;
        }
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        // What came back since its last turn: nobody sleeps on the socket.
        while at.recv(&mut returned).is_ok() {}
        for _ in 0..traffic.each.burst {
            at.send(&packet)?;
        }
    }
    Ok(())
}

fn sender(to: SocketAddr) -> Result<UdpSocket> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(to)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn echo(socket: UdpSocket, ended: &AtomicBool) -> Result<f64> {
    let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
    let mut socket = mio::net::UdpSocket::from_std(socket);
    let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(8));
    poll.registry()
        .register(&mut socket, Token(0), Interest::READABLE)?;
    let mut storage = vec![[0; 2048]; BATCH_SIZE];
    let mut metas = [RecvMeta::default(); BATCH_SIZE];
    let (mut packets, before) = (0, thread_cpu()?);
    while !ended.load(Ordering::Relaxed) {
        poll.poll(&mut events, Some(LOOK))?;
        let mut buffers = storage.iter_mut();
        let mut buffers: [IoSliceMut<'_>; BATCH_SIZE] = std::array::from_fn(|_| {
            let buffer = buffers.next().map(|buffer| &mut buffer[..]);
            IoSliceMut::new(buffer.unwrap_or_default())
        });
        let reference = UdpSockRef::from(&socket);
        let received = state.recv(reference, &mut buffers, &mut metas);
        let count = received.unwrap_or_default();
        send_back(&socket, &state, &buffers[..count], &metas[..count])?;
        packets += count;
    }
    ensure!(packets > 0, "the bare echo heard nothing");
    Ok((thread_cpu()? - before).as_secs_f64() * 1e6 / packets as f64)
}

/// What came from one sender goes back to it in one system call.
fn send_back(
    socket: &mio::net::UdpSocket,
    state: &UdpSocketState,
    buffers: &[IoSliceMut<'_>],
    metas: &[RecvMeta],
) -> Result<()> {
    let mut rest = buffers;
    for burst in metas.chunk_by(|one, next| one.addr == next.addr) {
        let (buffers, others) = rest.split_at(burst.len());
        rest = others;
        let bytes = buffers.iter().flat_map(|buffer| &buffer[..LENGTH]);
        let contents: Vec<u8> = bytes.copied().collect();
        let transmit = Transmit {
            destination: burst.first().context("a burst of nothing")?.addr,
            ecn: None,
            contents: &contents,
            segment_size: (burst.len() > 1).then_some(LENGTH),
            src_ip: None,
        };
        state.try_send(UdpSockRef::from(socket), &transmit)?;
    }
    Ok(())
}
