//! Text that nobody can guess.

use rand::Rng as _;
use rand::distr::Alphanumeric;

/// So many letters and digits, each with almost six random bits.
pub(crate) fn text(len: usize) -> String {
    let letters = rand::rng().sample_iter(Alphanumeric);
    letters.take(len).map(char::from).collect()
}
