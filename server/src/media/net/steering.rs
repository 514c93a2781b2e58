//! Which of the sockets that share the port a datagram is given to, decided by a program in the kernel
//! (`SO_ATTACH_REUSEPORT_CBPF`): the shard by the sender's address, so that each path keeps to one of
//! them; and there a socket of its own for congestion feedback.
//!
//! Feedback says when packets arrived, and bears a wait of some milliseconds. Somebody who is only sent
//! media says it ten or twenty times a second, and waking a shard for each costs more than all that is
//! done with it. What cannot wait stays with the media: NACKs, requests for keyframes, reports that a
//! round trip is measured by. What a datagram is can be told by its first four bytes: those of the first
//! packet of SRTCP are never encrypted (RFC 3711 §3.4). They say how long it is, too: where there is more than
//! this one packet, be it in a compound one or in datagrams that the kernel joined, it goes with the media.

use std::io;

use socket2::Socket;

/// The first bytes of transport-wide feedback and of REMB: RTCP's version, without padding, and format 15,
/// which is theirs in either of the types of RFC 4585 §6.1.
const VERSION_AND_FORMAT: u32 = 0x8F;
const TRANSPORT_FEEDBACK: u32 = 205;
const PAYLOAD_FEEDBACK: u32 = 206;

/// What SRTCP adds to a packet: its index, and a tag of HMAC-SHA1 (RFC 3711 §4.2) or of AES-GCM (RFC 7714 §9.1).
const SHORT_SEAL: u32 = 4 + 10;
const LONG_SEAL: u32 = 4 + 16;

/// Where datagrams go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sockets {
    /// Each shard has one for media and one for feedback.
    OfMediaAndFeedback,
    /// Each has one.
    OfMedia,
}

/// Has the kernel give what arrives to these sockets, all of which share one address: the first half, in
/// the order in which they were bound, is for media, the other for feedback, where there is that. A seed
/// keeps strangers from choosing ports that all end at one shard. None of the sockets may be closed before all are: the
/// kernel would count them anew.
#[cfg(target_os = "linux")]
pub(super) fn steer(bound: &Socket, shards: usize, to: Sockets) -> io::Result<()> {
    use nix::libc::sock_fprog;
    use nix::sys::socket::{setsockopt, sockopt::AttachReusePortCbpf};

    let shards = u32::try_from(shards).map_err(io::Error::other)?;
    let mut program = linux::program(shards, to, rand::random());
    let attached = sock_fprog {
        len: program.len().try_into().map_err(io::Error::other)?,
        filter: program.as_mut_ptr(),
    };
    setsockopt(bound, AttachReusePortCbpf, &attached)?;
    Ok(())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn steer(_: &Socket, _: usize, _: Sockets) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(target_os = "linux")]
mod linux {
    //! The program, in classic BPF: an accumulator, an index register, jumps forward only.

    use nix::libc::{
        BPF_A, BPF_ABS, BPF_ADD, BPF_ALU, BPF_B, BPF_H, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_LEN,
        BPF_LSH, BPF_MEM, BPF_MISC, BPF_MOD, BPF_MUL, BPF_RET, BPF_RSH, BPF_ST, BPF_SUB, BPF_TAX,
        BPF_W, BPF_X, BPF_XOR, SKF_NET_OFF, sock_filter,
    };

    use super::{
        LONG_SEAL, PAYLOAD_FEEDBACK, SHORT_SEAL, Sockets, TRANSPORT_FEEDBACK, VERSION_AND_FORMAT,
    };

    /// Where the sender's port stands in an IPv4 packet without options, and in one of IPv6 without extension
    /// headers. In any other it is something else that stays the same on a path, or lets the path change its
    /// shard, which peers outlive.
    const PORT4: i32 = 20;
    const PORT6: i32 = 40;
    const ADDRESS4: i32 = 12;
    const ADDRESS6: [i32; 4] = [8, 12, 16, 20];

    /// Odd, with its bits well spread: one of MurmurHash3's.
    const SPREAD: u32 = 0x85EB_CA6B;

