//! What messages are made of.

use ferrite_protocol::{
    CHAT, ErrorCode, IceCandidate, IceServer, Idle, MediaKind, Participant, Priority, Publication,
    RequestId, RoomMessage, RoomSnapshot, ServerMessage, Slot, Source, TrackUse, Tracks, Watch,
};

pub(super) fn welcome(ice_servers: Vec<IceServer>) -> ServerMessage {
    ServerMessage::Welcome {
        version: 1,
        session: "s-3fa9".into(),
        resume_token: "8f14e45fceea167a5a36dedd4bea2543".into(),
        resumed: false,
        ping_interval_ms: 10_000,
        ice_servers,
    }
}

pub(super) fn error(id: Option<RequestId>) -> ServerMessage {
    ServerMessage::Error {
        id,
        code: ErrorCode::BadOffer,
        message: "the offer has no fingerprint".to_owned(),
    }
}

pub(super) fn stun() -> IceServer {
    IceServer {
        urls: vec!["stun:media.example.org:3478".to_owned()],
        username: None,
        credential: None,
    }
}

pub(super) fn turn() -> IceServer {
    IceServer {
        urls: vec!["turn:media.example.org:3478?transport=tcp".to_owned()],
        username: Some("1767225600:s-3fa9".to_owned()),
        credential: Some("zVTBbUFBmHFKCmZ4zHsgXl5kp9c=".to_owned()),
    }
}

pub(super) fn room() -> RoomSnapshot {
    RoomSnapshot {
        id: "kitchen".into(),
        participants: vec![participant("p1", None), participant("p2", Some("Zoë"))],
    }
}

pub(super) fn participant(id: &str, name: Option<&str>) -> Participant {
    Participant {
        name: name.map(str::to_owned),
        ..Participant::new(id.into())
    }
}

pub(super) fn publication(id: &str, kind: MediaKind, source: Source) -> Publication {
    let is_video = kind == MediaKind::Video;
    Publication {
        id: id.into(),
        kind,
        source,
        label: is_video.then(|| "Front camera".to_owned()),
        muted: !is_video,
        width: is_video.then_some(1280),
        height: is_video.then_some(720),
    }
}

pub(super) fn tracks() -> Tracks {
    let publish = |key: &str, source, label: Option<&str>, width, height| TrackUse::Publish {
        key: key.to_owned(),
        source,
        label: label.map(str::to_owned),
        width,
        height,
    };
    let front = Some("Front camera");
    Tracks::from([
        (
            "0".to_owned(),
            publish("mic", Source::Microphone, None, None, None),
        ),
        (
            "1".to_owned(),
            publish("cam", Source::Camera, front, Some(1280), Some(720)),
        ),
        ("2".to_owned(), TrackUse::Receive(MediaKind::Audio)),
        ("3".to_owned(), TrackUse::Receive(MediaKind::Video)),
    ])
}

pub(super) fn watch(width: Option<u16>, height: Option<u16>) -> Watch {
    Watch {
        publication: "p3/cam".into(),
        width,
        height,
        paused: width.is_none(),
        priority: match width {
            Some(_) => Priority::High,
            None => Priority::Low,
        },
    }
}

pub(super) fn slot(publication: &str, idle: Option<Idle>) -> Slot {
    Slot {
        publication: publication.into(),
        idle,
    }
}

pub(super) fn said() -> RoomMessage {
    RoomMessage {
        number: 42,
        from: "p1".into(),
        name: Some("Ada".to_owned()),
        to: None,
        topic: CHAT.to_owned(),
        at: 1_795_824_000_000,
        text: "Tea?".to_owned(),
    }
}

pub(super) fn candidate() -> IceCandidate {
    IceCandidate {
        candidate: "candidate:1 1 udp 2130706431 192.0.2.1 3478 typ host".to_owned(),
        sdp_mid: Some("0".to_owned()),
        sdp_m_line_index: Some(0),
        username_fragment: Some("Ys4h".to_owned()),
    }
}

pub(super) fn sdp() -> String {
    "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n".to_owned()
}
