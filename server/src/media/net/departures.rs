//! What a shard sends within one turn, gathered, so that many paths' datagrams leave in one system call:
//! that costs a quarter less than a call for each. What the system does not take so is sent by itself.

use std::sync::atomic::AtomicU64;

use crate::media::net::buffers;
use crate::media::net::outbox::Transmit;
use crate::media::net::udp::{self, Socket};

/// What leaves in one system call, at most.
const MAX_TOGETHER: usize = 32;
// So that all of them are written where the last ones were.
const _: () = assert!(MAX_TOGETHER < buffers::MAX_SPARE);

/// Bytes that wait at most: more would leave the processor's cache before they are sent.
const MAX_BYTES: usize = 128 * 1024;

/// Datagrams on their way to the sockets, in their order.
#[derive(Default)]
pub struct Departures {
    waiting: Vec<Transmit>,
    bytes: usize,
    #[cfg(target_os = "linux")]
    calls: linux::Calls,
}

impl Departures {
    /// Adds datagrams; they leave with the next [`Self::flush`], or before. Those that the kernel does not
    /// take are counted in `dropped`.
    pub fn push(&mut self, sockets: &[Socket], transmit: Transmit, dropped: &AtomicU64) {
        self.bytes += transmit.data.len();
        self.waiting.push(transmit);
        if self.waiting.len() >= MAX_TOGETHER || self.bytes >= MAX_BYTES {
            self.flush(sockets, dropped);
        }
    }

    /// Sends what waits.
    pub fn flush(&mut self, sockets: &[Socket], dropped: &AtomicU64) {
        let mut rest = &self.waiting[..];
        while let Some((first, behind)) = rest.split_first() {
            #[cfg(target_os = "linux")]
            let gone = udp::by_family(sockets, first)
                .map_or(0, |socket| self.calls.send(socket, rest, dropped));
            #[cfg(not(target_os = "linux"))]
            let gone = 0;
            rest = match rest.get(gone..) {
                Some(others) if gone > 0 => others,
                _ => {
                    udp::send(sockets, first, dropped);
                    behind
                }
            };
        }
        (self.waiting.drain(..)).for_each(|sent| buffers::give_back(sent.data));
        self.bytes = 0;
    }
}

#[cfg(target_os = "linux")]
mod linux {
    //! `sendmmsg`, whose datagrams all have the same source and length.

    use std::io::IoSlice;
    use std::net::IpAddr;
    use std::os::fd::AsRawFd;
    use std::sync::atomic::{AtomicU64, Ordering};

    use nix::cmsg_space;
    use nix::errno::Errno;
    use nix::libc::{in_addr, in_pktinfo, in6_addr, in6_pktinfo};
    use nix::sys::socket::{ControlMessage, MsgFlags, MultiHeaders, SockaddrStorage, sendmmsg};

    use super::MAX_TOGETHER;
    use crate::media::net::outbox::Transmit;
    use crate::media::net::udp::Socket;

    /// What the system is told with the datagrams of one call is of one length: headers for each.
    pub(super) struct Calls {
        ipv4: [MultiHeaders<SockaddrStorage>; 2],
        ipv6: [MultiHeaders<SockaddrStorage>; 2],
    }

    impl Default for Calls {
        fn default() -> Self {
            let headers = |space| MultiHeaders::preallocate(MAX_TOGETHER, Some(space));
            Self {
                ipv4: [
                    headers(cmsg_space!(in_pktinfo)),
                    headers(cmsg_space!(in_pktinfo, u16)),
                ],
                ipv6: [
                    headers(cmsg_space!(in6_pktinfo)),
                    headers(cmsg_space!(in6_pktinfo, u16)),
                ],
            }
        }
    }

