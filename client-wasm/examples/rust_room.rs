//! A page in Rust alone: whoever opens it is in a room (`?server=…&room=…&name=…`), says hello, shows the camera, and
//! sees and reads the others. Built for `wasm32-unknown-unknown` and bound by wasm-bindgen, like any wasm crate.

use ferrite_client::protocol::{MediaKind, Participant, ParticipantId, Source};
use ferrite_client::{Entry, Room, RoomEvent};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsError, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    Document, HtmlVideoElement, MediaStream, MediaStreamConstraints, MediaStreamTrack,
    UrlSearchParams, Window,
};

/// Begins when the module is loaded, and ends with the room.
#[wasm_bindgen]
pub async fn run() -> Result<(), JsValue> {
    let window = web_sys::window().ok_or_else(|| JsError::new("no page"))?;
    let document = window.document().ok_or_else(|| JsError::new("no page"))?;
    let query = UrlSearchParams::new_with_str(&window.location().search()?)?;
    let entry = Entry {
        room: query.get("room").unwrap_or_default().as_str().into(),
        name: query.get("name"),
        metadata: None,
        token: None,
        voices: None,
    };
    let server = query.get("server").unwrap_or_default();
    let room = Room::enter(&server, entry);
    let mut room = room.map_err(|_| JsError::new("?server= is no address"))?;
    room.publish("cam", Source::Camera, camera(&window).await?);
    room.say("hello from Rust");
    while let Some(event) = room.next().await {
        match event {
            RoomEvent::Changed => show(&document, &room)?,
            RoomEvent::Said(message) => {
                let name = message.name.unwrap_or_default();
                write(&document, &format!("{name}: {}", message.text))?;
            }
            RoomEvent::Status(phase, problem) => {
                write(&document, &problem.unwrap_or(format!("{phase:?}")))?;
            }
            RoomEvent::Muted(_, why) => {
                write(&document, &why.unwrap_or_else(|| "muted".to_owned()))?;
            }
            RoomEvent::Refused(words) => write(&document, &words)?,
            RoomEvent::Ended(why) => write(&document, &format!("{why:?}"))?,
        }
    }
    Ok(())
}

async fn camera(window: &Window) -> Result<MediaStreamTrack, JsValue> {
    let wish = MediaStreamConstraints::new();
    wish.set_video(&true.into());
    let devices = window.navigator().media_devices()?;
    let stream = JsFuture::from(devices.get_user_media_with_constraints(&wish)?).await?;
    let stream: MediaStream = stream.unchecked_into();
    Ok(stream.get_video_tracks().get(0).unchecked_into())
}

/// A picture for each of the others whose camera comes, by their name.
fn show(document: &Document, room: &Room) -> Result<(), JsValue> {
    let is_other = |it: &&Participant| Some(&it.id) != room.own();
    for other in room.participants().iter().filter(is_other) {
        for publication in &other.publications {
            if let (MediaKind::Video, Some(track)) = (publication.kind, room.track(&publication.id))
            {
                play(document, &other.id, track)?;
            }
        }
    }
    Ok(())
}

fn play(document: &Document, who: &ParticipantId, track: &MediaStreamTrack) -> Result<(), JsValue> {
    let id = format!("of-{}", who.0);
    let video = match document.get_element_by_id(&id) {
        Some(video) => video,
        None => {
            let video = document.create_element("video")?;
            video.set_id(&id);
            document.body().ok_or("no page")?.append_child(&video)?;
            video
        }
    };
    let video: HtmlVideoElement = video.unchecked_into();
    let shown = video.src_object().map(|stream| stream.get_tracks());
    if shown.is_some_and(|tracks| tracks.includes(track, 0)) {
        return Ok(());
    }
    let stream = MediaStream::new()?;
    stream.add_track(track);
    video.set_src_object(Some(&stream));
    video.set_autoplay(true);
    Ok(())
}

fn write(document: &Document, line: &str) -> Result<(), JsValue> {
    let paragraph = document.create_element("p")?;
    paragraph.set_text_content(Some(line));
    document
        .body()
        .ok_or("no page")?
        .append_child(&paragraph)
        .map(drop)
}
