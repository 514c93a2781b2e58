//! What the page says: states and troubles in plain words, and what to do about them. Owns every
//! sentence; knows neither the DOM nor what leads to a trouble.

mod leaving;

use ferrite_protocol::file::{CancelReason, Transfer};
use ferrite_protocol::message::PeerConnectionState as PeerState;
use ferrite_protocol::room::{Idle, Limit};
use ferrite_protocol::{ErrorCode, Participant};

use crate::call::{Ending, LinkState, Phase, Problem, Reason, Status, Undone};
use crate::decimal::decimal;
use crate::language::{fill, retell, say};
use crate::maker::Maker;
use crate::media::{Kind, Trouble};

pub(crate) use leaving::went;

/// The state of the call, for the chip at the top.
pub(crate) fn phase(phase: Phase) -> String {
    match phase {
        Phase::Idle => say("Not in a call"),
        Phase::Connecting => say("Calling the server…"),
        Phase::Negotiating => say("Looking for a path…"),
        Phase::Connected => say("Connected"),
        Phase::Reconnecting => say("Reconnecting…"),
        Phase::Failed => say("Not connected"),
        Phase::Closed => say("Closed"),
    }
}

/// The name of a state, for programs and style sheets.
pub(crate) fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Idle => "idle",
        Phase::Connecting => "connecting",
        Phase::Negotiating => "negotiating",
        Phase::Connected => "connected",
        Phase::Reconnecting => "reconnecting",
        Phase::Failed => "failed",
        Phase::Closed => "closed",
    }
}

/// The name of a link's state, for programs and style sheets.
pub(crate) fn link_name(link: LinkState) -> &'static str {
    match link {
        LinkState::Idle => "idle",
        LinkState::Opening => "opening",
        LinkState::Greeting => "greeting",
        LinkState::Ready => "ready",
        LinkState::Waiting => "waiting",
        LinkState::Stopped => "stopped",
    }
}

/// What the server sees of the connection.
pub(crate) fn server_state(state: PeerState, reason: Option<&str>) -> String {
    let state = server_state_name(state);
    match reason {
        Some(reason) => format!("Server: {state} ({reason})"),
        None => format!("Server: {state}"),
    }
}

/// What is shown in the place of what the server sees, when it is not heard.
pub(crate) const SERVER_UNHEARD: &str = "Server: not reached";

/// The W3C's name of a state.
pub(crate) fn server_state_name(state: PeerState) -> &'static str {
    match state {
        PeerState::New => "new",
        PeerState::Connecting => "connecting",
        PeerState::Connected => "connected",
        PeerState::Disconnected => "disconnected",
        PeerState::Failed => "failed",
        PeerState::Closed => "closed",
    }
}

/// What is wrong with the call, if anything.
pub(crate) fn trouble(status: &Status) -> Option<String> {
    let trouble = status.problem.as_ref()?;
    let words = problem(trouble);
    let goes_on = status.phase == Phase::Connected && leaves_media_alone(trouble);
    Some(match goes_on {
        true => fill("{} The call itself goes on.", &[&words]),
        false => words,
    })
}

/// Whether media can go on: a server that ends the session, or itself, ends the call with it.
fn leaves_media_alone(problem: &Problem) -> bool {
    match problem {
        Problem::ServerAway => true,
        Problem::Offline
        | Problem::ServerRestarting
        | Problem::OtherVersion(_)
        | Problem::Superseded
        | Problem::LimitExceeded
        | Problem::Refused(_)
        | Problem::NoAnswer
        | Problem::Browser(_)
        | Problem::SlowPath(_)
        | Problem::NoPath(_) => false,
    }
}