    /// Takes a datagram, whose first byte is its offset 0, and returns the number of a socket. One that is shorter than
    /// what is read of it is nobody's, and ends at the first.
    pub(super) fn program(shards: u32, to: Sockets, seed: [u32; 2]) -> Vec<sock_filter> {
        let mut program = vec![
            load(BPF_B, SKF_NET_OFF),
            alu(BPF_RSH, 4),
            // IPv4's part has four instructions.
            jump_if(6, 4, 0),
            load(BPF_W, SKF_NET_OFF + ADDRESS4),
            op(BPF_MISC | BPF_TAX, 0),
            load(BPF_H, SKF_NET_OFF + PORT4),
            op(BPF_JMP, 3 * ADDRESS6.len() as u32),
        ];
        for (at, word) in ADDRESS6.into_iter().enumerate() {
            program.push(load(BPF_W, SKF_NET_OFF + word));
            if at > 0 {
                program.push(xor_index());
            }
            program.push(op(BPF_MISC | BPF_TAX, 0));
        }
        program.push(load(BPF_H, SKF_NET_OFF + PORT6));
        // The port in the accumulator, the address in the index register: to a shard.
        program.extend([
            alu(BPF_MUL, seed[0] | 1),
            xor_index(),
            alu(BPF_MUL, SPREAD),
            op(BPF_MISC | BPF_TAX, 0),
            alu(BPF_RSH, 16),
            xor_index(),
            alu(BPF_MUL, seed[1] | 1),
            alu(BPF_RSH, 16),
            alu(BPF_MOD, shards),
        ]);
        if to == Sockets::OfMedia {
            program.push(op(BPF_RET | BPF_A, 0));
            return program;
        }
        program.extend([
            op(BPF_ST, 0),
            load(BPF_B, 0),
            jump_if(VERSION_AND_FORMAT, 0, 15),
            load(BPF_B, 1),
            jump_if(TRANSPORT_FEEDBACK, 1, 0),
            jump_if(PAYLOAD_FEEDBACK, 0, 12),
            // How long the packet is, a word more than it says, beside the datagram without what seals it.
            load(BPF_H, 2),
            alu(BPF_ADD, 1),
            alu(BPF_LSH, 2),
            op(BPF_MISC | BPF_TAX, 0),
            op(BPF_LD | BPF_W | BPF_LEN, 0),
            alu(BPF_SUB, SHORT_SEAL),
            jump_if_index(2, 0),
            alu(BPF_SUB, LONG_SEAL - SHORT_SEAL),
            jump_if_index(0, 3),
            op(BPF_LD | BPF_W | BPF_MEM, 0),
            alu(BPF_ADD, shards),
            op(BPF_RET | BPF_A, 0),
            op(BPF_LD | BPF_W | BPF_MEM, 0),
            op(BPF_RET | BPF_A, 0),
        ]);
        program
    }

    fn op(code: u32, k: u32) -> sock_filter {
        filter(code, 0, 0, k)
    }

    fn load(size: u32, at: i32) -> sock_filter {
        op(BPF_LD | size | BPF_ABS, at.cast_unsigned())
    }

    fn alu(operation: u32, by: u32) -> sock_filter {
        op(BPF_ALU | operation | BPF_K, by)
    }

    fn xor_index() -> sock_filter {
        op(BPF_ALU | BPF_XOR | BPF_X, 0)
    }

    /// Jumps over so many instructions where the accumulator is this, and over so many where not.
    fn jump_if(is: u32, then: u8, otherwise: u8) -> sock_filter {
        filter(BPF_JMP | BPF_JEQ | BPF_K, then, otherwise, is)
    }

    /// The same where it is what the index register is.
    fn jump_if_index(then: u8, otherwise: u8) -> sock_filter {
        filter(BPF_JMP | BPF_JEQ | BPF_X, then, otherwise, 0)
    }

    fn filter(code: u32, jt: u8, jf: u8, k: u32) -> sock_filter {
        // All codes fit: they are eight bits.
        let code = code as u16;
        sock_filter { code, jt, jf, k }
    }
}
