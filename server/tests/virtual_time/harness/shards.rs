//! Some cores with one directory, callers spread over all, and between the cores mailboxes that are
//! slow, full now and then, and lose datagrams: all that channels can do, decided by a seed.
//!
//! A channel keeps the order in which things are put into it (`mailbox`'s tests say so), also of different
//! senders' where one knew of the other. What it cannot keep is the order of those who send at the same time: so in
//! each step the shards take their turns in another order. Nor of two who look a shard up and then send: here the
//! control plane's commands wait in between.
//!
//! Some callers are reached over TCP: their connection stays with the shard that accepted it, wherever they are. Others
//! have ways on which datagrams get lost, late or out of order, or that carry only so much.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use ferrite_server::behaviour::Echo;
use ferrite_server::congestion::Sink;
use ferrite_server::media::ceilings::Ceilings;
use ferrite_server::media::event::PeerEvent;
use ferrite_server::media::id::PeerId;
use ferrite_server::media::net::budget::Budget;
use ferrite_server::media::net::path::{FourTuple, Transport};
use ferrite_server::media::peer::PeerConfig;
use ferrite_server::media::plan::{Agreement, Revision};
use ferrite_server::media::rtp::clock::Clock;
use ferrite_server::media::sdp::{self, Agreed, DtlsRole, Local};
use ferrite_server::media::shard::command::Command;
use ferrite_server::media::shard::core::ShardCore;
use ferrite_server::media::shard::directory::Directory;
use ferrite_server::media::shard::resident::Resident;
use ferrite_server::media::transport::ice::Credentials;
use ferrite_server::media::{Behaviour, MAX_MESSAGE_SIZE, Peer, Plan};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use super::bare::{SERVER, identity};
use super::caller::{Caller, Noting, Sends, Taken, Talker};
use super::link::Datagram;
use super::narrow::Narrow;
use super::offer::{Offer, Section};
use super::road::Road;
use super::sealed::Sealed;
pub use super::surroundings::Trouble;
use super::surroundings::{Letter, Surroundings, shard_of};
use super::{Bare, FarEnd, address};

/// Time goes on in steps of this.
const STEP: Duration = Duration::from_millis(5);

/// Each way, on the network.
const DELAY: Duration = Duration::from_millis(10);

const AUDIO: Section = Section::Audio {
    mid: "0",
    direction: "sendrecv",
};
const VIDEO: Section = Section::Video {
    mid: "0",
    direction: "sendonly",
    ssrcs: None,
};
const SLOTS: [Section; 2] = [slot("1"), slot("2")];

const fn slot(mid: &'static str) -> Section {
    Section::Video {
        mid,
        direction: "recvonly",
        ssrcs: None,
    }
}

/// A way to a caller that is narrow.
#[derive(Default)]
pub struct NarrowWay {
    /// In bits per second.
    pub rate: f64,
    narrow: Narrow,
    under_way: VecDeque<(Instant, Datagram)>,
}

/// A shard: its core, and what it was told and has not read yet.
struct Shard {
    core: ShardCore,
    out: Surroundings,
    inbox: VecDeque<(Instant, Letter)>,
}

/// The shards and everybody who calls.
pub struct SomeShards {
    pub now: Instant,
    pub rng: StdRng,
    pub directory: Arc<Directory>,
    shards: Vec<Shard>,
    pub callers: Vec<Caller>,
    /// Commands of the control plane: it has looked up the shard, and not sent yet.
    posted: Vec<(Instant, usize, Command)>,
    up: VecDeque<(Instant, Datagram)>,
    down: VecDeque<(Instant, Datagram)>,
    /// The ways to callers that are narrow, by number.
    pub narrow: HashMap<usize, NarrowWay>,
    /// Those who are reached over TCP.
    tcp: HashSet<u16>,
    /// Those that lose and reorder, both ways, by number.
    pub roads: HashMap<usize, Road>,
    /// What was sealed, by number of whom for.
    pub sealed: HashMap<usize, Sealed>,
    trouble: Trouble,
    /// Datagrams that one shard had another send, which has the connection.
    pub relayed: usize,
    /// How often a peer went from shard to shard.
    pub moves: usize,
    /// How much those who come may send and be sent.
    pub ceilings: Ceilings,
    /// Where a trace goes of the next who comes.
    pub sink: Option<Box<dyn Sink>>,
    seed: u64,
}

