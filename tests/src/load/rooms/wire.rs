//! The way of many participants to a server over a few UDP sockets: each has an address of its own,
//! and one system call takes in what came for many of them. The kernel notes when
//! each datagram arrived, so that it does not matter how soon it is looked at. Knows nothing of what
//! datagrams carry.
//!
//! Nobody sleeps on the sockets, so that the server's sends wake no one, as they would not either
//! through a network card.

use std::io::{IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::libc::{in_addr, in_pktinfo};
use nix::sys::socket::sockopt::{Ipv4PacketInfo, RcvBuf, RcvBufForce, ReceiveTimestampns};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmsg,
    setsockopt,
};
use nix::time::{ClockId, clock_gettime};

/// What one system call takes.
const BATCH: usize = 64;

/// Longer than any datagram of the server's.
const LONGEST: usize = 2048;

/// What the kernel keeps for a socket until it is read: a fifth of a second of what 2000 get.
const BUFFER: usize = 64 << 20;

/// The address of the first participant, on loopback; the others follow.
pub(super) const FIRST: Ipv4Addr = Ipv4Addr::new(127, 64, 0, 1);

/// How many participants there are addresses for.
const MOST: u32 = 1 << 16;

/// Some sockets.
pub(super) struct Wire {
    sockets: Vec<UdpSocket>,
    first: u32,
    headers: Option<MultiHeaders<SockaddrIn>>,
    storage: Vec<[u8; LONGEST]>,
}

impl Wire {
    /// So many sockets, and addresses from the first on.
    pub(super) fn new(sockets: usize, first: Ipv4Addr) -> Result<Self> {
        let space = nix::cmsg_space!(in_pktinfo, nix::libc::timespec);
        Ok(Self {
            first: first.into(),
            sockets: (0..sockets).map(|_| socket()).collect::<Result<_>>()?,
            headers: Some(MultiHeaders::preallocate(BATCH, Some(space))),
            storage: vec![[0; LONGEST]; BATCH],
        })
    }

    /// The address of the participant with this number.
    pub(super) fn local(&self, of: usize) -> Result<SocketAddrV4> {
        let socket = &self.sockets[of % self.sockets.len()];
        let port = socket.local_addr()?.port();
        Ok(SocketAddrV4::new(self.address(of)?.into(), port))
    }

    /// Sends a datagram for the participant with this number.
    pub(super) fn send(&self, from: usize, to: SocketAddrV4, datagram: &[u8]) -> Result<()> {
        let source = in_pktinfo {
            ipi_ifindex: 0,
            ipi_spec_dst: in_addr {
                s_addr: self.address(from)?.to_be(),
            },
            ipi_addr: in_addr { s_addr: 0 },
        };
        let socket = &self.sockets[from % self.sockets.len()];
        let sent = sendmsg(
            socket.as_raw_fd(),
            &[IoSlice::new(datagram)],
            &[ControlMessage::Ipv4PacketInfo(&source)],
            MsgFlags::MSG_DONTWAIT,
            Some(&SockaddrIn::from(to)),
        );
        match sent {
            // A server that is gone is no error, and what a full buffer does not take is lost.
            Ok(_) | Err(Errno::EAGAIN | Errno::ECONNREFUSED | Errno::ENOBUFS) => Ok(()),
            Err(error) => Err(error).context("sending a datagram"),
        }
    }

    /// Hands over what has arrived: for whom, when (nanoseconds since 1970), and the bytes.
    pub(super) fn receive(
        &mut self,
        mut take: impl FnMut(usize, u64, &mut [u8]) -> Result<()>,
    ) -> Result<()> {
        for at in 0..self.sockets.len() {
            // Bounded, so that nobody's turn takes for ever.
            for _ in 0..64 {
                if self.receive_batch(at, &mut take)? < BATCH {
                    break;
                }
            }
        }
        Ok(())
    }

