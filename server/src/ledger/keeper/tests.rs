//! What is billed is what was relayed: whatever is killed, fails or comes in between.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;

use super::*;
use crate::ledger::project::{Project, QuotaExceeded, Settings};
use crate::ledger::usage::Line;
use crate::turn::meter::{Meter, Payer};

/// 2026-11-28, a minute before midnight.
const EVENING: u64 = 1_795_910_340;

const USERS: usize = 3;

/// Those, and who is counted together with others.
const PAYERS: usize = USERS + Line::ALL.len();

/// What the project of them all may relay: some lives reach it, others do not.
const QUOTA: u64 = 4_000_000;

/// One thing that happens.
#[derive(Clone, Debug)]
enum Event {
    /// A relay of somebody carries so much, and its shard tells the meter.
    Relay(usize, u64),
    /// A relay of somebody ends.
    End(usize),
    /// So many seconds pass, and the thread is at work every second.
    Pass(u64),
    /// The same while the disk is full.
    PassInVain(u64),
    /// A credential is switched off and on again.
    Switch(usize),
    /// It is deleted, and another made in its place.
    Replace(usize),
    /// The process is killed, and started again.
    Kill,
    /// The process is ended, and started again.
    Restart,
}

fn event() -> impl Strategy<Value = Event> {
    let (user, payer) = (0..USERS, 0..PAYERS);
    prop_oneof![
        8 => (payer.clone(), 1_u64..1_000_000).prop_map(|(payer, bytes)| Event::Relay(payer, bytes)),
        2 => payer.prop_map(Event::End),
        4 => (1_u64..8).prop_map(Event::Pass),
        1 => (1_u64..8).prop_map(Event::PassInVain),
        1 => user.clone().prop_map(Event::Switch),
        1 => user.prop_map(Event::Replace),
        1 => Just(Event::Kill),
        1 => Just(Event::Restart),
    ]
}

/// A server's life, and what somebody who watches writes down.
struct Life {
    directory: PathBuf,
    keeper: Option<Keeper>,
    now: Instant,
    unix: u64,
    made: usize,
    /// The project that all of them are of.
    project: Option<Number>,
    /// What each is called now.
    names: [String; USERS],
    /// Relayed for each, and for all.
    relayed: BTreeMap<String, u64>,
    all: u64,
    of_project: u64,
    /// When the oldest byte came that may be lost, and how many there are of each, of all, and of the project.
    unwritten: Option<(u64, BTreeMap<String, u64>, u64, u64)>,
}