impl SomeShards {
    /// Two.
    pub fn new(seed: u64) -> Self {
        Self::with(2, seed)
    }

    /// So many.
    pub fn with(shards: usize, seed: u64) -> Self {
        let (now, directory) = (Instant::now(), Arc::<Directory>::default());
        let shard = |index| Shard {
            core: ShardCore::new(now, index, shards, directory.clone()),
            out: Surroundings::new(seed, index, shards),
            inbox: VecDeque::new(),
        };
        Self {
            now,
            rng: StdRng::seed_from_u64(!seed),
            shards: (0..shards).map(shard).collect(),
            directory,
            callers: Vec::new(),
            posted: Vec::new(),
            up: VecDeque::new(),
            down: VecDeque::new(),
            narrow: HashMap::new(),
            tcp: HashSet::new(),
            roads: HashMap::new(),
            sealed: HashMap::new(),
            trouble: Trouble::NONE,
            relayed: 0,
            moves: 0,
            ceilings: Ceilings::default(),
            sink: None,
            seed,
        }
    }

    pub fn set_trouble(&mut self, trouble: Trouble) {
        self.trouble = trouble;
        for shard in &mut self.shards {
            shard.out.trouble = trouble;
        }
    }

    /// Callers send sound, or are silent.
    pub fn set_sending(&mut self, sending: bool) {
        let callers = self.callers.iter_mut();
        callers.for_each(|caller| caller.sending = sending);
    }

    /// Somebody makes a call, and waits for a shard to hear of it.
    pub fn call(&mut self, behaviour: Box<dyn Behaviour>) -> PeerId {
        self.make_call(Sends::Sound, &[AUDIO], behaviour, Arc::default())
    }

    /// Somebody calls over TCP: each address is a connection.
    pub fn call_over_tcp(&mut self, behaviour: Box<dyn Behaviour>) -> PeerId {
        let id = self.call(behaviour);
        let address = self.callers.last().map(|caller| caller.far.address);
        self.tcp.extend(address.as_ref().map(home));
        id
    }

    /// Somebody enters a room, with data channels alone.
    pub fn talk(&mut self, plan: Arc<Plan>) -> PeerId {
        let sections = [Section::Data { mid: "0" }];
        let id = self.make_call(Sends::Messages, &sections, Box::new(Echo), plan);
        if let Some(caller) = self.callers.last_mut() {
            caller.talker = Some(Talker::default());
        }
        id
    }

    /// What the sessions of a caller's peer were told of messages.
    pub fn told(&mut self, caller: usize) -> Vec<PeerEvent> {
        let id = self.callers[caller].id;
        let told = self.shards.iter_mut().flat_map(|shard| {
            let of = |(to, _): &mut (PeerId, PeerEvent)| *to == id;
            shard.out.told.extract_if(.., of).collect::<Vec<_>>()
        });
        told.map(|(_, event)| event).collect()
    }

    /// A caller's session tells its peer something.
    pub fn tell(&mut self, caller: usize, command: impl FnOnce(PeerId) -> Command) {
        let id = self.callers[caller].id;
        self.command_peer(id, command(id));
    }

    /// Somebody enters a room, with pictures on the first section and slots on the others.
    pub fn join(&mut self, taken: &Taken, plan: Arc<Plan>) -> PeerId {
        let [first, second] = SLOTS;
        let sections = [VIDEO, first, second];
        let behaviour = Box::new(Noting(taken.clone()));
        self.make_call(Sends::Pictures, &sections, behaviour, plan)
    }

    /// Somebody enters a room with these sections, and sends nothing by itself. Returns their number.
    pub fn enter(&mut self, sections: &[Section], plan: Arc<Plan>) -> usize {
        self.enter_opposite(Box::new(Echo), sections, plan)
    }

    /// The same, and this sits opposite them.
    pub fn enter_opposite(
        &mut self,
        behaviour: Box<dyn Behaviour>,
        sections: &[Section],
        plan: Arc<Plan>,
    ) -> usize {
        self.make_call(Sends::Messages, sections, behaviour, plan);
        let number = self.callers.len() - 1;
        self.callers[number].sending = false;
        number
    }

