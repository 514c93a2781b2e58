//! Which addresses a NAT gives this machine: what STUN servers see it as, and whether what is sent there arrives here.
//! Datagrams in, datagrams out; it knows no socket and no time.
//!
//! An answer is somebody's word. An address at which something of ours arrived is this machine's; any other may be, as
//! some NATs let nothing back in that comes from behind them.

use std::net::{IpAddr, SocketAddr};

use crate::asking::{Question, mapped};
use crate::media::net::stun::{Message, Method};

/// Servers asked at most.
pub(super) const MAX_SERVERS: usize = 8;

/// A server, and what it says.
struct Asked {
    server: SocketAddr,
    question: Question,
    mapped: Option<SocketAddr>,
}

/// An address, and whether something arrived that was sent there.
struct Ping {
    at: SocketAddr,
    question: Question,
    arrived: bool,
}

/// What is known so far.
pub(super) struct Finder {
    asked: Vec<Asked>,
    pings: Vec<Ping>,
}

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Proved to be this machine's.
    pub(super) proved: Vec<IpAddr>,
    /// Said to be.
    pub(super) unproved: Vec<IpAddr>,
    /// How many servers said something.
    pub(super) answered: usize,
    /// Servers that said nothing.
    pub(super) silent: Vec<SocketAddr>,
}

impl Finder {
    /// Begins to ask. `ask` writes a request that nobody can guess.
    pub(super) fn new(servers: &[SocketAddr], mut ask: impl FnMut() -> Question) -> Self {
        let asked = servers.iter().take(MAX_SERVERS).map(|server| Asked {
            server: *server,
            question: ask(),
            mapped: None,
        });
        Self {
            asked: asked.collect(),
            pings: Vec::new(),
        }
    }

    /// What is to be sent from the media port: to each server that has not answered.
    pub(super) fn asks(&self) -> impl Iterator<Item = (SocketAddr, &[u8])> {
        let open = self.asked.iter().filter(|asked| asked.mapped.is_none());
        open.map(|asked| (asked.server, &*asked.question.bytes))
    }

    /// Takes what came to the media port.
    pub(super) fn hear(&mut self, from: SocketAddr, datagram: &[u8]) {
        let Some(message) = Message::read(datagram) else {
            return;
        };
        let is_ping = message.typ() == Method::Binding.request();
        let of = message.transaction();
        for ping in &mut self.pings {
            ping.arrived |= is_ping && ping.question.transaction == of;
        }
        let its = |asked: &&mut Asked| asked.server == from && asked.question.transaction == of;
        if let Some(asked) = self.asked.iter_mut().find(its) {
            asked.mapped = mapped(datagram).ok().or(asked.mapped);
        }
    }

    /// Begins to prove what the servers said: that the media port is at each address that this machine has not itself.
    pub(super) fn suppose(&mut self, own: &[IpAddr], port: u16, mut ask: impl FnMut() -> Question) {
        for asked in &self.asked {
            let Some(mapped) = asked.mapped.map(|mapped| mapped.ip().to_canonical()) else {
                continue;
            };
            let is_known =
                own.contains(&mapped) || self.pings.iter().any(|it| it.at.ip() == mapped);
            if !is_known && is_somebodys(mapped) && mapped.is_ipv4() == asked.server.is_ipv4() {
                self.pings.push(Ping {
                    at: SocketAddr::new(mapped, port),
                    question: ask(),
                    arrived: false,
                });
            }
        }
    }

    /// What is to be sent from another port: to each address that is not proved.
    pub(super) fn pings(&self) -> impl Iterator<Item = (SocketAddr, &[u8])> {
        let open = self.pings.iter().filter(|ping| !ping.arrived);
        open.map(|ping| (ping.at, &*ping.question.bytes))
    }

    /// What there is.
    pub(super) fn found(&self) -> Found {
        let at = |arrived| {
            let pings = self.pings.iter().filter(move |it| it.arrived == arrived);
            pings.map(|ping| ping.at.ip()).collect()
        };
        Found {
            proved: at(true),
            unproved: at(false),
            answered: self.asked.iter().filter(|it| it.mapped.is_some()).count(),
            silent: self.asks().map(|(server, _)| server).collect(),
        }
    }
}

