//! What a body says of a project: checked before anything is done with it.

use axum::http::Uri;
use serde::Deserialize as _;
use serde_json::{Map, Value};

use super::failure::Failure;
use crate::ledger::project::{QuotaExceeded, Settings};

/// A project's name is shorter, in characters.
pub(crate) const MAX_NAME: usize = 100;

/// The least quota, in bytes.
pub(crate) const LEAST_QUOTA: u64 = 1 << 20;

/// The longest URL of a webhook, in bytes.
pub(crate) const MAX_URL: usize = 1024;

/// E-mail addresses, and the longest (RFC 5321 §4.5.3.1.3).
pub(crate) const MAX_EMAILS: (usize, usize) = (10, 254);

/// What is said, on top of what was known.
pub(super) fn read(fields: &Map<String, Value>, known: Settings) -> Result<Settings, Failure> {
    let settings = Settings {
        name: said(fields, "projectName", known.name, name)?,
        quota: said(fields, "quotaInBytes", known.quota, quota)?,
        webhook: said(fields, "webhookUrl", known.webhook, webhook)?,
        emails: said(fields, "notificationEmails", known.emails, emails)?,
        action: said(fields, "quotaExceededAction", known.action, action)?,
    };
    match settings.name.is_empty() {
        true => Err(Failure::BadName(MAX_NAME)),
        false => Ok(settings),
    }
}

fn said<T>(
    fields: &Map<String, Value>,
    name: &str,
    known: T,
    read: impl FnOnce(&Value) -> Result<T, Failure>,
) -> Result<T, Failure> {
    fields.get(name).map_or(Ok(known), read)
}

fn name(said: &Value) -> Result<String, Failure> {
    let name = said.as_str().map(str::trim);
    let name = name.filter(|name| !name.is_empty() && name.chars().count() < MAX_NAME);
    name.map(str::to_owned).ok_or(Failure::BadName(MAX_NAME))
}

fn quota(said: &Value) -> Result<Option<u64>, Failure> {
    match said.as_u64() {
        Some(0) => Ok(None),
        Some(quota) if quota >= LEAST_QUOTA => Ok(Some(quota)),
        None if said.is_null() => Ok(None),
        Some(_) | None => Err(Failure::BadQuota(LEAST_QUOTA)),
    }
}

fn webhook(said: &Value) -> Result<Option<String>, Failure> {
    if said.is_null() {
        return Ok(None);
    }
    let url = said.as_str().filter(|url| is_webhook(url));
    let url = url.ok_or(Failure::BadWebhook(MAX_URL))?;
    Ok(Some(url.to_owned()))
}

/// Over HTTPS, which shows nobody on the way what is said; within this machine nobody is on the way.
fn is_webhook(url: &str) -> bool {
    let Some(uri) = url.parse::<Uri>().ok().filter(|_| url.len() <= MAX_URL) else {
        return false;
    };
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let host = uri.host().unwrap_or_default();
    let is_named = !host.is_empty() && !authority.contains('@');
    match uri.scheme_str() {
        Some("https") => is_named,
        Some("http") => is_named && is_loopback(host),
        Some(_) | None => false,
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let address = address.parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn emails(said: &Value) -> Result<Vec<String>, Failure> {
    let bad = || Failure::BadEmails(MAX_EMAILS.0);
    if said.is_null() {
        return Ok(Vec::new());
    }
    let list = said.as_array().filter(|list| list.len() <= MAX_EMAILS.0);
    let email = |email: &Value| {
        let email = email.as_str().filter(|email| is_email(email));
        email.map(str::to_owned).ok_or_else(bad)
    };
    list.ok_or_else(bad)?.iter().map(email).collect()
}

/// Whether it looks like one. Whether there is such a one, only a mail would show.
fn is_email(text: &str) -> bool {
    let is_plain = !text.contains(|c: char| c.is_whitespace() || c.is_control());
    let parts = text.rsplit_once('@');
    let has_parts = parts.is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
    text.len() <= MAX_EMAILS.1 && is_plain && has_parts
}

fn action(said: &Value) -> Result<QuotaExceeded, Failure> {
    match said.is_null() {
        true => Ok(QuotaExceeded::default()),
        false => QuotaExceeded::deserialize(said).map_err(|_| Failure::BadAction),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn try_read(fields: Value, known: Settings) -> Result<Settings, Failure> {
        read(fields.as_object().unwrap(), known)
    }

    #[test]
    fn what_is_not_said_is_the_least_that_there_can_be() {
        let read = try_read(json!({ "projectName": " kitchen " }), Settings::default()).unwrap();
        let expected = Settings {
            name: "kitchen".to_owned(),
            ..Settings::default()
        };
        assert_eq!(read, expected);
        assert_eq!(read.action, QuotaExceeded::Disable);
        let nothing = json!({
            "projectName": "kitchen", "quotaInBytes": 0, "webhookUrl": null, "notificationEmails": null,
            "quotaExceededAction": null,
        });
        assert_eq!(try_read(nothing, Settings::default()).unwrap(), expected);
    }

    #[test]
    fn what_is_said_later_goes_on_top() {
        let all = json!({
            "projectName": "kitchen", "quotaInBytes": LEAST_QUOTA, "webhookUrl": "https://a.example/hook?x=1",
            "notificationEmails": ["a@b.example"], "quotaExceededAction": "notify",
        });
        let known = try_read(all, Settings::default()).unwrap();
        let later = try_read(json!({ "quotaInBytes": LEAST_QUOTA + 1 }), known.clone()).unwrap();
        let quota = Some(LEAST_QUOTA + 1);
        assert_eq!(later, Settings { quota, ..known });
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let long = "x".repeat(MAX_NAME);
        let many = vec!["a@b.example"; MAX_EMAILS.0 + 1];
        for wrong in [
            json!({}),
            json!({ "projectName": "" }),
            json!({ "projectName": 7 }),
            json!({ "projectName": long }),
            json!({ "projectName": "a", "quotaInBytes": LEAST_QUOTA - 1 }),
            json!({ "projectName": "a", "quotaInBytes": -1 }),
            json!({ "projectName": "a", "quotaInBytes": 2e6 + 0.5 }),
            json!({ "projectName": "a", "notificationEmails": "a@b.example" }),
            json!({ "projectName": "a", "notificationEmails": many }),
            json!({ "projectName": "a", "notificationEmails": ["b.example"] }),
            json!({ "projectName": "a", "notificationEmails": ["a b@c.example"] }),
            json!({ "projectName": "a", "notificationEmails": [7] }),
            json!({ "projectName": "a", "quotaExceededAction": "explode" }),
            json!({ "projectName": "a", "webhookUrl": 7 }),
        ] {
            assert!(
                try_read(wrong.clone(), Settings::default()).is_err(),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_webhook_is_reached_over_https_or_on_this_machine() {
        for good in [
            "https://a.example",
            "https://a.example:8443/hook?key=1",
            "https://[2001:db8::1]/",
            "http://127.0.0.1:9000/hook",
            "http://[::1]:9000/",
            "http://localhost/hook",
        ] {
            assert!(is_webhook(good), "{good}");
        }
        let long = format!("https://a.example/{}", "x".repeat(MAX_URL));
        for wrong in [
            "",
            "a.example",
            "/hook",
            "ftp://a.example/",
            "http://a.example/hook",
            "http://localhost.example/",
            "http://127.0.0.1.example/",
            "https://",
            "https://me:secret@a.example/",
            "https://a example/",
            &long,
        ] {
            assert!(!is_webhook(wrong), "{wrong}");
        }
    }
}
