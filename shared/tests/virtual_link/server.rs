//! The server's end of the world: sessions, found by token, and the WebSockets they have.

use ferrite_protocol::session::{Admission, Received, ResumeTokens};
use ferrite_protocol::{
    ClientMessage, CloseCode, ResumeToken, RoomSnapshot, ServerMessage, SessionId,
};

use super::{Event, PING_INTERVAL, Session, World};

impl World {
    pub(super) fn server_hears_pong(&mut self, socket: usize) {
        let now = self.now;
        if let Some(server) = &mut self.sockets[socket].server {
            server.heard(now);
        }
    }

    pub(super) fn server_hears(&mut self, socket: usize, text: &str) {
        let message = ClientMessage::decode(text).unwrap();
        let socket_session = self.sockets[socket].session;
        let Some(server) = &mut self.sockets[socket].server else {
            return;
        };
        // The hello comes before there is a session.
        if let Some(session) = socket_session.and_then(|number| self.sessions.get_mut(&number)) {
            session.tokens.confirm();
        }
        let sessions = &mut self.sessions;
        let find = |token: &ResumeToken| {
            let mut sessions = sessions.iter_mut();
            sessions.find_map(|(number, session)| {
                let is_good = session.tokens.claim(|good| good == token);
                is_good.then_some(*number)
            })
        };
        match server.receive(&message, self.now, find) {
            Received::Greeted(admission) => self.admit(socket, admission),
            Received::Reply(reply) => self.server_sends(socket, &reply),
            Received::Refuse(reply, code) => {
                self.server_sends(socket, &reply);
                self.server_closes(socket, code);
            }
            Received::Done => {}
            Received::Pass => self.join(socket),
        }
    }

    fn admit(&mut self, socket: usize, admission: Admission<usize>) {
        let (number, resumed) = match admission {
            Admission::Resumed(number) => (number, true),
            Admission::New | Admission::ResumeFailed => (self.make_session(), false),
        };
        let token = ResumeToken(format!("token {}", self.tokens_made.len()));
        self.tokens_made.push((number, token.clone()));
        let session = self.sessions.get_mut(&number).unwrap();
        session.tokens.issue(token.clone());
        if let Some(old) = session.socket.replace(socket) {
            self.server_closes(old, CloseCode::Superseded);
        }
        self.sockets[socket].session = Some(number);
        let welcome = ServerMessage::Welcome {
            version: 1,
            session: SessionId(number.to_string()),
            resume_token: token,
            resumed,
            ping_interval_ms: PING_INTERVAL.as_millis() as u32,
            ice_servers: Vec::new(),
        };
        self.server_sends(socket, &welcome);
    }

    fn make_session(&mut self) -> usize {
        self.sessions_made += 1;
        let session = Session {
            tokens: ResumeTokens::default(),
            socket: None,
            joined: false,
            lost_at: self.now,
        };
        self.sessions.insert(self.sessions_made, session);
        self.sessions_made
    }

    fn join(&mut self, socket: usize) {
        let Some(number) = self.sockets[socket].session else {
            return;
        };
        if let Some(session) = self.sessions.get_mut(&number) {
            session.joined = true;
        }
        let room = RoomSnapshot {
            id: "room".into(),
            participants: Vec::new(),
        };
        let joined = ServerMessage::Joined {
            id: None,
            participant: "me".into(),
            room,
            may: Vec::new(),
            messages: Vec::new(),
        };
        self.server_sends(socket, &joined);
    }

    fn server_sends(&mut self, socket: usize, message: &ServerMessage) {
        self.send_to_client(socket, Event::ToClient(message.encode()));
    }

    pub(super) fn server_closes(&mut self, socket: usize, code: CloseCode) {
        self.send_to_client(socket, Event::ClientClosed(code as u16));
        self.server_loses(socket);
    }

    /// A session that its client ended is not kept.
    pub(super) fn server_hears_farewell(&mut self, socket: usize, code: CloseCode) {
        self.server_loses(socket);
        let number = self.sockets[socket].session;
        let ended = number.filter(|_| code == CloseCode::Normal);
        if let Some(number) = ended
            && self
                .sessions
                .get(&number)
                .is_some_and(|w| w.socket.is_none())
        {
            self.sessions.remove(&number);
        }
    }

    pub(super) fn server_loses(&mut self, socket: usize) {
        self.sockets[socket].server = None;
        let number = self.sockets[socket].session;
        let session = number.and_then(|number| self.sessions.get_mut(&number));
        if let Some(session) = session.filter(|session| session.socket == Some(socket)) {
            session.socket = None;
            session.lost_at = self.now;
        }
    }
}
