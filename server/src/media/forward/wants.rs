//! The best layer that each of a track's sinks is to be shown, and how many are to be shown each: the best of all is
//! found without a look at everybody. Pure.

use crate::media::rtp::work;

/// By the place of the sink.
#[derive(Debug, Default)]
pub(super) struct Wants {
    each: Vec<u8>,
    /// By layer: how many of them want that. There are no more than layers that somebody was limited to.
    counts: Vec<usize>,
}

impl Wants {
    /// There is one more, who wants this.
    pub(super) fn push(&mut self, best: u8) {
        self.each.push(best);
        self.count(best);
    }

    /// One is no more.
    pub(super) fn remove(&mut self, at: usize) {
        let best = self.each.remove(at);
        self.discount(best);
    }

    /// One wants this.
    pub(super) fn set(&mut self, at: usize, best: u8) {
        if let Some(wants) = self.each.get_mut(at) {
            let before = std::mem::replace(wants, best);
            self.discount(before);
            self.count(best);
        }
    }

    /// What each of them wants.
    pub(super) fn each(&self) -> impl Iterator<Item = u8> {
        self.each.iter().copied()
    }

    /// The best that one of them wants.
    pub(super) fn best(&self) -> Option<u8> {
        let mut counts = self.counts.iter().inspect(|_| work::count(1));
        let best = counts.position(|count| *count > 0)?;
        u8::try_from(best).ok()
    }

    fn count(&mut self, best: u8) {
        let best = usize::from(best);
        if self.counts.len() <= best {
            self.counts.resize(best + 1, 0);
        }
        if let Some(count) = self.counts.get_mut(best) {
            *count += 1;
        }
    }

    fn discount(&mut self, best: u8) {
        if let Some(count) = self.counts.get_mut(usize::from(best)) {
            *count -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_is_the_best_of_each_whatever_happened() {
        let mut wants = Wants::default();
        assert_eq!(wants.best(), None);
        for step in 0..1000_usize {
            let len = wants.each.len();
            match step * 7 % 5 {
                0 | 1 => wants.push((step % 3) as u8),
                2 | 3 if len > 0 => wants.set(step % len, (step % 4) as u8 + 1),
                _ if len > 4 => wants.remove(step % len),
                _ => {}
            }
            assert_eq!(wants.best(), wants.each().min());
        }
        assert!(wants.each.len() > 2);
        (0..wants.each.len()).for_each(|_| wants.remove(0));
        assert_eq!(wants.best(), None);
    }
}
