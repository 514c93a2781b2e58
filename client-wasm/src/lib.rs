//! The browser client.
//!
//! What lives where:
//!
//! * `app`: the pages' loops, the echo's and a room's. Each owns its view, its devices and its client by
//!   value.
//! * `api`: the JavaScript-facing class, and the loop behind each instance.
//! * `client`: one session: the rules of `call` joined to `signalling` and `peer`.
//! * `call`, `stats`, `codec`, `chat`, `decimal`, `words`: pure, tested natively.
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
mod media;
mod panic;
mod peer;
mod settings;
mod signalling;
mod stats;
mod url;
mod view;
mod words;

pub use api::{
    FerriteClient, FerriteJoin, FerriteOptions, FerritePublish, FerriteSay, FerriteViews,
};

use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsError, JsValue};

/// Runs once when the module is loaded.
#[wasm_bindgen(start)]
fn main() {
    panic::install();
}

/// Starts the echo on the page that loaded it.
///
/// # Errors
/// On a page without the app's elements.
#[wasm_bindgen(js_name = startApp)]
pub fn start_app() -> Result<(), JsValue> {
    app::start_echo().map_err(|error| failure(&error))
}

/// Starts a room on the page that loaded it.
///
/// # Errors
/// On a page without its elements.
#[wasm_bindgen(js_name = startRoom)]
pub fn start_room() -> Result<(), JsValue> {
    app::start_room().map_err(|error| failure(&error))
}

fn failure(error: &app::StartError) -> JsValue {
    let words = match error {
        app::StartError::NoPage => "there is no page".to_owned(),
        app::StartError::Missing(missing) => format!("the page has no #{}", missing.0),
    };
    JsError::new(&words).into()
}
