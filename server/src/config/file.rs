//! The TOML file: its top-level keys are the settings' names.

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::declare::{Declared, Visitor};
use super::error::ConfigError;
use super::value::Value;

pub(super) fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    })
}

/// What a file says and nobody has asked for yet.
#[derive(Debug)]
pub(super) struct File<'a> {
    path: &'a Path,
    text: &'a str,
    entries: DeTable<'a>,
}

impl<'a> File<'a> {
    pub(super) fn parse(path: &'a Path, text: &'a str) -> Result<Self, ConfigError> {
        let mut file = Self {
            path,
            text,
            entries: DeTable::new(),
        };
        let entries = DeTable::parse(text);
        file.entries = entries
            .map_err(|error| file.refusal(error.span(), error.message()))?
            .into_inner();
        Ok(file)
    }

    /// Every setting was asked for: what is left is none.
    pub(super) fn finish(self) -> Result<(), ConfigError> {
        let first = self.entries.keys().min_by_key(|key| key.span().start);
        first.map_or(Ok(()), |key| {
            let problem = format!("there is no setting `{}`", key.get_ref());
            Err(self.refusal(Some(key.span()), &problem))
        })
    }

    fn refusal(&self, span: Option<Range<usize>>, problem: &str) -> ConfigError {
        ConfigError::Malformed {
            path: self.path.to_owned(),
            place: span.map_or_else(String::new, |span| {
                let before = self.text.get(..span.start).unwrap_or_default();
                format!(" in line {}", before.matches('\n').count() + 1)
            }),
            problem: problem.replace('\n', " "),
        }
    }
}

impl Visitor for File<'_> {
    fn visit<T: Value>(
        &mut self,
        setting: &Declared,
        value: &mut T,
        rule: impl Fn(&T) -> Result<(), String>,
    ) -> Result<(), ConfigError> {
        let Some(written) = self.entries.remove(setting.name) else {
            return Ok(());
        };
        *value = texts(written.get_ref(), T::TABLES)
            .and_then(|texts| {
                let texts: Vec<_> = texts.iter().map(|text| &**text).collect();
                T::read(&texts)
            })
            .and_then(|value| rule(&value).map(|()| value))
            .map_err(|problem| {
                let problem = format!("{}: {problem}", setting.name);
                self.refusal(Some(written.span()), &problem)
            })?;
        Ok(())
    }
}

/// As they would be given in flags: a list of one need not be a list.
fn texts<'a>(value: &'a DeValue<'_>, tables: bool) -> Result<Vec<Cow<'a, str>>, String> {
    match value {
        DeValue::Array(values) => values
            .iter()
            .map(|value| text(value.get_ref(), tables))
            .collect(),
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Table(_) => Ok(vec![text(value, tables)?]),
    }
}

fn text<'a>(value: &'a DeValue<'_>, tables: bool) -> Result<Cow<'a, str>, String> {
    match value {
        DeValue::String(text) => Ok(Cow::Borrowed(text)),
        DeValue::Integer(number) if number.radix() == 10 => Ok(number.as_str().into()),
        DeValue::Float(number) => Ok(number.as_str().into()),
        DeValue::Boolean(true) => Ok("true".into()),
        DeValue::Boolean(false) => Ok("false".into()),
        DeValue::Integer(_) => Err("give a decimal number".to_owned()),
        DeValue::Table(_) if tables => Ok(json(value).to_string().into()),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => Err(format!(
            "give a text, a number or a list, not a {}",
            value.type_str()
        )),
    }
}

/// The same in JSON.
fn json(value: &DeValue<'_>) -> serde_json::Value {
    match value {
        DeValue::String(text) => serde_json::Value::from(&**text),
        DeValue::Boolean(is_so) => (*is_so).into(),
        DeValue::Integer(number) => number.as_str().into(),
        DeValue::Float(number) => number.as_str().into(),
        DeValue::Datetime(time) => time.to_string().into(),
        DeValue::Array(values) => values.iter().map(|value| json(value.get_ref())).collect(),
        DeValue::Table(table) => {
            let entries = table.iter();
            entries
                .map(|(key, value)| (key.get_ref().to_string(), json(value.get_ref())))
                .collect()
        }
    }
}
