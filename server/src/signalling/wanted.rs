//! Which layers of what a client publishes it is told to send: those that somebody watches. What is watched is
//! wanted at once; what is not any more, a while later, so that who only looks away costs nobody a keyframe. No IO.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ferrite_protocol::ServerMessage;

use crate::media::Watched;

/// How long a layer stays wanted that nobody watches.
const PATIENCE: Duration = Duration::from_secs(1);

/// A publication in layers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layered<'a> {
    /// Its key.
    pub(super) key: &'a str,
    /// Its layers, best first: there are some.
    pub(super) rids: &'a [String],
    /// What of it is watched.
    pub(super) watched: Watched,
}

impl Layered<'_> {
    /// The best layer that is to be sent. Of what nobody watches that is the smallest: whoever comes sees it at
    /// once, and the publisher knows how much its way takes.
    fn best(&self) -> u8 {
        let last = self.rids.len().saturating_sub(1);
        let last = u8::try_from(last).unwrap_or(u8::MAX);
        self.watched.map_or(last, |best| best.min(last))
    }

    fn from(&self, best: u8) -> Vec<String> {
        self.rids.iter().skip(best.into()).cloned().collect()
    }
}

/// What a client was told to send.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// By key.
    wanted: BTreeMap<String, Wanted>,
    layers: Option<BTreeMap<String, Vec<String>>>,
}

/// What is wanted of a publication.
#[derive(Clone, Copy, Debug, Default)]
struct Wanted {
    /// The best layer.
    best: u8,
    /// Since when less would be enough.
    idle: Option<Instant>,
}

impl Wanted {
    fn follow(&mut self, now: Instant, best: u8) {
        if best > self.best && now < *self.idle.get_or_insert(now) + PATIENCE {
            return;
        }
        *self = Self { best, idle: None };
    }
}

impl Told {
    /// The client may know nothing of what it was told.
    pub(super) fn doubt(&mut self) {
        self.layers = None;
    }

    /// This is published in layers now, and watched. Says so where that is news.
    pub(super) fn news<'a>(
        &mut self,
        now: Instant,
        published: impl Iterator<Item = Layered<'a>>,
    ) -> Option<ServerMessage> {
        let mut before = std::mem::take(&mut self.wanted);
        let mut layers = BTreeMap::new();
        for it in published {
            let mut wanted = before.remove(it.key).unwrap_or_default();
            wanted.follow(now, it.best());
            layers.insert(it.key.to_owned(), it.from(wanted.best));
            self.wanted.insert(it.key.to_owned(), wanted);
        }
        let is_told = match &self.layers {
            Some(told) => *told == layers,
            None => layers.is_empty(),
        };
        if is_told {
            return None;
        }
        self.layers = Some(layers.clone());
        Some(ServerMessage::Wanted { layers })
    }

    /// When to look again.
    pub(super) fn due(&self) -> Option<Instant> {
        let idle = self.wanted.values().filter_map(|wanted| wanted.idle);
        idle.min().map(|since| since + PATIENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A publisher with one publication in three layers.
    struct Rig {
        told: Told,
        now: Instant,
        rids: Vec<String>,
    }

    impl Rig {
        fn new() -> Self {
            let mut rig = Self {
                told: Told::default(),
                now: Instant::now(),
                rids: ["f", "h", "q"].map(str::to_owned).to_vec(),
            };
            assert_eq!(rig.news(Some(0)).as_deref(), Some("fhq"));
            rig
        }

        /// What is told when this is watched.
        fn news(&mut self, watched: Watched) -> Option<String> {
            let layered = Layered {
                key: "cam",
                rids: &self.rids,
                watched,
            };
            match self.told.news(self.now, std::iter::once(layered))? {
                ServerMessage::Wanted { layers } => Some(layers["cam"].concat()),
                other => panic!("{other:?}"),
            }
        }

        fn pass(&mut self, ms: u64) {
            self.now += Duration::from_millis(ms);
        }
    }

    #[test]
    fn what_nobody_watches_is_wanted_for_a_while_and_what_somebody_does_at_once() {
        let mut rig = Rig::new();
        assert_eq!(rig.news(Some(1)), None);
        assert_eq!(rig.told.due(), Some(rig.now + PATIENCE));
        rig.pass(999);
        assert_eq!(rig.news(Some(1)), None);
        rig.pass(1);
        assert_eq!(rig.news(Some(1)).as_deref(), Some("hq"));
        assert_eq!(rig.told.due(), None);
        assert_eq!(rig.news(Some(0)).as_deref(), Some("fhq"));
    }

    #[test]
    fn who_looks_away_and_back_changes_nothing() {
        let mut rig = Rig::new();
        for _ in 0..100 {
            assert_eq!(rig.news(Some(2)), None);
            rig.pass(900);
            assert_eq!(rig.news(Some(0)), None);
            assert_eq!(rig.told.due(), None);
            rig.pass(900);
        }
    }

    #[test]
    fn of_what_nobody_watches_at_all_the_smallest_stays() {
        let mut rig = Rig::new();
        assert_eq!(rig.news(None), None);
        rig.pass(1000);
        assert_eq!(rig.news(None).as_deref(), Some("q"));
        assert_eq!(rig.news(Some(1)).as_deref(), Some("hq"));
        // Of fewer layers than somebody wishes for, too.
        assert_eq!(rig.news(Some(7)), None);
        rig.pass(1000);
        assert_eq!(rig.news(Some(7)).as_deref(), Some("q"));
    }

    #[test]
    fn who_comes_back_is_told_all_and_who_publishes_nothing_in_layers_nothing() {
        let mut rig = Rig::new();
        rig.told.doubt();
        assert_eq!(rig.news(Some(0)).as_deref(), Some("fhq"));
        assert_eq!(rig.news(Some(0)), None);
        let mut told = Told::default();
        assert_eq!(told.news(rig.now, std::iter::empty()), None);
    }
}
