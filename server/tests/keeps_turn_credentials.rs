//! The database of stored TURN credentials: what was answered is in it, whenever the process ends.

// Clippy knows only the tests themselves to be tests, not what they call.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::PATIENCE;
use crate::support::http::get;
use crate::support::process::{ferrite, run};
use crate::support::turn_api::{
    BEARER, CREDENTIAL, ICE_SERVERS, KEY, LIST, call, create, directory, server,
};

mod support;

#[tokio::test]
async fn a_database_that_cannot_be_had_ends_the_start() {
    let directory = directory("turn-credentials-in-use");
    let data = directory.to_str().unwrap();
    let _first = server(&["--data", data]).await;
    let flags = ["--listen", "127.0.0.1:0", "--media-port", "0", "--data"];
    for (data, expected) in [
        (data, "is in use by another server"),
        ("/dev/null/x", "--data: /dev/null/x cannot be used"),
    ] {
        let output = run(ferrite(&[&flags[..], &[data]].concat())).await;
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            (output.status.code(), text.lines().count()),
            (Some(2), 1),
            "{text}"
        );
        assert!(text.contains(expected), "{text}");
    }
}

/// All credentials, page by page.
async fn names(addr: SocketAddr) -> BTreeSet<String> {
    let (mut names, mut page) = (BTreeSet::new(), json!(1));
    while !page.is_null() {
        let listed = get(addr, &format!("{LIST}?all=true&page={page}"), &BEARER)
            .await
            .json();
        let data = listed["data"].as_array().unwrap().iter();
        names.extend(data.map(|credential| credential["username"].as_str().unwrap().to_owned()));
        page = listed["pagination"]["next_page"].clone();
    }
    names
}

/// Makes credentials, and takes every third away, until the server is gone. Says which were promised to be there, to
/// be gone, and which nobody can know of.
async fn busy(addr: SocketAddr, done: tokio::sync::mpsc::UnboundedSender<Change>) {
    let exchange = async |method: &str, body: &Value| -> Option<Value> {
        let mut stream = TcpStream::connect(addr).await.ok()?;
        let body = body.to_string();
        let head = format!(
            "{method} {CREDENTIAL}?secretKey={KEY} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        let (_, json) = answer.split_once("\r\n\r\n")?;
        serde_json::from_str(json).ok()
    };
    for n in 0.. {
        let Some(made) = exchange("POST", &json!({ "label": "busy" })).await else {
            return;
        };
        let name = made["username"].as_str().unwrap().to_owned();
        done.send(Change::Made(name.clone())).unwrap();
        if n % 3 == 0 {
            done.send(Change::Unknown(name.clone())).unwrap();
            let Some(_) = exchange("DELETE", &json!({ "username": name })).await else {
                return;
            };
            done.send(Change::Gone(name)).unwrap();
        }
    }
}

#[derive(Debug)]
enum Change {
    Made(String),
    Unknown(String),
    Gone(String),
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_kill_at_any_moment() {
    let directory = directory("turn-credentials-killed");
    let data = directory.to_str().unwrap();
    let (mut there, mut gone) = (BTreeSet::new(), BTreeSet::new());
    for changes in [1, 7, 20, 45, 90] {
        let server = server(&["--data", data]).await;
        let found = names(server.addr).await;
        assert!(
            there.is_subset(&found),
            "lost: {:?}",
            there.difference(&found)
        );
        assert!(
            gone.is_disjoint(&found),
            "back: {:?}",
            gone.intersection(&found)
        );
        // What was made and not answered, by two at a time.
        there = found;
        let (done, mut seen) = tokio::sync::mpsc::unbounded_channel();
        let busy = [(); 2].map(|()| tokio::spawn(busy(server.addr, done.clone())));
        drop(done);
        let mut count = 0;
        while let Some(change) = seen.recv().await {
            match change {
                Change::Made(name) => drop(there.insert(name)),
                Change::Unknown(name) => drop(there.remove(&name)),
                Change::Gone(name) => drop(gone.insert(name)),
            }
            count += 1;
            if count == changes {
                server.signal("-KILL").await;
            }
        }
        for task in busy {
            task.await.unwrap();
        }
    }
    let server = server(&["--data", data]).await;
    let found = names(server.addr).await;
    assert!(there.is_subset(&found) && gone.is_disjoint(&found));
    assert!(
        there.len() > 20 && gone.len() > 10,
        "{} {}",
        there.len(),
        gone.len()
    );
}

/// As soon as there is a file, and as soon as something is in it.
#[tokio::test]
async fn a_kill_while_the_database_is_made_leaves_nothing_that_is_in_the_way() {
    for round in 0..12 {
        let directory = directory("turn-credentials-making");
        let data = directory.to_str().unwrap();
        let flags = [
            "--listen",
            "127.0.0.1:0",
            "--media-port",
            "0",
            "--data",
            data,
        ];
        let mut making = ferrite(&flags).spawn().unwrap();
        let least = [0, 1, 5000][round % 3];
        let watched = directory.clone();
        tokio::task::spawn_blocking(move || {
            let is_there = || {
                let files = std::fs::read_dir(&watched).into_iter().flatten().flatten();
                let mut sizes = files.filter_map(|file| Some(file.metadata().ok()?.len()));
                sizes.any(|size| size >= least)
            };
            let deadline = std::time::Instant::now() + PATIENCE;
            while !is_there() {
                assert!(std::time::Instant::now() < deadline, "no database");
                std::hint::spin_loop();
            }
        })
        .await
        .unwrap();
        making.kill().await.unwrap();
        let server = server(&["--data", data]).await;
        create(server.addr, &json!({})).await;
    }
}

#[tokio::test]
async fn switched_off_is_switched_off_after_a_restart_and_without_a_key() {
    let directory = directory("turn-credentials-kept");
    let data = directory.to_str().unwrap();
    let first = server(&["--data", data]).await;
    let made = create(first.addr, &json!({ "label": "kept" })).await;
    let name = json!({ "username": made["username"] });
    call(first.addr, "POST", &format!("{CREDENTIAL}/disable"), &name).await;
    let (status, _, log) = first.end("-TERM").await;
    assert!(status.success() && !log.contains("forgotten"), "{log}");
    let second = server(&["--data", data]).await;
    let ice = format!("{ICE_SERVERS}?apiKey={}", made["apiKey"].as_str().unwrap());
    assert_eq!(get(second.addr, &ice, &[]).await.status, 401);
    let on = call(second.addr, "POST", &format!("{CREDENTIAL}/enable"), &name).await;
    assert_eq!(
        (on.status, get(second.addr, &ice, &[]).await.status),
        (200, 200)
    );
}
