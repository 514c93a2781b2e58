//! SSRCs and MediaStreams, announced and sent.

use std::collections::HashSet;

use super::super::{Agreed, RemoteStream, answer};
use super::{answer_to, answered, assert_line, audio, local, media, offer, refused, video};

#[test]
fn announced_streams_come_with_their_retransmissions() {
    let lines =
        "a=ssrc-group:FID 11 12\r\na=ssrc:11 cname:x\r\na=ssrc:12 cname:x\r\na=ssrc:13 cname:x\r\n";
    let answer = answered(&offer(&[video("0") + lines]));
    let expected = [
        RemoteStream {
            ssrc: 11,
            rtx_ssrc: Some(12),
        },
        RemoteStream {
            ssrc: 13,
            rtx_ssrc: None,
        },
    ];
    assert_eq!(media(&answer, 0).remote_streams, expected);
}

#[test]
fn a_simulcast_group_of_ssrcs_is_read_as_layers() {
    let lines =
        "a=ssrc-group:FID 11 12\r\na=ssrc-group:SIM 11 13 11 15\r\na=ssrc-group:SIM 7 8\r\n";
    let answer = answered(&offer(&[video("0") + lines]));
    assert_eq!(media(&answer, 0).layer_ssrcs, [15, 13, 11]);
    let streams: Vec<_> = (media(&answer, 0).remote_streams.iter())
        .map(|s| s.ssrc)
        .collect();
    assert_eq!(streams, [11, 15, 13]);
    let rids = "a=rid:a send\r\na=rid:b send\r\na=simulcast:send a;b\r\na=ssrc-group:SIM 11 13\r\n";
    let answer = answered(&offer(&[video("0") + rids]));
    assert_eq!(media(&answer, 0).layer_ssrcs.len(), 0, "rids say more");
    assert_eq!(media(&answer, 0).rids, ["a", "b"]);
}

#[test]
fn an_ssrc_retransmits_for_one_stream() {
    let answer = answered(&offer(&[
        video("0") + "a=ssrc-group:FID 11 12\r\na=ssrc-group:FID 13 12\r\n"
    ]));
    let streams = &media(&answer, 0).remote_streams;
    let pairs: Vec<_> = streams.iter().map(|s| (s.ssrc, s.rtx_ssrc)).collect();
    assert_eq!(pairs, [(11, Some(12)), (13, None)]);
}

#[test]
fn repair_streams_are_no_streams() {
    let lines = "a=ssrc-group:FEC-FR 11 14\r\na=ssrc:11 cname:x\r\na=ssrc:14 cname:x\r\n";
    let answer = answered(&offer(&[video("0") + lines]));
    assert_eq!(
        media(&answer, 0).remote_streams,
        [RemoteStream {
            ssrc: 11,
            rtx_ssrc: None
        }]
    );
}

#[test]
fn one_ssrc_in_two_sections_is_refused() {
    let line = "a=ssrc:11 cname:x\r\n";
    let why = refused(&offer(&[audio("0") + line, video("1") + line]));
    assert!(why.contains("announce the SSRC 11"), "{why}");
}

#[test]
fn what_is_sent_has_its_lines() {
    let answer = answered(&offer(&[video("0")]));
    let send = media(&answer, 0).send.clone().unwrap();
    let (ssrc, rtx) = (send.ssrc, send.rtx_ssrc.unwrap());
    let msid = format!("{} {}", send.stream_id, send.track_id);
    for line in [
        format!("a=msid:{msid}"),
        format!("a=ssrc-group:FID {ssrc} {rtx}"),
        format!("a=ssrc:{ssrc} cname:ferrite"),
        format!("a=ssrc:{rtx} msid:{msid}"),
    ] {
        assert_line(&answer.sdp, 0, &line);
    }
}

#[test]
fn audio_has_no_retransmissions_of_its_own() {
    let answer = answered(&offer(&[audio("0")]));
    assert_eq!(media(&answer, 0).send.as_ref().unwrap().rtx_ssrc, None);
}

#[test]
fn ssrcs_are_unique_whatever_the_randomness() {
    let remote = "a=ssrc:5 cname:x\r\n";
    let sections: Vec<_> = (0..6).map(|i| video(&i.to_string())).collect();
    let offer = offer(&sections) + remote;
    let answer = answer(&offer, &local(), None, &mut || 0).unwrap();
    let mut seen = HashSet::from([0, 5]);
    for index in 0..6 {
        let send = media(&answer, index).send.clone().unwrap();
        assert!(
            seen.insert(send.ssrc) && seen.insert(send.rtx_ssrc.unwrap()),
            "{send:?}"
        );
    }
}

#[test]
fn one_media_stream_comes_back_as_one() {
    let camera = "a=msid:camera 1\r\n";
    let screen = "a=ssrc:9 cname:x\r\na=ssrc:9 msid:screen 2\r\n";
    let answer = answered(&offer(&[
        audio("0") + camera,
        video("1") + camera,
        video("2") + screen,
        video("3") + "a=msid:- 3\r\n",
        audio("4") + "a=msid:not@token 4\r\n",
    ]));
    let ids: Vec<_> = (0..5)
        .map(|i| media(&answer, i).send.as_ref().unwrap().stream_id.as_str())
        .collect();
    assert_eq!(ids, ["camera", "camera", "screen", "ferrite", "ferrite"]);
    let tracks: HashSet<_> = (0..5)
        .map(|i| media(&answer, i).send.as_ref().unwrap().track_id.clone())
        .collect();
    assert_eq!(tracks.len(), 5);
}

