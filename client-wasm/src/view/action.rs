//! What the user of a page can do.

use web_sys::{File, Window};

use crate::media::Kind;

/// What can be done on every page.
#[derive(Debug)]
pub(crate) enum PageAction {
    /// Try again to reach the server.
    Retry,
    /// Try again to open camera and microphone.
    RetryDevices,
    /// Choose something.
    Choose(Choice, String),
    /// Touch anything at all.
    Gesture,
    /// Leave the page.
    Leave,
    /// Come back to the page as it was left.
    Return,
}

/// What can be done on the echo's page.
#[derive(Debug)]
pub(crate) enum Action {
    /// What can be done on every page.
    Page(PageAction),
    /// Start with what was chosen.
    Start,
    /// Start with messages only.
    StartWithout,
    /// End the call.
    HangUp,
    /// Press one of the call's switches.
    Toggle(Toggle),
    /// Say a line.
    Say(String),
    /// The returned picture started.
    RemotePlays,
}

/// What can be done on a room's page.
#[derive(Debug)]
pub(crate) enum RoomAction {
    /// What can be done on every page.
    Page(PageAction),
    /// Go in, under this name.
    Enter(String),
    /// Go out.
    Leave,
    /// The page went to the back, or came to the front.
    Turn,
    /// Mute the microphone, or no longer.
    Mute,
    /// Turn the camera on or off.
    Camera,
    /// Show the screen to others, or no longer.
    Screen,
    /// Raise the hand, or lower it.
    Hand,
    /// Show others what one feels.
    React(String),
    /// See who speaks large, or all alike.
    Layout,
    /// See one's own picture, or not.
    HideSelf,
    /// See the room in another way.
    See(SeeAction),
    /// Open a panel, or close it.
    Toggle(Panel),
    /// Close the panel.
    Close,
    /// Use the device that was plugged in.
    UseNewcomer,
    /// Go on with those in use.
    LeaveNewcomer,
    /// See how devices are chosen.
    Devices,
    /// See what keys there are.
    Help,
    /// See how well the call does.
    Measure,
    /// Take the link to this room along.
    CopyLink,
    /// See the ways to lead others here.
    Invite,
    /// Give the link to the system's share sheet.
    Share,
    /// Hear what the browser held back.
    AllowSound,
    /// Speak while this lasts although the microphone is muted.
    Talk(bool),
    /// See only those of the people whose names have in them what was typed.
    Search,
    /// Mute somebody else, by their id.
    MuteThem(String),
    /// Remove somebody else.
    Remove(String),
    /// Say a line.
    Say(String),
    /// Offer files to the participant of this id; to everybody, where there is none.
    Offer(Vec<File>, Option<String>),
    /// Offer files that were pasted or dropped.
    Bring(Vec<File>),
    /// Take what was offered, under the number of its line.
    Take(u32),
    /// End a transfer, or clear its line away when it is over.
    Drop(u32),
}

/// What can be done about how a room is seen.
#[derive(Debug)]
pub(crate) enum SeeAction {
    /// See this participant's tile, or their screen's, large; or no longer.
    Pin(String, bool),
    /// Turn so many pages of tiles on, or back.
    Turn(isize),
    /// Look into the screen of somebody; of the first who shows one, where nobody is named.
    Look(Option<String>, Look),
    /// Move one's own tile, by so many pixels.
    MoveOwn(i32, i32),
    /// Put one's own tile back to its place.
    ReturnOwn,
    /// Have a small window above all others, or no longer.
    Float,
    /// It is there.
    Floats(Window),
    /// It was closed.
    Sinks,
    /// See nothing but the room, or more again.
    FullScreen,
}

/// How to look into a screen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Look {
    Closer,
    Away,
    /// Go closer or away as a wheel is turned, by so many pixels.
    Wheel(f64),
    /// See all of it.
    Whole,
    /// Move what is seen, by so many pixels.
    Along(i32, i32),
}

/// What can be open beside the tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Panel {
    Chat,
    People,
}

/// What can be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    Device(Kind),
    Codec,
    Resolution,
    Processing,
    Blur,
}

/// The switches of the echo. Pressed means off: muted, no camera, silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Toggle {
    Mute,
    Camera,
    Speaker,
}
