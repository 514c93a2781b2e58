//! The tiles of a room's page and what comes for them: joins who is there to the streams of the slots, says
//! where each lies and which pictures are looked at. Knows neither devices nor the server.

use ferrite_protocol::{ParticipantId, Priority};
use web_sys::MediaStream;

use super::grid::{self, Tile, Wish};
use super::layout::{self, Layout, Rect};
use crate::call::{Room, Sight};
use crate::sorted::Map;
use crate::view::{Face, RoomView, caption};
use crate::words;

/// Other sizes are told this often at most.
pub(super) const LOOK_MS: u32 = 250;

/// What this client shows of itself, and what is known of all besides the room.
pub(super) struct Own<'a> {
    pub(super) camera: Option<&'a MediaStream>,
    pub(super) screen: Option<&'a MediaStream>,
    pub(super) muted: bool,
    /// Whose hands are up.
    pub(super) hands: &'a [ParticipantId],
}

pub(super) struct Stage {
    tiles: Vec<Tile>,
    wish: Wish,
    page: usize,
    pages: usize,
    /// How large the place for tiles was when they were laid out.
    area: (f64, f64),
    /// Who has the word.
    active: Option<ParticipantId>,
    /// What comes on the slots for pictures, by their `mid`.
    pictures: Map<String, MediaStream>,
    /// What was last told of the tiles, and when.
    sights: Vec<Sight>,
    told: f64,
}

impl Stage {
    pub(super) fn new() -> Self {
        Self {
            tiles: Vec::new(),
            wish: Wish::default(),
            page: 0,
            pages: 1,
            area: (0.0, 0.0),
            active: None,
            pictures: Map::new(),
            sights: Vec::new(),
            told: f64::NEG_INFINITY,
        }
    }

    /// What the user wants to see.
    pub(super) fn wish(&self) -> &Wish {
        &self.wish
    }

    /// The user wants to see something else.
    pub(super) fn change(&mut self, change: impl FnOnce(&mut Wish), view: &mut RoomView) {
        change(&mut self.wish);
        self.arrange(view);
    }

    /// Pins a tile, or no longer.
    pub(super) fn pin(&mut self, participant: ParticipantId, screen: bool, view: &mut RoomView) {
        let tile = (participant, screen);
        let wish = &mut self.wish.pinned;
        *wish = Some(tile).filter(|tile| wish.as_ref() != Some(tile));
        self.arrange(view);
    }

    /// Turns so many pages on, or back.
    pub(super) fn turn(&mut self, pages: isize, view: &mut RoomView) {
        let page = self.page.saturating_add_signed(pages);
        self.page = page.min(self.pages.saturating_sub(1));
        self.arrange(view);
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
        self.wish.pinned = None;
        self.page = 0;
        view.grid.show(&[]);
    }

    /// Shows everybody as they are now.
    pub(super) fn show(&mut self, room: &Room, own: &Own<'_>, view: &mut RoomView) {
        let tiles = grid::tiles(room.people(), room.own());
        let is_new = |tile: &Tile| !self.tiles.iter().any(|it| it.is_same(tile));
        if tiles.iter().any(|tile| tile.screen && is_new(tile)) {
            // Screens come first, and are what is to be seen.
            self.page = 0;
        }
        self.tiles = tiles;
        self.active.clone_from(&room.speaking().active);
        let faces: Vec<_> = self
            .tiles
            .iter()
            .map(|it| self.face(it, room, own))
            .collect();
        view.grid.show(&faces);
        if let Some(tile) = self.prominent() {
            let face = self.face(tile, room, own);
            view.float.show(face.stream, &caption(&face));
        }
        self.arrange(view);
    }

    /// The one tile to see, where there is place for one.
    pub(super) fn prominent(&self) -> Option<&Tile> {
        let wish = Wish {
            speaker: true,
            ..self.wish.clone()
        };
        let (order, _) = grid::order(&self.tiles, &wish, self.active.as_ref());
        order.first().copied()
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
        let is_in = |list: &[ParticipantId]| !tile.screen && list.contains(&tile.participant);
        Face {
            participant: &tile.participant.0,
            screen: tile.screen,
            name: &tile.name,
            own: tile.own,
            muted,
            reconnecting: tile.reconnecting,
            speaking: !muted && is_in(&room.speaking().participants),
            hand: is_in(own.hands),
            stream,
            why: self.why(tile, room),
            limit: self.limit(tile, room),
        }
    }

    /// Why somebody's picture does not come although they send one.
    fn why(&self, tile: &Tile, room: &Room) -> Option<String> {
        let picture = tile.picture.as_ref().filter(|_| !tile.own)?;
        words::idle(room.idle(picture)?)
    }

    /// What keeps somebody's picture from being better.
    fn limit(&self, tile: &Tile, room: &Room) -> Option<String> {
        let picture = tile.picture.as_ref().filter(|_| !tile.own)?;
        words::picture_limit(room.limit(picture)?)
    }

    fn picture(&self, tile: &Tile, room: &Room) -> Option<&MediaStream> {
        let mid = room.slot_of(tile.picture.as_ref()?)?;
        self.pictures.get(mid)
    }

    /// Lays the tiles out anew where there is another place for them.
    pub(super) fn fit(&mut self, view: &mut RoomView) {
        if view.grid.size() != self.area {
            self.arrange(view);
        }
    }

    /// Lays the tiles out.
    pub(super) fn arrange(&mut self, view: &mut RoomView) {
        self.area = view.grid.size();
        let (order, large) = grid::order(&self.tiles, &self.wish, self.active.as_ref());
        let layout = match large {
            true => layout::focus(order.len(), self.area),
            false => layout::grid(order.len(), self.page, self.area),
        };
        for tile in &self.tiles {
            let is_pinned = self.wish.pinned.as_ref();
            let is_pinned =
                is_pinned.is_some_and(|it| it == &(tile.participant.clone(), tile.screen));
            let place = place_of(tile, &order, &layout);
            view.grid
                .place(&tile.participant.0, tile.screen, place, is_pinned);
        }
        view.pager.show(layout.page, layout.pages);
        view.grid.layout(large);
        (self.page, self.pages) = (layout.page, layout.pages);
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
        let hidden = view.is_hidden();
        let prominent = self.prominent();
        let (order, _) = grid::order(&self.tiles, &self.wish, self.active.as_ref());
        let others = order.iter().filter(|tile| !tile.own);
        let sights = others.filter_map(|tile| {
            let (whom, screen) = (&tile.participant.0, tile.screen);
            let is_prominent = prominent.is_some_and(|it| it.is_same(tile));
            let floats = view.floats(whom, screen, is_prominent);
            let seen = view.grid.size_of(whom, screen);
            let paused = hidden && floats.is_none();
            let place = match (seen, floats) {
                (Some(seen), Some(floats)) if !hidden => grid::both(seen, floats),
                (seen, floats) => floats.or(seen)?,
            };
            let (width, height) = grid::size_for(place);
            let (width, height) = (Some(width), Some(height));
            let publication = tile.picture.clone()?;
            Some(Sight {
                publication,
                width,
                height,
                paused,
                priority: Priority::default(),
            })
        });
        sights.collect()
    }
}

fn place_of(tile: &Tile, order: &[&Tile], layout: &Layout) -> Option<(f64, f64, f64, f64)> {
    let at = order.iter().position(|it| std::ptr::eq(*it, tile))?;
    let Rect {
        x,
        y,
        width,
        height,
    } = layout.places.get(at).copied().flatten()?;
    Some((x, y, width, height))
}
