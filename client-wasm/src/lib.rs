//! The browser client.
//!
//! What lives where:
//!
//! * `app`: the pages' loops, the front one's, the echo's and a room's. Each owns its view, its devices and its client by
//!   value.
//! * `api`: the JavaScript-facing class, and the loop behind each instance.
//! * `room`: a room for programs in Rust.
//! * `client`: one session: the rules of `call` joined to `signalling` and `peer`.
//! * `replay`: a room's reliable messages, over however many peer connections.
//! * `call`, `stats`, `codec`, `chat`, `decimal`, `language`, `sorted`, `words`: pure, tested natively.
//! * `media`, `signalling`, `peer`, `settings`, `view`: the browser, piece by piece.
//! * `dom`: listeners, timers and tasks that end when dropped, and the queue they post to.
//!
//! Browser callbacks only post to a queue; whatever they change is owned by a loop.
// Tests may expect.
#![cfg_attr(not(test), warn(clippy::expect_used, clippy::wildcard_enum_match_arm))]

mod api;
mod app;
mod call;
mod chat;
mod client;
mod codec;
mod decimal;
mod dom;
mod gaps;
mod glimpse;
mod language;
mod links;
mod maker;
mod media;
mod panic;
mod peer;
mod qr;
mod replay;
mod room;
mod settings;
mod signalling;
mod sorted;
mod stats;
mod url;
mod view;
mod words;

pub use api::{
    FerriteClient, FerriteJoin, FerriteOptions, FerritePublish, FerriteSay, FerriteViews,
};
pub use call::{Ending, Entry, MAX_VOICES, Phase};
pub use ferrite_protocol as protocol;
pub use room::{BadAddress, Room, RoomEvent};

use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsError, JsValue};

/// Runs once when the module is loaded.
#[wasm_bindgen(start)]
fn main() {
    panic::install();
}

/// Starts the front page on the page that loaded it. `words` are those of another language than English, as
/// JSON: the English ones, and what to say instead.
///
/// # Errors
/// On a page without its elements.
#[wasm_bindgen(js_name = startFront)]
pub fn start_front(words: &str) -> Result<(), JsValue> {
    app::start_front(words).map_err(|error| failure(&error))
}

/// Starts the echo on the page that loaded it.
///
/// # Errors
/// On a page without its elements.
#[wasm_bindgen(js_name = startEcho)]
pub fn start_echo(words: &str) -> Result<(), JsValue> {
    app::start_echo(words).map_err(|error| failure(&error))
}

/// Starts a room on the page that loaded it.
///
/// # Errors
/// On a page without its elements.
#[wasm_bindgen(js_name = startRoom)]
pub fn start_room(words: &str) -> Result<(), JsValue> {
    app::start_room(words).map_err(|error| failure(&error))
}

fn failure(error: &app::StartError) -> JsValue {
    let words = match error {
        app::StartError::NoPage => "there is no page".to_owned(),
        app::StartError::Missing(missing) => format!("the page has no #{}", missing.0),
    };
    JsError::new(&words).into()
}
