//! What a peer sends within one turn: datagrams for the same path lie behind one another, as the kernel
//! takes them in one system call (UDP GSO), which costs a third of sending each by itself. Packets are
//! written and sealed here, and nowhere before. Knows no socket.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::BytesMut;

use crate::media::net::buffers;
use crate::media::net::path::{FourTuple, Transport};

/// Datagrams waiting to be sent. The shard drains them after each batch it receives; more are
/// dropped, as a full socket would.
pub const MAX_WAITING: usize = 4096;

/// The kernel takes no more than one IP packet's worth of datagrams at once.
const MAX_BATCH_BYTES: usize = 60_000;

/// And no more than so many (Linux's `UDP_MAX_SEGMENTS`).
const MAX_BATCH: usize = 64;

/// Datagrams to be sent over one path: over TCP one, else some of equal length, of which the last may
/// be shorter.
#[derive(Debug)]
pub struct Transmit {
    /// The path to send them over.
    pub path: FourTuple,
    /// Their bytes.
    pub data: BytesMut,
    /// How long each is.
    pub segment: usize,
    /// After this it is of no use: a queue that is slow may leave it out.
    pub expires: Option<Instant>,
    count: usize,
}

impl Transmit {
    /// One datagram.
    pub fn one(path: FourTuple, data: BytesMut) -> Self {
        Self {
            path,
            segment: data.len(),
            data,
            expires: None,
            count: 1,
        }
    }

    /// The datagrams.
    pub fn datagrams(&self) -> impl Iterator<Item = &[u8]> {
        self.data.chunks(self.segment.max(1))
    }

    /// How many they are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether a datagram may lie behind these.
    fn takes(&self, path: &FourTuple, len: usize) -> bool {
        // One that was shorter was the last.
        let is_even = self.data.len() == self.segment * self.count;
        is_even
            && len <= self.segment
            && self.count < MAX_BATCH
            && self.data.len() + len <= MAX_BATCH_BYTES
            && path.transport != Transport::Tcp
            && self.path == *path
    }
}

/// Datagrams on their way out.
#[derive(Debug, Default)]
pub struct Outbox {
    transmits: VecDeque<Transmit>,
    waiting: usize,
}

impl Outbox {
    /// Adds a datagram.
    pub fn push(&mut self, path: &FourTuple, datagram: BytesMut) {
        match path.transport {
            Transport::Udp | Transport::Dtls | Transport::Relayed | Transport::Allocated => {
                let written: Result<(), ()> = self.write(path, datagram.len(), None, |out| {
                    out.extend_from_slice(&datagram);
                    Ok(())
                });
                debug_assert!(written.is_ok());
            }
            Transport::Tcp if self.waiting < MAX_WAITING => {
                self.waiting += 1;
                self.transmits.push_back(Transmit::one(*path, datagram));
            }
            Transport::Tcp => {}
        }
    }

    /// Adds a datagram of this length, which `write` appends. What it appends and then refuses is not
    /// sent.
    pub fn write<E>(
        &mut self,
        path: &FourTuple,
        len: usize,
        expires: Option<Instant>,
        write: impl FnOnce(&mut BytesMut) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.waiting == MAX_WAITING {
            return Ok(());
        }
        let last = match self.transmits.pop_back() {
            Some(last) if last.takes(path, len) => last,
            other => {
                self.transmits.extend(other);
                Transmit {
                    path: *path,
                    data: buffers::take(len),
                    segment: len,
                    expires,
                    count: 0,
                }
            }
        };
        let last = self.transmits.push_back_mut(last);
        let before = last.data.len();
        last.data.reserve(len);
        let written = write(&mut last.data);
        match written {
            Ok(()) => {
                debug_assert_eq!(last.data.len(), before + len);
                last.count += 1;
                self.waiting += 1;
            }
            Err(_) => {
                last.data.truncate(before);
                if last.count == 0 {
                    self.transmits.pop_back();
                }
            }
        }
        written
    }

