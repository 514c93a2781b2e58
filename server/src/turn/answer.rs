//! Requests, from their first byte to their answer: who asks, by long-term credentials (RFC 8489 §9.2), and what
//! is said to it. What is done for it is for `serve`.

use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;

use super::account::Account;
use super::asked::Asked;
use super::credentials::{Algorithm, Key, MAX_USERNAME, REALM};
use super::refusal::Refusal;
use super::server::{Host, Turn};
use super::ticket::Ticket;
use crate::media::net::path::{FourTuple, Transport};
use crate::media::net::stun::attribute::{
    LIFETIME, MESSAGE_INTEGRITY, MESSAGE_INTEGRITY_SHA256, MOBILITY_TICKET, NONCE,
    PASSWORD_ALGORITHM, PASSWORD_ALGORITHMS, REALM as REALM_ATTRIBUTE, RESERVATION_TOKEN,
    UNKNOWN_ATTRIBUTES, USERNAME, XOR_MAPPED_ADDRESS, XOR_RELAYED_ADDRESS,
};
use crate::media::net::stun::{Message, MessageType, Method, Writer};

/// PASSWORD-ALGORITHMS: SHA-256, which is better, before MD5 (RFC 8489 §14.11).
const ALGORITHMS: [u8; 8] = [0, 2, 0, 0, 0, 1, 0, 0];

/// Who asks.
pub(super) struct User {
    pub(super) username: String,
    pub(super) key: Key,
    pub(super) account: Arc<Account>,
}

/// What was done.
pub(super) enum Done {
    /// This allocation is the client's.
    Allocated(usize),
    /// It lives so many seconds longer.
    Refreshed(u32),
    /// And this one's client has moved.
    Moved(usize, u32),
    /// Peers may send, a channel is bound, a connection joined.
    Granted,
    /// It is said when the peer has accepted, or has not.
    Connecting,
}

