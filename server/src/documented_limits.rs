//! The table in `server/docs/limits.md` says what the constants say.

mod media;
mod programs;
mod relays;
mod signalling;

use std::fmt::Display;
use std::time::Duration;

const LIMITS: &str = include_str!("../docs/limits.md");

fn kib(bytes: usize) -> String {
    format!("{} KiB", bytes / 1024)
}

fn mib(bytes: usize) -> String {
    format!("{} MiB", bytes / 1024 / 1024)
}

fn s(time: Duration) -> String {
    format!("{} s", time.as_secs())
}

fn ms(time: Duration) -> String {
    format!("{} ms", time.as_millis())
}

/// How a row begins, and what it has to say, in this order.
type Row = (&'static str, Vec<String>);

/// Something before and after a number, so that it is not a part of another.
fn n(number: impl Display, unit: &str) -> String {
    format!("{number}{unit}")
}

fn rows() -> impl Iterator<Item = Row> {
    let parts = [
        signalling::rows(),
        media::rows(),
        relays::rows(),
        programs::rows(),
    ];
    parts.into_iter().flatten()
}

#[test]
fn the_table_of_limits_says_what_the_code_does() {
    let table: Vec<_> = LIMITS
        .lines()
        .filter(|line| line.starts_with("| "))
        .collect();
    for (begin, numbers) in rows() {
        let row = table.iter().find(|row| row[2..].starts_with(begin));
        let mut rest = *row.unwrap_or_else(|| panic!("no row {begin}"));
        for number in numbers {
            let (before, after) = rest
                .split_once(&number)
                .unwrap_or_else(|| panic!("no {number} in the row {begin}"));
            assert!(!before.ends_with(|c: char| c.is_ascii_digit()), "{number}");
            rest = after;
        }
    }
}
