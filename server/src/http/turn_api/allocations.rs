//! The relays there are now.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::asker::Owner;
use super::desk::TurnApi;
use super::failure::Failure;
use crate::ledger::book::{Book, PAGE};
use crate::ledger::calendar::timestamp;
use crate::ledger::usage::Line;
use crate::media::net::path::Transport;
use crate::turn::live::LiveRelay;
use crate::turn::meter::Payer;

/// `GET /api/v2/turn/allocations`, which is not one of Metered's.
pub(super) async fn list(
    Owner(parameters): Owner,
    State(api): State<TurnApi>,
) -> Result<Json<Value>, Failure> {
    let before = parameters.get("before").map(str::parse).transpose();
    let page = api.turn.live(before.map_err(|_| Failure::BadBefore)?, PAGE);
    let (total, has_more) = (page.total, page.has_more);
    let shown = api.ledger.ask(move |book, _| {
        let relays = page.relays.iter();
        let shown = relays.map(|(number, relay)| show(book, *number, relay));
        shown.collect::<Vec<_>>()
    });
    Ok(Json(
        json!({ "data": shown.await?, "total": total, "has_more": has_more }),
    ))
}

fn show(book: &Book, number: u64, relay: &LiveRelay) -> Value {
    let label = match relay.payer {
        Some(Payer::Stored(owner)) => book.label(owner.number),
        Some(Payer::Sessions) => Some(Line::Sessions.label()),
        Some(Payer::TimeLimited) => Some(Line::SharedSecret.label()),
        None => None,
    };
    let transport = match relay.transport {
        Transport::Udp | Transport::Dtls | Transport::Relayed | Transport::Allocated => "udp",
        Transport::Tcp => "tcp",
    };
    json!({
        "id": number,
        "username": relay.username,
        "label": label,
        "client": relay.client.to_string(),
        "transport": transport,
        "relayed": relay.relayed.to_string(),
        "created": timestamp(relay.created),
        "usageInBytes": relay.bytes(),
        "heldBackInBytes": relay.held_back(),
    })
}
