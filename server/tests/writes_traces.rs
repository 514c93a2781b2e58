//! A call's trace is a file, and `ferrite replay` decides again what is in it.

// Clippy knows only the tests themselves to be tests, not what they call.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use ferrite_protocol::ServerMessage;

use crate::support::native::Native;
use crate::support::process::{ferrite, run};
use crate::support::{Client, start, with};

mod support;

fn directory(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&directory);
    directory
}

/// What it says, and how it ends.
async fn replay(file: &Path) -> (String, Option<i32>) {
    let output = run(ferrite(&["replay", file.to_str().unwrap()])).await;
    let said = [output.stdout, output.stderr].concat();
    (String::from_utf8(said).unwrap(), output.status.code())
}

#[tokio::test]
async fn a_call_is_written_and_replayed_and_a_changed_byte_is_noticed() {
    let directory = directory("traces");
    let server = start(with(|config| config.media.traces = Some(directory.clone()))).await;
    let (mut client, _) = Client::greeted(&server).await;
    let mut native = Native::new();
    client.offer(native.offer()).await;
    let answer = loop {
        if let ServerMessage::Answer { sdp, .. } = client.receive().await {
            break sdp;
        }
    };
    native.take_answer(&answer);
    let native = tokio::task::spawn_blocking(move || {
        native.run_until("two seconds came back", |native| native.frames >= 100);
        native
    });
    let native = native.await.unwrap();
    server.shutdown().await;
    drop(native);
    let files: Vec<_> = std::fs::read_dir(&directory).unwrap().collect();
    let [Ok(file)] = &files[..] else {
        panic!("{files:?}");
    };
    let file = file.path();
    let (said, code) = replay(&file).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("Every decision is the same: "), "{said}");
    // Its other end said what came.
    assert!(said.lines().count() > 3, "{said}");

    let mut changed = std::fs::read(&file).unwrap();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    std::fs::write(&file, &changed).unwrap();
    let (said, code) = replay(&file).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("not what was written"), "{said}");
}

#[tokio::test]
async fn what_is_no_trace_and_a_place_for_none_are_said_to_be() {
    let (said, code) = replay(Path::new(env!("CARGO_MANIFEST_PATH"))).await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("is no trace"), "{said}");
    let flags = ["--listen", "127.0.0.1:0", "--media-port", "0"];
    let output = run(ferrite(&[&flags[..], &["--trace", "/dev/null/x"]].concat())).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("--trace: /dev/null/x cannot be used"),
        "{said}"
    );
}
