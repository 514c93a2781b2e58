//! The browser client has a reader of its own for what the server says. It reads every message that the protocol's golden
//! files show.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use ferrite_tests::scene;
use syn::{Fields, Item};

fn shared() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared"))
}

/// What the server says, by the files' names.
fn golden() -> Result<BTreeMap<String, String>> {
    let mut golden = BTreeMap::new();
    for file in fs::read_dir(shared().join("tests/golden"))? {
        let path = file?.path();
        let name = path.file_stem().context("a name")?;
        let name = name.to_str().context("a name of text")?;
        if name.starts_with("server.") {
            golden.insert(name.to_owned(), fs::read_to_string(&path)?);
        }
    }
    Ok(golden)
}

/// A server that says one thing to each client, and what a client did not understand.
const SERVER: &str = r"
    const { default: init, FerriteClient } = await import('/ferrite_client.js');
    await init();
    const { expect, until } = lab;
    let socket = null;
    window.WebSocket = class extends EventTarget {
        constructor() {
            super();
            socket = this;
        }

        send() {}
        close() {}
    };
    const ignored = [];
    console.debug = (words) => ignored.push(words);
    const isRead = async (data) => {
        [socket, ignored.length] = [null, 0];
        const client = new FerriteClient();
        client.start().catch(() => {});
        await until('a WebSocket', () => socket);
        socket.dispatchEvent(new Event('open'));
        let isHeard = false;
        const message = new MessageEvent('message', { data });
        Object.defineProperty(message, 'data', { get: () => { isHeard = true; return data; } });
        socket.dispatchEvent(message);
        client.close();
        expect('a client that listens', isHeard, true);
        return ignored.length === 0;
    };
";

const READS: &str = r"
    const unread = [];
    for (const [name, text] of Object.entries(golden)) if (!await isRead(text)) unread.push(name);
    expect('what it does not know', unread, []);
    const others = [
        '{\'type\':\'later\'}',
        '\'ping\'',
        // The name of a cause is no object with fields.
        '{\'type\':\'left\',\'cause\':{\'type\':\'kicked\'}}',
    ];
    for (const other of others) expect(other, await isRead(other.replaceAll('\'', '\x22')), false);
";

#[tokio::test]
async fn what_the_golden_files_show_is_read() -> Result<()> {
    let golden = golden()?;
    ensure!(golden.len() > 20, "{} files", golden.len());
    let golden = serde_json::to_string(&golden)?;
    scene("reads", async |scene| {
        scene.open_lab().await?;
        let script = format!("{SERVER} const golden = {golden}; {READS}");
        scene.run(&script).await.map(drop)
    })
    .await
}

/// The reader finds the tag among the fields: a variant of another kind has no place for it.
#[test]
fn every_message_has_named_fields() -> Result<()> {
    let source = fs::read_to_string(shared().join("src/message.rs"))?;
    let items = syn::parse_file(&source)?.items;
    let message = items.iter().find_map(|item| match item {
        Item::Enum(it) if it.ident == "ServerMessage" => Some(it),
        _ => None,
    });
    for variant in &message.context("what the server sends")?.variants {
        let is_named = matches!(variant.fields, Fields::Named(_));
        ensure!(is_named, "{} has no named fields", variant.ident);
    }
    Ok(())
}