/// What is wrong with a call.
pub(crate) fn problem(problem: &Problem) -> String {
    match problem {
        Problem::ServerAway => say("The server does not answer. Trying again by itself."),
        Problem::Offline => say("This device has no network. Trying again by itself."),
        Problem::ServerRestarting => {
            say("The server is going away. Calling again when it is back.")
        }
        Problem::OtherVersion(words) if words.is_empty() => {
            say("The server speaks another version than this page. Reload the page.")
        }
        Problem::OtherVersion(words) => fill("Reload the page: {}.", &[words]),
        Problem::Superseded => say("This session was taken over by another tab."),
        Problem::LimitExceeded => say("The server closed the connection: this page sent too much."),
        Problem::Refused(words) => fill("The server refused the call: {}.", &[words]),
        Problem::NoAnswer => say("The server did not answer the call."),
        Problem::Browser(words) => fill("The browser could not make the call: {}.", &[words]),
        Problem::SlowPath(reason) => fill(
            "Still looking for a way to send media to the server. {}",
            &[&why(reason.as_ref())],
        ),
        Problem::NoPath(reason) => fill(
            "There is no way to send media to the server. {}",
            &[&why(reason.as_ref())],
        ),
    }
}

/// Why there is no path.
fn why(reason: Option<&Reason>) -> String {
    match reason {
        Some(Reason::Explained(cause, sentence)) => retell(cause.name(), sentence),
        Some(Reason::Words(words)) => fill("The server says: {}.", &[words]),
        None => say(
            "A firewall may be blocking its media port, or the server may not know its public address.",
        ),
    }
}

/// Why one is not in the room.
pub(crate) fn ending(ending: &Ending) -> String {
    match ending {
        Ending::Refused(code, words) => fill("{}: {}.", &[&refusal(*code), words]),
        Ending::MadeToLeave(cause, reason) => fate(&leaving::farewell(*cause), reason.as_deref()),
    }
}

fn refusal(code: ErrorCode) -> String {
    match code {
        ErrorCode::LimitExceeded => say("There is no place left"),
        ErrorCode::NotAllowed => say("You are not allowed into this room"),
        ErrorCode::BadMessage
        | ErrorCode::UnknownType
        | ErrorCode::VersionMismatch
        | ErrorCode::BadOffer
        | ErrorCode::BadCandidate
        | ErrorCode::BadState
        | ErrorCode::ResumeFailed
        | ErrorCode::Refused
        | ErrorCode::Internal
        | ErrorCode::Other => say("The server did not let you in"),
    }
}

/// Somebody else muted what this client publishes.
pub(crate) fn muted(sound: bool, reason: Option<&str>) -> String {
    let muted = match sound {
        true => say("Somebody muted your microphone"),
        false => say("Somebody switched off what you show"),
    };
    fate(&muted, reason)
}

/// What became of somebody, and why, where that was said.
fn fate(what: &str, reason: Option<&str>) -> String {
    match reason {
        None => fill("{}.", &[what]),
        Some(reason) => fill("{}: {}", &[what, reason]),
    }
}

/// Something in the room could not be done.
pub(crate) fn complaint(words: &str) -> String {
    fill("The server says: {}.", &[words])
}

/// What somebody's tile and line say.
pub(crate) fn person(name: &str, own: bool) -> String {
    match own {
        true => fill("{} (you)", &[name]),
        false => name.to_owned(),
    }
}

/// What the tile of a screen says.
pub(crate) fn whose_screen(name: &str, own: bool) -> String {
    match own {
        true => say("Your screen"),
        false => fill("{}’s screen", &[name]),
    }
}

/// What the button says that makes a tile large.
pub(crate) fn pin(tile: &str) -> String {
    fill("Pin {}", &[tile])
}

/// What the button says that mutes the own microphone.
pub(crate) fn mute() -> String {
    say("Mute")
}

/// What the button says that mutes somebody.
pub(crate) fn mute_them(name: &str) -> String {
    fill("Mute {}", &[name])
}

/// What the button says that removes somebody.
pub(crate) fn remove_them(name: &str) -> String {
    fill("Remove {} from the room", &[name])
}

/// Somebody came in.
pub(crate) fn came(name: &str) -> String {
    fill("{} came in", &[name])
}

/// Somebody raised a hand.
pub(crate) fn raised(name: &str) -> String {
    fill("{} raised a hand", &[name])
}

