//! The names by which checks of ICE say from whom they are, and for whom (RFC 8445 §7.2.2): who sends `b:a` is sent
//! `a:b`. So two relays at one port that check each other are told apart from others, whose address is the same. A name
//! is known to the two that have it, and to who passed it between them. It is no password: what it leads to is
//! checked by ICE and DTLS, as always.

use std::collections::HashMap;
use std::net::SocketAddr;

use foldhash::fast::RandomState;

use super::tenant::Tenant;
use crate::media::net::stun::attribute::USERNAME;
use crate::media::net::stun::{Message, Method};

/// The longest that is kept: two fragments of 256 characters (RFC 8445 §5.3).
const MAX_NAME: usize = 513;

/// Names of one relay: those of the checks that it sent last.
pub const MAX_NAMES: usize = 8;

/// Those of all.
pub const MAX_OF_ALL: usize = 65_536;

/// Who checks by a name, and where at the port of both it sends its checks, if it sends any there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) tenant: Tenant,
    pub(super) to: Option<SocketAddr>,
}

/// Those of all relays.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<Box<[u8]>, Named, RandomState>);

impl Names {
    /// A tenant checks by this name. Who was first keeps it.
    pub(super) fn enter(&mut self, name: &[u8], named: Named) -> bool {
        if let Some(known) = self.0.get_mut(name) {
            let is_its = known.tenant.id == named.tenant.id;
            if is_its {
                known.to = named.to.or(known.to);
            }
            return is_its;
        }
        let has_room = self.0.len() < MAX_OF_ALL;
        if has_room {
            self.0.insert(name.into(), named);
        }
        has_room
    }

    /// Who checks by the name that answers this one.
    pub(super) fn answers(&self, name: &[u8]) -> Option<Named> {
        self.0.get(&turned(name)?[..]).copied()
    }

    /// Who checks by this one.
    pub(super) fn get(&self, name: &[u8]) -> Option<Named> {
        self.0.get(name).copied()
    }

    /// A tenant checks by it no more.
    pub(super) fn remove(&mut self, name: &[u8], tenant: Tenant) {
        let known = self.0.get(name);
        if known.is_some_and(|known| known.tenant.id == tenant.id) {
            self.0.remove(name);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// The name that answers a name.
pub(super) fn turned(name: &[u8]) -> Option<Vec<u8>> {
    let colon = name.iter().position(|byte| *byte == b':')?;
    let (first, second) = (name.get(..colon)?, name.get(colon + 1..)?);
    Some([second, b":", first].concat())
}

/// The name of a check, if a datagram is one.
pub(super) fn of_check(datagram: &[u8]) -> Option<&[u8]> {
    // Mostly none is.
    if !datagram.starts_with(&Method::Binding.request().0.to_be_bytes()) {
        return None;
    }
    let name = Message::read(datagram)?.get(USERNAME)?;
    (name.len() <= MAX_NAME).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_answered_by_its_halves_the_other_way_round() {
        let named = |id| Named {
            tenant: Tenant {
                id,
                shard: 0,
                number: 1,
            },
            to: "192.0.2.1:3479".parse().ok(),
        };
        let mut names = Names::default();
        assert!(names.enter(b"b:a", named(1)));
        assert_eq!(names.answers(b"a:b"), Some(named(1)));
        assert_eq!(names.answers(b"b:a"), None);
        assert_eq!(names.answers(b"ab"), None);
        // Nobody takes another's, or takes it away.
        assert!(!names.enter(b"b:a", named(2)) && names.enter(b"b:a", named(1)));
        names.remove(b"b:a", named(2).tenant);
        assert_eq!(names.answers(b"a:b"), Some(named(1)));
        names.remove(b"b:a", named(1).tenant);
        assert_eq!(names.len(), 0);
    }

    #[test]
    fn names_without_end_take_no_room_without_end() {
        let mut names = Names::default();
        let named = Named {
            tenant: Tenant {
                id: 1,
                shard: 0,
                number: 1,
            },
            to: "192.0.2.1:3479".parse().ok(),
        };
        let entered = (0..MAX_OF_ALL + 10).filter(|n| names.enter(&n.to_be_bytes(), named));
        assert_eq!(entered.count(), MAX_OF_ALL);
    }
}
