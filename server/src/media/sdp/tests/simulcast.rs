//! Simulcast layers of an offer.

use super::super::Answer;
use super::{answered, assert_line, assert_no_line, media, offer, video};

fn layered(lines: &[&str]) -> Answer {
    let section = video("0").replace("a=sendrecv", "a=sendonly");
    answered(&offer(&[section + &lines.join("\r\n") + "\r\n"]))
}

#[test]
fn every_layer_is_taken_in_the_offers_order() {
    let answer = layered(&[
        "a=rid:0 send",
        "a=rid:h send",
        "a=rid:q send",
        "a=simulcast:send q;0;h",
    ]);
    assert_eq!(media(&answer, 0).rids, ["q", "0", "h"]);
    assert_line(&answer.sdp, 0, "a=simulcast:recv q;0;h");
}

#[test]
fn layers_named_by_their_size_are_known_whatever_their_order() {
    let answer = layered(&[
        "a=rid:q send",
        "a=rid:h send",
        "a=rid:f send",
        "a=simulcast:send q;h;f",
    ]);
    assert_eq!(media(&answer, 0).rids, ["f", "h", "q"]);
    assert_line(&answer.sdp, 0, "a=rid:h recv");
    assert_line(&answer.sdp, 0, "a=simulcast:recv q;h;f");
}

#[test]
fn paused_layers_and_first_alternatives_are_layers() {
    let answer = layered(&[
        "a=rid:a send",
        "a=rid:b send",
        "a=rid:c send",
        "a=simulcast:recv x send a,b;~c",
    ]);
    assert_eq!(media(&answer, 0).rids, ["a", "c"]);
    assert_line(&answer.sdp, 0, "a=simulcast:recv a;c");
}

#[test]
fn layers_without_an_explanation_are_ignored() {
    let answer = layered(&["a=rid:a send", "a=rid:b recv", "a=simulcast:send a;b;c;a"]);
    assert_eq!(media(&answer, 0).rids, ["a"]);
}

#[test]
fn restrictions_are_kept_and_narrowed_to_what_was_taken() {
    let answer = layered(&[
        "a=rid:a send pt=96,98;max-width=1280",
        "a=rid:b send pt=98",
        "a=rid:c send max-fps=15",
        "a=simulcast:send a;b;c",
    ]);
    assert_eq!(media(&answer, 0).rids, ["a", "c"]);
    assert_line(&answer.sdp, 0, "a=rid:a recv pt=96;max-width=1280");
    assert_line(&answer.sdp, 0, "a=rid:c recv max-fps=15");
}

#[test]
fn layers_are_only_received() {
    let lines = "a=rid:a recv\r\na=rid:b recv\r\na=simulcast:recv a;b\r\n";
    let answer = answered(&offer(&[video("0") + lines]));
    assert!(media(&answer, 0).rids.is_empty());
    assert_no_line(&answer.sdp, "a=simulcast");
    let lines = "a=rid:a send\r\na=simulcast:send a\r\n";
    let answer = answered(&offer(&[
        video("0").replace("a=sendrecv", "a=recvonly") + lines
    ]));
    assert!(media(&answer, 0).rids.is_empty());
}
