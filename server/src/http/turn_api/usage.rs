//! What was relayed in this month, which is what Metered's clients know as the billing cycle.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::asker::Owner;
use super::desk::TurnApi;
use super::failure::Failure;
use crate::ledger::calendar::Day;
use crate::ledger::usage::{Line, Relayed};

/// `GET /api/v1/turn/current_usage`. The account has no quota, which is said as 0.
pub(super) async fn current(_: Owner, State(api): State<TurnApi>) -> Result<Json<Value>, Failure> {
    let asked = api.ledger.ask(|book, unix| {
        let of_lines = Line::ALL.map(|line| book.usage_of(unix, line));
        let all = book.usage(unix);
        Relayed { all, of_lines }
    });
    let relayed = asked.await?;
    Ok(Json(json!({
        "quotaInGB": 0.0,
        "usageInGB": gigabytes(relayed.all),
        "overageInGB": 0.0,
        "lines": lines(&relayed),
    })))
}

/// `GET /api/v1/turn/current_usage_by_date`.
pub(super) async fn by_date(
    _: Owner,
    State(api): State<TurnApi>,
) -> Result<Json<Vec<Value>>, Failure> {
    let days = api
        .ledger
        .ask(|book, unix| book.usage_by_date(unix))
        .await?;
    let days = days.into_iter();
    let show = |(day, relayed): (Day, Relayed)| {
        json!({
            "date": day.to_string(),
            "usageInGB": gigabytes(relayed.all),
            "lines": lines(&relayed),
        })
    };
    Ok(Json(days.map(show).collect()))
}

/// `GET /api/v1/turn/current_usage_for_user`.
pub(super) async fn for_user(
    Owner(parameters): Owner,
    State(api): State<TurnApi>,
) -> Result<Json<Value>, Failure> {
    let username = parameters.get("username");
    let username = username.ok_or(Failure::NoUsernameParameter)?.to_owned();
    let bytes = api
        .ledger
        .ask(move |book, unix| book.usage_for(unix, &username));
    Ok(Json(json!({ "usageInGB": gigabytes(bytes.await??) })))
}

/// `GET /api/v2/turn/current_usage_by_user`.
pub(super) async fn by_user(
    Owner(parameters): Owner,
    State(api): State<TurnApi>,
) -> Result<Json<Value>, Failure> {
    let page = parameters.page()?;
    let asked = api
        .ledger
        .ask(move |book, unix| book.usage_by_user(unix, page));
    let (users, has_more) = asked.await?;
    let users = users.into_iter().map(|(user, bytes)| {
        json!({
            "label": user.label,
            "username": user.username,
            "usageInGB": gigabytes(bytes),
        })
    });
    Ok(Json(
        json!({ "data": users.collect::<Vec<_>>(), "has_more": has_more }),
    ))
}

/// What of it was relayed for many together, who are no credentials of this API's.
fn lines(relayed: &Relayed) -> Vec<Value> {
    let lines = Line::ALL.into_iter().zip(relayed.of_lines);
    let show = |(line, bytes): (Line, u64)| json!({ "label": line.label(), "usageInGB": gigabytes(bytes) });
    lines.map(show).collect()
}

/// A gigabyte is 10^9 bytes.
fn gigabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e9
}
