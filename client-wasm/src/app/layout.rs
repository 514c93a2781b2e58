//! Where the tiles of a room lie: as large as they can be, in pages where they do not all fit. Pure: knows how
//! many there are and how large the place is, and nothing of who they show.

/// A tile's width for its height: cameras are wide, but of faces the sides matter least.
const NARROWEST: f64 = 1.0;
const WIDEST: f64 = 16.0 / 9.0;
/// Between tiles.
const GAP: f64 = 8.0;
/// A smaller tile shows no face, so there is another page.
const LEAST: (f64, f64) = (112.0, 84.0);
/// On a page at most: of more pictures at a time the protocol has no slots.
const MOST: usize = 30;

/// A place for a tile, in pixels from the corner.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Rect {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

/// Which tiles are seen, and where.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Layout {
    /// In the order of the tiles; nothing for those that are not seen.
    pub(crate) places: Vec<Option<Rect>>,
    /// Which page this is, from 0.
    pub(crate) page: usize,
    pub(crate) pages: usize,
}

/// All tiles alike.
pub(crate) fn grid(count: usize, page: usize, area: (f64, f64)) -> Layout {
    let fitting = capacity(count, area);
    let pages = count.div_ceil(fitting).max(1);
    let page = page.min(pages - 1);
    let first = page * fitting;
    let seen = fitting.min(count.saturating_sub(first));
    let (columns, size) = best(fitting.min(count), area);
    let mut places = vec![None; count];
    for (at, place) in places.iter_mut().skip(first).take(seen).enumerate() {
        *place = Some(cell(at, seen, columns, size, area));
    }
    Layout {
        places,
        page,
        pages,
    }
}

/// The first tile large, and beside or below it as many of the others as fit.
pub(crate) fn focus(count: usize, area: (f64, f64)) -> Layout {
    let strip = Strip::beside(area);
    let (stage, seen) = match count {
        0 | 1 => (area, 0),
        _ => (strip.stage(area), strip.fitting(area).min(count - 1)),
    };
    let large = Rect {
        width: stage.0.max(1.0),
        height: stage.1.max(1.0),
        ..Rect::default()
    };
    let mut places = vec![None; count];
    for (at, place) in places.iter_mut().enumerate().take(seen + 1) {
        *place = Some(match at {
            0 => large,
            _ => strip.place(at - 1, seen, area),
        });
    }
    Layout {
        places,
        page: 0,
        pages: 1,
    }
}

/// How many fit on a page.
fn capacity(count: usize, area: (f64, f64)) -> usize {
    let fits = |count: &usize| {
        let (_, (width, height)) = best(*count, area);
        width >= LEAST.0 && height >= LEAST.1
    };
    (1..=count.clamp(1, MOST)).rev().find(fits).unwrap_or(1)
}

/// In how many columns so many tiles are largest, and how large.
fn best(count: usize, area: (f64, f64)) -> (usize, (f64, f64)) {
    let sizes = (1..=count.max(1)).map(|columns| (columns, in_columns(count, columns, area)));
    let area_of = |&(_, (width, height)): &(usize, (f64, f64))| width * height;
    let larger = |a: &_, b: &_| area_of(a).total_cmp(&area_of(b));
    sizes.max_by(larger).unwrap_or_default()
}

fn in_columns(count: usize, columns: usize, (width, height): (f64, f64)) -> (f64, f64) {
    let width = share(width, columns);
    let height = share(height, count.div_ceil(columns));
    (
        width.min((height * WIDEST).floor()),
        height.min((width / NARROWEST).floor()),
    )
}

fn share(whole: f64, parts: usize) -> f64 {
    let parts = parts.max(1) as f64;
    ((whole - GAP * (parts - 1.0)) / parts).floor().max(1.0)
}

/// Rows lie in the middle, a last one that is not full as well.
fn cell(at: usize, seen: usize, columns: usize, size: (f64, f64), area: (f64, f64)) -> Rect {
    let (row, column) = (at / columns, at % columns);
    let rows = seen.div_ceil(columns);
    let in_row = columns.min(seen - row * columns);
    let from = |whole: f64, part: f64, parts: usize| {
        let taken = part * parts as f64 + GAP * (parts - 1) as f64;
        ((whole - taken) / 2.0).floor().max(0.0)
    };
    Rect {
        x: from(area.0, size.0, in_row) + (size.0 + GAP) * column as f64,
        y: from(area.1, size.1, rows) + (size.1 + GAP) * row as f64,
        width: size.0,
        height: size.1,
    }
}

/// The small tiles beside a large one, or below it where the place is higher than wide.
#[derive(Clone, Copy)]
struct Strip {
    is_beside: bool,
    tile: (f64, f64),
}

impl Strip {
    fn beside((width, height): (f64, f64)) -> Self {
        let is_beside = width > height * 1.2;
        let tile = match is_beside {
            true => (width * 0.2).clamp(LEAST.0, 280.0).floor(),
            false => (height * 0.18 * WIDEST).clamp(LEAST.0, 220.0).floor(),
        };
        let tile = (tile, (tile / WIDEST).floor());
        Self { is_beside, tile }
    }

    fn stage(self, (width, height): (f64, f64)) -> (f64, f64) {
        match self.is_beside {
            true => (width - self.tile.0 - GAP, height),
            false => (width, height - self.tile.1 - GAP),
        }
    }

