//! The far end made of our own parts, for tests that need every byte in their hands: checks one by
//! one, a DTLS end in either role, packets as they are written and not as a library would send them.
//!
//! It sends checks and DTLS by itself. RTP, RTCP and SCTP are the test's business.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use bytes::Bytes;
use bytes::BytesMut;
use ferrite_server::media::net::demux::{Kind, classify};
use ferrite_server::media::rtp::header::{Header, write_header};
use ferrite_server::media::sdp::{DtlsRole, Fingerprint, HashAlgorithm, SdpError, Section};
use ferrite_server::media::transport::dtls::{Dtls, DtlsEvent, DtlsState, Identity};
use ferrite_server::media::transport::ice::Credentials;
use ferrite_server::media::transport::srtp::Srtp;

use super::checker::{self, Answer, Check};
use super::link::Datagram;
use super::offer::{MID, Offer};
use super::{FarEnd, World, address};

/// Where it is, and where the server is.
pub const HERE: &str = "203.0.113.9:50000";
pub const SERVER: &str = "192.0.2.1:3478";

/// When a check carries USE-CANDIDATE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nominate {
    /// Always, as Chromium does on the pair it uses.
    Always,
    /// Once, as Firefox and pion do.
    Once,
    /// Not yet.
    Never,
}

/// The far end.
pub struct Bare {
    pub address: SocketAddr,
    pub ours: Credentials,
    pub theirs: Credentials,
    pub nominate: Nominate,
    /// Time between checks; `None` sends none.
    pub interval: Option<Duration>,
    pub answers: Vec<(Instant, Answer)>,
    /// The newest of them as it came.
    pub last_answer: Vec<u8>,
    /// Whether it answers the server's checks; and where it does not, although they are for it.
    pub answering: bool,
    pub not_there: Vec<SocketAddr>,
    /// When the server checked, and where.
    pub checked: Vec<(Instant, SocketAddr)>,
    /// Credentials of before a restart.
    pub ours_before: Option<Credentials>,
    pub dtls: Option<Dtls>,
    pub srtp: Option<Box<Srtp>>,
    /// Decrypted.
    pub rtp: Vec<Received>,
    /// What was lost on its way, decrypted: the far end does not look here, tests do.
    pub missed: Vec<Received>,
    /// Every SRTP datagram, as it came.
    pub sealed: Vec<Vec<u8>>,
    pub rtcp: Vec<(Instant, Vec<u8>)>,
    pub data: Vec<Bytes>,
    pub closed: bool,
    pub failed: Option<String>,
    next_check: Instant,
    transaction: u64,
    outgoing: VecDeque<Datagram>,
}

/// A packet received.
#[derive(Clone)]
pub struct Received {
    pub at: Instant,
    pub header: Header,
    pub packet: Vec<u8>,
}

impl Received {
    pub fn payload(&self) -> &[u8] {
        &self.packet[self.header.len..]
    }

    pub fn extension(&self, id: u8) -> Option<&[u8]> {
        self.header.extensions(&self.packet).get(id)
    }
}

pub fn identity() -> Identity {
    static IDENTITY: OnceLock<Identity> = OnceLock::new();
    let generated = IDENTITY.get_or_init(|| Identity::generate().unwrap());
    generated.clone()
}

/// A packet with a MID extension, not yet sealed.
pub fn packet(
    pt: u8,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    mid: &str,
    payload: &[u8],
) -> Vec<u8> {
    packet_with(
        pt,
        ssrc,
        sequence,
        timestamp,
        &[(MID, mid.as_bytes())],
        payload,
    )
}