    impl Calls {
        /// Sends the first of these, and those behind it that go with it. Returns how many are done with: none
        /// where the system does not take the first so.
        pub(super) fn send(
            &mut self,
            socket: &Socket,
            waiting: &[Transmit],
            dropped: &AtomicU64,
        ) -> usize {
            let most = socket.state.max_gso_segments().max(1);
            let Some(first) = waiting.first().filter(|first| first.count() <= most) else {
                return 0;
            };
            let goes_along = |other: &&Transmit| {
                other.path.local.ip() == first.path.local.ip()
                    && segment(other) == segment(first)
                    && other.count() <= most
            };
            let waiting = waiting.iter().take_while(goes_along).take(MAX_TOGETHER);
            let count: usize = waiting.clone().map(Transmit::count).sum();
            let contents: Vec<_> = (waiting.clone())
                .map(|transmit| [IoSlice::new(&transmit.data)])
                .collect();
            let remotes = waiting.map(|transmit| Some(transmit.path.remote.into()));
            let remotes: Vec<Option<SockaddrStorage>> = remotes.collect();
            let segment = segment(first);
            let (source4, source6);
            let (headers, source) = match first.path.local.ip() {
                IpAddr::V4(ip) => {
                    source4 = in_pktinfo {
                        ipi_ifindex: 0,
                        ipi_spec_dst: in_addr {
                            s_addr: u32::from_ne_bytes(ip.octets()),
                        },
                        ipi_addr: in_addr { s_addr: 0 },
                    };
                    (&mut self.ipv4, ControlMessage::Ipv4PacketInfo(&source4))
                }
                IpAddr::V6(ip) => {
                    source6 = in6_pktinfo {
                        ipi6_ifindex: 0,
                        ipi6_addr: in6_addr {
                            s6_addr: ip.octets(),
                        },
                    };
                    (&mut self.ipv6, ControlMessage::Ipv6PacketInfo(&source6))
                }
            };
            let segmented = segment.as_ref().map(ControlMessage::UdpGsoSegments);
            let headers = &mut headers[usize::from(segmented.is_some())];
            let told: Vec<_> = std::iter::once(source).chain(segmented).collect();
            let fd = socket.socket.as_raw_fd();
            let sent = sendmmsg(fd, headers, &contents, remotes, told, MsgFlags::empty());
            match sent {
                Ok(sent) => sent.count(),
                // A full socket drops: it would not take them one by one either.
                Err(Errno::EAGAIN) => {
                    dropped.fetch_add(count as u64, Ordering::Relaxed);
                    contents.len()
                }
                Err(_) => 0,
            }
        }
    }

    /// The length that the kernel is to cut a batch into; a datagram by itself is not cut.
    fn segment(transmit: &Transmit) -> Option<u16> {
        let is_batch = transmit.data.len() > transmit.segment;
        is_batch.then(|| transmit.segment.try_into().ok())?
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
    use std::time::Duration;

    use bytes::BytesMut;

    use super::*;
    use crate::media::net::outbox::Outbox;
    use crate::media::net::path::{FourTuple, Transport};
    use crate::media::net::sockets::open_socket;

    const LOOPBACKS: [IpAddr; 2] = [
        IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::LOCALHOST),
    ];

    /// A shard's sockets, and some who listen.
    struct Bench {
        sockets: Vec<Socket>,
        local: Vec<SocketAddr>,
        listeners: Vec<UdpSocket>,
        departures: Departures,
        dropped: AtomicU64,
    }

    impl Bench {
        fn new(listeners: usize) -> Self {
            let sockets = LOOPBACKS.map(|ip| open_socket((ip, 0).into()).unwrap());
            let local = (sockets.iter()).map(|socket| socket.socket.local_addr().unwrap());
            let listen = |at: usize| {
                let listener = UdpSocket::bind((LOOPBACKS[at % 2], 0)).unwrap();
                let long = Some(Duration::from_secs(20));
                listener.set_read_timeout(long).unwrap();
                listener
            };
            Self {
                local: local.collect(),
                sockets: sockets.into(),
                listeners: (0..listeners).map(listen).collect(),
                departures: Departures::default(),
                dropped: AtomicU64::new(0),
            }
        }

