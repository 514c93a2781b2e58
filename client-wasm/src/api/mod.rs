//! `FerriteClient`, the JavaScript-facing class: the same client the page uses, without the page.
//! Owns the translation between JavaScript and [`client`](crate::client); decides nothing.

mod changes;
mod instance;
mod outcome;
mod place;
mod rooms;
mod shapes;
mod translate;

pub use rooms::{FerriteJoin, FerritePublish, FerriteSay, FerriteViews};
pub(crate) use shapes::insight;

use std::future::Future;
use std::rc::Rc;

use ferrite_protocol::limits::MAX_LOSSY_BYTES;
use futures_channel::oneshot;
use futures_util::{FutureExt, TryFutureExt};
use js_sys::{Function, Promise};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{MediaStream, MediaStreamTrack, RtcPeerConnection};

use crate::client::Command;
use crate::dom::{self, Post};
use crate::peer::{Outgoing, Payload, SendError};
use instance::{Ask, Input, Instance};
use outcome::{Failure, Glance, Reply};

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = include_str!("types.d.ts");

#[wasm_bindgen]
extern "C" {
    /// See `types.d.ts`.
    #[wasm_bindgen(typescript_type = "FerriteOptions")]
    pub type FerriteOptions;
}

/// A connection to a Ferrite server: signalling, one `RTCPeerConnection`, one data channel.
///
/// ```js
/// const client = new FerriteClient({ url: "https://calls.example" });
/// client.on("track", ({ track }) => video.srcObject.addTrack(track));
/// client.on("message", (data) => console.log(data));
/// await client.start(await navigator.mediaDevices.getUserMedia({ audio: true, video: true }));
/// await client.send("hello");
/// ```
///
/// It lives until `close()`, whether or not anything still refers to it; `free()` only lets go of
/// the handle.
#[wasm_bindgen]
pub struct FerriteClient {
    post: Post<Input>,
    glance: Rc<Glance>,
}

#[wasm_bindgen]
impl FerriteClient {
    /// A client that does nothing yet. Throws when the address is none.
    #[wasm_bindgen(constructor)]
    pub fn new(options: Option<FerriteOptions>) -> Result<FerriteClient, JsValue> {
        let options = translate::options(&options.map_or(JsValue::UNDEFINED, Into::into))?;
        let (post, inbox) = dom::queue();
        let glance = Rc::new(Glance::default());
        let instance = Instance::new(options, &post, Rc::clone(&glance));
        wasm_bindgen_futures::spawn_local(instance.run(inbox));
        Ok(Self { post, glance })
    }

    /// How the call is.
    #[wasm_bindgen(getter, unchecked_return_type = "FerriteStatus")]
    pub fn status(&self) -> JsValue {
        self.glance.status.borrow().clone()
    }

    /// The `RTCPeerConnection` of the call there is, for what this class does not cover. It is
    /// replaced when a call has to be built anew; see the event `peerConnection`.
    #[wasm_bindgen(getter, js_name = peerConnection)]
    pub fn peer_connection(&self) -> Option<RtcPeerConnection> {
        self.glance.connection.borrow().clone()
    }

