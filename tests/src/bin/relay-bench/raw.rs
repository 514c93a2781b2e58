//! A loop that only receives and sends, in a process of its own: the server's system calls, recvmmsg with GRO and
//! GSO, and nothing between them.

use std::io::{BufRead as _, BufReader, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSockRef, UdpSocketState};

/// Starts it. It sends to this address what comes to the one returned.
pub(crate) fn start(to: SocketAddr) -> Result<(Child, SocketAddr)> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["--raw", &to.to_string()])
        .stdout(Stdio::piped());
    let mut child = command.spawn()?;
    let out = child.stdout.take().context("its output")?;
    let mut line = String::new();
    BufReader::new(out).read_line(&mut line)?;
    Ok((child, line.trim().parse()?))
}

/// Is it.
pub(crate) fn run(to: SocketAddr) -> Result<()> {
    const BUFFER: usize = 65_536;
    let (here, out) = (
        UdpSocket::bind("127.0.0.1:0")?,
        UdpSocket::bind("127.0.0.1:0")?,
    );
    println!("{}", here.local_addr()?);
    let receiving = UdpSocketState::new(UdpSockRef::from(&here))?;
    let sending = UdpSocketState::new(UdpSockRef::from(&out))?;
    here.set_nonblocking(false)?;
    let mut storage = vec![0; BUFFER * BATCH_SIZE];
    let mut metas = vec![RecvMeta::default(); BATCH_SIZE];
    loop {
        let mut chunks = storage.chunks_mut(BUFFER);
        let mut buffers: [IoSliceMut<'_>; BATCH_SIZE] =
            std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
        let count = receiving.recv(UdpSockRef::from(&here), &mut buffers, &mut metas)?;
        for (contents, meta) in storage.chunks(BUFFER).zip(&metas).take(count) {
            let contents = &contents[..meta.len];
            let transmit = Transmit {
                destination: to,
                ecn: None,
                contents,
                segment_size: (meta.len > meta.stride).then_some(meta.stride),
                src_ip: None,
            };
            sending.try_send(UdpSockRef::from(&out), &transmit)?;
        }
    }
}