/// Somebody who is muted speaks.
pub(crate) const UNHEARD: &str =
    "You speak, and are muted. Press M to be heard, or hold down the space bar.";

/// Who is in the room that one is about to enter: their number, and the names of the first.
pub(crate) fn glimpse(count: usize, names: &[String]) -> String {
    let more = count.saturating_sub(names.len()).to_string();
    let named = names.join(", ");
    match (count, names.len()) {
        (0, _) => say("Nobody is here yet."),
        (1, 0) => say("One person is here."),
        (_, 0) => fill("{} people are here.", &[&more]),
        (count, known) if count <= known => fill("Here: {}.", &[&named]),
        _ => fill("Here: {}, and {} more.", &[&named, &more]),
    }
}

/// A device was plugged in.
pub(crate) fn newcomer(device: &str) -> String {
    fill("{} was connected. Use it?", &[device])
}

/// The device in use was unplugged, and there is this one.
pub(crate) fn instead(device: &str) -> String {
    fill("Use {} instead?", &[device])
}

/// A device was unplugged, and another is used instead.
pub(crate) fn replaced(was: &str, now: &str) -> String {
    fill("{} was disconnected. {} is used now.", &[was, now])
}

/// A line of the chat did not get to the others.
pub(crate) fn not_sent(why: &Undone) -> String {
    match why {
        Undone::Refused(_, words) => fill("Not sent. The server says: {}.", &[words]),
        Undone::Outside => say("Not sent: you were not in the room."),
        Undone::Full => say("Not sent: too much waits to be sent already."),
    }
}

/// A file was brought, and there is nobody to have it.
pub(crate) const NOBODY_TO_SEND: &str = "Nobody else is here to send it to.";

/// The link to the room was copied.
pub(crate) const COPIED: &str = "The link is copied. Send it to whoever is to come.";

/// The browser does not let the page copy.
pub(crate) const NOT_COPIED: &str =
    "This browser does not let the page copy. Take the address from above.";

/// What somebody is called.
pub(crate) fn name(participant: &Participant) -> &str {
    let name = participant.name.as_deref().filter(|name| !name.is_empty());
    name.unwrap_or(NAMELESS)
}

/// What somebody is called who said no name.
pub(crate) const NAMELESS: &str = "Guest";

/// What stands in the empty line for what one says in a room.
pub(crate) fn talk(open: bool) -> String {
    match open {
        true => say("Write to everybody here"),
        false => say("No message can be sent now"),
    }
}

/// Why no screen is shown. Who thought better of it needs no words.
pub(crate) fn screen(trouble: &Trouble) -> Option<String> {
    match trouble {
        Trouble::Denied => None,
        Trouble::Missing
        | Trouble::Busy
        | Trouble::Insecure
        | Trouble::Unplugged
        | Trouble::Stopped
        | Trouble::Other(_) => Some(say("This browser could not show the screen.")),
    }
}

/// What stands in the empty line for messages.
pub(crate) fn chat(open: bool) -> String {
    match open {
        true => say("Say something; the server says it back"),
        false => say("No message can be sent now"),
    }
}

/// What became of a line that the server says back.
pub(crate) fn line_sent() -> String {
    say("sent…")
}

/// It came back.
pub(crate) fn line_returned(ms: &str) -> String {
    fill("came back after {} ms", &[ms])
}

/// It did not.
pub(crate) fn line_lost() -> String {
    say("did not come back")
}

/// Nobody here said it.
pub(crate) fn line_received() -> String {
    say("from the server")
}

/// What holds a stream back, by the browser's name for it.
pub(crate) fn limit(reason: &str) -> String {
    match reason {
        "none" => say("nothing"),
        "cpu" => say("processor"),
        "bandwidth" => say("bandwidth"),
        _ => reason.to_owned(),
    }
}

/// What stands in the place of the own picture in a call.
pub(crate) fn no_picture_sent() -> String {
    say("Camera off")
}