    fn make_call(
        &mut self,
        sends: Sends,
        sections: &[Section],
        behaviour: Box<dyn Behaviour>,
        plan: Arc<Plan>,
    ) -> PeerId {
        let number = self.callers.len() as u64 + 1;
        let id = PeerId(number);
        let mut far = Bare::new(self.now);
        let port = 20_000 + 100 * number as u16;
        far.address = SocketAddr::from(([203, 0, 113, 9], port));
        far.interval = Some(Duration::from_millis(1000));
        let (mut resident, agreed) = answered(self.now, id, &mut far, sections, behaviour);
        resident.set_plan(Revision { number: 1, plan });
        resident.ceilings = self.ceilings;
        if let Some(sink) = self.sink.take() {
            resident.peer.trace(sink);
        }
        self.directory.insert(resident);
        let caller = Caller::new(self.now, id, far, agreed, sends);
        self.callers.push(caller);
        id
    }

    /// A room says anew what a caller's sections are for.
    pub fn set_plan(&mut self, caller: usize, plan: Arc<Plan>) {
        let caller = &mut self.callers[caller];
        caller.plans += 1;
        let (id, number) = (caller.id, caller.plans);
        let plan = Revision { number, plan };
        if let Err(plan) = self.directory.plan(id, plan) {
            self.command_peer(id, Command::SetPlan { id, plan });
        }
    }

    /// A shard panics, and nobody is to blame. Those who were there have ended.
    pub fn start_over(&mut self, shard: usize) -> Vec<PeerId> {
        let shard = &mut self.shards[shard];
        let before = shard.out.ended.len();
        shard.core.start_over(&mut shard.out);
        shard.out.ended[before..].to_vec()
    }

    /// A caller gets another address; the kernel gives its packets to either shard.
    pub fn change_address(&mut self, caller: usize) {
        let far = &mut self.callers[caller].far;
        let port = far.address.port();
        far.address.set_port(port / 100 * 100 + (port + 1) % 100);
        let check = far.usual_check();
        far.check(far.address, &check);
    }

    /// A caller negotiates again.
    pub fn negotiate(&mut self, caller: usize) {
        let caller = &mut self.callers[caller];
        let (id, agreed) = (caller.id, caller.agreed.clone());
        caller.agreements += 1;
        let agreement = Agreement {
            number: caller.agreements,
            agreed,
            local: caller.far.theirs.clone(),
        };
        self.command_peer(id, Command::Agree { id, agreement });
    }

    pub fn close(&mut self, caller: usize) {
        let id = self.callers[caller].id;
        self.command_peer(id, Command::Close { id });
    }

    /// A caller's session leaves without a word.
    pub fn desert(&mut self, caller: usize) {
        for shard in &mut self.shards {
            shard.out.deserted.insert(self.callers[caller].id);
        }
    }

    fn command_peer(&mut self, id: PeerId, command: Command) {
        // One that nobody has heard of is given to any shard first, as the control plane does.
        let home = self.rng.random_range(0..self.shards.len());
        if let Some(resident) = self.directory.claim(id, home) {
            let paths = Vec::new();
            self.post(home, Command::Adopt { resident, paths });
        }
        if let Some(shard) = self.directory.shard_of(id) {
            self.post(shard, command);
        }
    }

    fn post(&mut self, shard: usize, command: Command) {
        let at = self.now + self.wait();
        self.posted.push((at, shard, command));
    }

    fn wait(&mut self) -> Duration {
        self.trouble.slow.mul_f64(self.rng.random())
    }

    /// Peers whose sessions were told that there is nothing more to hear, each time.
    pub fn ended(&self) -> Vec<PeerId> {
        let ended = self.shards.iter().flat_map(|shard| &shard.out.ended);
        ended.copied().collect()
    }

    /// The tracks that the cores know, and the packets that did not cross between them.
    pub fn tracks(&self) -> (usize, usize) {
        let gauges = self.shards.iter().map(|shard| shard.core.gauges());
        gauges.fold((0, 0), |sum, held| {
            (sum.0 + held.tracks, sum.1 + held.uncrossed)
        })
    }

