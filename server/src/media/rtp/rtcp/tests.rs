use super::*;
use proptest::prelude::*;

#[test]
fn pieces_are_whole_packets_and_fit_where_they_can() {
    let mut written = Vec::new();
    write_receiver_report(&mut written, 1, &[]);
    write_nack(&mut written, 1, 2, &[10, 100, 1000]);
    write_pli(&mut written, 1, 2);
    let cut = |limit| -> Vec<usize> { pieces(&written, limit).map(<[u8]>::len).collect() };
    assert_eq!(cut(0), [8, 24, 12]);
    assert_eq!(cut(32), [32, 12]);
    assert_eq!(cut(1200), [44]);
    let whole: Vec<_> = pieces(&written, 40).collect();
    assert_eq!(whole.concat(), written);
    assert_eq!(pieces(&[], 40).count(), 0);
}

#[test]
fn reads_back_what_it_wrote() {
    let block = ReportBlock {
        ssrc: 1,
        fraction_lost: 2,
        total_lost: -3,
        highest_sequence: 4,
        jitter: 5,
        last_sender_report: 6,
        delay_since: 7,
    };
    let info = SenderInfo {
        ssrc: 8,
        ntp: 9 << 32 | 10,
        rtp: 11,
        packets: 12,
        octets: 13,
    };
    let mut compound = Vec::new();
    write_sender_report(&mut compound, &info, &[block, block]);
    write_receiver_report(&mut compound, 8, &[block]);
    for cname in ["", "a", "ab", "abc", "abcd"] {
        write_cname(&mut compound, 8, cname);
    }
    write_pli(&mut compound, 8, 14);
    write_nack(&mut compound, 8, 15, &[65534, 0, 14, 15, 40]);
    write_transport_cc(&mut compound, 8, 16, &[1, 2, 3]);
    write_goodbye(&mut compound, 17);
    let mut read = packets(&compound);
    let Some(Packet::SenderReport {
        ssrc: 8,
        ntp,
        rtp: 11,
        blocks,
    }) = read.next()
    else {
        panic!("no sender report");
    };
    assert_eq!(ntp, info.ntp);
    assert_eq!(blocks.collect::<Vec<_>>(), [block, block]);
    let Some(Packet::ReceiverReport { blocks }) = read.next() else {
        panic!("no receiver report");
    };
    assert_eq!(blocks.collect::<Vec<_>>(), [block]);
    let Some(Packet::KeyframeRequest { ssrcs }) = read.next() else {
        panic!("no PLI");
    };
    assert_eq!(ssrcs.collect::<Vec<_>>(), [14]);
    let Some(Packet::Nack { ssrc: 15, lost }) = read.next() else {
        panic!("no NACK");
    };
    assert_eq!(lost.collect::<Vec<_>>(), [65534, 0, 14, 15, 40]);
    let Some(Packet::Goodbye { ssrcs }) = read.next() else {
        panic!("no goodbye");
    };
    assert_eq!(ssrcs.collect::<Vec<_>>(), [17]);
    assert!(read.next().is_none());
}

#[test]
fn goodbyes_and_intra_requests_name_several_streams() {
    // A reason follows the SSRCs (RFC 3550 §6.6).
    let goodbye = [
        0x83, 203, 0, 4, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 3, b'e', b'n', b'd',
    ];
    let Some(Packet::Goodbye { ssrcs }) = packets(&goodbye).next() else {
        panic!("no goodbye");
    };
    assert_eq!(ssrcs.collect::<Vec<_>>(), [1, 2, 3]);
    let mut fir = Vec::new();
    write_fir(&mut fir, 9, &[4, 5]);
    let Some(Packet::KeyframeRequest { ssrcs }) = packets(&fir).next() else {
        panic!("no FIR");
    };
    assert_eq!(ssrcs.collect::<Vec<_>>(), [4, 5]);
}

#[test]
fn the_most_that_may_be_sent_is_read_as_it_is_written_but_for_its_last_bits() {
    for bits in [
        0,
        1,
        50_000,
        (1 << 18) - 1,
        1 << 18,
        1_234_567,
        u64::from(u32::MAX),
        u64::MAX,
    ] {
        let mut remb = Vec::new();
        write_max_bitrate(&mut remb, 1, bits, &[2, 3]);
        assert_eq!(remb.len(), 28);
        let Some(Packet::MaxBitrate { bits_per_second }) = packets(&remb).next() else {
            panic!("{remb:?}");
        };
        assert!(bits_per_second <= bits && bits - bits_per_second <= bits >> 17);
    }
    // As Chromium writes it, and a rate that no number holds.
    let mut remb = [0; 24];
    remb[..4].copy_from_slice(&[0x8F, 206, 0, 5]);
    remb[12..20].copy_from_slice(b"REMB\x01\x0B\xD0\x90");
    let read = |remb: &[u8]| match packets(remb).next() {
        Some(Packet::MaxBitrate { bits_per_second }) => Some(bits_per_second),
        _ => None,
    };
    assert_eq!(read(&remb), Some(0x3D090 << 2));
    remb[17..20].fill(0xFF);
    assert_eq!(read(&remb), Some(u64::MAX));
    remb[12] = b'r';
    assert_eq!(read(&remb), None);
    let short = [
        0x8F, 206, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, b'R', b'E', b'M', b'B',
    ];
    assert_eq!(read(&short), None);
}

proptest! {
    #[test]
    fn any_bytes_are_walked_without_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Some(first) = bytes.first_mut() {
            *first = 0x80 | *first & 0x1F;
        }
        for packet in packets(&bytes) {
            match packet {
                Packet::SenderReport { blocks, .. } | Packet::ReceiverReport { blocks } => blocks.for_each(drop),
                Packet::Nack { lost, .. } => lost.for_each(drop),
                Packet::TransportCc { feedback } => feedback.arrivals().for_each(drop),
                Packet::MaxBitrate { .. } => {}
                Packet::KeyframeRequest { ssrcs } | Packet::Goodbye { ssrcs } => ssrcs.for_each(drop),
            }
        }
    }
}
