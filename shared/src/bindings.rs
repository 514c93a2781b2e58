//! The protocol for programs in other languages: a JSON Schema and TypeScript types.
//!
//! It renders them. It knows nothing of files but their names.

use schemars::SchemaGenerator;
use serde_json::{Value, json};
use ts_rs::{Config, TS};

use crate::diagnosis::{Gathered, Handshake, PairSums};
use crate::{
    Cause, ClientEvidence, ClientMessage, DepartureCause, ErrorCode, IceCandidate, IceServer, Idle,
    JoinToken, LeaveCause, Limit, MediaKind, Participant, ParticipantId, ParticipantState,
    PeerConnectionState, Pressure, Priority, Publication, PublicationId, RequestId, ResumeToken,
    Right, RoomId, RoomMessage, RoomSnapshot, SdpType, ServerMessage, SessionDescription,
    SessionId, Slot, SlotQuality, Source, TrackUse, Watch,
};

/// Writes the files.
pub const COMMAND: &str = "cargo run -p ferrite-protocol --example write-bindings";

/// Each file's name and text.
#[must_use]
pub fn files() -> [(&'static str, String); 2] {
    [
        ("ferrite-protocol.schema.json", json_schema()),
        ("ferrite-protocol.d.ts", typescript()),
    ]
}

/// A JSON Schema (2020-12) of every frame. `$defs` has each end's messages for itself.
#[must_use]
pub fn json_schema() -> String {
    let mut generator = SchemaGenerator::default();
    let client = generator.subschema_for::<ClientMessage>();
    let server = generator.subschema_for::<ServerMessage>();
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": crate::SUBPROTOCOL,
        "description": format!("One frame of Ferrite's signalling protocol. Written by `{COMMAND}`."),
        "anyOf": [client, server],
        "$defs": generator.take_definitions(true),
    });
    // Whether a map keeps its order depends on a feature that any other crate may switch on.
    schema.sort_all_objects();
    without_rustdoc_links(&format!("{schema:#}\n"))
}

/// TypeScript types of every frame and what it holds.
#[must_use]
pub fn typescript() -> String {
    let config = Config::default();
    let schema = serde_json::from_str(&json_schema()).unwrap_or_default();
    let mut text = format!("// Ferrite's signalling protocol. Written by `{COMMAND}`.\n");
    for declaration in [
        declare::<ClientMessage>(&config),
        declare::<ServerMessage>(&config),
        declare::<PeerConnectionState>(&config),
        declare::<ErrorCode>(&config),
        declare::<ClientEvidence>(&config),
        declare::<Gathered>(&config),
        declare::<PairSums>(&config),
        declare::<Handshake>(&config),
        declare::<Cause>(&config),
        declare::<SdpType>(&config),
        declare::<SessionDescription>(&config),
        declare::<IceCandidate>(&config),
        declare::<IceServer>(&config),
        declare::<Participant>(&config),
        declare::<ParticipantState>(&config),
        declare::<Publication>(&config),
        declare::<MediaKind>(&config),
        declare::<Source>(&config),
        declare::<Right>(&config),
        declare::<RoomSnapshot>(&config),
        declare::<RoomMessage>(&config),
        declare::<TrackUse>(&config),
        declare::<Watch>(&config),
        declare::<Priority>(&config),
        declare::<Slot>(&config),
        declare::<Idle>(&config),
        declare::<SlotQuality>(&config),
        declare::<Limit>(&config),
        declare::<Pressure>(&config),
        declare::<LeaveCause>(&config),
        declare::<DepartureCause>(&config),
        declare::<SessionId>(&config),
        declare::<RoomId>(&config),
        declare::<ParticipantId>(&config),
        declare::<PublicationId>(&config),
        declare::<JoinToken>(&config),
        declare::<RequestId>(&config),
        declare::<ResumeToken>(&config),
    ] {
        text.push('\n');
        text.push_str(&describe(&declaration, &schema));
    }
    without_rustdoc_links(&text)
}

fn declare<T: TS>(config: &Config) -> String {
    let docs = T::docs().unwrap_or_default();
    let declaration = T::decl(config);
    format!(
        "{}export {}\n",
        compact(&docs),
        indent(&compact(&declaration))
    )
}

/// ts-rs writes each comment on three lines and ends others with a space.
fn compact(text: &str) -> String {
    text.replace(", \n", ",\n")
        .replace("{ \n", "{\n")
        .replace("/**\n * ", "/** ")
        .replace("\n */", " */")
}

fn indent(declaration: &str) -> String {
    let variants = declaration.replace("} | {", "}\n| {");
    let mut lines = variants.lines();
    let first = lines.next().unwrap_or_default().to_owned();
    lines.fold(first, |text, line| {
        let depth = if line.starts_with('|') { 2 } else { 4 };
        format!("{text}\n{:depth$}{line}", "")
    })
}

/// Puts each variant of a union on lines of its own, with the description that the schema has of it:
/// ts-rs leaves them out.
fn describe(declaration: &str, schema: &Value) -> String {
    let parts = declaration.split_once(" = ");
    let Some((name, body)) = parts.and_then(|(head, body)| Some((head.rsplit_once(' ')?.1, body)))
    else {
        return declaration.to_owned();
    };
    let Some(variants) = schema["$defs"][name]["oneOf"].as_array() else {
        return declaration.to_owned();
    };
    let head = &declaration[..declaration.len() - body.len() - 1];
    let body = body.replace("\" | \"", "\"\n  | \"");
    let mut text = format!("{head}\n  | {body}");
    for (beginning, comment) in variants.iter().filter_map(variant) {
        text = text.replacen(&beginning, &format!("{comment}{beginning}"), 1);
    }
    text
}

/// How a variant begins in TypeScript, and the comment that goes before.
fn variant(schema: &Value) -> Option<(String, String)> {
    let tag = schema["properties"]["type"]["const"].as_str();
    let beginning = match (schema["const"].as_str(), tag) {
        (Some(name), _) => format!("\n  | \"{name}\""),
        (None, Some(name)) => format!("\n  | {{ \"type\": \"{name}\","),
        // Named by the one field it has.
        (None, None) => {
            let name = schema["properties"].as_object()?.keys().next()?;
            format!("\n  | {{ \"{name}\":")
        }
    };
    let description = schema["description"].as_str()?.replace('\n', "\n   * ");
    Some((beginning, format!("\n  /** {description} */")))
}

fn without_rustdoc_links(text: &str) -> String {
    text.replace("[`", "`").replace("`]", "`")
}
