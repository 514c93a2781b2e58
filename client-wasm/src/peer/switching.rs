//! Whether the layers of one publication are being switched, to which, and when to go on with others. Pure.

/// The layers that are being switched to, while they are.
#[derive(Clone, Debug, Default)]
pub(super) struct Switching {
    tried: Option<Vec<String>>,
}

impl Switching {
    pub(super) fn is_under_way(&self) -> bool {
        self.tried.is_some()
    }

    /// These are being switched to.
    pub(super) fn begin(&mut self, wanted: &[String]) {
        self.tried = Some(wanted.to_vec());
    }

    /// That is done, or was refused. Returns whether to look again at what is wanted: what was refused is not worth
    /// another try at once, but what is wanted by now may be something else.
    pub(super) fn end(&mut self, is_done: bool, wanted: Option<&Vec<String>>) -> bool {
        let tried = self.tried.take();
        is_done || tried.as_ref() != wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_since_is_tried_although_what_was_tried_is_refused() {
        let [all, few] = [vec!["q".to_owned(), "h".to_owned()], vec!["q".to_owned()]];
        let mut switching = Switching::default();
        let mut goes_on = |is_done, wanted| {
            switching.begin(&few);
            assert!(switching.is_under_way());
            let goes_on = switching.end(is_done, wanted);
            assert!(!switching.is_under_way());
            goes_on
        };
        assert!(!goes_on(false, Some(&few)), "refused once is enough");
        assert!(goes_on(false, Some(&all)));
        assert!(goes_on(true, Some(&all)));
        assert!(goes_on(true, Some(&few)));
    }
}
