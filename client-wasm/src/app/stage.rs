//! The tiles of a room's page and what comes for them: joins who is there to the streams of the slots, and
//! says which pictures are looked at. Knows neither devices nor the server.

use std::collections::BTreeMap;

use web_sys::MediaStream;

use super::grid::{self, Tile};
use crate::call::{Room, Sight};
use crate::view::{Face, RoomView};
use crate::words;

/// Other sizes are told this often at most.
pub(super) const LOOK_MS: u32 = 250;

/// What this client shows of itself.
pub(super) struct Own<'a> {
    pub(super) camera: Option<&'a MediaStream>,
    pub(super) screen: Option<&'a MediaStream>,
    pub(super) muted: bool,
}

pub(super) struct Stage {
    tiles: Vec<Tile>,
    /// What comes on the slots for pictures, by their `mid`.
    pictures: BTreeMap<String, MediaStream>,
    /// What was last told of the tiles, and when.
    sights: Vec<Sight>,
    told: f64,
}

impl Stage {
    pub(super) fn new() -> Self {
        Self {
            tiles: Vec::new(),
            pictures: BTreeMap::new(),
            sights: Vec::new(),
            told: f64::NEG_INFINITY,
        }
    }

    /// This comes on a slot.
    pub(super) fn plug(&mut self, mid: String, picture: MediaStream) {
        self.pictures.insert(mid, picture);
    }

    /// Nothing comes any more.
    pub(super) fn unplug(&mut self) {
        self.pictures.clear();
    }

    /// Nobody is shown any more.
    pub(super) fn clear(&mut self, view: &mut RoomView) {
        self.tiles.clear();
        self.sights.clear();
        view.grid.show(&[]);
    }

    /// Shows everybody as they are now.
    pub(super) fn show(&mut self, room: &Room, own: &Own<'_>, view: &mut RoomView) {
        self.tiles = grid::tiles(room.people(), room.own());
        let faces: Vec<_> = self
            .tiles
            .iter()
            .map(|it| self.face(it, room, own))
            .collect();
        view.grid.show(&faces);
        self.arrange(view);
    }

    fn face<'a>(&'a self, tile: &'a Tile, room: &Room, own: &Own<'a>) -> Face<'a> {
        let stream = match (tile.own, tile.screen) {
            (true, true) => own.screen,
            (true, false) => own.camera,
            (false, _) => self.picture(tile, room),
        };
        let muted = match tile.own && !tile.screen {
            true => own.muted,
            false => tile.muted,
        };
        Face {
            participant: &tile.participant.0,
            screen: tile.screen,
            name: &tile.name,
            own: tile.own,
            muted,
            reconnecting: tile.reconnecting,
            stream,
            why: self.why(tile, room),
        }
    }

    /// Why somebody's picture does not come although they send one.
    fn why(&self, tile: &Tile, room: &Room) -> Option<&'static str> {
        let picture = tile.picture.as_ref().filter(|_| !tile.own)?;
        words::idle(room.idle(picture)?)
    }

    fn picture(&self, tile: &Tile, room: &Room) -> Option<&MediaStream> {
        let mid = room.slot_of(tile.picture.as_ref()?)?;
        self.pictures.get(mid)
    }

    /// Makes the tiles as large as they can be.
    pub(super) fn arrange(&self, view: &RoomView) {
        let size = grid::tile_size(self.tiles.len(), view.grid.size());
        view.grid.arrange(size);
    }

    /// What is looked at, and how large it is, where that is to be told at this time.
    pub(super) fn news(&mut self, view: &RoomView, now: f64) -> Option<Vec<Sight>> {
        let sights = self.sights(view);
        if self.sights == sights || now - self.told < f64::from(LOOK_MS) {
            return None;
        }
        self.told = now;
        self.sights.clone_from(&sights);
        Some(sights)
    }

    fn sights(&self, view: &RoomView) -> Vec<Sight> {
        let paused = view.is_hidden();
        let others = self.tiles.iter().filter(|tile| !tile.own);
        let sights = others.filter_map(|tile| {
            let place = view.grid.size_of(&tile.participant.0, tile.screen)?;
            let (width, height) = grid::size_for(place);
            let (width, height) = (Some(width), Some(height));
            let publication = tile.picture.clone()?;
            Some(Sight {
                publication,
                width,
                height,
                paused,
            })
        });
        sights.collect()
    }
}
