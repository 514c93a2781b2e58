//! The part of the class that is about rooms. Owns the translation of its arguments; decides nothing.

use ferrite_protocol::{CHAT, JoinToken, ParticipantId, Priority, PublicationId, RoomId, Source};
use js_sys::{Promise, TypeError};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::MediaStreamTrack;

use super::FerriteClient;
use super::instance::Ask;
use crate::call::{Entry, Request, Sight};
use crate::client::Command;
use crate::dom;
use crate::peer::Outlet;

#[wasm_bindgen]
extern "C" {
    /// See `types.d.ts`.
    #[wasm_bindgen(typescript_type = "FerriteJoin")]
    pub type FerriteJoin;
    /// See `types.d.ts`.
    #[wasm_bindgen(typescript_type = "FerritePublish")]
    pub type FerritePublish;
    /// See `types.d.ts`.
    #[wasm_bindgen(typescript_type = "FerriteView[]")]
    pub type FerriteViews;
    /// See `types.d.ts`.
    #[wasm_bindgen(typescript_type = "FerriteSay")]
    pub type FerriteSay;
}

#[derive(Deserialize)]
struct Join {
    room: RoomId,
    name: Option<String>,
    metadata: Option<String>,
    token: Option<JoinToken>,
}

#[derive(Deserialize)]
struct Publish {
    key: String,
    source: Option<Source>,
    label: Option<String>,
}

#[derive(Deserialize)]
struct View {
    publication: PublicationId,
    width: Option<f64>,
    height: Option<f64>,
    #[serde(default)]
    paused: bool,
    #[serde(default)]
    priority: Priority,
}

#[derive(Default, Deserialize)]
struct Say {
    topic: Option<String>,
    to: Option<Vec<ParticipantId>>,
}

#[wasm_bindgen]
impl FerriteClient {
    /// The room this client is in.
    #[wasm_bindgen(getter, unchecked_return_type = "FerriteRoom | undefined")]
    pub fn room(&self) -> JsValue {
        self.glance.room.borrow().clone()
    }

    /// Goes into a room, out of any other room or call, and stays there over cuts and changes of the
    /// network. Resolves when the server has let this client in; media follow. Rejects when it does not.
    #[wasm_bindgen(unchecked_return_type = "Promise<FerriteRoom>")]
    pub fn join(&self, options: FerriteJoin) -> Promise {
        let join: Join = match read(&options.into(), "FerriteJoin") {
            Ok(join) => join,
            Err(error) => return Promise::reject(&error),
        };
        let entry = Entry {
            room: join.room,
            name: join.name,
            metadata: join.metadata,
            token: join.token,
            // The client was told that from the start.
            voices: None,
        };
        self.ask(move |reply| Ask::Join(entry, reply), |room| room)
    }

    /// Leaves the room and keeps the signalling link.
    pub fn leave(&self) {
        self.command(Command::HangUp);
    }

    /// Publishes a track in the room, or in the next one, until `unpublishTrack`. Under a key that is in use
    /// it replaces the track there. Throws when the key is empty or has a `/`.
    #[wasm_bindgen(js_name = publishTrack)]
    pub fn publish_track(
        &self,
        track: MediaStreamTrack,
        options: FerritePublish,
    ) -> Result<(), JsValue> {
        let options = JsValue::from(options);
        let publish: Publish = read(&options, "FerritePublish")?;
        if publish.key.is_empty() || publish.key.contains('/') {
            return Err(TypeError::new("FerritePublish.key is empty or has a /").into());
        }
        let source = publish.source.unwrap_or(match track.kind().as_str() {
            "audio" => Source::Microphone,
            _ => Source::Camera,
        });
        self.post(Ask::Publish(Outlet {
            key: publish.key,
            source,
            label: publish.label,
            track: Some(track),
            muted: false,
            manner: js_sys::JSON::stringify(&options)?.as_string(),
        }));
        Ok(())
    }

    /// Publishes no more what is published under this key. The track goes on running.
    #[wasm_bindgen(js_name = unpublishTrack)]
    pub fn unpublish_track(&self, key: String) {
        self.post(Ask::Unpublish(key));
    }

    /// Mutes what is published under this key: others see that, and nothing leaves the browser.
    pub fn mute(&self, key: String) {
        self.say_muted(key, true);
    }

    /// Mutes it no longer, whoever muted it.
    pub fn unmute(&self, key: String) {
        self.say_muted(key, false);
    }

    /// Whether what is published under this key is muted: from the moment that this client says so, and when it hears
    /// that somebody else did it.
    #[wasm_bindgen(js_name = isMuted)]
    pub fn is_muted(&self, key: &str) -> bool {
        self.glance.muted.borrow().contains(key)
    }

    /// Says which pictures are shown and how large, the most important first: the whole list each time, until
    /// the room is left. Until the first call the server chooses.
    pub fn watch(&self, views: FerriteViews) -> Result<(), JsValue> {
        let views: Vec<View> = read(&views.into(), "FerriteView[]")?;
        self.command(Command::Show(views.into_iter().map(sight).collect()));
        Ok(())
    }

    /// Says something to all in the room, or to some. Resolves when the server took it.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn say(&self, text: String, options: Option<FerriteSay>) -> Promise {
        let say = options.map(|options| read(&options.into(), "FerriteSay"));
        match say.unwrap_or_else(|| Ok(Say::default())) {
            Ok(Say { topic, to }) => self.request(Request::Say {
                to,
                topic: topic.unwrap_or_else(|| CHAT.to_owned()),
                text,
            }),
            Err(error) => Promise::reject(&error),
        }
    }

    /// Removes somebody from the room, if this client may.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn kick(&self, participant: String, reason: Option<String>) -> Promise {
        let participant = ParticipantId(participant);
        self.request(Request::Kick {
            participant,
            reason,
        })
    }

    /// Mutes what somebody else publishes, if this client may, until they unmute it.
    #[wasm_bindgen(js_name = mutePublication, unchecked_return_type = "Promise<void>")]
    pub fn mute_publication(&self, publication: String, reason: Option<String>) -> Promise {
        let publication = PublicationId(publication);
        self.request(Request::MutePublication {
            publication,
            reason,
        })
    }

    /// Ends the room for everybody, if this client may.
    #[wasm_bindgen(js_name = endRoom, unchecked_return_type = "Promise<void>")]
    pub fn end_room(&self, reason: Option<String>) -> Promise {
        self.request(Request::EndRoom { reason })
    }
}

impl FerriteClient {
    fn say_muted(&self, key: String, muted: bool) {
        self.glance.mute(key.clone(), muted);
        self.post(Ask::Mute(key, muted));
    }

    fn request(&self, request: Request) -> Promise {
        self.ask(
            move |reply| Ask::Request(request, reply),
            |()| JsValue::UNDEFINED,
        )
    }
}

fn sight(view: View) -> Sight {
    // Saturates, and what is no number is none.
    let pixels = |size: f64| size.ceil() as u16;
    Sight {
        publication: view.publication,
        width: view.width.map(pixels),
        height: view.height.map(pixels),
        paused: view.paused,
        priority: view.priority,
    }
}

fn read<T: DeserializeOwned>(value: &JsValue, name: &str) -> Result<T, JsValue> {
    dom::read(value.clone()).map_err(|_| TypeError::new(&format!("not a {name}")).into())
}
