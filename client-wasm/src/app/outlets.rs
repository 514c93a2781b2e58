//! What a room's page publishes, and under which keys.

use ferrite_protocol::Source;
use web_sys::MediaStreamTrack;

use crate::media::Screen;
use crate::peer::Outlet;

pub(super) const MICROPHONE: &str = "mic";
pub(super) const CAMERA: &str = "cam";
const SCREEN: &str = "screen";
const SCREEN_AUDIO: &str = "screen-audio";
/// What of a screen is published while one is shown.
pub(super) const OF_SCREENS: [&str; 2] = [SCREEN, SCREEN_AUDIO];

/// All of it: microphone and camera always, and a screen while one is shown.
pub(super) fn all(
    audio: Option<&MediaStreamTrack>,
    video: Option<&MediaStreamTrack>,
    screen: Option<&Screen>,
) -> Vec<Outlet> {
    let mut outlets = vec![
        outlet(MICROPHONE, Source::Microphone, audio),
        outlet(CAMERA, Source::Camera, video),
    ];
    if let Some(screen) = screen {
        outlets.push(outlet(SCREEN, Source::Screen, screen.picture()));
        let sound = screen.sound();
        outlets.extend(sound.map(|it| outlet(SCREEN_AUDIO, Source::ScreenAudio, Some(it))));
    }
    outlets
}

fn outlet(key: &'static str, source: Source, track: Option<&MediaStreamTrack>) -> Outlet {
    Outlet {
        key: key.into(),
        source,
        label: None,
        track: track.cloned(),
        muted: false,
        manner: None,
    }
}