/// A packet with any extensions.
pub fn packet_with(
    pt: u8,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    extensions: &[(u8, &[u8])],
    payload: &[u8],
) -> Vec<u8> {
    let mut fixed = [0x80, pt, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    fixed[2..4].copy_from_slice(&sequence.to_be_bytes());
    fixed[4..8].copy_from_slice(&timestamp.to_be_bytes());
    fixed[8..12].copy_from_slice(&ssrc.to_be_bytes());
    let elements: Vec<_> = extensions
        .iter()
        .map(|(id, value)| (Some(*id), Some(*value)))
        .collect();
    let mut packet = BytesMut::new();
    write_header(&mut packet, &Header::parse(&fixed).unwrap(), &elements);
    packet.extend_from_slice(payload);
    packet.into()
}

/// The same with nothing but padding, as senders probe with.
pub fn padding(pt: u8, ssrc: u32, sequence: u16, timestamp: u32, mid: &str) -> Vec<u8> {
    let mut bytes = [0; 200];
    bytes[199] = 200;
    let mut packet = packet(pt, ssrc, sequence, timestamp, mid, &bytes);
    packet[0] |= 0x20;
    packet
}

impl Bare {
    pub fn new(now: Instant) -> Self {
        Self {
            address: address(HERE),
            ours: Credentials {
                ufrag: "bare".to_owned(),
                pwd: "thepasswordofthebareend".to_owned(),
            },
            theirs: Credentials {
                ufrag: String::new(),
                pwd: String::new(),
            },
            nominate: Nominate::Always,
            interval: Some(Duration::from_millis(2500)),
            answers: Vec::new(),
            last_answer: Vec::new(),
            answering: true,
            not_there: Vec::new(),
            checked: Vec::new(),
            ours_before: None,
            dtls: None,
            srtp: None,
            rtp: Vec::new(),
            missed: Vec::new(),
            sealed: Vec::new(),
            rtcp: Vec::new(),
            data: Vec::new(),
            closed: false,
            failed: None,
            next_check: now,
            transaction: 0,
            outgoing: VecDeque::new(),
        }
    }

    /// Starts DTLS; it begins once a check was answered.
    pub fn start_dtls(&mut self, role: DtlsRole, server_fingerprint: [u8; 32]) {
        let fingerprint = Fingerprint {
            algorithm: HashAlgorithm::Sha256,
            digest: server_fingerprint.to_vec(),
        };
        self.dtls = Some(Dtls::new(identity(), role, vec![fingerprint]));
    }

    /// Sends a check with whatever it shall say, from any address.
    pub fn check(&mut self, from: SocketAddr, check: &Check) {
        self.transaction += 1;
        let bytes = check.write(self.transaction, identity().provider.crypto());
        self.send_from(from, bytes);
    }

    /// The check it would send by itself.
    pub fn usual_check(&self) -> Check {
        let nominated = self
            .answers
            .iter()
            .any(|(_, a)| matches!(a, Answer::Success { .. }));
        let nominate = match self.nominate {
            Nominate::Always => true,
            Nominate::Once => !nominated,
            Nominate::Never => false,
        };
        Check {
            nominate,
            ..Check::new(self.ours.clone(), self.theirs.clone())
        }
    }

    /// Sends a datagram as it is.
    pub fn send_raw(&mut self, bytes: Vec<u8>) {
        self.send_from(self.address, bytes);
    }

    pub fn send_from(&mut self, from: SocketAddr, bytes: Vec<u8>) {
        let to = address(SERVER);
        self.outgoing.push_back(Datagram { from, to, bytes });
    }

    /// Seals a packet.
    pub fn seal(&mut self, packet: &[u8]) -> Vec<u8> {
        let header = Header::parse(packet).unwrap();
        let srtp = self.srtp.as_mut().unwrap();
        let mut sealed = packet.into();
        srtp.protect_rtp(&mut sealed, 0, &header).unwrap();
        sealed.to_vec()
    }

    pub fn send_rtp(&mut self, packet: &[u8]) {
        let sealed = self.seal(packet);
        self.send_raw(sealed);
    }

    pub fn send_rtcp(&mut self, compound: &[u8]) {
        let sealed = self.srtp.as_mut().unwrap().protect_rtcp(compound).unwrap();
        self.send_raw(sealed.to_vec());
    }

    /// Sends application data: an SCTP packet, as it should be.
    pub fn send_data(&mut self, now: Instant, data: &[u8]) {
        self.dtls.as_mut().unwrap().send(now, data);
        self.pump_dtls();
    }

    pub fn close(&mut self, now: Instant) {
        self.dtls.as_mut().unwrap().close(now);
        self.pump_dtls();
    }

    pub fn rtp_on(&self, ssrc: u32) -> Vec<&Received> {
        self.rtp.iter().filter(|r| r.header.ssrc == ssrc).collect()
    }

    /// A datagram is lost on its way here.
    pub fn overhear(&mut self, now: Instant, datagram: &Datagram) {
        if let (Some(Kind::Srtp), Some(srtp)) = (classify(&datagram.bytes), &mut self.srtp)
            && let Some(header) = Header::parse(&datagram.bytes)
            && let Ok(packet) = srtp.unprotect_rtp(&datagram.bytes, &header)
        {
            self.missed.push(Received {
                at: now,
                header,
                packet: packet.to_vec(),
            });
        }
    }

    fn pump_dtls(&mut self) {
        let Some(dtls) = &mut self.dtls else {
            return;
        };
        let mut datagrams = Vec::new();
        while let Some(datagram) = dtls.poll_transmit() {
            datagrams.push(datagram.to_vec());
        }
        while let Some(event) = dtls.poll_event() {
            match event {
                DtlsEvent::Connected(srtp) => self.srtp = Some(srtp),
                DtlsEvent::Data(data) => self.data.push(data),
                DtlsEvent::Closed => self.closed = true,
                DtlsEvent::Failed(error) => self.failed = Some(error.to_string()),
            }
        }
        datagrams
            .into_iter()
            .for_each(|datagram| self.send_raw(datagram));
    }

    /// Checks no more, and answers no check.
    pub fn fall_silent(&mut self) {
        self.interval = None;
        self.answering = false;
    }

    pub fn speak_again(&mut self) {
        self.interval = Some(Duration::from_secs(1));
        self.answering = true;
    }

    fn receive_check(&mut self, now: Instant, datagram: &Datagram) {
        self.checked.push((now, datagram.to));
        if !self.answering || self.not_there.contains(&datagram.to) {
            return;
        }
        let ours: Vec<_> = (self.ours_before.iter()).chain([&self.ours]).collect();
        let provider = identity().provider;
        let answer = checker::answer(&datagram.bytes, datagram.from, &ours, provider.crypto());
        if let Some(answer) = answer {
            self.send_from(datagram.to, answer);
        }
    }

    fn receive_answer(&mut self, now: Instant, datagram: &[u8]) {
        let provider = identity().provider;
        let Some(answer) = checker::read(datagram, &self.theirs.pwd, provider.crypto()) else {
            return;
        };
        self.answers.push((now, answer));
        self.last_answer = datagram.to_vec();
        if let (Answer::Success { .. }, Some(dtls)) = (answer, &mut self.dtls) {
            dtls.start(now);
        }
    }
}

impl FarEnd for Bare {
    fn receive(&mut self, now: Instant, datagram: &Datagram) {
        let bytes = &datagram.bytes;
        match classify(bytes) {
            Some(Kind::Stun) => self.receive_check(now, datagram),
            Some(Kind::StunResponse) => self.receive_answer(now, bytes),
            Some(Kind::Dtls) => {
                if let Some(dtls) = &mut self.dtls {
                    dtls.handle_datagram(now, bytes);
                }
            }
            Some(Kind::Srtp) => {
                let header = Header::parse(bytes).unwrap();
                self.sealed.push(bytes.clone());
                // What was sealed must open, but not twice.
                if let Some(srtp) = &mut self.srtp
                    && let Ok(packet) = srtp.unprotect_rtp(bytes, &header)
                {
                    let packet = packet.to_vec();
                    let at = now;
                    self.rtp.push(Received { at, header, packet });
                }
            }
            Some(Kind::Srtcp) => {
                if let Some(srtp) = &mut self.srtp
                    && let Ok(compound) = srtp.unprotect_rtcp(bytes)
                {
                    self.rtcp.push((now, compound.to_vec()));
                }
            }
            None => panic!("a datagram of no kind"),
        }
        self.pump_dtls();
    }

    fn poll_transmit(&mut self) -> Option<Datagram> {
        self.outgoing.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let check = self.interval.map(|_| self.next_check);
        let dtls = self.dtls.as_ref().and_then(Dtls::poll_timeout);
        check.into_iter().chain(dtls).min()
    }

    fn handle_timeout(&mut self, now: Instant) {
        if let Some(interval) = self.interval
            && now >= self.next_check
        {
            // Quickly until the first answer, as every agent does.
            let answered = !self.answers.is_empty();
            let pace = if answered {
                interval
            } else {
                Duration::from_millis(50)
            };
            self.next_check = now + pace;
            let check = self.usual_check();
            self.check(self.address, &check);
        }
        if let Some(dtls) = &mut self.dtls
            && dtls.poll_timeout().is_some_and(|due| due <= now)
        {
            dtls.handle_timeout(now);
        }
        self.pump_dtls();
    }
}

impl World<Bare> {
    pub fn bare(seed: u64) -> Self {
        Self::new(seed, |now, _| Bare::new(now))
    }

    /// An offer of these sections, by the far end's own certificate and credentials.
    pub fn bare_offer(&self, setup: &'static str, sections: &[super::offer::Section]) -> Offer {
        Offer {
            ice: self.far.ours.clone(),
            fingerprint: identity().fingerprint,
            setup,
            sections: sections.to_vec(),
        }
    }

    /// Takes an offer to the server, and what follows from the answer to the far end.
    pub fn exchange(&mut self, offer: &Offer) -> Result<(), SdpError> {
        self.server.offer(self.now, &offer.write())?;
        self.far.theirs = self.server.credentials();
        if self.far.dtls.is_none() {
            let role = self.far_role();
            self.far.start_dtls(role, self.server.fingerprint());
        }
        Ok(())
    }

    /// The far end's part in the handshake, as agreed on.
    pub fn far_role(&self) -> DtlsRole {
        match self.server.agreed.as_ref().unwrap().dtls_role {
            DtlsRole::Client => DtlsRole::Server,
            DtlsRole::Server => DtlsRole::Client,
        }
    }

    /// Calls with these sections and waits until both ends are connected.
    #[track_caller]
    pub fn connect_bare(&mut self, sections: &[super::offer::Section]) {
        let offer = self.bare_offer("actpass", sections);
        self.exchange(&offer).unwrap();
        self.run_until(Duration::from_secs(2), "connected", |world| {
            world.server.is_connected() && world.far.srtp.is_some()
        });
    }

    /// The SSRCs the server sends with on a section: media, retransmissions.
    pub fn server_ssrcs(&self, section: usize) -> (u32, Option<u32>) {
        match &self.server.agreed.as_ref().unwrap().sections[section] {
            Section::Media(media) => {
                let stream = media.send.as_ref().unwrap();
                (stream.ssrc, stream.rtx_ssrc)
            }
            Section::Data(_) | Section::Rejected { .. } => panic!("no media section"),
        }
    }

    pub fn server_dtls(&self) -> DtlsState {
        self.server.resident.peer.state().dtls
    }
}
