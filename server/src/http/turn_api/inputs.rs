//! What anybody can write to the API, read as its calls read it, but with no server around: so that it can be tried with
//! whatever bytes.

use axum::http::Uri;
use serde_json::Value;

use super::asker::Parameters;
use super::body::object;
use super::credentials::{Wanted, read_filter};
use super::settings;
use crate::ledger::Credential;
use crate::ledger::book::Filter;
use crate::ledger::credential::Number;
use crate::ledger::project::Settings;

/// A call's address and body, as each call that takes one understands it.
#[derive(Debug)]
pub struct Inputs {
    /// What is said of a project, on top of what was known.
    pub settings: Option<Settings>,
    /// A credential as it is asked for, made at a second.
    pub credential: Option<Credential>,
    /// Whom something is to be done to.
    pub username: Option<String>,
    /// Which credentials are asked for.
    pub filter: Filter,
    /// Which page of them.
    pub page: Option<usize>,
}

/// Reads an address and a body. What would be refused is `None`.
#[must_use]
pub fn read(
    address: &str,
    body: &[u8],
    (unix, project, known): (u64, Option<Number>, Settings),
) -> Option<Inputs> {
    let parameters = Parameters::of(&address.parse::<Uri>().ok()?);
    let fields = object(body).ok();
    let wanted = |fields| Wanted::read(fields).ok();
    let credential = fields.as_ref().and_then(wanted);
    let username = fields.as_ref().and_then(|fields| fields.get("username"));
    Some(Inputs {
        settings: fields
            .as_ref()
            .and_then(|fields| settings::read(fields, known).ok()),
        credential: credential.map(|wanted| wanted.credential(unix, project)),
        username: username.and_then(Value::as_str).map(str::to_owned),
        filter: read_filter(&parameters),
        page: parameters.page().ok(),
    })
}
