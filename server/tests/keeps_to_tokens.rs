//! What a token does not let its bearer do does not happen, over real sockets: at once where another takes
//! the place of the first.
#![allow(
    clippy::unwrap_used,
    reason = "a test may panic, and so may its helpers"
)]

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use ferrite_protocol::{ErrorCode, Idle, Participant, ServerMessage, Slot, Source};
use ferrite_server::Server;
use ferrite_server::auth::{Grants, LEEWAY};
use ferrite_server::config::NewRooms;
use serde_json::json;
use tokio::time::timeout;

use crate::support::background::Background;
use crate::support::keys::closed;
use crate::support::native::Native;
use crate::support::{Client, PATIENCE};

mod support;

/// Slots for sound of each member.
const SLOTS: usize = 3;

/// Somebody with a microphone, a camera and some slots, whose media goes on by itself.
struct Member {
    client: Client,
    slots: Vec<String>,
    /// Frames that came on each slot.
    frames: Arc<Mutex<HashMap<String, usize>>>,
    /// How often it found nothing to read.
    idle_steps: Arc<AtomicUsize>,
    media: Background,
}

impl Member {
    /// Enters by a token and calls.
    async fn enter(server: &Server, token: &str) -> Self {
        let (mut client, _) = Client::greeted(server).await;
        join(&mut client, token).await;
        client.joined().await;
        Self::calling(client).await
    }

    /// Somebody who has entered calls.
    async fn calling(client: Client) -> Self {
        let mut member = Self {
            client,
            slots: Vec::new(),
            frames: Arc::default(),
            idle_steps: Arc::default(),
            media: Background::default(),
        };
        member.call().await;
        member
    }

    /// Makes another peer connection.
    async fn call(&mut self) {
        self.media.end();
        let mut native = Native::new();
        let (sdp, mids) = native.offer_member(SLOTS);
        let mut tracks = json!({
            &mids[0]: {"publish": {"key": "mic", "source": "microphone"}},
            &mids[1]: {"publish": {"key": "cam", "source": "camera"}},
        });
        for slot in &mids[2..] {
            tracks[slot] = json!({"receive": "audio"});
        }
        self.slots = mids[2..].to_vec();
        let offer = json!({"type": "offer", "id": 1, "sdp": sdp, "tracks": tracks});
        self.client.send_text(&offer.to_string()).await;
        let answer = self.client.told(|message| match message {
            ServerMessage::Answer { sdp, .. } => Some(sdp),
            _ => None,
        });
        native.take_answer(&answer.await);
        (self.frames, self.idle_steps) = (Arc::default(), Arc::default());
        let (frames, idle_steps) = (self.frames.clone(), self.idle_steps.clone());
        self.media = Background::repeat(move || {
            native.step();
            frames.lock().unwrap().clone_from(&native.frames_on);
            idle_steps.store(native.idle_steps, Ordering::Release);
        });
    }

    async fn authorize(&mut self, token: &str) {
        authorize(&mut self.client, token).await;
        done(&mut self.client).await;
    }

    /// Waits until its slots are so, and says which one shows a publication.
    async fn watches(&mut self, publication: &str, idle: Option<Idle>) -> String {
        let shows = |slot: &Slot| slot.publication.0 == publication && slot.idle == idle;
        self.client
            .told(|message| {
                let mut slots = watching(message)?.into_iter();
                Some(slots.find(|(_, slot)| shows(slot))?.0)
            })
            .await
    }

    fn frames_on(&self, slot: &str) -> usize {
        let frames = self.frames.lock().unwrap();
        frames.get(slot).copied().unwrap_or_default()
    }

