//! Which layers of what a client publishes it is told to send: those that somebody watches; and of one stream, how large
//! somebody does. What is watched is wanted at once; what is not any more, a while later, so that who only looks away costs
//! nobody a keyframe. Of what is wanted again soon after, that while becomes longer: nobody can have an encoder begin anew
//! all the time. No IO.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ferrite_protocol::ServerMessage;

use crate::media::Watched;
use crate::media::plan::MAX_HALVINGS;

/// How long a layer stays wanted that nobody watches: at first,
const PATIENCE: Duration = Duration::from_secs(1);

/// and twice as long each time that it is wanted again so soon after it was not any more,
const SOON: Duration = Duration::from_secs(10);

/// so often at most,
const MAX_DOUBLINGS: u32 = 4;

/// until nothing changed for so long.
const QUIET: Duration = Duration::from_mins(1);

/// A publication in layers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layered<'a> {
    /// Its key.
    pub(super) key: &'a str,
    /// How it comes.
    pub(super) form: Form<'a>,
    /// What of it is watched.
    pub(super) watched: Watched,
}

/// How a publication comes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form<'a> {
    /// In simulcast layers, best first: there are some.
    Layers(&'a [String]),
    /// In one stream, which may have spatial layers.
    OneStream,
}

impl Layered<'_> {
    /// The best layer that is to be sent. Of what nobody watches that is the smallest: whoever comes sees it at
    /// once, and the publisher knows how much its way takes.
    fn best(&self) -> u8 {
        let last = match self.form {
            Form::Layers(rids) => u8::try_from(rids.len().saturating_sub(1)).unwrap_or(u8::MAX),
            Form::OneStream => MAX_HALVINGS,
        };
        self.watched.map_or(last, |best| best.min(last))
    }
}

/// What a client was told to send.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// By key.
    wanted: BTreeMap<String, Wanted>,
    said: Option<Said>,
}

/// The words for it, by key.
#[derive(Clone, Debug, Default, PartialEq)]
struct Said {
    layers: BTreeMap<String, Vec<String>>,
    halvings: BTreeMap<String, u8>,
}

impl Said {
    /// This is the best that is wanted of a publication.
    fn add(&mut self, it: &Layered<'_>, best: u8) {
        let key = it.key.to_owned();
        match it.form {
            Form::Layers(rids) => {
                let wanted = rids.iter().skip(best.into()).cloned();
                self.layers.insert(key, wanted.collect());
            }
            Form::OneStream => {
                self.halvings.insert(key, best);
            }
        }
    }
}

/// What is wanted of a publication.
#[derive(Clone, Copy, Debug, Default)]
struct Wanted {
    /// The best layer.
    best: u8,
    /// Since when less would be enough.
    idle: Option<Instant>,
    /// When that changed last, and whether to less.
    changed: Option<(Instant, bool)>,
    /// How often the patience is doubled.
    doublings: u32,
}

impl Wanted {
    fn follow(&mut self, now: Instant, best: u8) {
        let is_less = best > self.best;
        if is_less {
            self.calm(now);
            let since = *self.idle.get_or_insert(now);
            if now < since + self.patience() {
                return;
            }
        }
        self.idle = None;
        if best == self.best {
            return;
        }
        let was_less = (self.changed).is_some_and(|(at, was_less)| was_less && now <= at + SOON);
        if !is_less && was_less {
            self.doublings = (self.doublings + 1).min(MAX_DOUBLINGS);
        }
        self.best = best;
        self.changed = Some((now, is_less));
    }

    /// What begins to be idle after a quiet time does so as if it were the first time.
    fn calm(&mut self, now: Instant) {
        let is_quiet = (self.changed).is_none_or(|(at, _)| now >= at + QUIET);
        if self.idle.is_none() && is_quiet {
            self.doublings = 0;
        }
    }

    fn patience(&self) -> Duration {
        PATIENCE * 2_u32.saturating_pow(self.doublings)
    }

    /// When to look again.
    fn due(&self) -> Option<Instant> {
        Some(self.idle? + self.patience())
    }
}

