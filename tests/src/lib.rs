//! The harness of Ferrite's black-box tests: it starts the real server and real browsers, and
//! leaves behind what a person needs to see why a test failed.
//!
//! * [`scene()`] runs one test: a server, a browser, and the clean-up that follows either way.
//! * [`server`] starts and stops the `ferrite` binary.
//! * [`browser`] drives Chromium through WebDriver, and keeps what its console said.
//! * [`app`] is the echo's page as its user meets it, [`room_page`] a room's.
//! * [`firefox`] drives Firefox, through [`marionette`].
//! * [`seat`] is either of them.
//! * [`aiortc`] makes calls with a peer in Python.
//! * [`machine`] keeps what measures and what runs browsers apart.
//! * [`network`] gives a test a network of its own.
//! * [`lab`] is the laboratory of networks: NATs, firewalls and bad links, and calls over them.
//! * [`proxy`] is a TCP proxy that can be cut, or slow.
//! * [`site`] serves a page of another origin.
//! * [`witness`] notes what happens to a call.
//! * [`process`] owns a child process and its output.
//! * [`artefacts`] says where screenshots and logs go.
//! * [`wait`] polls with a deadline. Nothing in the tests sleeps to synchronise.
//! * [`load`] loads a server with many light peers.
//! * [`signalling`] calls for peers that have no signalling of their own.
//! * [`native`] is a client that is no browser: it joins a room, and publishes and keeps files.
//! * [`tone`] writes the sound a fake microphone plays.
//! * [`cargo`] builds programs of the workspace.
//! * [`rest`] calls the server's REST API.
//! * [`coturn`] runs coturn's programs.
//! * [`janus`] starts Janus, another server, for the load tool.
//! * [`readme`] reads what README.md and the other documents promise.
//!
//! The harness knows nothing of the server's insides: it speaks to a process and to its ports.
#![forbid(unsafe_code)]

pub mod aiortc;
pub mod app;
pub mod artefacts;
pub mod authority;
pub mod browser;
pub mod cargo;
pub mod coturn;
pub mod firefox;
pub mod janus;
pub mod lab;
pub mod load;
pub mod looks;
pub mod machine;
pub mod marionette;
pub mod native;
pub mod network;
pub mod process;
pub mod proxy;
pub mod readme;
pub mod rest;
pub mod room_page;
pub mod scene;
pub mod seat;
pub mod server;
pub mod signalling;
pub mod site;
pub mod tone;
pub mod wait;
pub mod witness;

pub use aiortc::aiortc_call;
pub use app::App;
pub use browser::{Browser, BrowserOptions, Permission};
pub use firefox::{
    Firefox, firefox_and_chromium, firefox_lab, firefox_on_the_move, firefoxes_and_chromiums,
    silent_firefox_lab,
};
pub use room_page::RoomPage;
pub use scene::{Scene, scene, scene_on, scene_with};
pub use seat::Seat;
pub use server::Server;
pub use signalling::Signalling;
pub use witness::Witness;
