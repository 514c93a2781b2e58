//! Every network of the laboratory, a call in each, and the document that has the figures of many.

use anyhow::{Context, Result, ensure};
use ferrite_tests::artefacts;
use ferrite_tests::lab::{self, Caller, ROWS};

/// Only root may make one, and not in most containers.
mod over_a_network {
    use super::*;

    /// How fast is for the command to say: `cargo run --release -p ferrite-tests --bin lab`.
    #[test]
    fn calls_go_by_the_best_way_that_there_is_or_say_why_not() -> Result<()> {
        let mut wrong = Vec::new();
        // What loses a fifth of all packets now and then keeps a call for longer than its sentence takes.
        for row in ROWS.iter().filter(|row| row.link.loss < 0.1) {
            let outcome = lab::run(row, Caller::Chromium, 1)?;
            println!("{}: {:?}", row.name, outcome.calls);
            wrong.extend(
                outcome
                    .went_wrong(row.expected)
                    .map(|it| format!("{}: {it}", row.name)),
            );
        }
        ensure!(wrong.is_empty(), "{wrong:#?}");
        Ok(())
    }

    /// Only for who believes whoever vouches for the server.
    #[test]
    fn firefox_is_relayed_over_tls_where_nothing_else_gets_out() -> Result<()> {
        let row = ROWS.iter().find(|row| row.name.starts_with("only TLS"));
        let row = row.context("the row")?;
        let outcome = lab::run(row, Caller::Firefox, 1)?;
        println!("{}: {:?}", row.name, outcome.calls);
        let wrong = outcome.went_wrong(row.expected);
        ensure!(wrong.is_none(), "{wrong:?}");
        Ok(())
    }
}

#[test]
fn the_document_has_every_network() -> Result<()> {
    let path = artefacts::repository().join("server/docs/networks.md");
    let document = std::fs::read_to_string(path)?;
    for row in ROWS {
        let begins = format!("| {} |", row.name);
        let count = document
            .lines()
            .filter(|line| line.starts_with(&begins))
            .count();
        ensure!(count > 0, "no row for {}", row.name);
    }
    Ok(())
}
