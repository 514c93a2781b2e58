//! Credentials: made, listed, switched off and on, taken away; and what pages get for their key.

use axum::body::Body;
use axum::extract::State;
use axum::{Extension, Json};
use serde_json::{Map, Value, json};

use super::asker::{Owner, PageKey, Parameters};
use super::body::fields;
use super::desk::TurnApi;
use super::failure::Failure;
use crate::clock::unix_time;
use crate::ledger::Credential;
use crate::ledger::book::{Book, Filter};
use crate::ledger::credential::Number;
use crate::random;
use crate::signalling::Caller;

/// The longest label, in bytes.
pub(crate) const MAX_LABEL: usize = 256;

/// `POST /api/v1/turn/credential`.
pub(super) async fn create(
    _: Owner,
    State(api): State<TurnApi>,
    body: Body,
) -> Result<Json<Value>, Failure> {
    let wanted = Wanted::read(&fields(body).await?)?;
    let made = api.ledger.ask(move |book, unix| {
        let credential = wanted.credential(unix, None);
        book.create(unix, credential.clone()).map(|()| credential)
    });
    Ok(Json(show_made(&made.await??)))
}

/// What a new credential is to be like.
pub(super) struct Wanted {
    lifetime: Option<u64>,
    label: Option<String>,
}

impl Wanted {
    pub(super) fn read(fields: &Map<String, Value>) -> Result<Self, Failure> {
        Ok(Self {
            lifetime: expiry(fields)?,
            label: label(fields)?,
        })
    }

    pub(super) fn credential(self, unix: u64, project: Option<Number>) -> Credential {
        Credential {
            username: random::text(24),
            password: random::text(24),
            api_key: random::text(40),
            label: self.label,
            created: unix,
            lifetime: self.lifetime,
            enabled: true,
            project,
        }
    }
}

pub(super) fn show_made(made: &Credential) -> Value {
    json!({
        "username": made.username,
        "password": made.password,
        "expiryInSeconds": made.lifetime,
        "label": made.label,
        "apiKey": made.api_key,
    })
}

/// `GET /api/v2/turn/credentials`.
pub(super) async fn list(
    Owner(parameters): Owner,
    State(api): State<TurnApi>,
) -> Result<Json<Value>, Failure> {
    let (filter, page) = (read_filter(&parameters), parameters.page()?);
    let listed = api
        .ledger
        .ask(move |book, unix| page_of(book, unix, &filter, page));
    Ok(Json(listed.await?))
}

pub(super) fn read_filter(parameters: &Parameters) -> Filter {
    Filter {
        all: !matches!(parameters.get("all"), None | Some("false" | "0")),
        label: parameters.get("label").map(str::to_owned),
        project: None,
    }
}

pub(super) fn page_of(book: &Book, unix: u64, filter: &Filter, page: usize) -> Value {
    let page = book.list(unix, filter, page);
    let show = |credential: &Credential| {
        let project = credential.project.and_then(|it| book.projects.get(it));
        json!({
            "username": credential.username,
            "password": credential.password,
            "apiKey": credential.api_key,
            "expiryInSeconds": credential.lifetime,
            "label": credential.label,
            "expired": credential.is_expired(unix),
            "enabled": book.is_usable(credential),
            "project": project.map(|project| &project.id),
        })
    };
    json!({
        "data": page.credentials.iter().map(show).collect::<Vec<_>>(),
        "pagination": {
            "total_records": page.total,
            "current_page": page.page,
            "total_pages": page.pages,
            "next_page": (page.page < page.pages).then(|| page.page + 1),
            "prev_page": (page.page > 1).then(|| page.page - 1),
        },
    })
}

/// `POST /api/v1/turn/credential/disable`.
pub(super) async fn disable(
    _: Owner,
    State(api): State<TurnApi>,
    body: Body,
) -> Result<Json<Value>, Failure> {
    let username = username(body).await?;
    let done = api.ledger.ask(move |book, _| book.disable(&username));
    done.await??;
    Ok(Json(
        json!({ "message": "Turn credential disabled successfully" }),
    ))
}

/// `POST /api/v1/turn/credential/enable`.
pub(super) async fn enable(
    _: Owner,
    State(api): State<TurnApi>,
    body: Body,
) -> Result<Json<Value>, Failure> {
    let username = username(body).await?;
    let done = api
        .ledger
        .ask(move |book, unix| book.enable(unix, &username));
    done.await??;
    Ok(Json(
        json!({ "message": "Credential enabled successfully" }),
    ))
}