impl Turn {
    /// Takes a datagram of a client. Returns what it wants relayed to this server itself.
    pub fn handle_client<'a>(
        &mut self,
        now: Instant,
        client: &FourTuple,
        datagram: &'a [u8],
        host: &mut impl Host,
    ) -> Option<(FourTuple, &'a [u8])> {
        // No relay by way of a relay.
        if client.transport == Transport::Relayed {
            return None;
        }
        if let Some(shard) = self.shard_elsewhere(client, datagram, host.unix_time()) {
            self.handed_over
                .push_back((shard, *client, datagram.into()));
            return None;
        }
        self.take(now, client, datagram, host)
    }

    /// Takes a datagram of a client, which another shard has [handed over](Self::poll_handed_over). Returns the same.
    /// What is for no allocation there is here any more is dropped: made here, another would be one that its client
    /// never reaches.
    pub fn handle_handed_over<'a>(
        &mut self,
        now: Instant,
        client: &FourTuple,
        datagram: &'a [u8],
        host: &mut impl Host,
    ) -> Option<(FourTuple, &'a [u8])> {
        if client.transport == Transport::Relayed {
            self.take_handed_on(now, client, datagram);
            return None;
        }
        match self.concerns(now, client, datagram) {
            true => self.take(now, client, datagram, host),
            false => None,
        }
    }

    fn take<'a>(
        &mut self,
        now: Instant,
        client: &FourTuple,
        datagram: &'a [u8],
        host: &mut impl Host,
    ) -> Option<(FourTuple, &'a [u8])> {
        if datagram.first().is_some_and(|first| *first >= 0x40) {
            return self.handle_channel_data(now, client, datagram);
        }
        let message = Message::read(datagram)?;
        if message.typ() == Method::Send.indication() {
            return self.handle_send(now, client, &message);
        }
        const SERVED: [Method; 6] = [
            Method::Allocate,
            Method::Refresh,
            Method::CreatePermission,
            Method::ChannelBind,
            Method::Connect,
            Method::ConnectionBind,
        ];
        let served = SERVED
            .into_iter()
            .find(|method| method.request() == message.typ());
        if let Some(method) = served {
            self.answer(now, client, method, &message, host);
        } else if message.typ() == Method::Binding.request() {
            self.answer_binding(now, client, &message);
        }
        None
    }

    fn answer(
        &mut self,
        now: Instant,
        client: &FourTuple,
        method: Method,
        message: &Message<'_>,
        host: &mut impl Host,
    ) {
        let user = match self.authenticate((now, host.unix_time()), client, message) {
            Ok(user) => user,
            Err(refusal) => {
                return self.refuse_stranger(now, client, method, message, &refusal, host);
            }
        };
        let key = user.key.clone();
        match self.serve(now, client, method, message, user, host) {
            Ok(done) => self.confirm(now, client, method, message, &key, &done),
            Err(refusal) => {
                let typ = method.error();
                self.write(client, typ, message, Some(&key), |writer| {
                    refuse(writer, &refusal)
                });
            }
        }
    }

    /// RFC 8489 §9.2.4.
    fn authenticate(
        &self,
        (now, unix): (Instant, u64),
        client: &FourTuple,
        message: &Message<'_>,
    ) -> Result<User, Refusal> {
        let is_sha256 = message.has(MESSAGE_INTEGRITY_SHA256);
        if !is_sha256 && !message.has(MESSAGE_INTEGRITY) {
            return Err(Refusal::Unauthorized);
        }
        let wanted = [USERNAME, REALM_ATTRIBUTE, NONCE].map(|typ| message.get(typ));
        let [Some(username), Some(_), Some(nonce)] = wanted else {
            return Err(Refusal::BadRequest);
        };
        if !self.shared.nonces.is_good(unix, client, nonce) {
            return Err(Refusal::StaleNonce);
        }
        let algorithm = algorithm(message)?;
        let username = std::str::from_utf8(username).ok();
        let username = username.filter(|name| name.len() <= MAX_USERNAME);
        let username = username.ok_or(Refusal::Unauthorized)?;
        let is_by = |key: &Key| match is_sha256 {
            true => message.is_by_sha256(key.bytes()),
            false => message.is_by(key.bytes()),
        };
        let known = self.known(client, message, username, &is_by);
        let known = known.or_else(|| self.holder_of(message, username, &is_by));
        let found = known.or_else(|| {
            let credentials = &self.shared.credentials;
            credentials.find((now, unix), username, algorithm, is_by)
        });
        let (key, account) = found.ok_or(Refusal::Unauthorized)?;
        Ok(User {
            username: username.to_owned(),
            key,
            account,
        })
    }

    /// Who has an allocation goes on with it, also when what it was made with has expired since: it was good
    /// when the call began.
    fn known(
        &self,
        client: &FourTuple,
        message: &Message<'_>,
        username: &str,
        is_by: &impl Fn(&Key) -> bool,
    ) -> Option<(Key, Arc<Account>)> {
        let by_path = self.by_client.get(client).copied();
        let key = by_path.or_else(|| self.by_ticket(message).map(|(key, _)| key));
        let allocation = self.allocations.get(key?)?;
        let is_its = *allocation.username == *username
            && !allocation.account.is_revoked()
            && is_by(&allocation.key);
        is_its.then(|| (allocation.key.clone(), allocation.account.clone()))
    }

    /// Answers whoever has not shown who it is, but not as often as it likes.
    fn refuse_stranger(
        &mut self,
        now: Instant,
        client: &FourTuple,
        method: Method,
        message: &Message<'_>,
        refusal: &Refusal,
        host: &impl Host,
    ) {
        if !self.strangers.admit(now, client.remote.ip()) {
            return;
        }
        let nonce = self.shared.nonces.make(host.unix_time(), client);
        self.write(client, method.error(), message, None, |writer| {
            refuse(writer, refusal);
            if matches!(refusal, Refusal::Unauthorized | Refusal::StaleNonce) {
                writer.add(REALM_ATTRIBUTE, REALM.as_bytes());
                writer.add(NONCE, nonce.as_bytes());
                writer.add(PASSWORD_ALGORITHMS, &ALGORITHMS);
            }
        });
    }

    fn confirm(
        &mut self,
        now: Instant,
        client: &FourTuple,
        method: Method,
        message: &Message<'_>,
        key: &Key,
        done: &Done,
    ) {
        let typ = method.success();
        match done {
            Done::Connecting => {}
            Done::Granted => self.write(client, typ, message, Some(key), |_| {}),
            Done::Refreshed(seconds) => self.write(client, typ, message, Some(key), |writer| {
                writer.add(LIFETIME, &seconds.to_be_bytes());
            }),
            Done::Moved(at, seconds) => {
                let ticket = self.ticket(*at);
                self.write(client, typ, message, Some(key), |writer| {
                    writer.add(LIFETIME, &seconds.to_be_bytes());
                    add_ticket(writer, ticket);
                });
            }
            Done::Allocated(at) => {
                let Some(allocation) = self.allocations.get(*at) else {
                    return;
                };
                let (relayed, token) = (allocation.relayed, allocation.token);
                let left = allocation.expires.saturating_duration_since(now);
                let ticket = self.ticket(*at);
                self.write(client, typ, message, Some(key), |writer| {
                    writer.add_address(XOR_RELAYED_ADDRESS, relayed);
                    writer.add(LIFETIME, &(left.as_secs() as u32).to_be_bytes());
                    if let Some(token) = token {
                        writer.add(RESERVATION_TOKEN, &token);
                    }
                    add_ticket(writer, ticket);
                    writer.add_address(XOR_MAPPED_ADDRESS, client.remote);
                });
            }
        }
    }

    fn ticket(&self, key: usize) -> Option<Ticket> {
        let mobility = self.allocations.get(key)?.mobility.as_ref()?;
        Some(*mobility.ticket())
    }

    /// Writes an answer: sealed as the request was, and with a fingerprint if that had one.
    pub(super) fn write(
        &mut self,
        client: &FourTuple,
        typ: MessageType,
        asked: impl Into<Asked>,
        key: Option<&Key>,
        fill: impl FnOnce(&mut Writer<'_>),
    ) {
        let asked = asked.into();
        let mut out = BytesMut::with_capacity(256);
        let mut writer = Writer::new(&mut out, typ, asked.transaction);
        fill(&mut writer);
        if let Some(key) = key {
            match asked.is_sha256 {
                true => writer.integrity_sha256(key.bytes()),
                false => writer.integrity(key.bytes()),
            }
        }
        if asked.has_fingerprint {
            writer.fingerprint();
        }
        writer.finish();
        self.clients.push(client, out);
    }
}

