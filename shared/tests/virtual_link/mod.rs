//! A client, a server and the WebSockets between them, in virtual time.
//!
//! A WebSocket delivers in order until it breaks. When it breaks, what is under way is lost, and
//! each end learns of it soon or never. The messages travel as text, through the real codec.
#![allow(
    clippy::unwrap_used,
    reason = "a test may panic, and so may its helpers"
)]

mod server;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use ferrite_protocol::session::{
    Action, ClientSession, ClientState, Due, Input, ResumeTokens, ServerSession, Why,
};
use ferrite_protocol::{ClientMessage, CloseCode, ResumeToken, ServerMessage, SessionId};

pub(crate) const PING_INTERVAL: Duration = Duration::from_secs(10);
pub(crate) const RESUME_TIME: Duration = Duration::from_secs(120);

pub(crate) const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Who learns at once that a WebSocket broke. The others have to find out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Both,
    Client,
    Server,
    Nobody,
}

impl Told {
    pub(crate) const ALL: [Self; 4] = [Self::Both, Self::Client, Self::Server, Self::Nobody];
}

#[derive(Debug)]
enum Event {
    Opened,
    OpenFailed,
    ToServer(String),
    ToClient(String),
    WebSocketPing,
    WebSocketPong,
    ClientClosed(u16),
    ServerClosed,
    Farewell(CloseCode),
}

#[derive(Debug)]
struct Socket {
    /// The server's end, while it is open.
    server: Option<ServerSession>,
    session: Option<usize>,
    broken: bool,
    /// When the last frame each way arrives: frames keep their order.
    to_server: Duration,
    to_client: Duration,
}

#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) tokens: ResumeTokens<ResumeToken>,
    pub(crate) socket: Option<usize>,
    pub(crate) joined: bool,
    lost_at: Duration,
}

