//! LiveKit's SDKs, as applications use them, mint tokens that we take, and take ours: those of npm and of
//! PyPI, in the versions that `tests/node` and `tests/python` pin.
// Clippy knows only the tests themselves to be tests, not what they call.
#![allow(clippy::unwrap_used)]

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};

use ferrite_protocol::Source;
use ferrite_server::auth::{Grants, Key, Keys, Ticket, TokenError, mint};
use serde_json::{Value, json};

const SECRET: &str = "a secret of thirty-two bytes is ok";
const ROOM: &str = "hideout";

/// An SDK: a script that makes it ready, the program that runs it, and what that is to run.
struct Sdk {
    install: &'static [&'static str],
    program: &'static str,
    script: &'static str,
}

const NPM: Sdk = Sdk {
    install: &["node/install"],
    program: "node",
    script: "node/tokens.js",
};

const PYPI: Sdk = Sdk {
    install: &["python/install", "livekit"],
    program: ".venv/livekit/bin/python",
    script: "python/tokens.py",
};

impl Sdk {
    /// Has it do something with the key.
    fn run(&self, secret: &str, task: &Value) -> Value {
        let tests = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests");
        output(Command::new(tests.join(self.install[0])).args(&self.install[1..]));
        // A name without a directory is looked for in PATH.
        let program = match self.program.contains('/') {
            true => tests.join(self.program),
            false => self.program.into(),
        };
        let mut task = task.clone();
        task["key"] = "key".into();
        task["secret"] = secret.into();
        let said = output(
            Command::new(program)
                .arg(tests.join(self.script))
                .arg(task.to_string()),
        );
        let result = said.lines().find_map(|line| line.strip_prefix("result "));
        serde_json::from_str(result.unwrap()).unwrap()
    }

    /// A token for alice that it mints with this grant.
    fn mint(&self, options: &Value, grant: &Value) -> String {
        self.mint_for(options, grant, &Value::Null)
    }

    /// The same for a room that is to be made so.
    fn mint_for(&self, options: &Value, grant: &Value, room: &Value) -> String {
        let mut all = json!({ "identity": "alice", "ttl": 3600 });
        all.as_object_mut()
            .unwrap()
            .extend(options.as_object().unwrap().clone());
        let mut wish = json!({ "options": all, "grant": grant });
        if !room.is_null() {
            wish["room"] = room.clone();
        }
        self.run(SECRET, &json!({ "mint": [wish] }))[0]
            .as_str()
            .unwrap()
            .to_owned()
    }