    /// How many packets of pictures waited for their turn, and how long the one did that waited for longest.
    pub fn waited(&self) -> (u64, Duration) {
        let gauges = self.shards.iter().map(|shard| shard.core.gauges());
        gauges.fold((0, Duration::ZERO), |(packets, longest), held| {
            (packets + held.waited, longest.max(held.longest_wait))
        })
    }

    /// The budgets of all cores.
    pub fn budgets(&self) -> Vec<Arc<Budget>> {
        let budgets = self.shards.iter().map(|shard| shard.core.budget());
        budgets.cloned().collect()
    }

    /// What the cores hold together: peers, paths and timers.
    pub fn held(&self) -> [usize; 3] {
        let gauges = self.shards.iter().map(|shard| shard.core.gauges());
        gauges.fold([0; 3], |sum, held| {
            [
                sum[0] + held.housed,
                sum[1] + held.paths,
                sum[2] + held.timers,
            ]
        })
    }

    /// How much waits in the mailboxes.
    pub fn waiting(&self) -> usize {
        let inboxes = self.shards.iter().map(|shard| shard.inbox.len());
        inboxes.sum::<usize>() + self.posted.len()
    }

    pub fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        while self.now < end {
            self.now += STEP;
            self.step();
        }
    }

    fn step(&mut self) {
        for at in 0..self.callers.len() {
            self.play(at);
        }
        self.send_posted();
        let mut turns: Vec<_> = (0..self.shards.len()).collect();
        turns.shuffle(&mut self.rng);
        for shard in turns {
            self.turn(shard);
        }
        let mut came = HashMap::<u16, Vec<Datagram>>::new();
        while let Some((_, datagram)) = pop_due(&mut self.down, self.now) {
            came.entry(home(&datagram.to)).or_default().push(datagram);
        }
        for way in self.narrow.values_mut() {
            while let Some((_, datagram)) = pop_due(&mut way.under_way, self.now) {
                came.entry(home(&datagram.to)).or_default().push(datagram);
            }
        }
        for road in self.roads.values_mut() {
            for datagram in road.arrived(self.now) {
                came.entry(home(&datagram.to)).or_default().push(datagram);
            }
        }
        for caller in &mut self.callers {
            for datagram in came
                .remove(&home(&caller.far.address))
                .into_iter()
                .flatten()
            {
                if !caller.is_deaf {
                    caller.far.receive(self.now, &datagram);
                }
            }
        }
    }

    /// A caller does what is due, and sends.
    fn play(&mut self, at: usize) {
        let (now, caller) = (self.now, &mut self.callers[at]);
        caller.play(now);
        while let Some(datagram) = caller.far.poll_transmit() {
            let took = match self.roads.get_mut(&at) {
                Some(road) => road.up(&datagram, &mut self.rng),
                None => Some(Duration::ZERO),
            };
            let arrives = took.map(|took| (now + DELAY + took, datagram));
            self.up.extend(arrives);
        }
    }

    fn send_posted(&mut self) {
        for (at, shard, command) in std::mem::take(&mut self.posted) {
            // Whoever meets a full mailbox tries again.
            if at > self.now || self.rng.random_bool(self.trouble.full) {
                self.posted.push((at, shard, command));
            } else {
                self.deliver(shard, Letter::Command(command));
            }
        }
    }

    fn deliver(&mut self, shard: usize, letter: Letter) {
        let at = self.now + self.wait();
        let inbox = &mut self.shards[shard].inbox;
        let after = inbox.back().map_or(at, |(at, _)| *at);
        inbox.push_back((at.max(after), letter));
    }

    /// One turn of a shard, as its thread takes it.
    fn turn(&mut self, index: usize) {
        let now = self.now;
        let (mut landed, shards) = (Vec::new(), self.shards.len());
        self.up.retain(|(at, datagram)| {
            // The kernel keeps each path with one shard.
            let here = *at <= now && shard_of(&datagram.from, shards) == index;
            if here {
                landed.push(datagram.clone());
            }
            !here
        });
        let (shard, tcp) = (&mut self.shards[index], &self.tcp);
        while let Some((_, letter)) = pop_due(&mut shard.inbox, now) {
            match letter {
                Letter::Command(command) => {
                    shard.core.handle_command(now, command, &mut shard.out);
                }
                Letter::Relay { path, data } => shard.out.send_connected(path, data),
            }
        }
        let datagrams = landed.iter().map(|datagram| {
            let path = FourTuple {
                transport: match tcp.contains(&home(&datagram.from)) {
                    true => Transport::Tcp,
                    false => Transport::Udp,
                },
                local: address(SERVER),
                remote: datagram.from,
            };
            (path, &datagram.bytes[..])
        });
        (shard.core).handle_datagrams(now, datagrams, &mut shard.out);
        if shard.core.poll_timeout() <= now {
            shard.core.handle_timeout(now, &mut shard.out);
        }
        for (path, data) in std::mem::take(&mut shard.out.sent) {
            self.leave(path, &data);
        }
        for (to, letter) in std::mem::take(&mut self.shards[index].out.letters) {
            match letter {
                Letter::Command(Command::Adopt { .. }) => self.moves += 1,
                Letter::Command(_) => {}
                Letter::Relay { .. } => self.relayed += 1,
            }
            self.deliver(to, letter);
        }
    }

    /// What a shard sends goes the way to its caller.
    fn leave(&mut self, path: FourTuple, data: &[u8]) {
        let now = self.now;
        let datagram = Datagram {
            from: path.local,
            to: path.remote,
            bytes: data.to_vec(),
        };
        let number = usize::from(path.remote.port()) / 100 - 201;
        if path.transport == Transport::Udp {
            self.sealed.entry(number).or_default().note(data);
        }
        if let Some(way) = self.narrow.get_mut(&number) {
            let passed = way.narrow.pass(now, way.rate, datagram.bytes.len());
            let arrived = passed.map(|passed| (passed + DELAY, datagram));
            way.under_way.extend(arrived);
        } else if let Some(road) = self.roads.get_mut(&number) {
            if let Some(lost) = road.down(now + DELAY, datagram, &mut self.rng) {
                self.callers[number].far.overhear(now, &lost);
            }
        } else {
            self.down.push_back((now + DELAY, datagram));
        }
    }
}

