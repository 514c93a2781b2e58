//! What a server saw of a call that is not connected: plain counters, filled by its media plane, each of one
//! peer and since its newest ICE credentials.

/// What a server saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerEvidence {
    /// The UDP and TCP port that media is to come to.
    pub port: u16,
    /// It offers none but private addresses, and the client called from a public one.
    pub is_out_of_reach: bool,
    /// ICE.
    pub ice: IceEvidence,
    /// DTLS.
    pub dtls: DtlsEvidence,
}

/// What came of connectivity checks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IceEvidence {
    /// Where ICE is.
    pub state: PathState,
    /// The path in use is TCP's, which takes datagrams of any size.
    pub is_by_tcp: bool,
    /// Milliseconds since checks were to be expected.
    pub waited_ms: u32,
    /// By UDP.
    pub udp: Arrivals,
    /// By TCP.
    pub tcp: Arrivals,
    /// Through a relay of the server's own.
    pub relayed: Arrivals,
    /// Checks with a name or a password that is not theirs.
    pub strangers: u32,
    /// Authentic checks that came after it was given up, and are not answered (RFC 7675 §5.1).
    pub late: u32,
    /// Authentic checks of a client that claims to be controlled, as a server is (RFC 8445 §7.3.1.1).
    pub role_conflicts: u32,
}

/// Where ICE is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PathState {
    /// No pair is nominated.
    #[default]
    Open,
    /// A pair is nominated, and consents.
    Nominated,
    /// It was, and nothing comes any more, or it was given up.
    Silent,
}

/// What came over one transport.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrivals {
    /// Authentic checks, each of which was answered.
    pub checks: u32,
    /// Answers to checks of ours: what leaves here arrives there.
    pub answers: u32,
}

impl IceEvidence {
    /// Authentic checks, whichever way they came.
    #[must_use]
    pub fn checks(&self) -> u32 {
        self.sum(|arrivals| arrivals.checks)
    }

    /// Answers to checks of ours, whichever way they came.
    #[must_use]
    pub fn answers(&self) -> u32 {
        self.sum(|arrivals| arrivals.answers)
    }

    fn sum(&self, count: fn(&Arrivals) -> u32) -> u32 {
        let ways = [&self.udp, &self.tcp, &self.relayed];
        ways.map(count).into_iter().fold(0, u32::saturating_add)
    }
}

/// What came of the DTLS handshake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DtlsEvidence {
    /// How far it is.
    pub fate: DtlsFate,
    /// The server is the one that begins it.
    pub begins_here: bool,
    /// Milliseconds since it could have begun, or last got on.
    pub quiet_ms: u32,
    /// Datagrams of the handshake that came.
    pub received: u32,
    /// Those that were sent.
    pub sent: u32,
    /// The longest that came, and was sent, in bytes.
    pub longest: (u16, u16),
    /// A message of which a part never came.
    pub gap: Option<Gap>,
}

/// How far a handshake is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DtlsFate {
    /// It has not ended.
    #[default]
    UnderWay,
    /// It is done.
    Done,
    /// The certificate that came is not the one of the session description (RFC 8122 §6.2).
    WrongCertificate,
    /// It failed, in words.
    Failed(String),
    /// The other end closed.
    Closed,
}

/// A handshake message of which a part never came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The whole message's bytes.
    pub length: u32,
    /// The bytes of the longest part that is missing.
    pub missing: u32,
}