/// `DELETE /api/v1/turn/credential`.
pub(super) async fn delete(
    _: Owner,
    State(api): State<TurnApi>,
    body: Body,
) -> Result<Json<Value>, Failure> {
    let username = username(body).await?;
    let done = api.ledger.ask(move |book, _| book.delete(&username));
    // Others are told that nobody is called so.
    let done = done.await?;
    done.map_err(|_| Failure::NothingToDelete)?;
    Ok(Json(removed()))
}

pub(super) fn removed() -> Value {
    json!({ "success": true, "message": "credential removed" })
}

/// `GET /api/v1/turn/credentials`: what a page puts into `RTCConfiguration.iceServers`. There is one region.
pub(super) async fn ice_servers(
    PageKey(key): PageKey,
    Extension(caller): Extension<Caller>,
    State(api): State<TurnApi>,
) -> Result<Json<Vec<Value>>, Failure> {
    let (username, password) = user(&api, &key).await?;
    // Who asks may hand them to others, who are not on this machine.
    let stun = everywhere(caller.loopback, |loopback| api.turn.stun_urls(loopback)).into_iter();
    let relays = everywhere(caller.loopback, |loopback| api.turn.relay_urls(loopback)).into_iter();
    // Each by itself: some clients of Metered's look at `urls` as a text.
    let relays =
        relays.map(|url| json!({ "urls": url, "username": username, "credential": password }));
    Ok(Json(
        stun.map(|url| json!({ "urls": url }))
            .chain(relays)
            .collect(),
    ))
}

/// User name and password for the key of a credential, or of a project, which gives its best one.
async fn user(api: &TurnApi, key: &str) -> Result<(String, String), Failure> {
    let stored = api.turn.credentials().stored();
    if let Some(user) = stored.by_api_key(unix_time(), key) {
        return Ok((user.username.clone(), user.password.clone()));
    }
    let project = api.ledger.project_of(key).ok_or(Failure::WrongApiKey)?;
    let best = api.ledger.ask(move |book, unix| {
        let best = book.best_of(unix, project)?;
        Some((best.username.clone(), best.password.clone()))
    });
    best.await?.ok_or(Failure::NoneOfProject)
}

/// URLs for everybody, and after them what more there is for who is on this machine.
fn everywhere(loopback: bool, urls: impl Fn(bool) -> Vec<String>) -> Vec<String> {
    let mut all = urls(false);
    if loopback {
        let more = urls(true).into_iter().filter(|url| !all.contains(url));
        all.extend(more.collect::<Vec<_>>());
    }
    all
}

/// Seconds, if any are said.
fn expiry(fields: &Map<String, Value>) -> Result<Option<u64>, Failure> {
    let Some(said) = fields.get("expiryInSeconds").filter(|said| !said.is_null()) else {
        return Ok(None);
    };
    let seconds = said.as_u64().filter(|seconds| *seconds > 0);
    seconds.map(Some).ok_or(Failure::BadExpiry)
}

fn label(fields: &Map<String, Value>) -> Result<Option<String>, Failure> {
    let Some(said) = fields.get("label").filter(|said| !said.is_null()) else {
        return Ok(None);
    };
    let label = said.as_str().filter(|label| label.len() <= MAX_LABEL);
    let label = label.ok_or(Failure::BadLabel(MAX_LABEL))?;
    Ok(Some(label.to_owned()))
}

pub(super) async fn username(body: Body) -> Result<String, Failure> {
    let fields = fields(body).await?;
    let username = fields.get("username").and_then(Value::as_str);
    Ok(username.ok_or(Failure::NoUsername)?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn an_expiry_is_a_positive_integer_or_left_out() {
        let read = |value| expiry(&object(json!({ "expiryInSeconds": value }))).ok();
        assert_eq!(read(json!(3600)), Some(Some(3600)));
        assert_eq!(read(Value::Null), Some(None));
        assert!(matches!(expiry(&Map::new()), Ok(None)));
        for wrong in [
            json!(0),
            json!(-1),
            json!(1.5),
            json!("60"),
            json!([60]),
            json!(true),
        ] {
            assert_eq!(read(wrong.clone()), None, "{wrong}");
        }
    }

    #[test]
    fn a_label_is_a_short_text_or_left_out() {
        let read = |value| label(&object(json!({ "label": value }))).ok();
        assert_eq!(read(json!("me")), Some(Some("me".to_owned())));
        assert_eq!(read(Value::Null), Some(None));
        assert!(read(json!("x".repeat(MAX_LABEL))).is_some());
        for wrong in [json!(7), json!({}), json!("x".repeat(MAX_LABEL + 1))] {
            assert_eq!(read(wrong), None);
        }
    }
}