impl Life {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("ferrite-bill-{}-{count}", std::process::id());
        let mut life = Self {
            directory: std::env::temp_dir().join(name),
            keeper: None,
            now: Instant::now(),
            unix: EVENING,
            made: 0,
            project: None,
            names: Default::default(),
            relayed: BTreeMap::new(),
            all: 0,
            of_project: 0,
            unwritten: None,
        };
        life.start();
        life.make_project();
        (0..USERS).for_each(|user| life.make(user));
        life
    }

    fn start(&mut self) {
        let (database, written) = Database::open(&self.directory).unwrap();
        let book = Book::read(written);
        let at = (self.now, self.unix);
        self.keeper = Some(Keeper::new(book, Some(database), Default::default(), at));
    }

    fn keeper(&mut self) -> &mut Keeper {
        self.keeper.as_mut().unwrap()
    }

    /// Does something, as a call does; says whether it was answered.
    fn ask(&mut self, act: impl FnOnce(&mut Book, u64) + Send + 'static) -> bool {
        let answered = Arc::new(Mutex::new(false));
        let told = answered.clone();
        let job: Job = Box::new(move |book, unix| {
            act(book, unix);
            Box::new(move |is_written| *told.lock().unwrap() = is_written)
        });
        let (now, unix) = (self.now, self.unix);
        self.keeper().step(now, unix, vec![job], false);
        self.note_written();
        *answered.lock().unwrap()
    }

    fn make_project(&mut self) {
        let project = Project {
            id: "id".to_owned(),
            api_key: "its key".to_owned(),
            webhook_secret: "secret".to_owned(),
            created: self.unix,
            settings: Settings {
                quota: Some(QUOTA),
                webhook: Some("https://a.example/".to_owned()),
                action: QuotaExceeded::Notify,
                ..Settings::default()
            },
            told: None,
            notices: Vec::new(),
        };
        assert!(self.ask(move |book, _| book.create_project(project).unwrap()));
        self.project = self.keeper().book.projects.number("id");
    }

    fn make(&mut self, user: usize) {
        self.made += 1;
        let name = format!("user {}", self.made);
        let credential = Credential {
            username: name.clone(),
            password: "secret".to_owned(),
            api_key: name.clone(),
            label: None,
            created: self.unix,
            lifetime: None,
            enabled: true,
            project: self.project,
        };
        assert!(self.ask(move |book, unix| book.create(unix, credential).unwrap()));
        self.names[user] = name;
    }

    /// Whatever is written is not lost any more.
    fn note_written(&mut self) {
        let is_read = self.keeper().stored.meters().read().is_empty();
        if is_read && self.keeper().book.is_written() {
            self.unwritten = None;
        }
    }

    fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now += Duration::from_secs(1);
            self.unix += 1;
            let (now, unix) = (self.now, self.unix);
            self.keeper().step(now, unix, Vec::new(), false);
            self.note_written();
        }
    }

    /// What one is called in usage, and its meter, as relays have it.
    fn meter(&mut self, payer: usize) -> (String, Arc<Meter>) {
        let together = [
            (Line::Sessions, Payer::Sessions),
            (Line::SharedSecret, Payer::TimeLimited),
        ];
        if let Some((line, payer)) = payer.checked_sub(USERS).map(|n| together[n]) {
            let meter = self.keeper().stored.meters().meter(payer);
            return (line.label().to_owned(), meter);
        }
        let (name, unix) = (self.names[payer].clone(), self.unix);
        let account = self.keeper().stored.account(unix, &name).unwrap();
        (name, account.meter.clone().unwrap())
    }

    fn relay(&mut self, payer: usize, bytes: u64) {
        let (name, meter) = self.meter(payer);
        let unix = self.unix;
        meter.add(bytes);
        *self.relayed.entry(name.clone()).or_default() += bytes;
        self.all += bytes;
        let unwritten = self.unwritten.get_or_insert((unix, BTreeMap::new(), 0, 0));
        *unwritten.1.entry(name).or_default() += bytes;
        unwritten.2 += bytes;
        if payer < USERS {
            self.of_project += bytes;
            unwritten.3 += bytes;
        }
    }

    fn live(&mut self, event: &Event) {
        match event {
            Event::Relay(payer, bytes) => self.relay(*payer, *bytes),
            Event::End(payer) => {
                self.meter(*payer).1.note_end();
                self.pass(1);
                // Those that are counted together wait for their turn.
                if *payer < USERS {
                    assert!(self.unwritten.is_none(), "what ended is written");
                }
            }
            Event::Pass(seconds) => self.pass(*seconds),
            Event::PassInVain(seconds) => {
                let database = self.keeper().database.take();
                self.keeper().database = Some(Database::broken());
                self.pass(*seconds);
                let name = self.names[0].clone();
                assert!(!self.ask(move |book, _| book.delete(&name).unwrap()));
                self.keeper().database = database;
                // As long as that took, nobody could have written anything.
                if let Some((since, ..)) = &mut self.unwritten {
                    *since = (*since + seconds).min(self.unix);
                }
            }
            Event::Switch(user) => {
                let (off, on) = (self.names[*user].clone(), self.names[*user].clone());
                assert!(self.ask(move |book, _| book.disable(&off).unwrap()));
                assert!(self.ask(move |book, unix| book.enable(unix, &on).unwrap()));
            }
            Event::Replace(user) => {
                let name = self.names[*user].clone();
                assert!(self.ask(move |book, _| book.delete(&name).unwrap()));
                self.make(*user);
            }
            Event::Kill => {
                self.keeper = None;
                if let Some((since, of_each, of_all, of_project)) = self.unwritten.take() {
                    assert!(
                        self.unix - since <= LOST_AT_MOST.as_secs(),
                        "lost what is older"
                    );
                    for (name, bytes) in of_each {
                        *self.relayed.get_mut(&name).unwrap() -= bytes;
                    }
                    self.all -= of_all;
                    self.of_project -= of_project;
                }
                self.start();
            }
            Event::Restart => {
                let (now, unix) = (self.now, self.unix);
                self.keeper().step(now, unix, Vec::new(), true);
                self.note_written();
                assert!(
                    self.unwritten.is_none(),
                    "what is known at the end is written"
                );
                self.keeper = None;
                self.start();
            }
        }
    }

    /// After the last step everything that was relayed, and was not lost, is billed: to each, and to all.
    fn settle(&mut self) {
        self.pass(1);
        let unix = self.unix;
        let lines = Line::ALL.map(|line| line.label().to_owned());
        for name in self.names.clone().into_iter().chain(lines) {
            let relayed = self.relayed.get(&name).copied().unwrap_or_default();
            assert_eq!(
                self.keeper().book.usage_for(unix, &name),
                Ok(relayed),
                "{name}"
            );
        }
        let all = self.all;
        let (project, of_project) = (self.project.unwrap(), self.of_project);
        let book = &self.keeper().book;
        assert_eq!(book.projects.usage(unix, project), of_project);
        let told = book.projects.get(project).unwrap().told;
        let reached = crate::ledger::quota::is_reached(100, QUOTA, of_project);
        assert_eq!(told.is_some_and(|told| told.percent == 100), reached);
        assert_eq!(book.usage(unix), all);
        let days = book.usage_by_date(unix);
        assert_eq!(days.iter().map(|(_, day)| day.all).sum::<u64>(), all);
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.keeper = None;
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_billed_is_what_was_relayed(events in prop::collection::vec(event(), 1..60)) {
        let mut life = Life::new();
        for event in &events {
            life.live(event);
            if !matches!(event, Event::Relay(..)) {
                life.settle();
            }
        }
        life.settle();
    }
}

