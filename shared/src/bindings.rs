//! The protocol for programs in other languages: a JSON Schema and TypeScript types.
//!
//! It renders them. It knows nothing of files but their names.

use schemars::SchemaGenerator;
use serde_json::json;
use ts_rs::{Config, TS};

use crate::{
    ClientMessage, ErrorCode, IceCandidate, IceServer, Participant, ParticipantId,
    PeerConnectionState, RequestId, ResumeToken, RoomId, RoomSnapshot, SdpType, ServerMessage,
    SessionDescription, SessionId,
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
    let mut text = format!("// Ferrite's signalling protocol. Written by `{COMMAND}`.\n");
    for declaration in [
        declare::<ClientMessage>(&config),
        declare::<ServerMessage>(&config),
        declare::<PeerConnectionState>(&config),
        declare::<ErrorCode>(&config),
        declare::<SdpType>(&config),
        declare::<SessionDescription>(&config),
        declare::<IceCandidate>(&config),
        declare::<IceServer>(&config),
        declare::<Participant>(&config),
        declare::<RoomSnapshot>(&config),
        declare::<SessionId>(&config),
        declare::<RoomId>(&config),
        declare::<ParticipantId>(&config),
        declare::<RequestId>(&config),
        declare::<ResumeToken>(&config),
    ] {
        text.push('\n');
        text.push_str(&declaration);
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

fn without_rustdoc_links(text: &str) -> String {
    text.replace("[`", "`").replace("`]", "`")
}
