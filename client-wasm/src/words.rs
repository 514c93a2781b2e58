//! What the page says: states and troubles in plain words, and what to do about them. Owns every
//! sentence; knows neither the DOM nor what leads to a trouble.

use ferrite_protocol::file::{CancelReason, Transfer};
use ferrite_protocol::message::PeerConnectionState as PeerState;
use ferrite_protocol::room::Idle;
use ferrite_protocol::{ErrorCode, LeaveCause};

use crate::call::{Ending, LinkState, Phase, Problem, Status};
use crate::decimal::decimal;
use crate::media::{Kind, Trouble};

/// The state of the call, for the chip at the top.
pub(crate) fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Idle => "Not in a call",
        Phase::Connecting => "Calling the server…",
        Phase::Negotiating => "Looking for a path…",
        Phase::Connected => "Connected",
        Phase::Reconnecting => "Reconnecting…",
        Phase::Failed => "Not connected",
        Phase::Closed => "Closed",
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
        true => format!("{words} The call itself goes on."),
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
        Problem::ServerAway => "The server does not answer. Trying again by itself.".to_owned(),
        Problem::Offline => "This device has no network. Trying again by itself.".to_owned(),
        Problem::ServerRestarting => {
            "The server is going away. Calling again when it is back.".to_owned()
        }
        Problem::OtherVersion(words) if words.is_empty() => {
            "The server speaks another version than this page. Reload the page.".to_owned()
        }
        Problem::OtherVersion(words) => format!("Reload the page: {words}."),
        Problem::Superseded => "This session was taken over by another tab.".to_owned(),
        Problem::LimitExceeded => {
            "The server closed the connection: this page sent too much.".to_owned()
        }
        Problem::Refused(words) => format!("The server refused the call: {words}."),
        Problem::NoAnswer => "The server did not answer the call.".to_owned(),
        Problem::Browser(words) => format!("The browser could not make the call: {words}."),
        Problem::SlowPath(reason) => format!(
            "Still looking for a way to send media to the server. A firewall may be blocking its media port.{}",
            server_says(reason.as_deref())
        ),
        Problem::NoPath(reason) => format!(
            "There is no way to send media to the server. A firewall may be blocking its media port, or the \
             server may not know its public address.{}",
            server_says(reason.as_deref())
        ),
    }
}

fn server_says(reason: Option<&str>) -> String {
    reason.map_or_else(String::new, |reason| format!(" The server says: {reason}."))
}

/// Why one is not in the room.
pub(crate) fn ending(ending: &Ending) -> String {
    match ending {
        Ending::Refused(code, words) => format!("{}: {words}.", refusal(*code)),
        Ending::MadeToLeave(cause, None) => format!("{}.", farewell(*cause)),
        Ending::MadeToLeave(cause, Some(reason)) => format!("{}: {reason}", farewell(*cause)),
    }
}

fn refusal(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::LimitExceeded => "There is no place left",
        ErrorCode::NotAllowed => "You are not allowed into this room",
        ErrorCode::BadMessage
        | ErrorCode::UnknownType
        | ErrorCode::VersionMismatch
        | ErrorCode::BadOffer
        | ErrorCode::BadCandidate
        | ErrorCode::BadState
        | ErrorCode::ResumeFailed
        | ErrorCode::Refused
        | ErrorCode::Internal
        | ErrorCode::Other => "The server did not let you in",
    }
}

fn farewell(cause: LeaveCause) -> &'static str {
    match cause {
        LeaveCause::Kicked => "You were removed from the room",
        LeaveCause::RoomEnded => "The room was ended",
        LeaveCause::JoinedElsewhere => "You joined this room from somewhere else",
        LeaveCause::Other => "You had to leave the room",
    }
}

/// Something in the room could not be done.
pub(crate) fn complaint(words: &str) -> String {
    format!("The server says: {words}.")
}

/// What somebody is called who said no name.
pub(crate) const NAMELESS: &str = "Guest";

/// What stands in the empty line for what one says in a room.
pub(crate) fn talk(open: bool) -> &'static str {
    match open {
        true => "Write to everybody here",
        false => "No message can be sent now",
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
        | Trouble::Other(_) => Some("This browser could not show the screen.".to_owned()),
    }
}

/// What stands in the empty line for messages.
pub(crate) fn chat(open: bool) -> &'static str {
    match open {
        true => "Say something; the server says it back",
        false => "No message can be sent now",
    }
}

/// The browser cannot do calls at all.
pub(crate) const NO_WEBRTC: &str = "This browser has no WebRTC, or it is switched off. A current Firefox, Chrome, Edge or Safari has it.";

/// What is wrong with camera and microphone, if anything.
pub(crate) fn devices(audio: Option<&Trouble>, video: Option<&Trouble>) -> Option<String> {
    match (audio, video) {
        (None, None) => None,
        (Some(a), Some(v)) if a == v => Some(device("camera or microphone", a)),
        (Some(a), Some(v)) => Some(format!(
            "{} {}",
            device(name(Kind::Video), v),
            device(name(Kind::Audio), a)
        )),
        (Some(a), None) => Some(device(name(Kind::Audio), a)),
        (None, Some(v)) => Some(device(name(Kind::Video), v)),
    }
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Audio => "microphone",
        Kind::Video => "camera",
    }
}