/// Whenever it is killed.
#[test]
fn of_a_relay_that_goes_on_no_more_than_some_seconds_are_ever_unwritten() {
    let mut life = Life::new();
    for second in 0..60 {
        life.relay(0, 1000);
        life.pass(1);
        let since = life
            .unwritten
            .as_ref()
            .map_or(life.unix, |(since, ..)| *since);
        let age = Duration::from_secs(life.unix - since);
        assert!(age <= WRITE_EVERY, "{age:?} in second {second}");
    }
    assert!(WRITE_EVERY + 2 * READ_EVERY <= LOST_AT_MOST);
    life.live(&Event::Kill);
    life.settle();
}

#[test]
fn what_was_relayed_is_written_as_soon_as_the_disk_has_room() {
    let mut life = Life::new();
    life.relay(0, 1000);
    let database = life.keeper().database.replace(Database::broken());
    life.pass(WRITE_EVERY.as_secs() + 1);
    assert!(life.unwritten.is_some());
    life.keeper().database = database;
    life.pass(1);
    assert!(life.unwritten.is_none());
}

#[test]
fn what_cannot_be_written_is_not_answered_and_not_so() {
    let mut life = Life::new();
    let name = life.names[0].clone();
    let database = life.keeper().database.replace(Database::broken());
    let gone = name.clone();
    assert!(!life.ask(move |book, _| book.delete(&gone).unwrap()));
    assert!(life.keeper().stored.account(EVENING, &name).is_some());
    // Who only looks is answered, also while there is something to write.
    life.relay(0, 1000);
    life.pass(WRITE_EVERY.as_secs() + 1);
    assert!(life.ask(|book, _| assert!(book.credentials().next().is_some())));
    life.keeper().database = database;
    let gone = name.clone();
    assert!(life.ask(move |book, _| book.delete(&gone).unwrap()));
    assert!(life.keeper().stored.account(EVENING, &name).is_none());
}

#[test]
fn a_project_whose_quota_is_used_up_is_off_at_once_and_on_in_the_next_month() {
    let mut life = Life::new();
    let (name, project) = (life.names[0].clone(), life.project.unwrap());
    let settings = Settings {
        quota: Some(1000),
        action: QuotaExceeded::Disable,
        ..Settings::default()
    };
    assert!(life.ask(move |book, _| book.projects.update(project, settings).unwrap()));
    life.relay(0, 1000);
    let account = life.keeper().stored.account(EVENING, &name).unwrap();
    // That waits for no disk.
    let database = life.keeper().database.replace(Database::broken());
    life.pass(1);
    assert!(account.is_revoked() && life.keeper().stored.account(EVENING, &name).is_none());
    life.keeper().database = database;
    // Nor does anybody switch it on, or make another.
    let again = name.clone();
    assert!(life.ask(move |book, _| book.disable(&again).unwrap()));
    let again = name.clone();
    assert!(life.ask(move |book, unix| book.enable(unix, &again).unwrap()));
    life.make(1);
    let new = life.names[1].clone();
    for name in [&name, &new] {
        assert!(life.keeper().stored.account(EVENING, name).is_none());
    }
    life.live(&Event::Kill);
    assert!(life.keeper().stored.account(EVENING, &name).is_none());
    life.unix += 3 * 24 * 60 * 60;
    life.pass(1);
    for name in [&name, &new] {
        assert!(life.keeper().stored.account(EVENING, name).is_some());
    }
}

#[test]
fn what_waits_has_a_bound() {
    let runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = { runtime }.worker_threads(1).build().unwrap();
    runtime.block_on(async {
        let ledger = Arc::new(Ledger::open(None, Arc::default()).unwrap());
        let (release, held) = std::sync::mpsc::channel::<()>();
        let asked = |ledger: Arc<Ledger>, act: Box<dyn FnOnce() + Send>| {
            tokio::spawn(async move { ledger.ask(move |_, _| act()).await })
        };
        let (begun, begins) = oneshot::channel();
        let first = asked(
            ledger.clone(),
            Box::new(move || {
                begun.send(()).unwrap();
                held.recv().unwrap();
            }),
        );
        begins.await.unwrap();
        let mut waiting = Vec::new();
        for _ in 0..MAX_WAITING {
            waiting.push(asked(ledger.clone(), Box::new(|| ())));
        }
        // Tasks of one worker begin in order.
        let late = asked(ledger.clone(), Box::new(|| ())).await.unwrap();
        assert_eq!(late, Err(Unavailable::Busy));
        release.send(()).unwrap();
        assert_eq!(first.await.unwrap(), Ok(()));
        for waited in waiting {
            assert_eq!(waited.await.unwrap(), Ok(()));
        }
        ledger.close().await;
        assert_eq!(ledger.ask(|_, _| ()).await, Err(Unavailable::Unwritten));
    });
}
