//! `PROTOCOL.md` says what the code says: its examples are the golden files, each message type is
//! shown, and its table of close codes is the one of [`CloseCode`].
#![allow(
    clippy::unwrap_used,
    reason = "a test may panic, and so may its helpers"
)]

use std::path::Path;

use ferrite_protocol::{ClientMessage, CloseCode, PROTOCOL_VERSION, SUBPROTOCOL, ServerMessage};

const PAGE: &str = include_str!("../PROTOCOL.md");

/// The golden files that are linked to, with the listings that follow.
fn examples() -> Vec<(&'static str, &'static str)> {
    let names = PAGE.split("(tests/golden/").skip(1);
    let names: Vec<_> = names
        .filter_map(|rest| Some(rest.split_once(".json)")?.0))
        .collect();
    let listings = PAGE.split("\n```json\n").skip(1);
    let listings: Vec<_> = listings
        .filter_map(|rest| Some(rest.split_once("```")?.0))
        .collect();
    assert_eq!(names.len(), listings.len(), "{names:?}");
    names.into_iter().zip(listings).collect()
}

#[test]
fn the_examples_are_the_golden_files() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    for (name, listing) in examples() {
        let file = std::fs::read_to_string(golden.join(format!("{name}.json"))).unwrap();
        assert_eq!(listing.trim_end(), file.trim_end(), "{name}");
    }
}

#[test]
fn every_message_is_shown() {
    let shown: Vec<_> = examples().into_iter().map(|(name, _)| name).collect();
    for (end, types) in [
        ("client", ClientMessage::TYPES),
        ("server", ServerMessage::TYPES),
    ] {
        for name in types {
            let name = format!("{end}.{name}");
            assert!(shown.contains(&name.as_str()), "{name} is not shown");
        }
    }
}

#[test]
fn the_version_is_the_one_of_the_code() {
    assert!(PAGE.contains(&format!("\nVersion {PROTOCOL_VERSION}.")));
    assert!(PAGE.contains(&format!("`{SUBPROTOCOL}`")));
}

#[test]
fn the_close_codes_are_those_of_the_code() {
    let rows = PAGE.lines().filter(|line| line.starts_with("| "));
    let rows: Vec<Vec<_>> = rows
        .map(|row| row.split('|').map(str::trim).collect())
        .filter(|row: &Vec<_>| row.get(1).is_some_and(|code| code.parse::<u16>().is_ok()))
        .collect();
    for row in &rows {
        let code = CloseCode::try_from(row[1].parse::<u16>().unwrap()).unwrap();
        let keeps = row[4].starts_with("waits") || row[4].starts_with("goes on");
        assert_eq!(keeps, code.keeps_session(), "{code:?}");
    }
    assert_eq!(rows.len(), CloseCode::ALL.len());
}

#[test]
fn a_close_code_is_what_it_was() {
    for (place, code) in CloseCode::ALL.into_iter().enumerate() {
        // Without a wildcard: a code that is new has to be put into the list.
        let expected = match code {
            CloseCode::Normal => 0,
            CloseCode::GoingAway => 1,
            CloseCode::ProtocolError => 2,
            CloseCode::InvalidPayload => 3,
            CloseCode::VersionMismatch => 4,
            CloseCode::LimitExceeded => 5,
            CloseCode::TimedOut => 6,
            CloseCode::Superseded => 7,
            CloseCode::Refused => 8,
        };
        assert_eq!(place, expected);
        assert_eq!(CloseCode::try_from(u16::from(code)), Ok(code));
    }
    assert!(CloseCode::try_from(1006).is_err());
}
