//! How a light participant is let in: ICE as the controlling agent, and DTLS as the client, until it
//! has the keys of SRTP. After that it goes on checking, which is what consent takes (RFC 7675). No IO.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Result;
use rtc::dtls::endpoint::{Endpoint, EndpointEvent};
use rtc::shared::TransportProtocol;
use rtc::stun::message::{BINDING_REQUEST, BINDING_SUCCESS, Message};

use super::offer::{PASSWORD, UFRAG};
use super::seal::Keys;
use crate::load::badge::{self, ASSOCIATION, Badge};
use crate::load::stun;

/// Time between two checks until one is answered, and after that.
const CHECKS: Duration = Duration::from_millis(100);
const CONSENT: Duration = Duration::from_millis(4500);

/// One who is being let in, or was.
pub(super) struct Entry {
    badge: Badge,
    server: SocketAddr,
    /// Until the handshake is done.
    dtls: Option<Box<Endpoint>>,
    /// The user name of its checks, and the server's password.
    name: String,
    password: String,
    checked: bool,
    begun: bool,
    next_check: Instant,
    transaction: u64,
}

impl Entry {
    /// After the answer with these credentials.
    pub(super) fn new(
        badge: &Badge,
        server: SocketAddr,
        now: Instant,
        ufrag: &str,
        password: &str,
    ) -> Self {
        Self {
            badge: badge.clone(),
            server,
            dtls: Some(Box::new(Endpoint::new(
                ASSOCIATION,
                TransportProtocol::UDP,
                None,
            ))),
            name: format!("{ufrag}:{UFRAG}"),
            password: password.to_owned(),
            checked: false,
            begun: false,
            next_check: now,
            transaction: 0,
        }
    }

    /// Does what is due.
    pub(super) fn step(&mut self, now: Instant, out: &mut Vec<Vec<u8>>) -> Result<()> {
        if now >= self.next_check {
            self.next_check = now + if self.checked { CONSENT } else { CHECKS };
            self.transaction += 1;
            let crypto = self.badge.provider.crypto();
            let check = stun::request(crypto, &self.name, &self.password, self.transaction);
            out.push(check);
        }
        let Some(dtls) = &mut self.dtls else {
            return Ok(());
        };
        if self.checked && !self.begun {
            self.begun = true;
            dtls.connect(now, ASSOCIATION, self.badge.handshake.clone(), None)?;
        }
        let due = dtls.poll_timeout(&ASSOCIATION);
        if due.is_some_and(|due| due <= now) {
            dtls.handle_timeout(ASSOCIATION, now)?;
        }
        flush(dtls, out);
        Ok(())
    }

    /// Takes a STUN message.
    pub(super) fn take_stun(
        &mut self,
        now: Instant,
        datagram: &[u8],
        out: &mut Vec<Vec<u8>>,
    ) -> Result<()> {
        let mut message = Message::new();
        if message.unmarshal_binary(datagram).is_err() {
            return Ok(());
        }
        if message.typ == BINDING_SUCCESS && !self.checked {
            self.checked = true;
            self.next_check = now + CONSENT;
        }
        if message.typ == BINDING_REQUEST {
            let crypto = self.badge.provider.crypto();
            out.push(stun::success(crypto, &message, self.server, PASSWORD));
        }
        self.step(now, out)
    }

    /// Takes a DTLS record, and returns the keys when the handshake is done.
    pub(super) fn take_dtls(
        &mut self,
        now: Instant,
        datagram: &[u8],
        out: &mut Vec<Vec<u8>>,
    ) -> Result<Option<Keys>> {
        let Some(dtls) = &mut self.dtls else {
            return Ok(None);
        };
        let mut keys = None;
        for event in dtls.read(now, ASSOCIATION, None, datagram.into())? {
            if let EndpointEvent::HandshakeComplete = event {
                let config = badge::keys(dtls)?;
                keys = Some(Keys::new(&config, self.badge.provider.crypto())?);
            }
        }
        flush(dtls, out);
        if keys.is_some() {
            // The server has nothing more to say there, and memory is for more participants.
            self.dtls = None;
        }
        Ok(keys)
    }
}

fn flush(dtls: &mut Endpoint, out: &mut Vec<Vec<u8>>) {
    while let Some(transmit) = dtls.poll_transmit() {
        out.push(transmit.message.to_vec());
    }
}
