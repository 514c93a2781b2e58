//! What people are told, from the state of things.

use ferrite_protocol::Cause;

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
    let denied = Some(&Trouble::Denied);
    let words = devices(denied, denied, Maker::Other);
    let words = words.unwrap();
    assert!(words.contains("camera or microphone"));
    assert_eq!(words.matches("not allowed").count(), 1);
}

#[test]
fn one_sentence_each_when_they_differ() {
    let (missing, busy) = (Some(&Trouble::Missing), Some(&Trouble::Busy));
    let words = devices(missing, busy, Maker::Other).unwrap();
    assert!(words.contains("No microphone was found"));
    assert!(words.contains("The camera cannot be opened"));
}

#[test]
fn nothing_to_say_when_both_work() {
    assert_eq!(devices(None, None, Maker::Other), None);
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
    let words = "no packet from the browser".to_owned();
    let problem = Problem::NoPath(Some(Reason::Words(words)));
    let words = trouble(&status(Phase::Failed, problem)).unwrap();
    assert!(words.ends_with("The server says: no packet from the browser."));
}

#[test]
fn what_both_ends_saw_is_said_as_it_is() {
    let sentence = "Your UDP never arrived at the server, TCP did: look.";
    let reason = Reason::Explained(Cause::OnlyTcpArrives, sentence.to_owned());
    let words = trouble(&status(Phase::Negotiating, Problem::SlowPath(Some(reason)))).unwrap();
    assert!(
        words.starts_with("Still looking") && words.ends_with(sentence),
        "{words}"
    );
}