#[test]
fn a_stream_is_kept_from_answer_to_answer() {
    let first = answered(&offer(&[
        audio("0") + "a=msid:s 1\r\n",
        video("1") + "a=msid:s 2\r\n",
    ]));
    let more = offer(&[
        audio("0"),
        video("1") + "a=msid:s 2\r\n",
        video("2") + "a=msid:s 3\r\n",
    ]);
    let second = answer_to(&more, Some(&first.agreed)).unwrap();
    assert_eq!(media(&second, 0).send, media(&first, 0).send);
    assert_eq!(media(&second, 1).send, media(&first, 1).send);
    assert_eq!(media(&second, 2).send.as_ref().unwrap().stream_id, "s");
    assert_eq!(second.agreed.version, 2);
    assert_line(
        &second.sdp,
        usize::MAX,
        "o=- 4611731400430051336 2 IN IP4 127.0.0.1",
    );
}

#[test]
fn a_stream_moves_with_its_track_to_another_media_stream() {
    let first = answered(&offer(&[video("0") + "a=msid:before 1\r\n"]));
    let second = answer_to(
        &offer(&[video("0") + "a=msid:after 1\r\n"]),
        Some(&first.agreed),
    )
    .unwrap();
    let (before, after) = (
        media(&first, 0).send.clone().unwrap(),
        media(&second, 0).send.clone().unwrap(),
    );
    assert_eq!((before.ssrc, before.rtx_ssrc), (after.ssrc, after.rtx_ssrc));
    assert_eq!(after.stream_id, "after");
}

#[test]
fn an_ssrc_that_the_other_end_took_is_given_up() {
    let first = answered(&offer(&[audio("0")]));
    let ours = media(&first, 0).send.as_ref().unwrap().ssrc;
    let clash = offer(&[audio("0") + &format!("a=ssrc:{ours} cname:x\r\n")]);
    let second = answer_to(&clash, Some(&first.agreed)).unwrap();
    assert_ne!(media(&second, 0).send.as_ref().unwrap().ssrc, ours);
}

#[test]
fn so_is_an_ssrc_of_retransmissions() {
    let first = answered(&offer(&[video("0")]));
    let ours = media(&first, 0).send.clone().unwrap();
    let taken = ours.rtx_ssrc.unwrap();
    let clash = offer(&[video("0") + &format!("a=ssrc:{taken} cname:x\r\n")]);
    let second = answer_to(&clash, Some(&first.agreed)).unwrap();
    let now = media(&second, 0).send.clone().unwrap();
    assert_eq!(now.ssrc, ours.ssrc);
    assert_ne!(now.rtx_ssrc, ours.rtx_ssrc);
}

#[test]
fn an_ssrc_that_only_a_group_names_is_announced() {
    // ffmpeg writes no line of its own for its retransmissions; 1001 is the first number drawn.
    let lines = "a=ssrc-group:FID 1000 1001\r\na=ssrc:1000 cname:x\r\n";
    let answer = answered(&offer(&[video("0") + lines]));
    assert_ne!(media(&answer, 0).send.as_ref().unwrap().ssrc, 1001);
    let why = refused(&offer(&[
        video("0") + lines,
        audio("1") + "a=ssrc:1001 cname:y\r\n",
    ]));
    assert!(why.contains("announce the SSRC 1001"), "{why}");
}

#[test]
fn plan_b_is_refused_by_name() {
    let lines = "a=ssrc:11 msid:s one\r\na=ssrc:12 msid:s two\r\n";
    let why = refused(&offer(&[video("video") + lines]));
    assert!(why.contains("Plan B") && why.contains("2 tracks"), "{why}");
    // One track in several streams is no Plan B.
    answered(&offer(&[
        video("video") + "a=ssrc:11 msid:s one\r\na=ssrc:11 msid:t one\r\n"
    ]));
}

#[test]
fn what_is_sent_is_in_the_stream_that_it_is_said_to_be_in_where_the_offer_names_none() {
    let msid = "a=msid:theirs track\r\n";
    let sections = [video("0"), video("1") + msid, video("2"), video("3")];
    let mut local = local();
    let mut stream_ids = |streams: &[(&str, &str)], previous: Option<&Agreed>| {
        let owned = |(mid, id): &(&str, &str)| ((*mid).to_owned(), (*id).to_owned());
        local.streams = streams.iter().map(owned).collect();
        let answer = answer(&offer(&sections), &local, previous, &mut || 7).unwrap();
        let ids = (0..4).map(|at| media(&answer, at).send.clone().unwrap().stream_id);
        (ids.collect::<Vec<_>>(), answer.agreed)
    };
    let evil = "x\r\na=ice-lite";
    let (ids, agreed) = stream_ids(&[("0", "alice"), ("1", "alice"), ("2", evil)], None);
    assert_eq!(ids, ["alice", "theirs", "ferrite", "ferrite"]);
    let (ids, _) = stream_ids(&[("3", "bob")], Some(&agreed));
    assert_eq!(ids, ["alice", "theirs", "ferrite", "bob"]);
}
