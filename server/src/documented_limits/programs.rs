//! Programs that call the server, or that it calls.

use super::{Row, kib, n, s};
use crate::calling;
use crate::http::turn_api;
use crate::ledger::{book, keeper, projects};
use crate::provider;
use crate::webhook;

pub(super) fn rows() -> Vec<Row> {
    vec![
        (
            "calls of the REST API of an address",
            vec![
                n(turn_api::CALLS.0, " a second"),
                n(turn_api::CALLS.1, " at once"),
            ],
        ),
        (
            "body of such a call",
            vec![kib(turn_api::MAX_BODY), s(turn_api::BODY_TIME)],
        ),
        ("calls that wait", vec![n(keeper::MAX_WAITING, " |")]),
        (
            "stored credentials",
            vec![
                n(book::MAX_CREDENTIALS, ";"),
                n(turn_api::MAX_LABEL, " bytes"),
            ],
        ),
        (
            "projects;",
            vec![
                n(projects::MAX_PROJECTS, ";"),
                n(turn_api::MAX_NAME - 1, " characters"),
                n(turn_api::MAX_URL, " bytes"),
                n(turn_api::MAX_EMAILS.0, " addresses"),
                n(turn_api::MAX_EMAILS.1, " bytes"),
            ],
        ),
        (
            "credentials of a project",
            vec![n(projects::MAX_OF_PROJECT, " |")],
        ),
        ("notices of a project", vec![n(projects::MAX_NOTICES, " |")]),
        (
            "calls of webhooks",
            vec![
                n(webhook::MAX_AT_ONCE, " at a time"),
                s(calling::PATIENCE),
                n(webhook::MAX_TRIES, " tries"),
                s(webhook::LONGEST_WAIT),
            ],
        ),
        (
            "what a provider's answer has",
            vec![
                n(provider::MAX_BYTES, " bytes"),
                n(provider::MAX_URLS, " URLs"),
                s(calling::PATIENCE),
            ],
        ),
        ("least quota", vec![n(turn_api::LEAST_QUOTA, " bytes")]),
        (
            "days of usage",
            vec![n(book::DAYS_KEPT, " "), n(book::USER_DAYS_KEPT, " ")],
        ),
        ("usage that a killed", vec![s(keeper::LOST_AT_MOST)]),
    ]
}