    /// Opens the signalling link. Resolves when the server has welcomed this client. While the
    /// server is away it goes on trying; it rejects when that would not help.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn connect(&self) -> Promise {
        self.ask(Ask::Connect, |()| JsValue::UNDEFINED)
    }

    /// Calls the server, with the tracks of a stream if one is given. Resolves when media and data
    /// can flow.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn start(&self, stream: Option<MediaStream>) -> Promise {
        if let Some(stream) = &stream {
            self.publish(stream);
        }
        self.ask(Ask::Start, |()| JsValue::UNDEFINED)
    }

    /// Sends the tracks of a stream, at once in a call and else with the next one.
    pub fn publish(&self, stream: &MediaStream) {
        let tracks = stream.get_tracks().into_iter().map(JsCast::unchecked_into);
        self.command(Command::Publish(tracks.collect()));
    }

    /// Stops sending a track. It goes on running: stopping it is its owner's business.
    pub fn unpublish(&self, track: MediaStreamTrack) {
        self.command(Command::Unpublish(track));
    }

    /// Sends a message over the data channel. Resolves when the browser has taken it, which it
    /// does not while too much waits to leave: await it, and nothing piles up. Rejects when the
    /// message is larger than the server takes, or the channel not open.
    ///
    /// In a room that is no obstacle: what the server has not received when a channel ends goes on
    /// the next, in order and once, and what is sent meanwhile waits for that. At most 2 MiB, in 4096
    /// messages, are under way; what is more waits, and 256 messages that nobody awaited do so before
    /// one is `full`. It rejects with `notOpen` outside and while the phase is `failed`, and what waits
    /// does so when the room is left, the call fails or the session does not go on: then nothing of it
    /// is sent any more.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn send(
        &self,
        #[wasm_bindgen(unchecked_param_type = "string | ArrayBuffer | ArrayBufferView")]
        data: &JsValue,
    ) -> Promise {
        let Some(payload) = translate::payload(data) else {
            return Promise::reject(&translate::failure(&Failure::BadData));
        };
        let (done, sent) = oneshot::channel();
        self.command(Command::Send(Outgoing {
            payload,
            done: Some(done),
        }));
        promise(async move {
            match sent.await {
                Ok(Ok(())) => Ok(JsValue::UNDEFINED),
                Ok(Err(error)) => Err(Failure::Send(error)),
                Err(oneshot::Canceled) => Err(Failure::Closed),
            }
        })
    }

    /// Sends bytes to others in the room, on a channel where the newest counts: now and once, in no order. Where there is
    /// no channel, or much waits to leave, they are not sent. Throws where they are no bytes, or more than 8 KiB.
    #[wasm_bindgen(js_name = sendLossy)]
    pub fn send_lossy(
        &self,
        #[wasm_bindgen(unchecked_param_type = "ArrayBuffer | ArrayBufferView")] data: &JsValue,
    ) -> Result<(), JsValue> {
        let payload = translate::payload(data).filter(|it| matches!(it, Payload::Bytes(_)));
        let payload = payload.ok_or_else(|| translate::failure(&Failure::BadData))?;
        let bytes = payload.into_bytes();
        if bytes.len() > MAX_LOSSY_BYTES {
            return Err(translate::failure(&Failure::Send(SendError::TooLarge)));
        }
        self.command(Command::SendLossy(bytes));
        Ok(())
    }

    /// The call in numbers. Rates are those since the last time this was asked.
    #[wasm_bindgen(unchecked_return_type = "Promise<FerriteStats>")]
    pub fn stats(&self) -> Promise {
        self.ask(Ask::Stats, |stats| translate::stats(&stats))
    }

    /// Finds a new path for the media, as after a change of network. The client does so by itself
    /// when the path breaks.
    #[wasm_bindgen(js_name = restartIce)]
    pub fn restart_ice(&self) {
        self.command(Command::RestartIce);
    }

    /// Tries again now what waits for its next attempt or has failed.
    pub fn retry(&self) {
        self.command(Command::Retry);
    }

    /// Ends the call and keeps the signalling link.
    #[wasm_bindgen(js_name = hangUp)]
    pub fn hang_up(&self) {
        self.command(Command::HangUp);
    }

    /// Ends everything, for good.
    pub fn close(&self) {
        self.command(Command::Close);
    }

    /// Typed by hand in `types.d.ts`.
    #[wasm_bindgen(skip_typescript)]
    pub fn on(&self, event: String, callback: Function) {
        self.post(Ask::On(event, callback));
    }

    /// Typed by hand in `types.d.ts`.
    #[wasm_bindgen(skip_typescript)]
    pub fn off(&self, event: String, callback: Function) {
        self.post(Ask::Off(event, callback));
    }
}

impl FerriteClient {
    fn command(&self, command: Command) {
        self.post(Ask::Do(command));
    }

    fn post(&self, ask: Ask) {
        self.post.send(Input::Ask(ask));
    }

    fn ask<T: 'static>(
        &self,
        ask: impl FnOnce(Reply<T>) -> Ask,
        translate: fn(T) -> JsValue,
    ) -> Promise {
        let (reply, answer) = oneshot::channel();
        self.post(ask(reply));
        promise(async move {
            match answer.await {
                Ok(result) => result.map(translate),
                Err(oneshot::Canceled) => Err(Failure::Closed),
            }
        })
    }
}

fn promise(future: impl Future<Output = Result<JsValue, Failure>> + 'static) -> Promise {
    let future = future.map_err(|failure| translate::failure(&failure));
    // Boxed, as tasks are: what makes a promise of it is compiled once.
    wasm_bindgen_futures::future_to_promise(future.boxed_local())
}
