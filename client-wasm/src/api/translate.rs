//! JavaScript values in and out of the class, in the shapes that `types.d.ts` promises.

use ferrite_protocol::message::PeerConnectionState as PeerState;
use js_sys::{ArrayBuffer, Error, Function, Reflect, Uint8Array};
use serde::Serialize;
use wasm_bindgen::{JsCast, JsValue};

use super::outcome::Failure;
use crate::call::{MAX_VOICES, Problem, Reason, Status, Undone};
use crate::codec::VideoCodec;
use crate::gaps;
use crate::peer::{Payload, SendError};
use crate::stats::Stats;
use crate::{url, words};

/// `FerriteOptions`.
pub(super) struct Options {
    /// The WebSocket's.
    pub(super) url: String,
    /// The one to prefer.
    pub(super) codec: Option<VideoCodec>,
    /// What sets offers.
    pub(super) describe: Option<Function>,
    /// How many others are heard at a time.
    pub(super) voices: Option<usize>,
}

/// What a client is told from the start.
pub(super) fn options(options: &JsValue) -> Result<Options, JsValue> {
    let text = |name: &str| {
        let value = Reflect::get(options, &name.into()).ok();
        value.and_then(|value| value.as_string())
    };
    let url = match text("url") {
        Some(address) => url::from(&address),
        None => web_sys::window().map(|window| url::beside_the_page(&window)),
    };
    let url = url.ok_or_else(|| js_sys::TypeError::new("FerriteOptions.url is not a URL"))?;
    let codec = text("codec").and_then(|name| VideoCodec::parse(&name));
    let describe = Reflect::get(options, &"describe".into()).ok();
    Ok(Options {
        url,
        codec,
        describe: describe.and_then(|it| it.dyn_into().ok()),
        voices: voices(options)?,
    })
}

fn voices(options: &JsValue) -> Result<Option<usize>, JsValue> {
    let said = Reflect::get(options, &"voices".into()).unwrap_or_default();
    if said.is_undefined() {
        return Ok(None);
    }
    // What is no number is not within.
    let number = said.as_f64().unwrap_or(0.0);
    let is_good = number.fract() == 0.0 && (1.0..=MAX_VOICES as f64).contains(&number);
    let words = || format!("FerriteOptions.voices is not 1 to {MAX_VOICES}");
    match is_good {
        true => Ok(Some(number as usize)),
        false => Err(js_sys::TypeError::new(&words()).into()),
    }
}

/// Text or bytes.
pub(super) fn payload(data: &JsValue) -> Option<Payload> {
    if let Some(text) = data.as_string() {
        return Some(Payload::Text(text));
    }
    if let Some(buffer) = data.dyn_ref::<ArrayBuffer>() {
        return Some(Payload::Bytes(Uint8Array::new(buffer).to_vec()));
    }
    if !ArrayBuffer::is_view(data) {
        return None;
    }
    let of = |name: &str| Reflect::get(data, &name.into()).ok();
    let number = |name: &str| of(name)?.as_f64();
    let (offset, length) = (number("byteOffset")?, number("byteLength")?);
    let buffer = of("buffer")?;
    let view = Uint8Array::new_with_byte_offset_and_length(&buffer, offset as u32, length as u32);
    Some(Payload::Bytes(view.to_vec()))
}

#[derive(Serialize)]
struct StatusDto<'a> {
    phase: &'a str,
    link: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<ProblemDto<'a>>,
}

#[derive(Serialize)]
struct ProblemDto<'a> {
    code: &'a str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'static str>,
}

/// `FerriteStatus`.
pub(super) fn status(status: &Status) -> JsValue {
    let problem = status.problem.as_ref().map(|problem| ProblemDto {
        code: problem_code(problem),
        message: words::problem(problem),
        why: why(problem),
    });
    object(&StatusDto {
        phase: words::phase_name(status.phase),
        link: words::link_name(status.link),
        problem,
    })
}

#[derive(Serialize)]
struct ServerStateDto<'a> {
    state: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// The detail of `serverState`.
