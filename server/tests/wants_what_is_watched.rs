//! Who publishes in layers is told which of them somebody watches, over real sockets.
#![allow(
    clippy::unwrap_used,
    reason = "a test may panic, and so may its helpers"
)]

use ferrite_protocol::{ResumeToken, ServerMessage};
use ferrite_server::Server;
use serde_json::{Value, json};

use crate::support::background::Background;
use crate::support::native::Native;
use crate::support::{Client, config, start, with};

mod support;

/// Somebody in a room, whose media goes on by itself.
struct Member {
    client: Client,
    id: String,
    token: ResumeToken,
    mid: String,
    media: Background,
}

impl Member {
    /// Enters, and publishes a camera in these layers, smallest first; without any, has a slot.
    async fn enter(server: &Server, rids: &[&str]) -> Self {
        let (mut client, welcome) = Client::greeted(server).await;
        let (id, _) = client.join("tea").await;
        let mut member = Self {
            client,
            id,
            token: welcome.token,
            mid: String::new(),
            media: Background::default(),
        };
        member.call(rids).await;
        member
    }

    /// Makes another peer connection.
    async fn call(&mut self, rids: &[&str]) {
        self.media.end();
        let mut native = Native::new();
        let sdp = match rids {
            [ONE_STREAM] => with_vp9_first(&native.offer_one_picture()),
            _ => native.offer_pictures(rids),
        };
        let mid = sdp.lines().find_map(|line| line.strip_prefix("a=mid:"));
        mid.unwrap().clone_into(&mut self.mid);
        let publish =
            json!({"publish": {"key": "cam", "source": "camera", "width": 1280, "height": 720}});
        let use_ = match rids {
            [] => json!({"receive": "video"}),
            _ => publish,
        };
        let tracks = json!({&self.mid: use_});
        let offer = json!({"type": "offer", "sdp": sdp, "tracks": tracks});
        self.client.send_text(&offer.to_string()).await;
        let answer = loop {
            if let ServerMessage::Answer { sdp, .. } = self.client.receive_message().await {
                break sdp;
            }
        };
        native.take_answer(&answer);
        self.media = Background::repeat(move || native.step());
    }

    async fn watch(&mut self, other: &Self, width: u16, paused: bool) {
        let publication = format!("{}/cam", other.id);
        let height = width / 16 * 9;
        let watch =
            json!({"publication": publication, "width": width, "height": height, "paused": paused});
        self.wish(&watch).await;
    }

    async fn wish(&mut self, watch: &Value) {
        let watch = json!({"type": "watch", "slots": {&self.mid: watch}});
        self.client.send_text(&watch.to_string()).await;
    }

    /// How often its one stream may be halved, as is told next.
    async fn halvings(&mut self) -> u8 {
        loop {
            if let ServerMessage::Wanted { halvings, .. } = self.client.receive_message().await {
                return halvings["cam"];
            }
        }
    }

    /// The layers that are wanted next.
    async fn wanted(&mut self) -> String {
        loop {
            if let ServerMessage::Wanted { layers, .. } = self.client.receive_message().await {
                let layers = layers.get("cam").map(|layers| layers.concat());
                return layers.unwrap_or_default();
            }
        }
    }
}

const LAYERS: [&str; 3] = ["q", "h", "f"];
/// In no layers that have names.
const ONE_STREAM: &str = "";

/// An offer whose pictures come in VP9 before all others.
fn with_vp9_first(sdp: &str) -> String {
    let is_vp9 = |line: &&str| line.ends_with(" VP9/90000");
    let map = sdp.lines().find(is_vp9).unwrap();
    let number = map.strip_prefix("a=rtpmap:").unwrap();
    let number = number.split(' ').next().unwrap();
    let lines = sdp.lines().map(|line| {
        if !line.starts_with("m=video") {
            return format!("{line}\r\n");
        }
        let words: Vec<_> = line.split(' ').collect();
        let (head, formats) = words.split_at(3);
        let others = formats.iter().filter(|it| **it != number);
        let all = head.iter().chain([&number]).chain(others);
        let all: Vec<_> = all.copied().collect();
        all.join(" ") + "\r\n"
    });
    lines.collect()
}

#[tokio::test]
async fn who_publishes_is_told_the_layers_that_somebody_watches() {
    let server = start(with(|config| config.media.shards = 2)).await;
    let mut ann = Member::enter(&server, &LAYERS).await;
    assert_eq!(ann.wanted().await, "fhq", "at first");
    assert_eq!(ann.wanted().await, "q", "nobody is there");
    let mut bob = Member::enter(&server, &[]).await;
    assert_eq!(ann.wanted().await, "fhq", "the server fills his slot");
    let mut cid = Member::enter(&server, &[]).await;
    for (watcher, width) in [(&mut cid, 320), (&mut bob, 640)] {
        watcher.watch(&ann, width, false).await;
    }
    assert_eq!(ann.wanted().await, "hq");
    bob.watch(&ann, 1280, false).await;
    assert_eq!(ann.wanted().await, "fhq");
    bob.watch(&ann, 1280, true).await;
    assert_eq!(ann.wanted().await, "q");
    bob.watch(&ann, 640, false).await;
    assert_eq!(ann.wanted().await, "hq");
    bob.client.leave().await;
    assert_eq!(ann.wanted().await, "q");
    cid.wish(&Value::Null).await;
    cid.watch(&ann, 1280, false).await;
    assert_eq!(ann.wanted().await, "fhq");
}

#[tokio::test]
async fn who_publishes_in_one_stream_is_told_how_large_somebody_watches() {
    let server = start(with(|config| config.media.shards = 2)).await;
    let mut ann = Member::enter(&server, &[ONE_STREAM]).await;
    assert_eq!(ann.halvings().await, 0, "at first");
    assert_eq!(ann.halvings().await, 2, "nobody is there");
    let mut bob = Member::enter(&server, &[]).await;
    assert_eq!(ann.halvings().await, 0, "the server fills his slot");
    let mut cid = Member::enter(&server, &[]).await;
    for (watcher, width) in [(&mut cid, 320), (&mut bob, 640)] {
        watcher.watch(&ann, width, false).await;
    }
    assert_eq!(ann.halvings().await, 1);
    bob.watch(&ann, 1280, false).await;
    assert_eq!(ann.halvings().await, 0);
    bob.watch(&ann, 1280, true).await;
    assert_eq!(ann.halvings().await, 2);
}

#[tokio::test]
async fn who_comes_back_or_calls_anew_is_told_all_of_it() {
    let server = start(config()).await;
    let mut ann = Member::enter(&server, &LAYERS).await;
    let mut bob = Member::enter(&server, &[]).await;
    bob.watch(&ann, 320, false).await;
    while ann.wanted().await != "q" {}
    // Her WebSocket is gone, and he looks closely meanwhile.
    let (again, _) = {
        bob.watch(&ann, 640, false).await;
        Client::resuming(&server, &ann.token).await
    };
    ann.client = again;
    while ann.wanted().await != "hq" {}
    ann.call(&LAYERS).await;
    assert_eq!(ann.wanted().await, "fhq", "of another peer connection");
    assert_eq!(ann.wanted().await, "hq");
}