/// What stands in the place of the returned picture, while it does not come.
pub(crate) fn no_return(phase: Phase, sending: bool, has_stream: bool) -> Option<String> {
    match phase {
        _ if !sending => Some(say("No picture is sent, so none comes back")),
        Phase::Reconnecting if !has_stream => Some(say("Waiting for the server")),
        Phase::Connected | Phase::Reconnecting => None,
        Phase::Idle | Phase::Connecting | Phase::Negotiating => Some(say("Not here yet")),
        Phase::Failed | Phase::Closed => Some(say("Not connected")),
    }
}

/// What the button says that leads into a call with the echo.
pub(crate) fn start(waits: bool) -> String {
    match waits {
        true => say("Starts as soon as the devices are there…"),
        false => say("Start"),
    }
}

/// What stands in the place of the own picture.
pub(crate) fn no_picture(pending: bool) -> String {
    match pending {
        true => say("Waiting for the camera…"),
        false => say("No camera"),
    }
}

/// What the button says that leads into a room.
pub(crate) fn enter(eager: bool) -> String {
    match eager {
        true => say("Enters as soon as the devices are there…"),
        false => say("Enter"),
    }
}

/// A device whose name the browser does not tell.
pub(crate) fn unnamed_device(number: usize) -> String {
    fill("Device {}", &[&number.to_string()])
}

/// The device that the browser chooses.
pub(crate) fn default_device(kind: Kind) -> String {
    match kind {
        Kind::Audio => say("Default microphone"),
        Kind::Video => say("Default camera"),
    }
}

/// Not to use any device of a kind.
pub(crate) fn no_device(kind: Kind) -> String {
    match kind {
        Kind::Audio => say("No microphone"),
        Kind::Video => say("No camera"),
    }
}

/// The browser cannot do calls at all.
pub(crate) const NO_WEBRTC: &str = "This browser has no WebRTC, or it is switched off. A current Firefox, Chrome, Edge or Safari has it.";

/// What stands in the place of the own picture there.
pub(crate) const NO_CALLS: &str = "No calls in this browser";

/// What is wrong with camera and microphone, if anything, in whose browser.
pub(crate) fn devices(
    audio: Option<&Trouble>,
    video: Option<&Trouble>,
    maker: Maker,
) -> Option<String> {
    let of = |kind, trouble| device(&device_name(kind), trouble, maker);
    match (audio, video) {
        (None, None) => None,
        (Some(a), Some(v)) if a == v => Some(device(&say("camera or microphone"), a, maker)),
        (Some(a), Some(v)) => Some(format!("{} {}", of(Kind::Video, v), of(Kind::Audio, a))),
        (Some(a), None) => Some(of(Kind::Audio, a)),
        (None, Some(v)) => Some(of(Kind::Video, v)),
    }
}

fn device_name(kind: Kind) -> String {
    match kind {
        Kind::Audio => say("microphone"),
        Kind::Video => say("camera"),
    }
}

/// Where a permission that was denied is given.
fn switch(maker: Maker) -> String {
    match maker {
        Maker::Chromium => {
            say("Press the symbol at the left end of the address bar, and allow it there.")
        }
        Maker::Firefox => say(
            "Press the crossed-out symbol at the left end of the address bar, and take the block away.",
        ),
        Maker::Safari => say(
            "Choose Settings for This Website in the menu Safari (on an iPhone or iPad: the symbol at the left end of the address bar, then Website Settings), and allow it there.",
        ),
        Maker::Other => say("Allow it in the browser's settings for this site."),
    }
}

fn device(name: &str, trouble: &Trouble, maker: Maker) -> String {
    match trouble {
        Trouble::Denied => fill(
            "The browser was not allowed to use the {}. {} If it is allowed there, the system's privacy settings forbid it. Then try again.",
            &[name, &switch(maker)],
        ),
        Trouble::Missing => fill("No {} was found. Connect one, then try again.", &[name]),
        Trouble::Busy => fill(
            "The {} cannot be opened; another program may be using it. Close that program, then try again.",
            &[name],
        ),
        Trouble::Insecure => fill(
            "The browser gives the {} only to pages that come over https or from this computer. You can start without.",
            &[name],
        ),
        Trouble::Unplugged => fill(
            "The {} was disconnected. Reconnect it, then try again.",
            &[name],
        ),
        Trouble::Stopped => fill(
            "The {} was stopped by the browser or the system. Try again to use it.",
            &[name],
        ),
        Trouble::Other(words) => fill("The {} does not work ({}).", &[name, words]),
    }
}