    /// How many datagrams wait.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.transmits.is_empty()
    }

    /// Takes out what goes next.
    pub fn pop(&mut self) -> Option<Transmit> {
        let transmit = self.transmits.pop_front()?;
        self.waiting -= transmit.count;
        Some(transmit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(transport: Transport, port: u16) -> FourTuple {
        FourTuple {
            transport,
            local: "[::1]:1".parse().unwrap(),
            remote: ([127, 0, 0, 1], port).into(),
        }
    }

    /// The lengths of the datagrams, by what leaves in one system call.
    fn drain(outbox: &mut Outbox) -> Vec<Vec<usize>> {
        let transmits: Vec<_> = std::iter::from_fn(|| outbox.pop()).collect();
        assert_eq!(outbox.waiting, 0);
        let lengths = transmits.iter().map(|transmit| {
            let lengths: Vec<_> = transmit.datagrams().map(<[u8]>::len).collect();
            assert_eq!(lengths.len(), transmit.count());
            lengths
        });
        lengths.collect()
    }

    fn push_all(outbox: &mut Outbox, path: FourTuple, lengths: &[usize]) {
        for len in lengths {
            outbox.push(&path, BytesMut::zeroed(*len));
        }
    }

    #[test]
    fn equal_datagrams_and_a_shorter_one_leave_together() {
        let mut outbox = Outbox::default();
        let here = path(Transport::Udp, 2);
        push_all(&mut outbox, here, &[9, 9, 4, 4, 5, 9]);
        assert_eq!(drain(&mut outbox), [&[9, 9, 4][..], &[4], &[5], &[9]]);
        push_all(&mut outbox, here, &[9]);
        push_all(&mut outbox, path(Transport::Udp, 3), &[9, 9]);
        push_all(&mut outbox, here, &[9]);
        assert_eq!(drain(&mut outbox), [&[9][..], &[9, 9], &[9]]);
    }

    #[test]
    fn the_kernel_gets_no_more_than_it_takes() {
        let mut outbox = Outbox::default();
        let here = path(Transport::Udp, 2);
        push_all(&mut outbox, here, &[10; 2 * MAX_BATCH + 1]);
        let counts = drain(&mut outbox);
        let counts: Vec<_> = counts.iter().map(Vec::len).collect();
        assert_eq!(counts, [MAX_BATCH, MAX_BATCH, 1]);
        push_all(&mut outbox, here, &[1200; 51]);
        let counts = drain(&mut outbox);
        assert_eq!(counts.iter().map(Vec::len).collect::<Vec<_>>(), [50, 1]);
    }

    #[test]
    fn over_tcp_each_leaves_by_itself() {
        let mut outbox = Outbox::default();
        push_all(&mut outbox, path(Transport::Tcp, 2), &[9, 9]);
        let media = path(Transport::Tcp, 2);
        for _ in 0..2 {
            let write = |out: &mut BytesMut| {
                out.extend_from_slice(&[7; 9]);
                Ok::<_, ()>(())
            };
            outbox.write(&media, 9, None, write).unwrap();
        }
        assert_eq!(drain(&mut outbox), [[9]; 4]);
    }

    #[test]
    fn what_is_refused_leaves_nothing_behind() {
        let mut outbox = Outbox::default();
        let here = path(Transport::Udp, 2);
        let refuse = |out: &mut BytesMut| {
            out.extend_from_slice(&[7; 5]);
            Err("on purpose")
        };
        assert!(outbox.write(&here, 9, None, refuse).is_err());
        assert!(outbox.pop().is_none());
        push_all(&mut outbox, here, &[9]);
        assert!(outbox.write(&here, 9, None, refuse).is_err());
        push_all(&mut outbox, here, &[9]);
        assert_eq!(drain(&mut outbox), [[9, 9]]);
    }

    #[test]
    fn more_than_the_shard_would_take_are_dropped() {
        let mut outbox = Outbox::default();
        for transport in [Transport::Udp, Transport::Tcp] {
            push_all(&mut outbox, path(transport, 2), &[1; MAX_WAITING + 10]);
            assert_eq!(outbox.waiting, MAX_WAITING);
            assert_eq!(drain(&mut outbox).concat().len(), MAX_WAITING);
        }
    }
}
