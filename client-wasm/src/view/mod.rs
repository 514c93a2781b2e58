//! The pages: each part finds its elements in a page of `www`, shows what it is told
//! and posts what the user does. DOM only: it decides nothing and remembers nothing but the elements.

mod action;
mod chat;
mod echo;
mod element;
mod frame;
mod front;
mod language;
mod languages;
mod numbers;
mod prejoin;
mod room;
mod setup;
mod stage;

pub(crate) use action::{Action, Choice, PageAction, Panel, RoomAction, SeeAction, Toggle};
pub(crate) use chat::LineState;
pub(crate) use echo::{Screen, View};
pub(crate) use element::Missing;
pub(crate) use front::{FrontAction, FrontView};
pub(crate) use language::translate;
pub(crate) use room::{Face, FileLine, PersonLine, RoomView, caption};
