//! What this client publishes and is muted: what it wants, what the server was told of that, and what others did.
//! Knows neither what is published nor the link.

use ferrite_protocol::{ClientMessage, RequestId};

use super::told::Ids;
use crate::sorted::Set;

/// By key, whether published at the moment or not.
#[derive(Debug, Default)]
pub(super) struct Muting {
    wanted: Set<String>,
    /// What the server has, or will have when it has answered.
    told: Set<String>,
    /// What was muted or unmuted by a request without a reply: what the server shows of these may be from before it.
    asked: Set<String>,
    /// What others muted, until the server knows that this client unmuted it.
    by_others: Set<String>,
    /// The last request, if it has no reply yet.
    asking: Option<RequestId>,
    /// What was told last may never have arrived.
    is_doubtful: bool,
}

impl Muting {
    pub(super) fn wanted(&self) -> &Set<String> {
        &self.wanted
    }

    pub(super) fn set(&mut self, key: String, muted: bool) {
        match muted {
            true => self.wanted.insert(key),
            false => self.wanted.remove(&key),
        };
    }

    /// To who comes nothing is known to be muted.
    pub(super) fn begin(&mut self) {
        *self = Self {
            wanted: std::mem::take(&mut self.wanted),
            ..Self::default()
        };
    }

    /// What has no reply may never have arrived.
    pub(super) fn doubt(&mut self) {
        self.is_doubtful |= self.asking.take().is_some();
    }

    /// What is to be said, if this is news to the server.
    pub(super) fn tell(&mut self, ids: &mut Ids) -> Vec<ClientMessage> {
        if self.told == self.wanted && !self.is_doubtful {
            return Vec::new();
        }
        let undone = self.by_others.without(&self.wanted);
        self.asked.extend(self.told.without(&self.wanted));
        self.asked.extend(self.wanted.without(&self.told));
        self.asked.extend(undone.clone());
        self.told.clone_from(&self.wanted);
        self.is_doubtful = false;
        let mut lists = vec![self.wanted.clone()];
        // A list undoes only what the one before it named.
        if !undone.is_empty() {
            let mut first = self.wanted.clone();
            first.extend(undone);
            lists.insert(0, first);
        }
        let say = |keys: Set<_>| {
            self.asking = Some(ids.next());
            ClientMessage::Mute {
                id: self.asking,
                keys: keys.into_iter().collect(),
            }
        };
        lists.into_iter().map(say).collect()
    }

    /// What the server shows from now on is as it was told, or newer.
    pub(super) fn reply(&mut self, id: Option<RequestId>) {
        if self.asking.take_if(|asking| id == Some(*asking)).is_some() {
            self.asked.clear();
            self.by_others.retain(|key| self.told.contains(key));
        }
    }

    /// The server shows this muted: by somebody else, unless this client said something of it meanwhile.
    pub(super) fn is_shown(&mut self, key: &str) {
        let is_known = self.told.contains(key) || self.asked.contains(key);
        if !is_known && self.wanted.insert(key.to_owned()) {
            self.told.insert(key.to_owned());
            self.by_others.insert(key.to_owned());
        }
    }

    /// What the server shows to who comes, or comes back: nothing is on its way any more, and what this client said last
    /// may never have arrived.
    pub(super) fn is_let_in<'a>(&mut self, publications: impl Iterator<Item = (&'a str, bool)>) {
        for (key, is_muted) in publications {
            if is_muted {
                self.is_shown(key);
                self.by_others.insert(key.to_owned());
            } else if self.is_doubtful {
                self.told.remove(key);
                self.by_others.remove(key);
            }
        }
        self.asked.clear();
    }
}
