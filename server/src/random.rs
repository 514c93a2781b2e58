//! Text that nobody can guess.

use std::fmt::Write as _;

use rand::Rng as _;
use rand::distr::Alphanumeric;

/// So many letters and digits, each with almost six random bits.
pub(crate) fn text(len: usize) -> String {
    let letters = rand::rng().sample_iter(Alphanumeric);
    letters.take(len).map(char::from).collect()
}

/// So many hexadecimal digits.
pub(crate) fn hex(len: usize) -> String {
    let mut text = String::new();
    while text.len() < len {
        let _ = write!(text, "{:02x}", rand::random::<u8>());
    }
    text
}
