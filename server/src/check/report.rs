//! What a test found: a row for each thing, and how rows are shown to people and to programs.

use std::fmt;

use serde::Serialize;

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As it should be.
    Ok,
    /// It does not matter here, or cannot be told.
    Skipped,
    /// It works, and could be better or will not for long.
    Warn,
    /// Clients will notice.
    Bad,
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skipped => "skipped",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// How it is.
    pub status: Status,
    /// What it is.
    pub what: &'static str,
    /// Where, if it is in several places.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// What was found.
    pub says: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Row {
    pub(super) fn new(status: Status, what: &'static str, says: impl Into<String>) -> Self {
        Self {
            status,
            what,
            at: None,
            says: says.into(),
            advice: None,
        }
    }

    pub(super) fn at(mut self, at: impl fmt::Display) -> Self {
        self.at = Some(at.to_string());
        self
    }

    pub(super) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// Without its status, which a line of the log says by itself.
    #[must_use]
    pub fn text(&self) -> String {
        let at = self.at.iter().map(|at| format!(" {at}"));
        let advice = self.advice.iter().map(|advice| format!("; {advice}"));
        let (at, advice): (String, String) = (at.collect(), advice.collect());
        format!("{}{at}: {}{advice}", self.what, self.says)
    }
}

/// All of it.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Whether nothing is bad.
    ok: bool,
    /// Whether it is of a server that was running already.
    running: bool,
    rows: Vec<Row>,
}

impl Report {
    pub(super) fn new(running: bool, rows: Vec<Row>) -> Self {
        let mut report = Self {
            ok: true,
            running,
            rows: Vec::new(),
        };
        report.add(rows);
        report
    }

    pub(super) fn add(&mut self, rows: Vec<Row>) {
        self.ok &= rows.iter().all(|row| row.status != Status::Bad);
        self.rows.extend(rows);
    }

    /// Whether nothing is bad.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.ok
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> String {
        serde_json::json!(self).to_string()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.running {
            true => "of the server that runs on these ports:",
            false => "of a server with these settings, started for this:",
        })?;
        (self.rows.iter()).try_for_each(|row| write!(f, "\n{:<8}{}", row.status.word(), row.text()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_shown_the_same_rows_as_people() {
        let rows = vec![
            Row::new(Status::Ok, "tcp", "answered").at("192.0.2.1:3478"),
            Row::new(Status::Skipped, "tls", "there is no certificate"),
        ];
        let mut report = Report::new(false, rows);
        assert!(report.is_ok());
        report.add(vec![Row::new(Status::Bad, "udp", "silence").advise("dig")]);
        assert!(!report.is_ok());
        let text = report.to_string();
        let lines: Vec<_> = text.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                "ok      tcp 192.0.2.1:3478: answered",
                "skipped tls: there is no certificate",
                "bad     udp: silence; dig",
            ]
        );
        let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
        assert_eq!(json["ok"], false);
        assert_eq!(json["rows"].as_array().unwrap().len(), lines.len());
        assert_eq!(json["rows"][0]["at"], "192.0.2.1:3478");
        assert_eq!(json["rows"][2]["advice"], "dig");
    }
}
