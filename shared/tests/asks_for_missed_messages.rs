//! A client that comes back says which room message came last, so that none is missed and none comes twice.

use std::time::Duration;

use ferrite_protocol::session::{Action, ClientSession, Input};
use ferrite_protocol::{ClientMessage, RoomMessage, ServerMessage};

const NOW: Duration = Duration::ZERO;

fn handle(client: &mut ClientSession, input: Input<'_>) -> Vec<Action> {
    client.handle(input, NOW, 0.5)
}

fn hear(client: &mut ClientSession, message: &ServerMessage) {
    handle(client, Input::Heard(message));
}

/// Opens a WebSocket, and says which message the hello names as the last.
fn last_message(client: &mut ClientSession) -> Option<u64> {
    handle(client, Input::Connect);
    let actions = handle(client, Input::Opened);
    let [Action::Send(ClientMessage::Hello { last_message, .. })] = &actions[..] else {
        panic!("{actions:?}");
    };
    *last_message
}

fn welcome(resumed: bool) -> ServerMessage {
    ServerMessage::Welcome {
        version: 1,
        session: "s".into(),
        resume_token: "t".into(),
        resumed,
        ping_interval_ms: 10_000,
        ice_servers: Vec::new(),
    }
}

fn said(number: u64) -> ServerMessage {
    ServerMessage::Said {
        message: RoomMessage {
            number,
            from: "ann".into(),
            name: None,
            to: None,
            topic: "chat".to_owned(),
            at: 0,
            text: String::new(),
        },
    }
}

#[test]
fn the_hello_names_the_last_message_of_the_session_it_resumes() {
    let mut client = ClientSession::new("test");
    assert_eq!(last_message(&mut client), None);
    hear(&mut client, &welcome(false));
    hear(&mut client, &said(41));
    hear(&mut client, &said(42));
    handle(&mut client, Input::Closed { code: 1006 });
    assert_eq!(last_message(&mut client), Some(42));
    hear(&mut client, &welcome(true));
    handle(&mut client, Input::Closed { code: 1006 });
    assert_eq!(last_message(&mut client), Some(42));
    // The session was gone, and with it perhaps the process that counted.
    hear(&mut client, &welcome(false));
    handle(&mut client, Input::Closed { code: 1006 });
    assert_eq!(last_message(&mut client), None);
}
