//! What the user of a page can do.

use web_sys::File;

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
    /// Go to the page of the room of this name.
    Visit(String),
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
    /// Mute the microphone, or no longer.
    Mute,
    /// Turn the camera on or off.
    Camera,
    /// Show the screen to others, or no longer.
    Screen,
    /// Say a line.
    Say(String),
    /// Offer files to the participant of this id; to everybody, where there is none.
    Offer(Vec<File>, Option<String>),
    /// Take what was offered, under the number of its line.
    Take(u32),
    /// End a transfer, or clear its line away when it is over.
    Drop(u32),
}

/// What can be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    Device(Kind),
    Codec,
    Resolution,
    Processing,
}

/// The switches of the echo. Pressed means off: muted, no camera, silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Toggle {
    Mute,
    Camera,
    Speaker,
}