/// The algorithm that a client chose; where it chose none, the one of old (RFC 8489 §9.2.4).
fn algorithm(message: &Message<'_>) -> Result<Algorithm, Refusal> {
    let (chosen, offered) = (
        message.get(PASSWORD_ALGORITHM),
        message.get(PASSWORD_ALGORITHMS),
    );
    match (chosen, offered) {
        (None, None) => Ok(Algorithm::Md5),
        // Else somebody on the way left the better one out.
        (Some(chosen), Some(offered)) if offered == ALGORITHMS => match chosen {
            [0, 1, 0, 0] => Ok(Algorithm::Md5),
            [0, 2, 0, 0] => Ok(Algorithm::Sha256),
            _ => Err(Refusal::BadRequest),
        },
        (_, _) => Err(Refusal::BadRequest),
    }
}

fn add_ticket(writer: &mut Writer<'_>, ticket: Option<Ticket>) {
    if let Some(ticket) = ticket {
        writer.add(MOBILITY_TICKET, ticket.bytes());
    }
}

pub(super) fn refuse(writer: &mut Writer<'_>, refusal: &Refusal) {
    let (code, reason) = refusal.code();
    writer.add_error(code, reason);
    if let Refusal::UnknownAttributes(unknown) = refusal {
        let unknown: Vec<u8> = unknown.iter().flat_map(|typ| typ.to_be_bytes()).collect();
        writer.add(UNKNOWN_ATTRIBUTES, &unknown);
    }
}
