//! Which resume tokens of one session are good: each for one use, and none before its successor is
//! known to have arrived. What a token is, and how two are compared, is its owner's business.

use std::collections::VecDeque;

/// Tokens good at a time. Each attempt whose welcome got lost leaves one; they are far apart.
const MAX_GOOD: usize = 4;

/// The tokens of one session that are good, oldest first.
///
/// A client may hold any of them: a welcome can get lost, and a `hello` that its client gave up can
/// arrive after its successor's. What is known is that it holds the first or a later one.
#[derive(Clone, Debug)]
pub struct ResumeTokens<T>(VecDeque<T>);

impl<T> Default for ResumeTokens<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T> ResumeTokens<T> {
    /// A welcome brings this one. The earlier ones stay good until it is known to have arrived.
    pub fn issue(&mut self, token: T) {
        if self.0.len() == MAX_GOOD {
            // Not the first: only of that one it is known that the client had it.
            self.0.remove(1);
        }
        self.0.push_back(token);
    }

    /// A client shows a token. Whether it is good; then those before it have served their time.
    pub fn claim(&mut self, is_shown: impl Fn(&T) -> bool) -> bool {
        let shown = self.0.iter().position(is_shown);
        if let Some(shown) = shown {
            self.0.drain(..shown);
        }
        shown.is_some()
    }

    /// A message came over the WebSocket that brought the latest token: the client has it.
    pub fn confirm(&mut self) {
        let latest = self.0.len().saturating_sub(1);
        self.0.drain(..latest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(all: &[u32]) -> ResumeTokens<u32> {
        let mut tokens = ResumeTokens::default();
        all.iter().for_each(|token| tokens.issue(*token));
        tokens
    }

    #[test]
    fn a_token_whose_successor_arrived_is_never_good_again() {
        let mut tokens = tokens(&[1]);
        assert!(tokens.claim(|token| *token == 1));
        tokens.issue(2);
        tokens.confirm();
        assert!(!tokens.claim(|token| *token == 1));
        assert!(tokens.claim(|token| *token == 2));
    }

    #[test]
    fn a_token_whose_successor_got_lost_is_still_good() {
        let mut tokens = tokens(&[1]);
        for successor in 2..20 {
            assert!(tokens.claim(|token| *token == 1));
            tokens.issue(successor);
        }
        assert!(tokens.claim(|token| *token == 19));
        assert!(!tokens.claim(|token| *token == 1), "19 had arrived");
    }

    #[test]
    fn a_late_use_of_an_earlier_token_leaves_the_one_that_arrived() {
        let mut tokens = tokens(&[1, 2]);
        assert!(tokens.claim(|token| *token == 1));
        tokens.issue(3);
        assert!(tokens.claim(|token| *token == 2));
        tokens.issue(4);
        tokens.confirm();
        assert!((1..4).all(|old| !tokens.claim(|token| *token == old)));
    }

    #[test]
    fn what_was_never_issued_is_not_good() {
        assert!(!tokens(&[]).claim(|_| true));
        assert!(!tokens(&[1, 2]).claim(|token| *token == 3));
    }
}
