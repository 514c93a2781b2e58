//! `ferrite token`, and the keys that it and the server are given.
// Clippy knows only the tests themselves to be tests, not what they call.
#![allow(clippy::unwrap_used)]

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::process::Output;
use std::time::{Duration, SystemTime};

use ferrite_protocol::Source;
use ferrite_server::auth::{Grants, Key, Keys, TokenError};

use crate::support::process::{Running, ferrite, run};

mod support;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const OTHER: &str = "fedcba9876543210fedcba9876543210";
const WISH: [&str; 4] = ["--room", "den", "--identity", "alice"];
const PUBLIC_KEY: &str = include_str!("../src/auth/tests/testdata/p256.pem");

fn file(name: &str, content: &str) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

fn keys(name: &str, secret: &str) -> Keys {
    let mut keys = Keys::default();
    keys.add(name, Key::secret(secret).unwrap()).unwrap();
    keys
}

/// The one line on standard output of `ferrite token`.
async fn made(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let mut command = ferrite(&[&["token"], &WISH[..], arguments].concat());
    command.envs(variables.iter().copied());
    let output = run(command).await;
    let said = text(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    said.trim_end().to_owned()
}

fn text(output: &Output) -> String {
    [&output.stdout[..], &output.stderr]
        .concat()
        .try_into()
        .unwrap()
}

/// What is said by who does not do what it is told.
async fn refusal(arguments: &[&str]) -> String {
    let output = run(ferrite(arguments)).await;
    assert_eq!(
        output.status.code(),
        Some(2),
        "{arguments:?}: {}",
        text(&output)
    );
    assert!(output.stdout.is_empty());
    let said = text(&output);
    assert_eq!(said.lines().count(), 1, "{said}");
    said
}

#[tokio::test]
async fn a_token_opens_its_room_and_no_other() {
    let key = format!("key:{SECRET}");
    let token = made(&["--token-key", &key], &[]).await;
    let (keys, now) = (keys("key", SECRET), SystemTime::now());
    let ticket = keys.verify(&token, "den", now).unwrap();
    assert_eq!(ticket.identity, "alice");
    assert_eq!((ticket.name, ticket.metadata), (None, None));
    let rights = Grants {
        admin: false,
        create: false,
        update_own_metadata: false,
        ..Grants::all()
    };
    assert_eq!(ticket.grants, rights);
    let (hour, six_hours) = (Duration::from_secs(3600), Duration::from_secs(6 * 3600));
    assert!(ticket.expires > now + six_hours - hour && ticket.expires < now + six_hours + hour);
    assert_eq!(
        keys.verify(&token, "attic", now),
        Err(TokenError::OtherRoom)
    );
    let late = keys.verify(&token, "den", now + 2 * six_hours);
    assert_eq!(late, Err(TokenError::Expired));
}

#[tokio::test]
async fn each_flag_is_one_right() {
    let key = format!("key:{SECRET}");
    let says = [
        "--token-key",
        &key,
        "--name",
        "Alice",
        "--metadata",
        "{}",
        "--ttl",
        "30s",
        "--no-publish",
        "--no-subscribe",
        "--no-publish-data",
        "--update-own-metadata",
        "--admin",
        "--create",
        "--hidden",
        "--source",
        "camera",
        "--source",
        "screen_share",
    ];
    let token = made(&says, &[]).await;
    let ticket = keys("key", SECRET)
        .verify(&token, "den", SystemTime::now())
        .unwrap();
    assert_eq!(ticket.name.as_deref(), Some("Alice"));
    assert_eq!(ticket.metadata.as_deref(), Some("{}"));
    let expected = Grants {
        publish: false,
        sources: Some(vec![Source::Camera, Source::Screen]),
        subscribe: false,
        publish_data: false,
        update_own_metadata: true,
        admin: true,
        create: true,
        hidden: true,
    };
    assert_eq!(ticket.grants, expected);
}

#[tokio::test]
async fn keys_come_from_flags_the_environment_and_files() {
    let (key, other) = (format!("key:{SECRET}"), format!("key:{OTHER}"));
    let pem = file("tokens-public.pem", PUBLIC_KEY);
    let public = format!("public:{pem}");
    // A name has one secret: that of the stronger source.
    let listed = file(
        "tokens.keys",
        &format!("# Ours.\n\npublic: tokens-public.pem\n  key: {OTHER}\nlast:a,b:{SECRET}\n"),
    );
    let config = file(
        "tokens.toml",
        &format!("token-key = [\"{public}\", \"{key}\"]\n"),
    );
    let of_file = ("FERRITE_TOKEN_KEY_FILE", listed.as_str());
    for (flags, variables, secret) in [
        (vec!["--token-key", &key], vec![], SECRET),
        (
            vec!["--token-key", &public, "--token-key", &key],
            vec![],
            SECRET,
        ),
        (vec![], vec![("FERRITE_TOKEN_KEY", key.as_str())], SECRET),
        (vec!["--config", &config], vec![], SECRET),
        (
            vec!["--config", &config, "--token-key", &other],
            vec![],
            OTHER,
        ),
        (vec!["--token-key-file", &listed], vec![], OTHER),
        (vec![], vec![of_file], OTHER),
        (vec!["--token-key", &key], vec![of_file], SECRET),
    ] {
        let token = made(&flags, &variables).await;
        let opened = keys("key", secret).verify(&token, "den", SystemTime::now());
        assert!(opened.is_ok(), "{flags:?} {variables:?}: {opened:?}");
    }
}

#[tokio::test]
async fn no_token_is_made_that_would_be_refused() {
    let key = format!("key:{SECRET}");
    let pem = format!("key:{}", file("only-public.pem", PUBLIC_KEY));
    let long = "x".repeat(200);
    for (arguments, expected) in [
        (
            &["--room", "den", "--identity", "alice"][..],
            "no key with a secret",
        ),
        (
            &["--room", "den", "--identity", "alice", "--token-key", &pem],
            "no key with a secret",
        ),
        (
            &["--room", "den", "--identity", "", "--token-key", &key],
            "sub",
        ),
        (
            &["--room", "den", "--identity", &long, "--token-key", &key],
            "200 bytes",
        ),
        (&["--identity", "alice", "--token-key", &key], "--room"),
        (
            &["--room", "den", "--identity", "alice", "--ttl", "soon"],
            "a time with its unit",
        ),
        (
            &["--room", "den", "--identity", "alice", "--source", "tv"],
            "screen_share",
        ),
        (&["--rom", "den"], "ferrite token --help"),
    ] {
        let said = refusal(&[&["token"], arguments].concat()).await;
        assert!(said.contains(expected), "{said}");
        assert!(!said.contains(SECRET), "{said}");
    }
}

#[tokio::test]
async fn its_help_has_what_matters_to_it() {
    let output = run(ferrite(&["token", "--help"])).await;
    assert_eq!(output.status.code(), Some(0));
    let help = text(&output);
    for shown in [
        "Usage: ferrite token",
        "--identity",
        "--token-key-file",
        "--config",
    ] {
        assert!(help.contains(shown), "{help}");
    }
    assert!(!help.contains("--media-port"), "{help}");
}

/// What cannot be a key, and what is said of it.
fn no_keys() -> Vec<(String, &'static str)> {
    let of_file = |name: &str, content: &str| {
        let path = file(name, content);
        format!("--token-key-file={path}")
    };
    let flag = |written: &str| format!("--token-key={written}");
    let private = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQ\n-----END PRIVATE KEY-----\n";
    vec![
        (flag(""), "there is no key: give NAME:SECRET"),
        (
            flag("hushhushhushhushhushhushhushhushhush"),
            "key 1: give NAME:SECRET",
        ),
        (flag("key:hushhush"), "too short: give at least 32 bytes"),
        // As who mixes name and secret up.
        (
            flag("hushhushhushhushhushhushhushhushhush:key"),
            "too short",
        ),
        (
            flag(&format!("key:hush{SECRET},key:hush{OTHER}")),
            "key 2: two keys have this name",
        ),
        (flag(&format!(":hush{SECRET}")), "needs a name"),
        (
            flag("key:/does/not/exist.pem"),
            "/does/not/exist.pem cannot be read",
        ),
        (
            flag(&format!("key:{}", file("private.pem", private))),
            "this is a private key",
        ),
        (of_file("empty.keys", "# hush\n\n"), "there is no key"),
        (
            of_file("short.keys", &format!("one:hush{SECRET}\ntwo:hush\n")),
            "line 2 of ",
        ),
        (
            "--token-key-file=/does/not/hush".to_owned(),
            "--token-key-file: the file cannot be read: No such",
        ),
    ]
}

#[tokio::test]
async fn a_server_without_the_keys_it_was_to_have_does_not_start() {
    for (written, expected) in no_keys() {
        for command in [
            &[written.as_str()][..],
            &[&["token", &written][..], &WISH].concat(),
        ] {
            let said = refusal(command).await;
            assert!(said.contains(expected), "{written}: {said}");
            assert!(said.contains("--token-key"), "{said}");
            assert!(!said.contains("hush"), "{said}");
        }
    }
    let config = file("no-key.toml", "\ntoken-key = \"key:hush\"\n");
    let said = refusal(&["--config", &config]).await;
    assert!(
        said.contains("line 2: token-key: key 1: the secret is too short"),
        "{said}"
    );
    let mut unset = ferrite(&["--media-port", "0"]);
    unset.env("FERRITE_TOKEN_KEY", "");
    let output = run(unset).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("FERRITE_TOKEN_KEY: there is no key"));
}

#[tokio::test]
async fn a_server_with_keys_starts() {
    let key = format!("key:{SECRET}");
    let server = Running::start(&["--token-key", &key]).await;
    assert_ne!(server.media_port, 0);
}

#[tokio::test]
async fn a_token_says_how_many_may_be_in_a_room() {
    let key = format!("key:{SECRET}");
    let arguments = ["--token-key", &key, "--room-size", "5"];
    let token = made(&arguments, &[]).await;
    let ticket = keys("key", SECRET).verify(&token, "den", SystemTime::now());
    assert_eq!(ticket.unwrap().max_participants, NonZeroU32::new(5));
    let token = made(&arguments[..2], &[]).await;
    let ticket = keys("key", SECRET).verify(&token, "den", SystemTime::now());
    assert_eq!(ticket.unwrap().max_participants, None);
    for none in ["0", "-1", "many"] {
        let most = format!("--room-size={none}");
        let said = refusal(&[&["token"], &WISH[..], &["--token-key", &key, &most]].concat()).await;
        assert!(said.contains("--room-size"), "{said}");
    }
}