/// The client, the server and what is between them.
pub(crate) struct World {
    pub(crate) now: Duration,
    pub(crate) client: ClientSession,
    /// What the client was told to do, and when.
    pub(crate) log: Vec<(Duration, Action)>,
    pub(crate) client_session: Option<SessionId>,
    pub(crate) client_joined: bool,
    /// The sessions the server has, by number.
    pub(crate) sessions: HashMap<usize, Session>,
    pub(crate) sessions_made: usize,
    /// Every token ever given out, with its session.
    pub(crate) tokens_made: Vec<(usize, ResumeToken)>,
    /// Whether new WebSockets open and frames arrive.
    pub(crate) network: bool,
    /// How long a frame takes; asked for each.
    pub(crate) delay: Box<dyn FnMut() -> Duration>,
    /// Frames to be lost with their WebSocket: the numbers of deliveries, from 0.
    pub(crate) cut_at: Vec<usize>,
    /// The frames arrive, and what they led to is lost with their WebSocket.
    pub(crate) cut_after: bool,
    /// The messages to be delivered twice, by the numbers of deliveries, from 0.
    pub(crate) twice_at: Vec<usize>,
    pub(crate) told: Told,
    pub(crate) deliveries: usize,
    pub(crate) last_cut: Option<Duration>,
    /// The client's timers come no earlier than this.
    pub(crate) timers_from: Duration,
    /// The client's timers come at multiples of this.
    pub(crate) timers_every: Duration,
    /// The machine of the client hears nothing until then.
    pub(crate) asleep_until: Duration,
    client_socket: Option<usize>,
    sockets: Vec<Socket>,
    queue: BTreeMap<(Duration, u64), (usize, Event)>,
    queued: u64,
    random: u64,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            now: s(1_000),
            client: ClientSession::new("test/1"),
            log: Vec::new(),
            client_session: None,
            client_joined: false,
            sessions: HashMap::new(),
            sessions_made: 0,
            tokens_made: Vec::new(),
            network: true,
            delay: Box::new(|| ms(50)),
            cut_at: Vec::new(),
            cut_after: false,
            twice_at: Vec::new(),
            told: Told::Both,
            deliveries: 0,
            last_cut: None,
            timers_from: Duration::ZERO,
            timers_every: ms(1),
            asleep_until: Duration::ZERO,
            client_socket: None,
            sockets: Vec::new(),
            queue: BTreeMap::new(),
            queued: 0,
            random: 1,
        }
    }

    /// A world whose session has been open for a minute.
    pub(crate) fn open() -> Self {
        let mut world = Self::new();
        world.input(Input::Connect);
        world.run(s(60));
        assert!(world.agrees(), "{:?}", world.log);
        world
    }

    pub(crate) fn input(&mut self, input: Input<'_>) {
        let random = self.draw();
        let actions = self.client.handle(input, self.now, random);
        for action in actions {
            self.log.push((self.now, action.clone()));
            self.act(action);
        }
    }

    pub(crate) fn run(&mut self, time: Duration) {
        self.run_until(self.now + time, |_| false);
        self.expire();
    }

    /// Runs until both ends agree. Says how long that took.
    pub(crate) fn run_until_agreed(&mut self, at_most: Duration) -> Option<Duration> {
        let start = self.now;
        self.run_until(start + at_most, Self::agrees);
        self.agrees().then(|| self.now - start)
    }

    /// Runs until the client opens another WebSocket: its `hello` is yet to be sent.
    pub(crate) fn run_until_connecting(&mut self) {
        let is_connecting = |world: &Self| {
            let state = world.client.state();
            matches!(state, ClientState::Connecting { .. })
        };
        self.run_until(self.now + s(20), is_connecting);
    }

    fn run_until(&mut self, end: Duration, done: impl Fn(&Self) -> bool) {
        let mut steps = 0;
        while !done(self) {
            steps += 1;
            assert!(steps < 1_000_000, "the world spins");
            let Some(next) = self.next().filter(|next| *next <= end) else {
                self.now = self.now.max(end);
                return;
            };
            self.now = self.now.max(next);
            self.step();
        }
    }

    fn next(&self) -> Option<Duration> {
        let event = self.queue.keys().next().map(|(at, _)| *at);
        let servers = self.sockets.iter().filter_map(|w| w.server.as_ref());
        let server = servers.map(ServerSession::deadline).min();
        [event, self.client_tick(), server]
            .into_iter()
            .flatten()
            .min()
    }

    fn client_tick(&self) -> Option<Duration> {
        let at = self.client.deadline()?.max(self.timers_from);
        let every = self.timers_every.as_millis();
        let at = at.as_millis().div_ceil(every) * every;
        Some(Duration::from_millis(at as u64))
    }

    fn step(&mut self) {
        if self
            .queue
            .keys()
            .next()
            .is_some_and(|(at, _)| *at <= self.now)
        {
            let (_, (socket, event)) = self.queue.pop_first().unwrap();
            return self.deliver(socket, event);
        }
        if self.client_tick().is_some_and(|at| at <= self.now) {
            return self.input(Input::Tick);
        }
        self.tick_servers();
        self.expire();
    }

    fn tick_servers(&mut self) {
        for socket in 0..self.sockets.len() {
            let now = self.now;
            let due = self.sockets[socket]
                .server
                .as_mut()
                .and_then(|w| w.tick(now));
            match due {
                Some(Due::Ping) => self.send_to_client(socket, Event::WebSocketPing),
                Some(Due::Gone) => self.server_closes(socket, CloseCode::TimedOut),
                None => {}
            }
        }
    }

    fn expire(&mut self) {
        let now = self.now;
        self.sessions
            .retain(|_, w| w.socket.is_some() || now - w.lost_at < RESUME_TIME);
    }

    /// The tokens that resume a session of the server's.
    pub(crate) fn good_tokens(&self) -> usize {
        let is_good = |(number, token): &&(usize, ResumeToken)| {
            let session = self.sessions.get(number);
            session.is_some_and(|session| session.tokens.clone().claim(|good| good == token))
        };
        self.tokens_made.iter().filter(is_good).count()
    }

    /// Whether both ends are of one mind about the one session.
    pub(crate) fn agrees(&self) -> bool {
        let Some(socket) = self.client_socket.filter(|_| self.client.is_open()) else {
            return false;
        };
        let mut sessions = self.sessions.iter();
        let Some((number, session)) = sessions.find(|(_, w)| w.socket == Some(socket)) else {
            return false;
        };
        let same = self.client_session == Some(SessionId(number.to_string()));
        same && session.joined && self.client_joined && !self.sockets[socket].broken
    }

    // What happens to the world.

    pub(crate) fn cut(&mut self, told: Told) {
        for socket in 0..self.sockets.len() {
            self.break_socket(socket, told);
        }
    }

    fn break_socket(&mut self, socket: usize, told: Told) {
        if std::mem::replace(&mut self.sockets[socket].broken, true) {
            return;
        }
        self.last_cut = Some(self.now);
        self.queue.retain(|_, (other, _)| *other != socket);
        let soon = self.now + ms(20);
        if matches!(told, Told::Both | Told::Client) {
            self.push(soon, socket, Event::ClientClosed(1006));
        }
        if matches!(told, Told::Both | Told::Server) {
            self.push(soon, socket, Event::ServerClosed);
        }
    }

    /// The server forgets everything.
    pub(crate) fn restart_server(&mut self) {
        self.cut(Told::Both);
        self.sessions.clear();
        for socket in &mut self.sockets {
            socket.server = None;
        }
    }

    pub(crate) fn say_to_client(&mut self, message: &ServerMessage) {
        let socket = self.client_socket.unwrap();
        self.send_to_client(socket, Event::ToClient(message.encode()));
    }

    pub(crate) fn close_at_server(&mut self, code: CloseCode) {
        let socket = self.client_socket.unwrap();
        self.server_closes(socket, code);
    }

    pub(crate) fn attempts(&self) -> Vec<Duration> {
        let connects = self.log.iter().filter(|(_, a)| *a == Action::Connect);
        connects.map(|(at, _)| *at).collect()
    }

    pub(crate) fn downs(&self) -> Vec<&Why> {
        let downs = self.log.iter().filter_map(|(_, action)| match action {
            Action::Down { why, .. } => Some(why),
            _ => None,
        });
        downs.collect()
    }

    pub(crate) fn stopped(&self) -> bool {
        *self.client.state() == ClientState::Stopped
    }

    // The client's end.

    fn act(&mut self, action: Action) {
        match action {
            Action::Connect => self.open_socket(),
            Action::Disconnect(code) => self.drop_socket(code),
            Action::Send(message) => self.send(&message),
            Action::Up {
                session, resumed, ..
            } => self.up(session, resumed),
            Action::Down { .. } => self.client_socket = None,
        }
    }

    fn open_socket(&mut self) {
        assert_eq!(self.client_socket, None, "one WebSocket at a time");
        let socket = self.sockets.len();
        self.sockets.push(Socket {
            server: None,
            session: None,
            broken: !self.network,
            to_server: self.now,
            to_client: self.now,
        });
        self.client_socket = Some(socket);
        let at = self.now + (self.delay)() + (self.delay)();
        if self.network {
            self.sockets[socket].to_server = at;
            self.sockets[socket].to_client = at;
            self.push(at, socket, Event::Opened);
        } else if self.told != Told::Nobody {
            self.push(at, socket, Event::OpenFailed);
        }
    }

    fn drop_socket(&mut self, code: CloseCode) {
        let socket = self.client_socket.take().expect("a WebSocket to close");
        self.send_to_server(socket, Event::Farewell(code));
    }

    fn send(&mut self, message: &ClientMessage) {
        let socket = self.client_socket.expect("a WebSocket to send on");
        self.send_to_server(socket, Event::ToServer(message.encode()));
    }

    /// The application: it wants to be in a room, and compares.
    fn up(&mut self, session: SessionId, resumed: bool) {
        assert_eq!(resumed, self.client_session.as_ref() == Some(&session));
        self.client_session = Some(session);
        self.client_joined &= resumed;
        if !self.client_joined {
            self.send(&ClientMessage::Join {
                id: None,
                room: "room".into(),
                name: None,
                metadata: None,
                token: None,
            });
        }
    }

    // Between the ends.

    fn send_to_server(&mut self, socket: usize, event: Event) {
        let at = (self.now + (self.delay)()).max(self.sockets[socket].to_server);
        self.sockets[socket].to_server = at;
        self.travel(at, socket, event);
    }

    fn send_to_client(&mut self, socket: usize, event: Event) {
        let at = (self.now + (self.delay)()).max(self.sockets[socket].to_client);
        self.sockets[socket].to_client = at;
        self.travel(at, socket, event);
    }

    fn travel(&mut self, at: Duration, socket: usize, event: Event) {
        if !self.sockets[socket].broken {
            self.push(at, socket, event);
        }
    }

    fn push(&mut self, at: Duration, socket: usize, event: Event) {
        self.queued += 1;
        self.queue.insert((at, self.queued), (socket, event));
    }

    fn deliver(&mut self, socket: usize, event: Event) {
        if matches!(
            event,
            Event::ToClient(_) | Event::ToServer(_) | Event::Opened
        ) {
            self.deliveries += 1;
            if self.cut_at.contains(&(self.deliveries - 1)) {
                if self.cut_after {
                    self.hand_over(socket, event);
                }
                return self.break_socket(socket, self.told);
            }
            if self.twice_at.contains(&(self.deliveries - 1)) {
                match &event {
                    Event::ToServer(text) => {
                        self.hand_over(socket, Event::ToServer(text.clone()));
                    }
                    Event::ToClient(text) => {
                        self.hand_over(socket, Event::ToClient(text.clone()));
                    }
                    // A WebSocket opens once.
                    _ => {}
                }
            }
        }
        self.hand_over(socket, event);
    }

    fn hand_over(&mut self, socket: usize, event: Event) {
        match event {
            Event::ToServer(text) => self.server_hears(socket, &text),
            Event::WebSocketPong => self.server_hears_pong(socket),
            Event::ServerClosed => self.server_loses(socket),
            Event::Farewell(code) => self.server_hears_farewell(socket, code),
            Event::WebSocketPing => self.answer_websocket_ping(socket),
            Event::Opened => self.opened(socket),
            Event::OpenFailed => self.hand_to_client(socket, Input::Closed { code: 1006 }),
            Event::ClientClosed(code) => self.hand_to_client(socket, Input::Closed { code }),
            Event::ToClient(text) => self.client_hears(socket, &text),
        }
    }

    fn hand_to_client(&mut self, socket: usize, input: Input<'_>) {
        if self.client_socket == Some(socket) {
            self.input(input);
        }
    }

    fn client_hears(&mut self, socket: usize, text: &str) {
        // What a sleeping machine is sent waits in its network card, so to speak.
        if self.now < self.asleep_until {
            let at = self.asleep_until + ms(5);
            return self.push(at, socket, Event::ToClient(text.to_owned()));
        }
        let message = ServerMessage::decode(text).unwrap();
        if self.client_socket == Some(socket) && matches!(message, ServerMessage::Joined { .. }) {
            self.client_joined = true;
        }
        self.hand_to_client(socket, Input::Heard(&message));
    }

    /// A browser answers by itself, also for a hidden tab.
    fn answer_websocket_ping(&mut self, socket: usize) {
        if self.now >= self.asleep_until && self.client_socket == Some(socket) {
            self.send_to_server(socket, Event::WebSocketPong);
        }
    }

    fn opened(&mut self, socket: usize) {
        self.sockets[socket].server = Some(ServerSession::new(PING_INTERVAL, self.now));
        self.hand_to_client(socket, Input::Opened);
    }

    fn draw(&mut self) -> f64 {
        // xorshift64
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) as f64 / (1_u64 << 53) as f64
    }
}