/// What a NAT could give a machine.
fn is_somebodys(address: IpAddr) -> bool {
    !address.is_unspecified() && !address.is_loopback() && !address.is_multicast()
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::asking::binding;
    use crate::media::net::stun::Writer;
    use crate::media::net::stun::attribute::XOR_MAPPED_ADDRESS;

    const PORT: u16 = 3478;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn finder(servers: &[&str]) -> Finder {
        let servers: Vec<_> = servers.iter().map(|text| at(text)).collect();
        Finder::new(&servers, binding)
    }

    /// A server says where it saw the question come from.
    fn answer(finder: &mut Finder, from: &str, seen: &str) {
        let asked = finder
            .asked
            .iter()
            .find(|it| it.server == at(from))
            .unwrap();
        let mut out = BytesMut::new();
        let typ = Method::Binding.success();
        let mut writer = Writer::new(&mut out, typ, asked.question.transaction);
        writer.add_address(XOR_MAPPED_ADDRESS, at(seen));
        writer.finish();
        finder.hear(at(from), &out);
    }

    fn arrive(finder: &mut Finder) {
        let pings: Vec<_> = finder.pings().map(|(_, ping)| ping.to_vec()).collect();
        for ping in pings {
            finder.hear(at("203.0.113.7:50000"), &ping);
        }
    }

    #[test]
    fn an_address_is_proved_by_what_arrives_of_what_is_sent_there() {
        let mut finder = finder(&["192.0.2.1:3478", "192.0.2.2:3478"]);
        assert_eq!(finder.asks().count(), 2);
        answer(&mut finder, "192.0.2.1:3478", "203.0.113.7:3478");
        answer(&mut finder, "192.0.2.2:3478", "203.0.113.7:3478");
        assert_eq!(finder.asks().count(), 0);
        finder.suppose(&ips(&["10.0.0.2"]), PORT, binding);
        let pinged: Vec<_> = finder.pings().map(|(to, _)| to).collect();
        assert_eq!(pinged, [at("203.0.113.7:3478")]);
        assert_eq!(finder.found().unproved, ips(&["203.0.113.7"]));
        arrive(&mut finder);
        assert_eq!(finder.pings().count(), 0);
        let found = finder.found();
        assert_eq!(
            (found.proved, found.unproved),
            (ips(&["203.0.113.7"]), vec![])
        );
    }

    #[test]
    fn what_this_machine_has_is_not_found_and_what_nobody_has_is_not_believed() {
        for seen in [
            "10.0.0.2:3478",
            "0.0.0.0:1",
            "127.0.0.1:1",
            "224.0.0.1:1",
            "[2001:db8::1]:1",
        ] {
            let mut finder = finder(&["192.0.2.1:3478"]);
            answer(&mut finder, "192.0.2.1:3478", seen);
            finder.suppose(&ips(&["10.0.0.2"]), PORT, binding);
            assert_eq!(finder.pings().count(), 0, "{seen}");
            let nothing = Found {
                answered: 1,
                ..Found::default()
            };
            assert_eq!(finder.found(), nothing);
        }
    }

    #[test]
    fn only_who_was_asked_is_heard_and_only_what_was_sent_proves() {
        let mut finder = finder(&["192.0.2.1:3478"]);
        // Its own question, back from somebody else; and another's answer.
        let question = finder.asked[0].question.bytes.clone();
        finder.hear(at("192.0.2.9:3478"), &question);
        let mut out = BytesMut::new();
        let transaction = finder.asked[0].question.transaction;
        let mut writer = Writer::new(&mut out, Method::Binding.success(), transaction);
        writer.add_address(XOR_MAPPED_ADDRESS, at("203.0.113.66:3478"));
        writer.finish();
        finder.hear(at("192.0.2.9:3478"), &out);
        assert_eq!(finder.found().silent, [at("192.0.2.1:3478")]);
        answer(&mut finder, "192.0.2.1:3478", "203.0.113.7:3478");
        finder.suppose(&[], PORT, binding);
        finder.hear(at("192.0.2.9:3478"), &binding().bytes);
        finder.hear(at("192.0.2.9:3478"), b"x");
        assert_eq!(finder.found().unproved, ips(&["203.0.113.7"]));
    }
}