    /// Waits until some more came on a slot: half a second of sound.
    fn hears(&self, slot: &str) {
        let (count, since) = (self.frames_on(slot), Instant::now());
        while self.frames_on(slot) < count + 25 {
            assert!(since.elapsed() < PATIENCE, "nothing came on {slot}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits until it read all that came so far, however little its thread was let run.
    fn reads_all(&self) {
        let (before, since) = (self.idle_steps.load(Ordering::Acquire), Instant::now());
        // One may have looked before this began.
        while self.idle_steps.load(Ordering::Acquire) < before + 2 {
            assert!(since.elapsed() < PATIENCE, "there is always more");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

async fn join(client: &mut Client, token: &str) {
    let join = json!({"type": "join", "id": 1, "room": "tea", "name": "somebody", "token": token});
    client.send_text(&join.to_string()).await;
}

async fn leave(client: &mut Client) {
    client.send_text(r#"{"type":"leave","id":3}"#).await;
    client
        .told(|message| match message {
            ServerMessage::Left { id, .. } => id,
            _ => None,
        })
        .await;
}

async fn authorize(client: &mut Client, token: &str) {
    let authorize = json!({"type": "authorize", "id": 2, "token": token});
    client.send_text(&authorize.to_string()).await;
}

fn watching(message: ServerMessage) -> Option<BTreeMap<String, Slot>> {
    match message {
        ServerMessage::Watching { slots, .. } => Some(slots),
        _ => None,
    }
}

/// What another token was answered with.
async fn reply(client: &mut Client) -> Result<(), String> {
    client
        .told(|message| match message {
            ServerMessage::Done { id } => id.map(|_| Ok(())),
            ServerMessage::Error {
                id, code, message, ..
            } => {
                assert_eq!(code, ErrorCode::NotAllowed, "{message}");
                id.map(|_| Err(message))
            }
            _ => None,
        })
        .await
}

async fn done(client: &mut Client) {
    assert_eq!(reply(client).await, Ok(()));
}

/// What somebody publishes, the next time that they are shown.
async fn published(client: &mut Client, whose: &str) -> Vec<String> {
    client
        .told(|message| match message {
            ServerMessage::ParticipantUpdated { participant } if participant.id.0 == whose => {
                Some(keys(&participant))
            }
            _ => None,
        })
        .await
}

fn keys(participant: &Participant) -> Vec<String> {
    let parts = participant
        .publications
        .iter()
        .filter_map(|it| it.id.parts());
    parts.map(|(_, key)| key.to_owned()).collect()
}

fn who_may_publish(sources: &[Source]) -> Grants {
    Grants {
        sources: Some(sources.to_vec()),
        ..Grants::all()
    }
}

const MAY_NOT: Grants = Grants {
    publish: false,
    sources: None,
    subscribe: false,
    publish_data: false,
    update_own_metadata: false,
    admin: false,
    create: false,
    hidden: false,
};

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_subscribe_is_told_so_and_sent_nothing() {
    let (server, mint) = closed(|_| ()).await;
    let deaf = mint.token(
        "bob",
        Grants {
            subscribe: false,
            ..Grants::all()
        },
    );
    let mut bob = Member::enter(&server, &deaf).await;
    let mut cid = Member::enter(&server, &mint.token("cid", Grants::all())).await;
    let _ann = Member::enter(&server, &mint.token("ann", Grants::all())).await;
    let slot = bob.watches("ann/mic", Some(Idle::NotAllowed)).await;
    let clock = cid.watches("ann/mic", None).await;
    cid.hears(&clock);
    bob.reads_all();
    assert_eq!(bob.frames_on(&slot), 0);
    // Another token holds at once, whether it lets them do more or less.
    bob.authorize(&mint.token("bob", Grants::all())).await;
    assert_eq!(bob.watches("ann/mic", None).await, slot);
    bob.hears(&slot);
    bob.authorize(&deaf).await;
    bob.watches("ann/mic", Some(Idle::NotAllowed)).await;
    cid.hears(&clock);
    bob.reads_all();
    let heard = bob.frames_on(&slot);
    cid.hears(&clock);
    bob.reads_all();
    assert_eq!(bob.frames_on(&slot), heard);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_publish_is_told_so_and_shown_to_nobody_until_they_may() {
    let (server, mint) = closed(|_| ()).await;
    let mut bob = Member::enter(&server, &mint.token("bob", Grants::all())).await;
    let mute = mint.token(
        "eve",
        Grants {
            publish: false,
            ..Grants::all()
        },
    );
    let mut eve = Member::enter(&server, &mute).await;
    let refused = Err("this participant may not publish mic, cam".to_owned());
    assert_eq!(reply(&mut eve.client).await, refused);
    let snapshot = || server.rooms().snapshot(&"tea".into()).unwrap();
    assert_eq!(keys(&snapshot().participants[1]), [""; 0]);
    let _dan = Member::enter(&server, &mint.token("dan", Grants::all())).await;
    let clock = bob.watches("dan/mic", None).await;
    bob.hears(&clock);
    assert_eq!(
        bob.frames.lock().unwrap().len(),
        1,
        "somebody else is heard"
    );
    // What was offered begins without another offer.
    eve.authorize(&mint.token("eve", Grants::all())).await;
    assert_eq!(published(&mut bob.client, "eve").await, ["mic", "cam"]);
    let slot = bob.watches("eve/mic", None).await;
    bob.hears(&slot);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_token_does_not_allow_ends_at_once_and_the_rest_goes_on() {
    let (server, mint) = closed(|_| ()).await;
    let mut bob = Member::enter(&server, &mint.token("bob", Grants::all())).await;
    let mut ann = Member::enter(&server, &mint.token("ann", Grants::all())).await;
    let _dan = Member::enter(&server, &mint.token("dan", Grants::all())).await;
    assert_eq!(published(&mut bob.client, "ann").await, ["mic", "cam"]);
    let slot = bob.watches("ann/mic", None).await;
    let clock = bob.watches("dan/mic", None).await;
    bob.hears(&slot);
    let pictures = mint.token("ann", who_may_publish(&[Source::Camera]));
    ann.authorize(&pictures).await;
    let refused = Err("this participant may not publish mic".to_owned());
    assert_eq!(reply(&mut ann.client).await, refused);
    assert_eq!(published(&mut bob.client, "ann").await, ["cam"]);
    bob.hears(&clock);
    let heard = bob.frames_on(&slot);
    bob.hears(&clock);
    assert_eq!(bob.frames_on(&slot), heard);
    // An offer that names it still, as one does that restarts ICE, ends nothing else.
    ann.call().await;
    assert_eq!(reply(&mut ann.client).await, refused);
    let snapshot = server.rooms().snapshot(&"tea".into()).unwrap();
    assert_eq!(keys(&snapshot.participants[1]), ["cam"]);
    ann.authorize(&mint.token("ann", Grants::all())).await;
    let slot = bob.watches("ann/mic", None).await;
    bob.hears(&slot);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_runs_out_ends_nothing_and_can_be_replaced() {
    let (server, mint) = closed(|_| ()).await;
    let _dan = Member::enter(&server, &mint.token("dan", Grants::all())).await;
    let (mut ann, _) = Client::greeted(&server).await;
    // One that runs out soon, with time to get in. If that was too little, one with more.
    let entering = async {
        for seconds in 2.. {
            let expires = SystemTime::now() + Duration::from_secs(seconds) - LEEWAY;
            let token = mint.token_until("ann", Grants::all(), expires);
            join(&mut ann, &token).await;
            if let ServerMessage::Joined { .. } = ann.receive_message().await {
                return token;
            }
        }
        unreachable!("there is always more time")
    };
    let token = timeout(PATIENCE, entering).await.expect("she gets in");
    let mut ann = Member::calling(ann).await;
    let slot = ann.watches("dan/mic", None).await;
    let expiry = async {
        loop {
            authorize(&mut ann.client, &token).await;
            match reply(&mut ann.client).await {
                Ok(()) => tokio::time::sleep(Duration::from_millis(50)).await,
                Err(refused) => return refused,
            }
        }
    };
    let refused = timeout(PATIENCE, expiry).await.expect("it runs out");
    assert!(refused.contains("expired"), "{refused}");
    ann.hears(&slot);
    for request in [
        json!({"type": "say", "id": 3, "topic": "chat", "text": "still here"}),
        json!({"type": "update", "id": 3, "name": "Ann"}),
    ] {
        ann.client.send_text(&request.to_string()).await;
        done(&mut ann.client).await;
    }
    ann.client
        .send_text(r#"{"type":"watch","id":3,"slots":{}}"#)
        .await;
    ann.client.told(watching).await;
    ann.hears(&slot);
    let silent = mint.token("ann", MAY_NOT);
    ann.authorize(&silent).await;
    ann.watches("dan/mic", Some(Idle::NotAllowed)).await;
}

#[tokio::test]
async fn others_see_the_name_and_the_metadata_of_a_token() {
    let (server, mint) = closed(|_| ()).await;
    let (mut ann, _) = Client::greeted(&server).await;
    let (mut bob, _) = Client::greeted(&server).await;
    join(&mut ann, &mint.token("ann", Grants::all())).await;
    ann.joined().await;
    join(&mut bob, &mint.token("bob", Grants::all())).await;
    let (_, room) = bob.joined().await;
    let of_bob = ann.told(|message| match message {
        ServerMessage::ParticipantJoined { participant } => Some(participant),
        _ => None,
    });
    let seen = [room.participants[0].clone(), of_bob.await];
    let [of_ann, of_bob] = seen.map(|it| (it.id.0, it.name, it.metadata));
    let expected = |id: &str, name: &str, metadata: &str| {
        (
            id.to_owned(),
            Some(name.to_owned()),
            Some(metadata.to_owned()),
        )
    };
    assert_eq!(of_ann, expected("ann", "ANN", "of ann"));
    assert_eq!(of_bob, expected("bob", "BOB", "of bob"));
}

#[tokio::test]
async fn where_it_takes_a_right_a_room_opens_to_its_creators_alone() {
    let (server, mint) = closed(|config| config.tokens.new_rooms = NewRooms::Creators).await;
    let (mut ann, _) = Client::greeted(&server).await;
    let (mut bob, _) = Client::greeted(&server).await;
    let guest = mint.token("bob", MAY_NOT);
    let host = mint.token(
        "ann",
        Grants {
            create: true,
            ..MAY_NOT
        },
    );
    let refused = Err("this participant may not open a room that nobody is in".to_owned());
    join(&mut bob, &guest).await;
    assert_eq!(reply(&mut bob).await, refused);
    assert!(server.rooms().is_empty());
    join(&mut ann, &host).await;
    ann.joined().await;
    join(&mut bob, &guest).await;
    bob.joined().await;
    // He stays without her, and is let in once more while he is there: it is the same seat.
    leave(&mut ann).await;
    let (mut again, _) = Client::greeted(&server).await;
    join(&mut again, &guest).await;
    again.joined().await;
    leave(&mut again).await;
    join(&mut again, &guest).await;
    assert_eq!(reply(&mut again).await, refused);
}

#[tokio::test]
async fn who_has_no_token_is_told_that_it_takes_one() {
    let (server, _) = closed(|_| {}).await;
    let (mut ann, _) = Client::greeted(&server).await;
    ann.send_text(r#"{"type":"join","id":7,"room":"kitchen"}"#)
        .await;
    let refused = "this server lets nobody into rooms without a token, and none was given";
    assert_eq!(reply(&mut ann).await, Err(refused.to_owned()));
}

#[tokio::test]
async fn by_default_whoever_may_join_a_room_opens_it() {
    let (server, mint) = closed(|_| ()).await;
    let (mut bob, _) = Client::greeted(&server).await;
    join(&mut bob, &mint.token("bob", MAY_NOT)).await;
    bob.joined().await;
}
