//! What a webhook is told, and the signature that shows who tells it: HMAC-SHA256 of the second and the body, with the
//! project's secret.

use ring::hmac;
use serde_json::json;

use crate::ledger::calendar::timestamp;
use crate::ledger::project::{Notice, Project, QuotaExceeded};

/// What a webhook is told.
pub(super) struct Letter {
    /// Where.
    pub(super) url: String,
    /// JSON.
    pub(super) body: String,
    secret: String,
}

impl Letter {
    /// `None` for a project that has nobody to tell any more.
    pub(super) fn new(project: &Project, notice: &Notice) -> Option<Self> {
        let (settings, reached) = (&project.settings, notice.reached);
        let is_disabled = reached.percent == 100 && settings.action == QuotaExceeded::Disable;
        let body = json!({
            "id": notice.id(project),
            "type": "turn.quota",
            "created": timestamp(notice.at),
            "period": reached.month.month_name(),
            "percent": reached.percent,
            "project": { "_id": project.id, "projectName": settings.name },
            "quotaInBytes": reached.quota,
            "usageInBytes": notice.usage,
            "overageInBytes": notice.usage.saturating_sub(reached.quota),
            "quotaExceededAction": settings.action,
            "disabled": is_disabled,
            "notificationEmails": settings.emails,
        });
        Some(Self {
            url: settings.webhook.clone()?,
            body: body.to_string(),
            secret: project.webhook_secret.clone(),
        })
    }

    /// The header that shows who tells it, and when it was sent.
    pub(super) fn signature(&self, unix: u64) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.secret.as_bytes());
        let tag = hmac::sign(&key, format!("{unix}.{}", self.body).as_bytes());
        let digits = tag.as_ref().iter().map(|byte| format!("{byte:02x}"));
        format!("t={unix},v1={}", digits.collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::ledger::calendar::Day;
    use crate::ledger::project::Settings;
    use crate::ledger::quota::Told;

    fn project(webhook: Option<&str>) -> Project {
        Project {
            id: "abc".to_owned(),
            api_key: "shown".to_owned(),
            webhook_secret: "secret".to_owned(),
            created: 0,
            settings: Settings {
                name: "kitchen".to_owned(),
                quota: Some(2000),
                webhook: webhook.map(str::to_owned),
                emails: vec!["cook@a.example".to_owned()],
                action: QuotaExceeded::Disable,
            },
            told: None,
            notices: Vec::new(),
        }
    }

    fn notice(percent: u8) -> Notice {
        let unix = 1_795_953_600;
        Notice {
            reached: Told {
                month: Day::of(unix).month(),
                quota: 2000,
                percent,
            },
            usage: 2100,
            at: unix,
        }
    }

    #[test]
    fn a_letter_says_whose_quota_it_is_and_no_secret() {
        let letter = Letter::new(&project(Some("https://a.example/")), &notice(100)).unwrap();
        let said: Value = serde_json::from_str(&letter.body).unwrap();
        let expected = json!({
            "id": "abc-2026-11-100-2000", "type": "turn.quota", "created": "2026-11-29T12:00:00.000Z",
            "period": "2026-11", "percent": 100, "project": { "_id": "abc", "projectName": "kitchen" },
            "quotaInBytes": 2000, "usageInBytes": 2100, "overageInBytes": 100,
            "quotaExceededAction": "disable", "disabled": true, "notificationEmails": ["cook@a.example"],
        });
        assert_eq!(said, expected);
        let early = Letter::new(&project(Some("https://a.example/")), &notice(80)).unwrap();
        assert!(early.body.contains("\"disabled\":false"));
        assert!(Letter::new(&project(None), &notice(80)).is_none());
    }

    #[test]
    fn a_signature_is_as_openssl_makes_it() {
        let letter = Letter {
            url: String::new(),
            body: "{}".to_owned(),
            secret: "north".to_owned(),
        };
        // printf '1795953600.{}' | openssl dgst -sha256 -hmac north
        let expected = "4514a093ccc4b90599c553321740e836840f18e687990a3c82c71b9e46d889f8";
        assert_eq!(
            letter.signature(1_795_953_600),
            format!("t=1795953600,v1={expected}")
        );
    }
}
