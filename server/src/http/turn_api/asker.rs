//! Who calls: by a key in the query, as Metered's clients show it, or as a bearer token (RFC 6750 §2.1), which does
//! not end in the logs of proxies. Neither is logged here. And what else the query says.

use std::collections::HashMap;
use std::convert::Infallible;

use axum::extract::{FromRequestParts, Query};
use axum::http::Uri;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use super::desk::TurnApi;
use super::failure::Failure;
use crate::ledger::Refused;
use crate::ledger::credential::Number;

/// Somebody with a key that may do everything, and what else its query says.
pub(super) struct Owner(pub(super) Parameters);

impl FromRequestParts<TurnApi> for Owner {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, api: &TurnApi) -> Result<Self, Failure> {
        let parameters = Parameters::read(parts);
        let key = shown(parts, &parameters, "secretKey").ok_or(Failure::NoSecretKey)?;
        match api.keys.has(&key) {
            true => Ok(Self(parameters)),
            false => Err(Failure::WrongSecretKey),
        }
    }
}

/// Somebody who may use a project: the owner, or whoever has the project's own key.
pub(super) enum ProjectAsker {
    Owner,
    Project(Number),
}

impl FromRequestParts<TurnApi> for ProjectAsker {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, api: &TurnApi) -> Result<Self, Failure> {
        let parameters = Parameters::read(parts);
        let (bearer, secret) = (bearer(parts), parameters.get("secretKey"));
        let keys = bearer.as_deref().or(secret);
        if keys.is_some_and(|key| api.keys.has(key)) {
            return Ok(Self::Owner);
        }
        let shown = parameters
            .get("projectApiKey")
            .or_else(|| parameters.get("apiKey"));
        match bearer.as_deref().or(shown) {
            // Whose it is not is not told that there is such a project.
            Some(key) => {
                let project = api.ledger.project_of(key);
                project.map(Self::Project).ok_or(Refused::NoProject.into())
            }
            None if secret.is_some() => Err(Failure::WrongSecretKey),
            None => Err(Failure::NoProjectKey),
        }
    }
}

/// The key of a page. Whose it is, is to be seen.
pub(super) struct PageKey(pub(super) String);

impl FromRequestParts<TurnApi> for PageKey {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &TurnApi) -> Result<Self, Failure> {
        let key = shown(parts, &Parameters::read(parts), "apiKey");
        key.map(Self).ok_or(Failure::NoApiKey)
    }
}

fn shown(parts: &Parts, parameters: &Parameters, name: &str) -> Option<String> {
    bearer(parts).or_else(|| parameters.get(name).map(str::to_owned))
}

fn bearer(parts: &Parts) -> Option<String> {
    let value = parts.headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let is_bearer = scheme.eq_ignore_ascii_case("bearer");
    is_bearer.then(|| token.trim().to_owned())
}

/// What the query says. Of two with one name, the last.
pub(super) struct Parameters(HashMap<String, String>);

impl<S: Sync> FromRequestParts<S> for Parameters {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::read(parts))
    }
}

impl Parameters {
    fn read(parts: &Parts) -> Self {
        Self::of(&parts.uri)
    }

    pub(super) fn of(address: &Uri) -> Self {
        let query = Query::try_from_uri(address);
        Self(
            query
                .map(|Query(parameters)| parameters)
                .unwrap_or_default(),
        )
    }

    /// A parameter, unless it is empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.get(name).map(String::as_str);
        value.filter(|value| !value.is_empty())
    }

    /// The number of a page; the first, unless it is said.
    pub(super) fn page(&self) -> Result<usize, Failure> {
        let Some(page) = self.get("page") else {
            return Ok(1);
        };
        let page = page.parse().ok().filter(|page| *page > 0);
        page.ok_or(Failure::BadPage)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn parts(uri: &str, authorization: Option<&str>) -> Parts {
        let mut request = Request::get(uri);
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_key_is_in_the_header_or_in_the_query() {
        let key = |uri, authorization| {
            let parts = parts(uri, authorization);
            shown(&parts, &Parameters::read(&parts), "secretKey")
        };
        let said = |key: &str| Some(key.to_owned());
        assert_eq!(key("/?secretKey=north", None), said("north"));
        assert_eq!(key("/?secretKey=n%26th&page=2", None), said("n&th"));
        assert_eq!(key("/", Some("Bearer north")), said("north"));
        assert_eq!(
            key("/?secretKey=south", Some("bearer north")),
            said("north")
        );
        for (uri, authorization) in [
            ("/", None),
            ("/?secretKey=", None),
            ("/?apiKey=north", None),
            ("/", Some("Basic north")),
            ("/", Some("north")),
        ] {
            assert_eq!(key(uri, authorization), None, "{uri} {authorization:?}");
        }
    }

    #[test]
    fn pages_are_counted_from_one() {
        let page = |query| Parameters::read(&parts(query, None)).page().ok();
        assert_eq!((page("/"), page("/?page=3")), (Some(1), Some(3)));
        for wrong in ["/?page=0", "/?page=-1", "/?page=x", "/?page=1.5"] {
            assert_eq!(page(wrong), None, "{wrong}");
        }
    }
}
