//! What the user of the page can do.

use crate::media::Kind;

/// What the user did.
#[derive(Debug)]
pub(crate) enum Action {
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
    /// The returned picture started.
    RemotePlays,
}

/// What can be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    Device(Kind),
    Codec,
    Resolution,
    Processing,
}

/// The switches of a call. Pressed means off: muted, no camera, silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Toggle {
    Mute,
    Camera,
    Speaker,
}
