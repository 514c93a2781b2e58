//! A track that a microphone or a camera gives, and why there is none.

use web_sys::MediaStreamTrack;

/// A microphone or a camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Audio,
    Video,
}

/// Why a device cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The user, the system or a policy says no.
    Denied,
    /// There is none.
    Missing,
    /// It is there and cannot be opened.
    Busy,
    /// The page does not come over https.
    Insecure,
    /// It was there.
    Unplugged,
    /// It is there, and the browser or the system took it away.
    Stopped,
    /// The browser's own words.
    Other(String),
}

impl Trouble {
    /// From the name of the exception that `getUserMedia` throws (W3C mediacapture-streams §10.2).
    pub(super) fn of(name: &str, words: String) -> Self {
        match name {
            "NotAllowedError" | "SecurityError" => Self::Denied,
            "NotFoundError" | "OverconstrainedError" => Self::Missing,
            "NotReadableError" | "AbortError" => Self::Busy,
            _ => Self::Other(words),
        }
    }
}

/// A running track; dropping it turns the device off.
#[derive(Debug)]
pub(crate) struct Capture(pub(super) MediaStreamTrack);

impl Drop for Capture {
    fn drop(&mut self) {
        self.0.stop();
    }
}