    fn verify(&self, secret: &str, token: &str) -> Value {
        self.run(secret, &json!({ "verify": token }))
    }
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

fn keys() -> Keys {
    let mut keys = Keys::default();
    keys.add("key", Key::secret(SECRET).unwrap()).unwrap();
    keys
}

fn defaults() -> Grants {
    Grants {
        update_own_metadata: false,
        admin: false,
        create: false,
        ..Grants::all()
    }
}

/// Whatever an SDK can say of a member.
fn takes_what_it_mints(sdk: &Sdk) {
    let token = sdk.mint(&json!({}), &json!({ "roomJoin": true, "room": ROOM }));
    // What it minted begins when it was minted.
    let now = SystemTime::now();
    let ticket = keys().verify(&token, ROOM, now).unwrap();
    assert_eq!(ticket.identity, "alice");
    assert_eq!(ticket.grants, defaults());
    let hour = Duration::from_secs(3600);
    assert!(ticket.expires > now + hour / 2 && ticket.expires < now + 2 * hour);
    let elsewhere = keys().verify(&token, "attic", now);
    assert_eq!(elsewhere, Err(TokenError::OtherRoom));
    assert_eq!(
        keys().verify(&token, ROOM, now + 3 * hour),
        Err(TokenError::Expired)
    );
    assert_eq!(
        keys().verify(&token, ROOM, now - hour),
        Err(TokenError::NotYetValid)
    );

    let options = json!({ "name": "Alice Ä", "metadata": "{\"seat\":1}" });
    let token = sdk.mint(
        &options,
        &json!({
            "roomJoin": true, "room": ROOM, "roomAdmin": true, "roomCreate": true, "hidden": true,
            "canPublish": true, "canSubscribe": false, "canPublishData": false,
            "canPublishSources": ["microphone", "screen_share_audio"], "canUpdateOwnMetadata": true,
        }),
    );
    let ticket = keys().verify(&token, ROOM, SystemTime::now()).unwrap();
    assert_eq!(ticket.name.as_deref(), Some("Alice Ä"));
    assert_eq!(ticket.metadata.as_deref(), Some("{\"seat\":1}"));
    let expected = Grants {
        publish: true,
        sources: Some(vec![Source::Microphone, Source::ScreenAudio]),
        subscribe: false,
        publish_data: false,
        update_own_metadata: true,
        admin: true,
        create: true,
        hidden: true,
    };
    assert_eq!(ticket.grants, expected);

    let grant = json!({ "roomJoin": true, "room": ROOM });
    let room = json!({ "maxParticipants": 5, "emptyTimeout": 60 });
    let token = sdk.mint_for(&json!({}), &grant, &room);
    let ticket = keys().verify(&token, ROOM, SystemTime::now()).unwrap();
    assert_eq!(ticket.max_participants, NonZeroU32::new(5));

    let token = sdk.mint(&json!({}), &json!({ "roomAdmin": true, "room": ROOM }));
    assert_eq!(
        keys().verify(&token, ROOM, SystemTime::now()),
        Err(TokenError::MayNotJoin)
    );
}

fn is_taken_by(sdk: &Sdk) {
    let now = SystemTime::now();
    let ticket = Ticket {
        identity: "bob".to_owned(),
        name: Some("Bob Ü".to_owned()),
        metadata: Some("{}".to_owned()),
        grants: Grants {
            sources: Some(vec![Source::Camera, Source::Screen]),
            subscribe: false,
            ..defaults()
        },
        max_participants: None,
        expires: now + Duration::from_secs(3600),
    };
    let token = mint(&keys(), &ticket, ROOM, now).unwrap();
    let read = sdk.verify(SECRET, &token);
    for (claim, said) in [("sub", "bob"), ("name", "Bob Ü"), ("metadata", "{}")] {
        assert_eq!(read[claim], said, "{read}");
    }
    for (claim, said) in [
        ("roomJoin", json!(true)),
        ("room", json!(ROOM)),
        ("roomAdmin", json!(false)),
        ("roomCreate", json!(false)),
        ("canPublish", json!(true)),
        ("canPublishSources", json!(["camera", "screen_share"])),
        ("canSubscribe", json!(false)),
        ("canPublishData", json!(true)),
        ("canUpdateOwnMetadata", json!(false)),
        ("hidden", json!(false)),
    ] {
        assert_eq!(read["video"][claim], said, "{claim} in {read}");
    }
    // It does look.
    let refused = sdk.verify(&SECRET.to_uppercase(), &token);
    assert!(refused["refused"].is_string(), "{refused}");
}

#[test]
fn livekit_npm_mints_tokens_for_us() {
    takes_what_it_mints(&NPM);
    // What is left out is as it is there: who may not publish may not send.
    let grant = json!({ "roomJoin": true, "room": ROOM, "canPublish": false });
    let token = NPM.mint(&json!({}), &grant);
    let grants = keys()
        .verify(&token, ROOM, SystemTime::now())
        .unwrap()
        .grants;
    assert!(!grants.publish && !grants.publish_data && grants.subscribe);
}

#[test]
fn livekit_npm_takes_our_tokens() {
    is_taken_by(&NPM);
}

#[test]
fn livekit_pypi_mints_tokens_for_us() {
    takes_what_it_mints(&PYPI);
}

#[test]
fn livekit_pypi_takes_our_tokens() {
    is_taken_by(&PYPI);
}