/// Why somebody's picture does not come, where that is not seen anyway.
pub(crate) fn idle(idle: Idle) -> Option<String> {
    match idle {
        Idle::Codec => Some(say(
            "This browser cannot play the video codec that they send.",
        )),
        Idle::Bandwidth => Some(say(
            "Your connection is too slow for this picture just now.",
        )),
        Idle::NotAllowed => Some(say("You may not see this: your token does not let you.")),
        Idle::Muted | Idle::Paused | Idle::NoPublisher | Idle::Other => None,
    }
}

/// What keeps somebody's picture from being better.
pub(crate) fn picture_limit(limit: Limit) -> Option<String> {
    match limit {
        Limit::Download => Some(say("Your connection is weak")),
        Limit::Cpu => Some(say("This device is busy")),
        Limit::Upload => Some(say("Their connection is weak")),
        Limit::Interrupted => Some(say("Nothing comes from them at the moment")),
        Limit::Other => None,
    }
}

/// What becomes of a file, and whose it is.
pub(crate) fn file(
    transfer: Transfer,
    incoming: bool,
    who: &str,
    (done, all): (u64, u64),
) -> String {
    let (done, all) = (size(done), size(all));
    match (transfer, incoming) {
        (Transfer::Offered, true) => fill("From {}, {}", &[who, &all]),
        (Transfer::Offered, false) => fill("Offered to {}, {}", &[who, &all]),
        (Transfer::Active, true) => fill("From {}, {} of {}", &[who, &done, &all]),
        (Transfer::Active, false) => fill("To {}, {} of {}", &[who, &done, &all]),
        (Transfer::Complete, true) => fill("From {}, {}, checked", &[who, &all]),
        (Transfer::Complete, false) => fill("{} has it, {}", &[who, &all]),
        (Transfer::Cancelled(CancelReason::Refused), true) => say("Declined"),
        (Transfer::Cancelled(CancelReason::Refused), false) => fill("{} does not want it", &[who]),
        (Transfer::Cancelled(CancelReason::Stopped), _) => say("Cancelled"),
        (Transfer::Cancelled(CancelReason::Failed), _) => {
            say("It could not be read, or there was no place for it")
        }
        (Transfer::Cancelled(CancelReason::Different), _) => say("What came is not what was sent"),
    }
}

/// A transfer ended because the other one left.
pub(crate) fn gone(who: &str) -> String {
    fill("Not sent whole: {} is not in the room any more", &[who])
}

/// A file that this page cannot keep beside what it has.
pub(crate) fn too_large(who: &str, bytes: u64) -> String {
    fill("From {}, {}: too large for this page", &[who, &size(bytes)])
}

/// What the button says that ends a transfer.
pub(crate) fn drop_file(transfer: Transfer, is_asked: bool) -> String {
    match transfer {
        Transfer::Offered if is_asked => say("Decline"),
        Transfer::Offered | Transfer::Active => say("Cancel"),
        Transfer::Complete | Transfer::Cancelled(_) => say("Clear"),
    }
}

/// More files at a time than a page takes.
pub(crate) const TOO_MANY_FILES: &str =
    "That is too many files at a time. Clear some of the list away, or send fewer.";

fn size(bytes: u64) -> String {
    let of = |unit: f64| bytes as f64 / unit;
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{} kB", decimal(of(1e3), 0)),
        1_000_000..1_000_000_000 => format!("{} MB", decimal(of(1e6), 1)),
        1_000_000_000.. => format!("{} GB", decimal(of(1e9), 1)),
    }
}

#[cfg(test)]
mod tests;