    fn receive_batch(
        &mut self,
        socket: usize,
        take: &mut impl FnMut(usize, u64, &mut [u8]) -> Result<()>,
    ) -> Result<usize> {
        let mut headers = self.headers.take().context("headers")?;
        let mut arrived = [(0, 0, 0); BATCH];
        let count = self.read(socket, &mut headers, &mut arrived);
        self.headers = Some(headers);
        let count = count?;
        for (buffer, (to, at, length)) in self.storage.iter_mut().zip(&arrived[..count]) {
            take(*to, *at, &mut buffer[..*length])?;
        }
        Ok(count)
    }

    fn read(
        &mut self,
        socket: usize,
        headers: &mut MultiHeaders<SockaddrIn>,
        arrived: &mut [(usize, u64, usize); BATCH],
    ) -> Result<usize> {
        let mut slices = self.storage.iter_mut();
        let mut slices: [_; BATCH] = std::array::from_fn(|_| {
            let buffer = slices.next().map(|buffer| &mut buffer[..]);
            [IoSliceMut::new(buffer.unwrap_or_default())]
        });
        let descriptor = self.sockets[socket].as_raw_fd();
        let flags = MsgFlags::MSG_DONTWAIT;
        let received = match recvmmsg(descriptor, headers, slices.iter_mut(), flags, None) {
            Ok(received) => received,
            Err(Errno::EAGAIN | Errno::EINTR | Errno::ECONNREFUSED) => return Ok(0),
            Err(error) => return Err(error).context("receiving datagrams"),
        };
        let mut count = 0;
        for message in received {
            let (mut to, mut at) = (None, 0);
            for control in message.cmsgs()? {
                match control {
                    ControlMessageOwned::Ipv4PacketInfo(info) => {
                        to = Some(u32::from_be(info.ipi_addr.s_addr));
                    }
                    ControlMessageOwned::ScmTimestampns(time) => {
                        at = Duration::from(time).as_nanos() as u64;
                    }
                    _ => {}
                }
            }
            let to = to.and_then(|to| to.checked_sub(self.first));
            let Some(to) = to.filter(|to| *to < MOST) else {
                bail!("a datagram for nobody");
            };
            arrived[count] = (to as usize, at, message.bytes);
            count += 1;
        }
        Ok(count)
    }

    fn address(&self, of: usize) -> Result<u32> {
        let of = u32::try_from(of)?;
        if of >= MOST {
            bail!("there are no more addresses");
        }
        Ok(self.first + of)
    }

    /// How many datagrams the kernel had to drop because they were not read in time.
    pub(super) fn overflowed(&self) -> Result<u64> {
        let ports: Vec<_> = self.sockets.iter().map(UdpSocket::local_addr).collect();
        let ports = ports.into_iter().map(|address| Ok(address?.port()));
        dropped(&ports.collect::<Result<Vec<_>>>()?)
    }
}

/// How many datagrams were dropped at UDP sockets with these ports, as the kernel counts.
pub(super) fn dropped(ports: &[u16]) -> Result<u64> {
    let mut sum = 0;
    for table in ["/proc/net/udp", "/proc/net/udp6"] {
        let Ok(table) = std::fs::read_to_string(table) else {
            continue;
        };
        for line in table.lines().skip(1) {
            let words: Vec<_> = line.split_ascii_whitespace().collect();
            let port = words.get(1).and_then(|local| local.rsplit(':').next());
            let port = port.and_then(|port| u16::from_str_radix(port, 16).ok());
            if port.is_some_and(|port| ports.contains(&port)) {
                let drops = words.last().and_then(|drops| drops.parse::<u64>().ok());
                sum += drops.unwrap_or_default();
            }
        }
    }
    Ok(sum)
}

/// The kernel's clock, by which it notes arrivals, in nanoseconds since 1970.
pub(super) fn wall_clock() -> u64 {
    match clock_gettime(ClockId::CLOCK_REALTIME) {
        Ok(time) => Duration::from(time).as_nanos() as u64,
        Err(_) => SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_nanos() as u64,
    }
}

fn socket() -> Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    setsockopt(&socket, Ipv4PacketInfo, &true)?;
    setsockopt(&socket, ReceiveTimestampns, &true)?;
    // Only root may have more than the system's limit.
    if setsockopt(&socket, RcvBufForce, &BUFFER).is_err() {
        setsockopt(&socket, RcvBuf, &BUFFER)?;
    }
    Ok(socket)
}
