//! What each field of a client's message has to be, to say of a refused one which field is wrong, and
//! how, in the protocol's words. It owns no rule: whether a message is one, its type says.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// What a field has to be.
enum Kind {
    /// No larger than this.
    WholeNumber(u64),
    Text,
    List,
    /// By `mid`.
    Map,
    /// `null` is one, too.
    Candidate,
    /// What a client saw.
    Evidence,
    /// One of four words: a text in a message that is refused is none of them.
    Pressure,
}

type Field = (&'static str, Kind);

const ID: Field = ("id", Kind::WholeNumber(u32::MAX as u64));

const HELLO: &[Field] = &[
    ("version", Kind::WholeNumber(u16::MAX as u64)),
    ("client", Kind::Text),
    ("resumeToken", Kind::Text),
    ("lastMessage", Kind::WholeNumber(u64::MAX)),
];
const JOIN: &[Field] = &[
    ID,
    ("room", Kind::Text),
    ("name", Kind::Text),
    ("metadata", Kind::Text),
    ("token", Kind::Text),
];
const AUTHORIZE: &[Field] = &[ID, ("token", Kind::Text)];
const UPDATE: &[Field] = &[ID, ("name", Kind::Text), ("metadata", Kind::Text)];
const MUTE: &[Field] = &[ID, ("keys", Kind::List)];
const WATCH: &[Field] = &[ID, ("slots", Kind::Map)];
const PRESSURE: &[Field] = &[ID, ("state", Kind::Pressure)];
const SAY: &[Field] = &[
    ID,
    ("to", Kind::List),
    ("topic", Kind::Text),
    ("text", Kind::Text),
];
const KICK: &[Field] = &[ID, ("participant", Kind::Text), ("reason", Kind::Text)];
const MUTE_PUBLICATION: &[Field] = &[ID, ("publication", Kind::Text), ("reason", Kind::Text)];
const END_ROOM: &[Field] = &[ID, ("reason", Kind::Text)];
const OFFER: &[Field] = &[ID, ("sdp", Kind::Text), ("tracks", Kind::Map)];
const CANDIDATE: &[Field] = &[("candidate", Kind::Candidate)];
const EXPLAIN: &[Field] = &[ID, ("seen", Kind::Evidence)];
const REQUEST: &[Field] = &[ID];

/// `RTCIceCandidateInit`.
const IN_A_CANDIDATE: &[Field] = &[
    ("candidate", Kind::Text),
    ("sdpMid", Kind::Text),
    ("sdpMLineIndex", Kind::WholeNumber(u16::MAX as u64)),
    ("usernameFragment", Kind::Text),
];

fn of(message: &str) -> &'static [Field] {
    match message {
        "hello" => HELLO,
        "join" => JOIN,
        "authorize" => AUTHORIZE,
        "update" => UPDATE,
        "mute" => MUTE,
        "watch" => WATCH,
        "pressure" => PRESSURE,
        "say" => SAY,
        "kick" => KICK,
        "mutePublication" => MUTE_PUBLICATION,
        "endRoom" => END_ROOM,
        "offer" => OFFER,
        "candidate" => CANDIDATE,
        "explain" => EXPLAIN,
        "leave" | "hangUp" | "ping" | "pong" => REQUEST,
        _ => &[],
    }
}

/// What is wrong with the first field that is not what it has to be.
pub(crate) fn problem(message: &str, text: &str) -> Option<String> {
    let Ok(Seen::Object(fields)) = serde_json::from_str(text) else {
        return None;
    };
    first_wrong(of(message), &fields, "")
}

fn first_wrong(expected: &[Field], fields: &[(String, Seen)], within: &str) -> Option<String> {
    expected.iter().find_map(|(name, kind)| {
        let mut named = fields.iter().filter(|(found, _)| found == name);
        let (_, seen) = named.next()?;
        kind.refuses(seen, &format!("{within}{name}"))
    })
}

impl Kind {
    fn refuses(&self, seen: &Seen, name: &str) -> Option<String> {
        let wanted = match (self, seen) {
            (Self::Text, Seen::Text)
            | (Self::List, Seen::List)
            | (Self::Map | Self::Evidence, Seen::Object(_))
            | (_, Seen::Null) => return None,
            (Self::Candidate, Seen::Object(fields)) => return in_candidate(fields, name),
            (Self::WholeNumber(limit), Seen::WholeNumber(number)) => {
                let words = format!("`{name}` must be a whole number up to {limit}");
                return (number > limit).then_some(words);
            }
            (Self::Text, _) => "text",
            (Self::Pressure, _) => "`nominal`, `fair`, `serious` or `critical`",
            (Self::List, _) => "a list",
            (Self::Map, _) => "an object with an entry for each `mid`",
            (Self::WholeNumber(_), _) => "a whole number",
            (Self::Evidence, _) => "an object of what was seen",
            (Self::Candidate, _) => "an object as `RTCIceCandidate.toJSON()` gives it, or null",
        };
        Some(format!("`{name}` must be {wanted}, not {seen}"))
    }
}

fn in_candidate(fields: &[(String, Seen)], name: &str) -> Option<String> {
    let within = format!("{name}.");
    let has_text = fields.iter().any(|(found, _)| found == "candidate");
    match has_text {
        true => first_wrong(IN_A_CANDIDATE, fields, &within),
        false => Some(format!("missing field `{within}candidate`")),
    }
}

/// What stands in a field, without what it says.
#[derive(Debug)]
enum Seen {
    Null,
    Bool,
    WholeNumber(u64),
    Number,
    Text,
    List,
    /// The first fields.
    Object(Vec<(String, Self)>),
}

/// No message has more fields; further ones are not looked at.
const FIELDS: usize = 32;

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "null",
            Self::Bool => "true or false",
            Self::WholeNumber(_) => "a number",
            Self::Number => "another number",
            Self::Text => "text",
            Self::List => "a list",
            Self::Object(_) => "an object",
        })
    }
}

impl<'de> Deserialize<'de> for Seen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Look)
    }
}

struct Look;

impl<'de> Visitor<'de> for Look {
    type Value = Seen;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_unit<E>(self) -> Result<Seen, E> {
        Ok(Seen::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Seen, E> {
        Ok(Seen::Bool)
    }

    fn visit_u64<E>(self, number: u64) -> Result<Seen, E> {
        Ok(Seen::WholeNumber(number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Seen, E> {
        Ok(Seen::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Seen, E> {
        Ok(Seen::Number)
    }

    fn visit_str<E>(self, _: &str) -> Result<Seen, E> {
        Ok(Seen::Text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Seen, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Seen::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Seen, A::Error> {
        let mut fields = Vec::new();
        while fields.len() < FIELDS
            && let Some(field) = object.next_entry()?
        {
            fields.push(field);
        }
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Seen::Object(fields))
    }
}