/// A peer that has answered the far end's offer of these sections, and what they agreed on.
pub fn answered(
    now: Instant,
    id: PeerId,
    far: &mut Bare,
    sections: &[Section],
    behaviour: Box<dyn Behaviour>,
) -> (Box<Resident>, Arc<Agreed>) {
    far.theirs = Credentials {
        ufrag: format!("peer{}", id.0),
        pwd: format!("thepasswordofpeer{:08}", id.0),
    };
    let local = Local {
        ice_ufrag: far.theirs.ufrag.clone(),
        ice_pwd: far.theirs.pwd.clone(),
        fingerprint: identity().fingerprint,
        candidates: Vec::new(),
        trickles: false,
        session_id: 1,
        max_message_size: MAX_MESSAGE_SIZE,
        cname: "virtual".to_owned(),
        streams: HashMap::new(),
    };
    let offer = Offer {
        ice: far.ours.clone(),
        fingerprint: local.fingerprint,
        setup: "active",
        sections: sections.to_vec(),
    };
    far.start_dtls(DtlsRole::Client, local.fingerprint);
    let mut rng = StdRng::seed_from_u64(id.0);
    let answer = sdp::answer(&offer.write(), &local, None, &mut || rng.random()).unwrap();
    let agreed = Arc::new(answer.agreed);
    let config = PeerConfig {
        identity: identity(),
        local: far.theirs.clone(),
        clock: Clock::new(now, UNIX_EPOCH + Duration::from_secs(1_800_000_000)),
        seed: id.0,
        cname: local.cname,
        max_message_size: MAX_MESSAGE_SIZE,
    };
    let mut peer = Peer::new(now, config);
    peer.agree(now, agreed.clone(), None);
    let resident = Resident::new(id, "session".into(), peer, behaviour);
    (Box::new(resident), agreed)
}

impl Drop for SomeShards {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {} (FERRITE_SEED)", self.seed);
        }
    }
}

/// Whose an address is: whoever gets another one keeps those of before.
fn home(address: &SocketAddr) -> u16 {
    address.port() / 100
}

fn pop_due<T>(queue: &mut VecDeque<(Instant, T)>, now: Instant) -> Option<(Instant, T)> {
    queue.pop_front_if(|(at, _)| *at <= now)
}
