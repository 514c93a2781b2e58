//! Whether the layers of one publication are being switched, to which, and when to go on with others. Pure.

use crate::call::Wanted;

/// The layers that are being switched to, while they are.
#[derive(Clone, Debug, Default)]
pub(super) struct Switching {
    /// What was looked at last, whether that is being switched to, and how often in a row it was refused.
    last: Option<Wanted>,
    is_under_way: bool,
    refusals: u8,
}

impl Switching {
    pub(super) fn is_under_way(&self) -> bool {
        self.is_under_way
    }

    /// These are being switched to.
    pub(super) fn begin(&mut self, wanted: &Wanted) {
        self.look(wanted);
        self.is_under_way = true;
    }

    /// These were looked at: where nothing is begun, nothing is to be done for them.
    pub(super) fn look(&mut self, wanted: &Wanted) {
        if self.last.as_ref() != Some(wanted) {
            self.refusals = 0;
            self.last = Some(wanted.clone());
        }
    }

    /// Whether to look at these from time to time: they are others than were looked at, or were refused once.
    pub(super) fn is_due(&self, wanted: &Wanted) -> bool {
        !self.is_under_way && (self.last.as_ref() != Some(wanted) || self.refusals == 1)
    }

    /// That is done, or was refused. Returns whether to look again at what is wanted at once: neither at what was refused,
    /// nor at what a browser says it did and does not show, but what is wanted by now may be something else.
    pub(super) fn end(&mut self, is_done: bool, wanted: Option<&Wanted>) -> bool {
        self.is_under_way = false;
        self.refusals = match is_done {
            true => 0,
            false => self.refusals.saturating_add(1),
        };
        self.last.as_ref() != wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_and_few() -> [Wanted; 2] {
        [vec!["q".to_owned(), "h".to_owned()], vec!["q".to_owned()]].map(Wanted::Layers)
    }

    #[test]
    fn what_is_wanted_since_is_tried_at_once_and_what_was_tried_is_not() {
        let [all, few] = all_and_few();
        let mut switching = Switching::default();
        let mut goes_on = |is_done, wanted| {
            switching.begin(&few);
            assert!(switching.is_under_way());
            let goes_on = switching.end(is_done, wanted);
            assert!(!switching.is_under_way());
            goes_on
        };
        assert!(!goes_on(false, Some(&few)));
        assert!(goes_on(false, Some(&all)));
        assert!(goes_on(true, Some(&all)));
        assert!(
            !goes_on(true, Some(&few)),
            "although the browser may show something else"
        );
    }

    #[test]
    fn what_is_refused_is_tried_once_more_a_while_later() {
        let [all, few] = all_and_few();
        let mut switching = Switching::default();
        assert!(switching.is_due(&all));
        switching.look(&all);
        assert!(!switching.is_due(&all), "nothing is to be done");
        for is_due_again in [true, false, false] {
            switching.begin(&few);
            assert!(!switching.is_due(&few), "it is under way");
            switching.end(false, Some(&few));
            assert_eq!(switching.is_due(&few), is_due_again);
            assert!(switching.is_due(&all));
        }
        switching.begin(&all);
        switching.end(false, Some(&all));
        assert!(switching.is_due(&all), "of others it is the first time");
        switching.begin(&all);
        switching.end(true, Some(&all));
        assert!(!switching.is_due(&all));
    }
}
