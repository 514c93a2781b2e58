//! What a client may open relays with, and when it is told others: before those that it has expire, and at once where
//! they were taken from it. No IO.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::turn::credentials::{Credentials, Issued, Login};

/// The time, by both clocks: credentials end at a second that others read, too.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) instant: Instant,
    /// Seconds since 1970.
    pub(super) unix: u64,
}

/// A client's credentials. They end with this.
#[derive(Debug, Default)]
pub(super) struct Relaying {
    issued: Option<Issued>,
    /// When the client is to be told others. `None`: it was told none, and asked for none.
    due: Option<Instant>,
}

impl Relaying {
    /// Tells credentials that open relays for so long. Those that were told before are good until their own end.
    pub(super) fn tell(
        &mut self,
        now: Now,
        credentials: &Arc<Credentials>,
        lifetime: Duration,
    ) -> Login {
        let issued = self.issued.get_or_insert_with(|| credentials.issue());
        self.due = Some(now.instant + lifetime / 2);
        issued.until(now.unix + lifetime.as_secs())
    }

    /// None that was told is good any more, and what they opened ends.
    pub(super) fn revoke(&mut self, now: Instant) {
        if self.issued.take().is_some() {
            self.due = Some(now);
        }
    }

    /// When to [tell](Self::tell) others, if ever.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::turn::credentials::Algorithm;

    const LIFETIME: Duration = Duration::from_secs(3600);

    /// A client that follows what it is told, and looks whether that still opens a relay.
    struct Rig {
        relaying: Relaying,
        credentials: Arc<Credentials>,
        now: Now,
    }

    impl Rig {
        fn new() -> Self {
            let now = Now {
                instant: Instant::now(),
                unix: 1_000_000,
            };
            Self {
                relaying: Relaying::default(),
                credentials: Arc::default(),
                now,
            }
        }

        fn tell(&mut self) -> Login {
            self.relaying.tell(self.now, &self.credentials, LIFETIME)
        }

        /// Lets the time come at which others are due.
        fn pass(&mut self) {
            let due = self.relaying.due().unwrap();
            let left = due.saturating_duration_since(self.now.instant);
            self.now.instant += left;
            self.now.unix += left.as_secs();
        }

        fn is_good(&self, login: &Login) -> bool {
            let Login { username, .. } = login;
            let found = self.credentials.find(
                (self.now.instant, self.now.unix),
                username,
                Algorithm::Md5,
                |_| true,
            );
            found.is_some()
        }
    }

    #[test]
    fn a_client_has_good_ones_at_every_moment_of_a_call_that_outlasts_them() {
        let mut rig = Rig::new();
        let mut has = rig.tell();
        for _ in 0..100 {
            rig.pass();
            // Until the next arrive, and should they be lost once.
            assert!(rig.is_good(&has));
            let next = rig.tell();
            assert!(next != has && rig.is_good(&has) && rig.is_good(&next));
            let old = std::mem::replace(&mut has, next);
            rig.now.unix += LIFETIME.as_secs() / 2 + 1;
            rig.now.instant += Duration::from_secs(LIFETIME.as_secs() / 2 + 1);
            assert!(!rig.is_good(&old) && rig.is_good(&has));
        }
        assert_eq!(rig.credentials.len(), 1);
    }

    #[test]
    fn all_that_were_told_are_taken_at_once_and_others_are_due_at_once() {
        let mut rig = Rig::new();
        let first = rig.tell();
        rig.pass();
        let second = rig.tell();
        rig.relaying.revoke(rig.now.instant);
        assert!(!rig.is_good(&first) && !rig.is_good(&second));
        assert_eq!(rig.relaying.due(), Some(rig.now.instant));
        let third = rig.tell();
        assert!(rig.is_good(&third) && !rig.is_good(&second));
        drop(rig.relaying);
        assert!(rig.credentials.is_empty());
    }

    #[test]
    fn who_was_told_none_is_told_none() {
        let mut rig = Rig::new();
        rig.relaying.revoke(rig.now.instant);
        assert_eq!(rig.relaying.due(), None);
    }
}