fn device(name: &str, trouble: &Trouble) -> String {
    match trouble {
        Trouble::Denied => format!(
            "The browser was not allowed to use the {name}. Allow it in the address bar's site \
             settings (and in the system's privacy settings), then try again."
        ),
        Trouble::Missing => format!("No {name} was found. Connect one, then try again."),
        Trouble::Busy => format!(
            "The {name} cannot be opened; another program may be using it. Close that program, \
             then try again."
        ),
        Trouble::Insecure => format!(
            "The browser gives the {name} only to pages that come over https or from this \
             computer. You can start without."
        ),
        Trouble::Unplugged => format!("The {name} was disconnected. Reconnect it, then try again."),
        Trouble::Other(words) => format!("The {name} does not work ({words})."),
    }
}

/// Why somebody's picture does not come, where that is not seen anyway.
pub(crate) fn idle(idle: Idle) -> Option<&'static str> {
    match idle {
        Idle::Codec => Some("This browser cannot play the video codec that they send."),
        Idle::Bandwidth => Some("Your connection is too slow for this picture just now."),
        Idle::NotAllowed => Some("You may not see this: your token does not let you."),
        Idle::Muted | Idle::Paused | Idle::NoPublisher | Idle::Other => None,
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
        (Transfer::Offered, true) => format!("From {who}, {all}"),
        (Transfer::Offered, false) => format!("Offered to {who}, {all}"),
        (Transfer::Active, true) => format!("From {who}, {done} of {all}"),
        (Transfer::Active, false) => format!("To {who}, {done} of {all}"),
        (Transfer::Complete, true) => format!("From {who}, {all}, checked"),
        (Transfer::Complete, false) => format!("{who} has it, {all}"),
        (Transfer::Cancelled(CancelReason::Refused), true) => "Declined".to_owned(),
        (Transfer::Cancelled(CancelReason::Refused), false) => format!("{who} does not want it"),
        (Transfer::Cancelled(CancelReason::Stopped), _) => "Cancelled".to_owned(),
        (Transfer::Cancelled(CancelReason::Failed), _) => {
            "It could not be read, or there was no place for it".to_owned()
        }
        (Transfer::Cancelled(CancelReason::Different), _) => {
            "What came is not what was sent".to_owned()
        }
    }
}

/// A transfer ended because the other one left.
pub(crate) fn gone(who: &str) -> String {
    format!("Not sent whole: {who} is not in the room any more")
}

/// A file that this page cannot keep beside what it has.
pub(crate) fn too_large(who: &str, bytes: u64) -> String {
    format!("From {who}, {}: too large for this page", size(bytes))
}

/// What the button says that ends a transfer.
pub(crate) fn drop_file(transfer: Transfer, is_asked: bool) -> &'static str {
    match transfer {
        Transfer::Offered if is_asked => "Decline",
        Transfer::Offered | Transfer::Active => "Cancel",
        Transfer::Complete | Transfer::Cancelled(_) => "Clear",
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
mod tests {
    use super::*;

    fn status(phase: Phase, problem: Problem) -> Status {
        Status {
            phase,
            link: LinkState::Idle,
            reached: false,
            problem: Some(problem),
        }
    }

    #[test]
    fn one_sentence_when_both_devices_share_a_trouble() {
        let words = devices(Some(&Trouble::Denied), Some(&Trouble::Denied));
        let words = words.unwrap();
        assert!(words.contains("camera or microphone"));
        assert_eq!(words.matches("not allowed").count(), 1);
    }

    #[test]
    fn one_sentence_each_when_they_differ() {
        let words = devices(Some(&Trouble::Missing), Some(&Trouble::Busy)).unwrap();
        assert!(words.contains("No microphone was found"));
        assert!(words.contains("The camera cannot be opened"));
    }

    #[test]
    fn nothing_to_say_when_both_work() {
        assert_eq!(devices(None, None), None);
    }

    #[test]
    fn says_that_media_goes_on_only_when_it_does() {
        let words = |phase| trouble(&status(phase, Problem::ServerAway)).unwrap();
        assert!(words(Phase::Connected).contains("goes on"));
        assert!(!words(Phase::Reconnecting).contains("goes on"));
    }

    #[test]
    fn a_server_that_goes_takes_the_call_with_it() {
        let words = trouble(&status(Phase::Connected, Problem::ServerRestarting)).unwrap();
        assert!(!words.contains("goes on"), "{words}");
    }

    #[test]
    fn passes_on_what_the_server_says() {
        let problem = Problem::NoPath(Some("no packet from the browser".to_owned()));
        let words = trouble(&status(Phase::Failed, problem)).unwrap();
        assert!(words.ends_with("The server says: no packet from the browser."));
    }
}