impl Told {
    /// The client may know nothing of what it was told.
    pub(super) fn doubt(&mut self) {
        self.said = None;
    }

    /// This is published in layers now, and watched. Says so where that is news.
    pub(super) fn news<'a>(
        &mut self,
        now: Instant,
        published: impl Iterator<Item = Layered<'a>>,
    ) -> Option<ServerMessage> {
        let mut before = std::mem::take(&mut self.wanted);
        let mut said = Said::default();
        for it in published {
            let mut wanted = before.remove(it.key).unwrap_or_default();
            wanted.follow(now, it.best());
            said.add(&it, wanted.best);
            self.wanted.insert(it.key.to_owned(), wanted);
        }
        let is_told = match &self.said {
            Some(told) => *told == said,
            None => said == Said::default(),
        };
        if is_told {
            return None;
        }
        self.said = Some(said.clone());
        let Said { layers, halvings } = said;
        Some(ServerMessage::Wanted { layers, halvings })
    }

    /// When to look again.
    pub(super) fn due(&self) -> Option<Instant> {
        self.wanted.values().filter_map(Wanted::due).min()
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
                form: Form::Layers(&self.rids),
                watched,
            };
            match self.told.news(self.now, std::iter::once(layered))? {
                ServerMessage::Wanted { layers, .. } => Some(layers["cam"].concat()),
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
    fn who_looks_away_and_back_again_and_again_is_waited_for_longer() {
        let mut rig = Rig::new();
        // Somebody who tries to have it change as often as may be.
        let lowers = |rig: &mut Rig| {
            let began = rig.now;
            assert_eq!(rig.news(Some(2)), None);
            rig.now = rig.told.due().unwrap() - Duration::from_millis(1);
            assert_eq!(rig.news(Some(2)), None);
            rig.pass(1);
            assert_eq!(rig.news(Some(2)).as_deref(), Some("q"));
            (rig.now - began).as_secs()
        };
        for seconds in [1, 2, 4, 8, 16, 16, 16] {
            assert_eq!(lowers(&mut rig), seconds);
            rig.pass(10_000);
            assert_eq!(rig.news(Some(0)).as_deref(), Some("fhq"), "at once");
            assert_eq!(rig.told.due(), None);
        }
        rig.pass(59_999);
        assert_eq!(lowers(&mut rig), 16);
        rig.pass(10_001);
        assert_eq!(rig.news(Some(0)).as_deref(), Some("fhq"));
        assert_eq!(lowers(&mut rig), 16, "not longer, and not yet shorter");
        rig.pass(60_000);
        assert_eq!(rig.news(Some(0)).as_deref(), Some("fhq"));
        rig.pass(60_000);
        assert_eq!(lowers(&mut rig), 1, "after a quiet minute");
        rig.pass(10_001);
        assert_eq!(rig.news(Some(0)).as_deref(), Some("fhq"));
        assert_eq!(lowers(&mut rig), 1, "it was no short while");
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
        rig.pass(2000);
        assert_eq!(rig.news(Some(7)).as_deref(), Some("q"));
    }

    #[test]
    fn of_one_stream_it_is_told_how_often_it_may_be_halved() {
        let (mut told, mut now) = (Told::default(), Instant::now());
        let mut news = |ms, watched| {
            now += Duration::from_millis(ms);
            let form = Form::OneStream;
            let key = "cam";
            let layered = Layered { key, form, watched };
            match told.news(now, std::iter::once(layered))? {
                ServerMessage::Wanted { layers, halvings } if layers.is_empty() => {
                    Some(halvings["cam"])
                }
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(news(0, Some(0)), Some(0));
        assert_eq!(news(0, Some(1)), None);
        assert_eq!(news(999, Some(1)), None);
        assert_eq!(news(1, Some(1)), Some(1));
        assert_eq!(news(0, Some(0)), Some(0), "at once");
        assert_eq!(news(0, None), None);
        assert_eq!(news(2000, None), Some(2));
        assert_eq!(news(0, Some(7)), None, "no oftener");
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
