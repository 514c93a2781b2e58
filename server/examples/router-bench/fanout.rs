//! A track, its router, and sinks that are as much of a peer as writes packets: numbers, extensions, SRTP.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use ferrite_server::media::egress::Egress;
use ferrite_server::media::forward::router::{Router, TrackKey};
use ferrite_server::media::forward::track::{Place, Show};
use ferrite_server::media::id::TrackId;
use ferrite_server::media::net::buffers;
use ferrite_server::media::net::outbox::Outbox;
use ferrite_server::media::net::path::{FourTuple, Transport};
use ferrite_server::media::rtp::header::Header;
use ferrite_server::media::rtp::packet::MediaPacket;
use ferrite_server::media::sdp::{
    Codec, CodecKind, Direction, Extensions, Format, MediaKind, MediaSection, SendStream,
};
use ferrite_server::media::transport::srtp::Srtp;
use rtc::crypto::{AeadAlgorithm, AeadCipher};
use rtc::srtp::protection_profile::ProtectionProfile;

/// Bytes of a packet, header included.
pub const PACKET: usize = 1100;

const SPAN: Duration = Duration::from_millis(100);
const VP8: u8 = 96;

/// Where every sink is.
const PATH: FourTuple = FourTuple {
    transport: Transport::Udp,
    local: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1),
    remote: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 2),
};

struct Sink {
    egress: Egress,
    srtp: Srtp,
    /// What would be given to the kernel.
    outbox: Outbox,
}

/// One track, and those who are sent it.
pub struct Fanout {
    router: Router<usize>,
    track: TrackKey,
    sinks: Vec<Sink>,
    /// A packet as it comes; its number is written anew each time.
    packet: Vec<u8>,
    sequence: u16,
    now: Instant,
}

impl Fanout {
    /// With so many sinks.
    pub fn new(sinks: usize) -> Self {
        let mut router = Router::default();
        let (peer, section) = (usize::MAX, 0);
        let track = router.publish(TrackId::default(), Place { peer, section });
        let provider = rtc::crypto::default_provider().unwrap();
        let profile = ProtectionProfile::AeadAes128Gcm;
        let sinks = (0..sinks).map(|peer| {
            router.subscribe(TrackId::default(), Place { peer, section });
            let key = [peer as u8; 56];
            Sink {
                egress: Egress::new(&section_of_video(), stream(), 1000),
                srtp: Srtp::from_keying_material(profile, &key, false, &provider).unwrap(),
                outbox: Outbox::default(),
            }
        });
        let sinks = sinks.collect();
        let mut packet = vec![7; PACKET];
        packet[..12].copy_from_slice(&[0x80, VP8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
        packet[12..14].copy_from_slice(&[0x10, 0x00]);
        Self {
            router,
            track,
            sinks,
            packet,
            sequence: 0,
            now: Instant::now(),
        }
    }

    /// Takes so many packets of the track, and writes them for every sink. Returns how many were written.
    pub fn round(&mut self, packets: u16) -> usize {
        self.now += Duration::from_millis(33);
        for _ in 0..packets {
            let media = self.receive();
            let (peer, section) = (usize::MAX, 0);
            self.router.push(self.track, Place { peer, section }, media);
        }
        let mut writing = Writing {
            sinks: &mut self.sinks,
            now: self.now,
            written: 0,
        };
        self.router.deliver(self.now, &mut writing);
        writing.written
    }

    fn receive(&mut self) -> MediaPacket {
        self.sequence = self.sequence.wrapping_add(1);
        self.packet[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        let header = Header::parse(&self.packet).unwrap();
        let codec = (Format::of(CodecKind::Vp8, ""), 90_000);
        let packet = Bytes::copy_from_slice(&self.packet);
        MediaPacket::read(self.now, (0, 0), codec, header, &ids(), packet)
    }
}

/// Writes for each sink what came.
struct Writing<'a> {
    sinks: &'a mut [Sink],
    now: Instant,
    written: usize,
}

impl Show<usize> for Writing<'_> {
    /// They are few, and nothing else uses the caches.
    fn prefetch(&self, _: Place<usize>, _: usize) {}

    fn show(&mut self, place: Place<usize>, batch: &[MediaPacket]) -> Duration {
        let sink = &mut self.sinks[place.peer];
        for media in batch {
            let outgoing = sink.egress.forward(self.now, media, false).unwrap();
            let len = outgoing.size() + sink.srtp.rtp_overhead();
            let sealed = sink.outbox.write(&PATH, len, None, |out| {
                let at = out.len();
                outgoing.write(out);
                sink.srtp.protect_rtp(out, at, &outgoing.header)
            });
            sealed.unwrap();
        }
        while let Some(transmit) = sink.outbox.pop() {
            self.written += transmit.count();
            buffers::give_back(transmit.data);
        }
        SPAN
    }
}

/// AES-128-GCM alone, of as many bytes.
pub struct Seal {
    cipher: Box<dyn AeadCipher>,
    packet: Vec<u8>,
    number: u64,
}

impl Seal {
    /// Under some key.
    pub fn new() -> Self {
        let provider = rtc::crypto::default_provider().unwrap();
        let crypto = provider.crypto();
        Self {
            cipher: crypto.new_aead(AeadAlgorithm::Aes128Gcm, &[7; 16]).unwrap(),
            packet: vec![7; PACKET],
            number: 0,
        }
    }

    /// Seals one packet.
    pub fn one(&mut self) {
        self.number += 1;
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&self.number.to_be_bytes());
        let (head, payload) = self.packet.split_at_mut(12);
        let mut tag = [0; 16];
        let sealed = self.cipher.seal_in_place(&nonce, head, payload, &mut tag);
        sealed.unwrap();
    }
}

fn ids() -> Extensions {
    Extensions {
        mid: Some(4),
        ..Extensions::default()
    }
}

fn stream() -> SendStream {
    SendStream {
        ssrc: 1000,
        rtx_ssrc: Some(1001),
        stream_id: "stream".to_owned(),
        track_id: "track".to_owned(),
    }
}

fn section_of_video() -> MediaSection {
    MediaSection {
        mid: "0".to_owned(),
        kind: MediaKind::Video,
        direction: Direction {
            send: true,
            recv: false,
        },
        codecs: vec![Codec {
            kind: CodecKind::Vp8,
            payload_type: VP8,
            rtx_payload_type: Some(97),
            clock_rate: 90_000,
            fmtp: String::new(),
            nack: true,
            pli: true,
            fir: true,
            transport_cc: true,
            remb: false,
        }],
        extensions: ids(),
        send: Some(stream()),
        remote_streams: Vec::new(),
        rids: Vec::new(),
        layer_ssrcs: Vec::new(),
        reduced_size_rtcp: true,
    }
}
