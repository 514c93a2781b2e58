//! A room in which some publish films, and others are shown them, each over a way of their own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ferrite_protocol::Pressure;
use ferrite_server::media::{Plan, Shown, TrackId};
use rand::Rng;

use super::film::{Film, PUBLISHED, Taken, Taking, WATCHED};
use super::offer::Section;
use super::road::Road;
use super::shards::SomeShards;
use super::viewer::{Viewer, frames_in};

const SECOND: Duration = Duration::from_secs(1);
const TURN: Duration = Duration::from_millis(5);
/// Until who moves is where they move to: a check's way, and from one mailbox to the next.
const MOVE: Duration = Duration::from_millis(60);

/// Slots of each who watches.
pub const SLOTS: usize = 2;
const WATCHING: [Section; SLOTS] = [slot("0"), slot("1")];

const fn slot(mid: &'static str) -> Section {
    Section::Written {
        mid,
        lines: WATCHED,
    }
}

/// A room.
pub struct Festival {
    pub world: SomeShards,
    /// Each with the number of who publishes it, and whether it is published.
    pub films: Vec<(usize, Film, bool)>,
    pub viewers: Vec<Viewer>,
    /// What each slot is to show.
    shown: Vec<[Option<Shown>; SLOTS]>,
    pub taken: Taken,
    began: Instant,
    happened: Vec<String>,
}

impl Drop for Festival {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.happened.join("\n"));
        }
    }
}

impl Festival {
    /// One of so many films and viewers, on two shards.
    pub fn new(seed: u64, films: usize, viewers: usize) -> Self {
        let mut world = SomeShards::new(seed);
        let viewers = (0..viewers).map(|_| {
            let caller = world.enter(&WATCHING, shown_plan(&[None; SLOTS]));
            Viewer::new(caller, &world.callers[caller])
        });
        let viewers: Vec<_> = viewers.collect();
        let began = world.now;
        let mut festival = Self {
            world,
            films: Vec::new(),
            shown: vec![[None; SLOTS]; viewers.len()],
            viewers,
            taken: Taken::default(),
            began,
            happened: Vec::new(),
        };
        (0..films).for_each(|_| festival.add_film());
        festival.run_for(SECOND / 2);
        festival
    }

    /// One more film is published.
    pub fn add_film(&mut self) {
        let name = self.films.len();
        let published = [Section::Written {
            mid: "0",
            lines: PUBLISHED,
        }];
        let behaviour = Box::new(Taking(Arc::clone(&self.taken)));
        let world = &mut self.world;
        let caller = world.enter_opposite(behaviour, &published, published_plan(Some(name)));
        let film = Film::new(world.now, name as u8, &mut world.rng);
        self.films.push((caller, film, true));
    }

    /// All ways become bad.
    pub fn spoil(&mut self) {
        for number in 0..self.world.callers.len() {
            let (loss, reorder) = (
                self.world.rng.random_range(0.0..0.08),
                self.world.rng.random_range(0.0..0.2),
            );
            self.world.roads.insert(number, Road::bad(loss, reorder));
        }
    }

    pub fn repair(&mut self) {
        self.world.roads.values_mut().for_each(Road::repair);
    }

    pub fn run_for(&mut self, span: Duration) {
        let end = self.world.now + span;
        while self.world.now < end {
            for (caller, film, _) in &mut self.films {
                let caller = &mut self.world.callers[*caller];
                film.play(self.world.now, caller, &mut self.world.rng);
            }
            self.world.run_for(TURN);
            for viewer in &mut self.viewers {
                viewer.watch(self.world.now, &mut self.world.callers[viewer.number]);
            }
        }
    }

    pub fn note(&mut self, what: &str) {
        let now = self.world.now;
        let at = now.duration_since(self.began).as_millis();
        self.happened.push(format!("{at:6} ms, {now:?}: {what}"));
    }

    /// A slot shows something else from now on.
    pub fn show(&mut self, viewer: usize, slot: usize, film: Option<(usize, u8)>) {
        self.note(&format!("viewer {viewer}, slot {slot}: {film:?}"));
        self.shown[viewer][slot] = film.map(|(film, best_layer)| Shown {
            best_layer,
            watched: best_layer,
            ..Shown::at_best(track(film))
        });
        let now = self.world.now;
        let change = [now, now + TURN];
        self.viewers[viewer].slots[slot].changes.push(change);
        let plan = shown_plan(&self.shown[viewer]);
        self.world.set_plan(self.viewers[viewer].number, plan);
    }

    /// Something happens to a film: whoever is shown it may see.
    pub fn note_all(&mut self, what: &str, takes: Duration) {
        self.note(what);
        let change = [self.world.now, self.world.now + takes];
        let slots = self.viewers.iter_mut().flat_map(|viewer| &mut viewer.slots);
        slots.for_each(|slot| slot.changes.push(change));
    }

    /// Who calls gets another address, and is on another shard.
    pub fn change_address(&mut self, caller: usize) {
        self.note_all(&format!("caller {caller} moves"), MOVE);
        self.world.change_address(caller);
    }

    pub fn publish(&mut self, film: usize, is_published: bool) {
        self.note_all(&format!("film {film} is published: {is_published}"), TURN);
        self.films[film].2 = is_published;
        let plan = published_plan(is_published.then_some(film));
        self.world.set_plan(self.films[film].0, plan);
    }

    /// Everything is well again, and everybody is shown what they wish for.
    pub fn everybody_sees(&mut self) {
        self.repair();
        for film in 0..self.films.len() {
            self.publish(film, true);
            self.films[film].1.is_dark = false;
        }
        self.run_for(5 * SECOND / 2);
        let since = self.world.now;
        self.run_for(SECOND / 2);
        for (viewer, shown) in self.viewers.iter().zip(&self.shown) {
            for (slot, shown) in viewer.slots.iter().zip(shown) {
                let Some(shown) = shown else { continue };
                let mut films = 0..self.films.len();
                let film = films.find(|film| track(*film) == shown.track).unwrap();
                let frames = slot.shows(since, (film as u8, shown.best_layer));
                assert!(frames + 2 >= frames_in(SECOND / 2), "{frames}, {shown:?}");
            }
        }
    }

    /// Nobody's peer has ended, as it does where a shard panics; and see [`super::viewer::Slot::verify`].
    pub fn verify(&self) {
        assert_eq!(self.world.ended(), []);
        let slots = self.viewers.iter().flat_map(|viewer| &viewer.slots);
        slots.for_each(|slot| slot.verify(&self.taken));
    }
}

fn track(film: usize) -> TrackId {
    TrackId::of_publication(film as u64)
}

fn room(publishes: Vec<(usize, TrackId)>, shows: Vec<(usize, Shown)>) -> Arc<Plan> {
    Arc::new(Plan::Room {
        publishes,
        shows,
        talk: None,
        pressure: Pressure::default(),
    })
}

fn published_plan(film: Option<usize>) -> Arc<Plan> {
    room(
        film.map(|film| (0, track(film))).into_iter().collect(),
        Vec::new(),
    )
}

fn shown_plan(shown: &[Option<Shown>]) -> Arc<Plan> {
    let shown = shown.iter().enumerate();
    let shows = shown.filter_map(|(at, shown)| Some((at, (*shown)?)));
    room(Vec::new(), shows.collect())
}