        /// Datagrams of these lengths for a listener, or for an address where nothing can go.
        fn push(&mut self, listener: Option<usize>, lengths: &[usize]) {
            let at = listener.unwrap_or_default();
            let local = self.local[at % 2];
            let remote = match listener {
                Some(at) => self.listeners[at].local_addr().unwrap(),
                None => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            };
            let path = FourTuple {
                transport: Transport::Udp,
                local,
                remote,
            };
            let mut outbox = Outbox::default();
            for (number, len) in lengths.iter().enumerate() {
                outbox.push(&path, BytesMut::from(&vec![number as u8; *len][..]));
            }
            while let Some(transmit) = outbox.pop() {
                (self.departures).push(&self.sockets, transmit, &self.dropped);
            }
        }

        fn flush(&mut self) {
            self.departures.flush(&self.sockets, &self.dropped);
            assert!(self.departures.waiting.is_empty() && self.departures.bytes == 0);
        }

        #[track_caller]
        fn expect(&self, listener: usize, lengths: &[usize]) {
            let mut buffer = [0; 2000];
            for (number, expected) in lengths.iter().enumerate() {
                let (len, from) = self.listeners[listener].recv_from(&mut buffer).unwrap();
                assert_eq!((len, from), (*expected, self.local[listener % 2]));
                assert!(buffer[..len].iter().all(|byte| *byte == number as u8));
            }
        }

        fn dropped(&self) -> u64 {
            self.dropped.load(std::sync::atomic::Ordering::Relaxed)
        }
    }

    #[test]
    fn everybody_gets_theirs_in_order() {
        let mut bench = Bench::new(3 * MAX_TOGETHER);
        let lengths: [&[usize]; 4] = [&[900], &[1100, 1100, 300], &[5], &[700; 20]];
        // Both families, in batches of one length, of another, by themselves: two of a kind, and then others.
        let kind = |at: usize| lengths[at / 4 % 4];
        for at in (0..bench.listeners.len()).step_by(2) {
            bench.push(Some(at), kind(at));
        }
        for at in (1..bench.listeners.len()).step_by(2) {
            bench.push(Some(at), kind(at));
        }
        bench.flush();
        for at in 0..bench.listeners.len() {
            bench.expect(at, kind(at));
        }
        assert_eq!(bench.dropped(), 0);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_alike_leaves_in_one_call() {
        let mut bench = Bench::new(10);
        for listener in [0, 2, 4, 6, 8] {
            bench.push(Some(listener), &[100, 100]);
        }
        bench.push(Some(0), &[100]);
        let socket = &bench.sockets[0];
        let waiting = &bench.departures.waiting[..];
        assert_eq!(
            bench.departures.calls.send(socket, waiting, &bench.dropped),
            5
        );
        assert_eq!(
            bench
                .departures
                .calls
                .send(socket, &waiting[5..], &bench.dropped),
            1
        );
        bench.expect(8, &[100, 100]);
        bench.expect(0, &[100, 100]);
        bench.expect(0, &[100]);
    }

    #[test]
    fn one_that_cannot_leave_costs_nobody_else() {
        let mut bench = Bench::new(8);
        for listener in [0, 2] {
            bench.push(Some(listener), &[100]);
            bench.push(None, &[100]);
        }
        bench.push(None, &[50, 50]);
        bench.push(Some(4), &[50, 50]);
        bench.flush();
        bench.expect(0, &[100]);
        bench.expect(2, &[100]);
        bench.expect(4, &[50, 50]);
        assert_eq!(bench.dropped(), 4);
    }

    #[test]
    fn a_lot_leaves_before_the_turn_ends() {
        let mut bench = Bench::new(1);
        for _ in 0..MAX_TOGETHER {
            bench.push(Some(0), &[10]);
        }
        assert!(bench.departures.waiting.is_empty());
        bench.push(Some(0), &[1000; 50]);
        bench.push(Some(0), &[1000; 50]);
        bench.push(Some(0), &[1000; 50]);
        assert!(bench.departures.waiting.is_empty());
    }
}