pub(super) fn server_state(state: PeerState, reason: Option<String>) -> JsValue {
    let state = words::server_state_name(state);
    object(&ServerStateDto { state, reason })
}

/// `FerriteStats`.
pub(super) fn stats(stats: &Stats) -> JsValue {
    object(stats)
}

/// `FerriteError`.
pub(super) fn failure(failure: &Failure) -> JsValue {
    let (code, message) = match failure {
        Failure::Problem(problem) => return problem_error(problem),
        Failure::Closed => ("closed", "The client is closed.".to_owned()),
        Failure::HungUp => ("hungUp", "The call was ended.".to_owned()),
        Failure::BadData => ("badData", "Only text and bytes can be sent.".to_owned()),
        Failure::Send(error) => send_error(*error),
        Failure::Undone(undone) => return undone_error(undone),
    };
    error(code, &message)
}

fn problem_error(problem: &Problem) -> JsValue {
    let error = error(problem_code(problem), &words::problem(problem));
    if let Some(why) = why(problem) {
        let _ = Reflect::set(&error, &"why".into(), &why.into());
    }
    error
}

/// What the server makes of what both ends saw of a path that is not there.
fn why(problem: &Problem) -> Option<&'static str> {
    match problem {
        Problem::SlowPath(Some(Reason::Explained(cause, _)))
        | Problem::NoPath(Some(Reason::Explained(cause, _))) => Some(cause.name()),
        Problem::SlowPath(_)
        | Problem::NoPath(_)
        | Problem::ServerAway
        | Problem::Offline
        | Problem::ServerRestarting
        | Problem::OtherVersion(_)
        | Problem::Superseded
        | Problem::LimitExceeded
        | Problem::Refused(_)
        | Problem::NoAnswer
        | Problem::Browser(_) => None,
    }
}

/// The server's own codes and words, where it said any.
fn undone_error(undone: &Undone) -> JsValue {
    match undone {
        Undone::Refused(code, words) => error(&code.to_string(), words),
        Undone::Outside => error("outside", "The client is in no room."),
        Undone::Full => error("full", "Too much waits for the server already."),
    }
}

fn error(code: &str, message: &str) -> JsValue {
    let error = Error::new(message);
    error.set_name("FerriteError");
    let _ = Reflect::set(&error, &"code".into(), &code.into());
    error.into()
}

fn send_error(error: SendError) -> (&'static str, String) {
    let (code, message) = match error {
        SendError::NotOpen => ("notOpen", "The data channel is not open."),
        SendError::TooLarge => ("tooLarge", "The server takes no message of this size."),
        SendError::Full => ("full", "Too many messages wait to be sent."),
        SendError::BadData => ("badData", "In a room this is no message."),
    };
    (code, message.to_owned())
}

fn problem_code(problem: &Problem) -> &'static str {
    match problem {
        Problem::ServerAway => "serverAway",
        Problem::Offline => "offline",
        Problem::ServerRestarting => "serverRestarting",
        Problem::OtherVersion(_) => "otherVersion",
        Problem::Superseded => "superseded",
        Problem::LimitExceeded => "limitExceeded",
        Problem::Refused(_) => "refused",
        Problem::NoAnswer => "noAnswer",
        Problem::Browser(_) => "browser",
        Problem::SlowPath(_) => "slowPath",
        Problem::NoPath(_) => "noPath",
    }
}

/// A plain object.
pub(super) fn object(value: &impl Serialize) -> JsValue {
    gaps::object_from(value).map_or(JsValue::UNDEFINED, JsValue::from)
}

#[cfg(test)]
mod tests {
    use ferrite_protocol::Cause;

    #[test]
    fn programs_know_every_cause() {
        let types = include_str!("types.d.ts");
        let (_, union) = types.split_once("export type FerriteCause =").unwrap();
        let (union, _) = union.split_once(';').unwrap();
        let known: Vec<_> = union.split('"').skip(1).step_by(2).collect();
        let causes = Cause::ALL.iter().chain([&Cause::Other]);
        let causes: Vec<_> = causes.map(|cause| cause.name()).collect();
        assert_eq!(known, causes);
    }
}
