//! The connectivity checks of a controlling agent (RFC 8445 §7.2), one by one: which credentials,
//! which role, nominating or not. It decides nothing by itself.

use std::net::SocketAddr;

use ferrite_server::media::transport::ice::Credentials;
use rtc::crypto::RTCCrypto;
use rtc::stun::attributes::{
    ATTR_ERROR_CODE, ATTR_ICE_CONTROLLED, ATTR_ICE_CONTROLLING, ATTR_PRIORITY, ATTR_USE_CANDIDATE,
    ATTR_USERNAME, AttrType, RawAttribute,
};
use rtc::stun::fingerprint::FINGERPRINT;
use rtc::stun::integrity::MessageIntegrity;
use rtc::stun::message::{
    BINDING_ERROR, BINDING_REQUEST, BINDING_SUCCESS, Getter as _, Message, Setter, TransactionId,
};
use rtc::stun::xoraddr::XorMappedAddress;

/// What a check says.
#[derive(Clone)]
pub struct Check {
    pub ours: Credentials,
    pub theirs: Credentials,
    pub nominate: bool,
    /// Claims the controlled role, which is the server's.
    pub controlled: bool,
    /// Says who it is for, and is sealed.
    pub named: bool,
    pub sealed: bool,
    /// More attributes, in front of the seal and behind it.
    pub extra: Vec<(u16, Vec<u8>)>,
    pub behind: Vec<(u16, Vec<u8>)>,
}

/// What came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Where the check came from, as the server saw it.
    Success {
        mapped: SocketAddr,
    },
    Refused {
        code: u16,
    },
}

impl Check {
    /// One that nominates, as it should be.
    pub fn new(ours: Credentials, theirs: Credentials) -> Self {
        Self {
            ours,
            theirs,
            nominate: true,
            controlled: false,
            named: true,
            sealed: true,
            extra: Vec::new(),
            behind: Vec::new(),
        }
    }

    pub fn write(&self, transaction: u64, crypto: &dyn RTCCrypto) -> Vec<u8> {
        let raw = |typ: AttrType, value: &[u8]| RawAttribute {
            typ,
            length: value.len() as u16,
            value: value.to_vec(),
        };
        let mut id = [0; 12];
        id[4..].copy_from_slice(&transaction.to_be_bytes());
        let role = match self.controlled {
            true => ATTR_ICE_CONTROLLED,
            false => ATTR_ICE_CONTROLLING,
        };
        let username = format!("{}:{}", self.theirs.ufrag, self.ours.ufrag);
        let mut setters: Vec<Box<dyn Setter + '_>> = vec![
            Box::new(TransactionId(id)),
            Box::new(BINDING_REQUEST),
            Box::new(raw(ATTR_PRIORITY, &0x6E00_01FF_u32.to_be_bytes())),
            Box::new(raw(role, &7_u64.to_be_bytes())),
        ];
        if self.named {
            setters.push(Box::new(raw(ATTR_USERNAME, username.as_bytes())));
        }
        if self.nominate {
            setters.push(Box::new(raw(ATTR_USE_CANDIDATE, &[])));
        }
        for (typ, value) in &self.extra {
            setters.push(Box::new(raw(AttrType(*typ), value)));
        }
        let pwd = self.theirs.pwd.clone();
        let integrity = MessageIntegrity::new_short_term_integrity_with_provider(pwd, crypto);
        if self.sealed {
            setters.push(Box::new(integrity));
        }
        for (typ, value) in &self.behind {
            setters.push(Box::new(raw(AttrType(*typ), value)));
        }
        setters.push(Box::new(FINGERPRINT));
        let mut message = Message::new();
        message.build(&setters).unwrap();
        message.raw
    }
}

/// The answer to a check of the server's. It must be addressed to us, sealed with our password, and by
/// an agent that is controlled and nominates nothing.
pub fn answer(
    datagram: &[u8],
    from: SocketAddr,
    ours: &[&Credentials],
    crypto: &dyn RTCCrypto,
) -> Option<Vec<u8>> {
    let mut check = Message::new();
    check.unmarshal_binary(datagram).unwrap();
    assert_eq!(check.typ, BINDING_REQUEST);
    let username = String::from_utf8(check.get(ATTR_USERNAME).unwrap()).unwrap();
    let (ufrag, _) = username.split_once(':').unwrap();
    let ours = ours.iter().find(|known| known.ufrag == ufrag)?;
    MessageIntegrity::check(&mut check, ours.pwd.as_bytes(), crypto).unwrap();
    FINGERPRINT.check(&check).unwrap();
    assert!(check.contains(ATTR_ICE_CONTROLLED) && check.contains(ATTR_PRIORITY));
    assert!(!check.contains(ATTR_USE_CANDIDATE));
    let mapped = XorMappedAddress {
        ip: from.ip(),
        port: from.port(),
    };
    let pwd = ours.pwd.clone();
    let mut message = Message::new();
    let setters: Vec<Box<dyn Setter + '_>> = vec![
        Box::new(check.transaction_id),
        Box::new(BINDING_SUCCESS),
        Box::new(mapped),
        Box::new(MessageIntegrity::new_short_term_integrity_with_provider(
            pwd, crypto,
        )),
        Box::new(FINGERPRINT),
    ];
    message.build(&setters).unwrap();
    Some(message.raw)
}

/// Reads the answer to a check. A success must carry the integrity of the server's password.
pub fn read(datagram: &[u8], pwd: &str, crypto: &dyn RTCCrypto) -> Option<Answer> {
    let mut message = Message::new();
    message.unmarshal_binary(datagram).ok()?;
    if message.typ == BINDING_SUCCESS {
        MessageIntegrity::check(&mut message, pwd.as_bytes(), crypto).unwrap();
        let mut mapped = XorMappedAddress::default();
        mapped.get_from(&message).unwrap();
        return Some(Answer::Success {
            mapped: SocketAddr::new(mapped.ip, mapped.port),
        });
    }
    assert_eq!(message.typ, BINDING_ERROR, "neither success nor error");
    let error = message.get(ATTR_ERROR_CODE).unwrap();
    let code = u16::from(error[2] & 7) * 100 + u16::from(error[3]);
    Some(Answer::Refused { code })
}
