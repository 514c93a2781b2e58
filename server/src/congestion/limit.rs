//! Whether a path has shown how much it carries: its queue grew, it lost packets, or a probe filled it. An estimate alone
//! says no more than that so much is there.

/// Where so many times more is there than what was its limit, it has another, or none.
const WIDER: f64 = 1.5;

/// What a path has shown, in bits per second.
#[derive(Debug, Default)]
pub(super) struct Limit {
    shown: Option<f64>,
}

impl Limit {
    /// It carries no more than about this.
    pub(super) fn show(&mut self, bits: f64) {
        self.shown = Some(bits);
    }

    /// So much is known to be there.
    pub(super) fn look(&mut self, bits: f64) {
        self.shown.take_if(|shown| bits > WIDER * *shown);
    }

    /// Whether it has.
    pub(super) fn is_shown(&self) -> bool {
        self.shown.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_one_until_much_more_is_there() {
        let mut limit = Limit::default();
        limit.look(1e6);
        assert!(!limit.is_shown());
        limit.show(1e6);
        limit.look(1.4e6);
        assert!(limit.is_shown());
        limit.look(1.6e6);
        assert!(!limit.is_shown());
    }
}