    fn fitting(self, (width, height): (f64, f64)) -> usize {
        let fit = |whole: f64, part: f64| ((whole + GAP) / (part + GAP)) as usize;
        match self.is_beside {
            true => fit(height, self.tile.1),
            false => fit(width, self.tile.0),
        }
    }

    fn place(self, at: usize, seen: usize, area: (f64, f64)) -> Rect {
        let (width, height) = self.tile;
        let along = |whole: f64, part: f64| {
            let taken = part * seen as f64 + GAP * (seen - 1) as f64;
            ((whole - taken) / 2.0).floor().max(0.0) + (part + GAP) * at as f64
        };
        let (x, y) = match self.is_beside {
            true => (area.0 - width, along(area.1, height)),
            false => (along(area.0, width), area.1 - height),
        };
        Rect {
            x,
            y,
            width,
            height,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From a small phone to an ultrawide screen, upright and not.
    fn areas() -> impl Iterator<Item = (f64, f64)> {
        let widths = [
            304.0, 344.0, 414.0, 640.0, 768.0, 1_024.0, 1_280.0, 1_900.0, 2_560.0, 3_440.0,
        ];
        let heights = [160.0, 320.0, 420.0, 560.0, 700.0, 900.0, 1_300.0];
        widths
            .into_iter()
            .flat_map(move |width| heights.map(|height| (width, height)))
    }

    fn check(layout: &Layout, area: (f64, f64), what: &str) {
        let seen: Vec<_> = layout.places.iter().flatten().collect();
        for (at, it) in seen.iter().enumerate() {
            assert!(it.x >= 0.0 && it.y >= 0.0, "{what}: {it:?}");
            assert!(it.x + it.width <= area.0, "{what}: {it:?} in {area:?}");
            assert!(it.y + it.height <= area.1, "{what}: {it:?} in {area:?}");
            for other in &seen[..at] {
                let apart = it.x >= other.x + other.width
                    || other.x >= it.x + it.width
                    || it.y >= other.y + other.height
                    || other.y >= it.y + it.height;
                assert!(apart, "{what}: {it:?} lies on {other:?}");
            }
        }
    }

    #[test]
    fn everybody_is_on_exactly_one_page_and_no_tile_on_another() {
        for area in areas() {
            for count in 1..=50 {
                let first = grid(count, 0, area);
                let mut shown = vec![0; count];
                for page in 0..first.pages {
                    let layout = grid(count, page, area);
                    assert_eq!((layout.page, layout.pages), (page, first.pages));
                    check(&layout, area, &format!("page {page} of {count}"));
                    for (place, shown) in layout.places.iter().zip(&mut shown) {
                        *shown += usize::from(place.is_some());
                    }
                }
                assert!(shown.iter().all(|times| *times == 1), "{count} in {area:?}");
                // A page that is not there any more is the last one.
                assert_eq!(grid(count, 99, area).page, first.pages - 1);
            }
        }
    }

    #[test]
    fn no_other_number_of_columns_makes_larger_tiles() {
        for area in areas() {
            for count in 1..=MOST {
                let (_, size) = best(count, area);
                for columns in 1..=count {
                    let other = in_columns(count, columns, area);
                    assert!(other.0 * other.1 <= size.0 * size.1);
                }
            }
        }
    }

    #[test]
    fn tiles_are_alike_and_large_enough_for_a_face() {
        for area in areas() {
            for count in 1..=50 {
                let layout = grid(count, 0, area);
                let sizes = layout
                    .places
                    .iter()
                    .flatten()
                    .map(|it| (it.width, it.height));
                let sizes: Vec<_> = sizes.collect();
                assert!(sizes.iter().all(|size| *size == sizes[0]));
                let (width, height) = sizes[0];
                assert!(width >= LEAST.0 && height >= LEAST.1, "{count} in {area:?}");
                assert!(width / height <= WIDEST + 0.05 && height <= width);
            }
        }
    }

    #[test]
    fn some_shapes_that_people_know() {
        let columns = |count, area| best(count, area).0;
        assert_eq!(
            [1, 2, 3, 4, 9, 16].map(|it| columns(it, (1_600.0, 900.0))),
            [1, 2, 2, 2, 3, 4]
        );
        assert_eq!(
            [1, 2, 4, 16].map(|it| columns(it, (360.0, 500.0))),
            [1, 1, 2, 3]
        );
        assert_eq!(grid(49, 0, (1_280.0, 700.0)).pages, 2);
        assert_eq!(grid(30, 0, (1_280.0, 700.0)).pages, 1);
        assert_eq!(grid(0, 0, (0.0, 0.0)).pages, 1);
    }

    #[test]
    fn what_is_looked_at_is_larger_than_all_the_others() {
        for area in areas() {
            for count in 1..=50 {
                let layout = focus(count, area);
                check(&layout, area, &format!("focus of {count}"));
                let mut seen = layout
                    .places
                    .iter()
                    .flatten()
                    .map(|it| it.width * it.height);
                let large = seen.next().unwrap();
                assert!(seen.all(|small| small < large), "{count} in {area:?}");
                if count > 1 {
                    assert!(layout.places[1].is_some(), "nobody beside in {area:?}");
                }
            }
        }
    }
}
