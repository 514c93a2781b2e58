//! A QR code (ISO/IEC 18004) for a link: bytes, versions 1 to 10, a seventh of which may be dirt (level M). Pure.

/// By version less one: codewords that correct errors in each block, blocks, and codewords in all.
const SHAPES: [(usize, usize, usize); 10] = [
    (10, 1, 26),
    (16, 1, 44),
    (26, 1, 70),
    (18, 2, 100),
    (24, 2, 134),
    (16, 4, 172),
    (18, 4, 196),
    (22, 4, 242),
    (22, 5, 292),
    (26, 5, 346),
];
const BYTE_MODE: u32 = 0b0100;
/// Fills what the text leaves, in turn (§7.4.10).
const PADDING: [u8; 2] = [0xec, 0x11];

/// A code: a square of dark and light modules.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Code {
    size: usize,
    dark: Vec<bool>,
    /// Modules that are the code's own, and carry nothing.
    own: Vec<bool>,
}

impl Code {
    /// The smallest code that has room for a text, if one has.
    pub(crate) fn of(text: &[u8]) -> Option<Self> {
        let version = (1..=SHAPES.len()).find(|it| text.len() <= capacity(*it))?;
        let codewords = interleave(&padded(text, version), version);
        let mut blank = Self::blank(version);
        blank.fill(&codewords);
        let masked = (0..8).map(|mask| blank.masked(mask));
        masked.min_by_key(Self::penalty)
    }

    /// Modules on each side.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// The outline of all that is dark, as a path of SVG: a unit is a module.
    pub(crate) fn path(&self) -> String {
        let mut path = String::new();
        for y in 0..self.size {
            let mut x = 0;
            while x < self.size {
                let from = x;
                while x < self.size && self.is_dark(x, y) {
                    x += 1;
                }
                if x > from {
                    let width = x - from;
                    path.push_str(&format!("M{from} {y}h{width}v1h-{width}z"));
                }
                x += 1;
            }
        }
        path
    }

    fn is_dark(&self, x: usize, y: usize) -> bool {
        self.dark[y * self.size + x]
    }

    /// Sets a module of the code's own.
    fn set(&mut self, x: usize, y: usize, dark: bool) {
        let at = y * self.size + x;
        (self.dark[at], self.own[at]) = (dark, true);
    }

    /// All that is the same whatever the text (§6.3).
    fn blank(version: usize) -> Self {
        let size = 17 + 4 * version;
        let mut code = Self {
            size,
            dark: vec![false; size * size],
            own: vec![false; size * size],
        };
        for at in 0..size {
            code.set(6, at, at % 2 == 0);
            code.set(at, 6, at % 2 == 0);
        }
        for (x, y) in [(3, 3), (size - 4, 3), (3, size - 4)] {
            code.finder(x, y);
        }
        let places = alignments(version);
        for x in &places {
            for y in &places {
                let corners = [(6, 6), (6, size - 7), (size - 7, 6)];
                let is_finders = corners.contains(&(*x, *y));
                if !is_finders {
                    code.rings(*x, *y, 2, |ring| ring != 1);
                }
            }
        }
        code.format(0);
        code.version(version);
        code
    }

    fn finder(&mut self, x: usize, y: usize) {
        self.rings(x, y, 4, |ring| ring != 2 && ring != 4);
    }

    /// Squares around a module, as far as they are in the code.
    fn rings(&mut self, x: usize, y: usize, rings: isize, is_dark: impl Fn(usize) -> bool) {
        for down in -rings..=rings {
            for right in -rings..=rings {
                let (x, y) = (x.checked_add_signed(right), y.checked_add_signed(down));
                let ring = right.unsigned_abs().max(down.unsigned_abs());
                if let (Some(x), Some(y)) = (x, y)
                    && x < self.size
                    && y < self.size
                {
                    self.set(x, y, is_dark(ring));
                }
            }
        }
    }

    /// Says twice how it is masked, and that its level is M, which is 0 (§7.9).
    fn format(&mut self, mask: u32) {
        let rest = remainder(mask, 10, 0x537);
        let bits = ((mask << 10) | rest) ^ 0x5412;
        let bit = |at: usize| bits >> at & 1 == 1;
        let end = self.size - 1;
        for at in 0..15 {
            let (x, y) = match at {
                0..6 => (8, at),
                6 | 7 => (8, at + 1),
                8 => (7, 8),
                _ => (14 - at, 8),
            };
            self.set(x, y, bit(at));
            match at {
                0..8 => self.set(end - at, 8, bit(at)),
                _ => self.set(8, end - 14 + at, bit(at)),
            }
        }
        self.set(8, end - 7, true);
    }

    /// Says twice which version it is, from the seventh on (§7.10).
    fn version(&mut self, version: usize) {
        if version < 7 {
            return;
        }
        let number = version as u32;
        let bits = (number << 12) | remainder(number, 12, 0x1f25);
        for at in 0..18 {
            let (far, near) = (self.size - 11 + at % 3, at / 3);
            let dark = bits >> at & 1 == 1;
            self.set(far, near, dark);
            self.set(near, far, dark);
        }
    }

    /// Lays the codewords out: two columns at a time from the right, up and down in turn (§7.7.3).
    fn fill(&mut self, codewords: &[u8]) {
        let mut bits = codewords
            .iter()
            .flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1 == 1));
        let pairs = (0..self.size).rev().filter(|it| *it != 6);
        let columns: Vec<usize> = pairs.collect();
        for (pair, columns) in columns.chunks(2).enumerate() {
            for step in 0..self.size {
                let y = if pair % 2 == 0 {
                    self.size - 1 - step
                } else {
                    step
                };
                for x in columns {
                    let at = y * self.size + x;
                    if !self.own[at] {
                        self.dark[at] = bits.next().unwrap_or(false);
                    }
                }
            }
        }
    }

    fn masked(&self, mask: u32) -> Self {
        let mut code = self.clone();
        for y in 0..self.size {
            for x in 0..self.size {
                let at = y * self.size + x;
                code.dark[at] ^= !self.own[at] && is_flipped(mask, x, y);
            }
        }
        code.format(mask);
        code
    }

    /// How hard it is to read (§7.8.3).
    fn penalty(&self) -> usize {
        let size = self.size;
        let mut penalty = 0;
        for y in 0..size {
            penalty += line(size, |x| self.is_dark(x, y)) + line(size, |x| self.is_dark(y, x));
        }
        for y in 1..size {
            for x in 1..size {
                let square = [(x - 1, y), (x, y - 1), (x - 1, y - 1)];
                let here = self.is_dark(x, y);
                penalty +=
                    3 * usize::from(square.iter().all(|it| self.is_dark(it.0, it.1) == here));
            }
        }
        let dark = self.dark.iter().filter(|it| **it).count();
        let off = (dark * 20).abs_diff(size * size * 10);
        penalty + 10 * (off.div_ceil(size * size)).saturating_sub(1)
    }
}

/// Long runs, and what looks like a finder, in one line.
fn line(size: usize, is_dark: impl Fn(usize) -> bool) -> usize {
    const FINDER: [bool; 7] = [true, false, true, true, true, false, true];
    let (mut penalty, mut run) = (0, 0);
    for at in 0..size {
        let goes_on = at > 0 && is_dark(at) == is_dark(at - 1);
        run = if goes_on { run + 1 } else { 1 };
        penalty += match run {
            5 => 3,
            6.. => 1,
            _ => 0,
        };
        let is_light =
            |mut places: std::ops::Range<usize>| places.all(|it| it >= size || !is_dark(it));
        let looks = at + 7 <= size && (0..7).all(|it| is_dark(at + it) == FINDER[it]);
        let is_free = is_light(at.saturating_sub(4)..at) || is_light(at + 7..at + 11);
        penalty += 40 * usize::from(looks && is_free);
    }
    penalty
}

fn is_flipped(mask: u32, x: usize, y: usize) -> bool {
    let both = x * y;
    0 == match mask {
        0 => (x + y) % 2,
        1 => y % 2,
        2 => x % 3,
        3 => (x + y) % 3,
        4 => (x / 3 + y / 2) % 2,
        5 => both % 2 + both % 3,
        6 => (both % 2 + both % 3) % 2,
        _ => ((x + y) % 2 + both % 3) % 2,
    }
}

/// Bytes of text that a version takes.
fn capacity(version: usize) -> usize {
    let (correction, blocks, all) = SHAPES[version - 1];
    // The mode, the length and the end take a bit more than a byte, or two.
    all - correction * blocks - if version < 10 { 2 } else { 3 }
}

/// The text as data codewords (§7.4).
fn padded(text: &[u8], version: usize) -> Vec<u8> {
    let (correction, blocks, all) = SHAPES[version - 1];
    let length_bits = if version < 10 { 8 } else { 16 };
    let mut bits = Vec::new();
    let mut push = |value: u32, count: u32| {
        bits.extend((0..count).rev().map(|at| value >> at & 1 == 1));
    };
    push(BYTE_MODE, 4);
    push(text.len() as u32, length_bits);
    text.iter().for_each(|byte| push((*byte).into(), 8));
    push(0, 4);
    let byte = |bits: &[bool]| bits.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
    let mut bytes: Vec<u8> = bits.chunks(8).map(byte).collect();
    let padding = PADDING.iter().cycle();
    let missing = (all - correction * blocks).saturating_sub(bytes.len());
    bytes.extend(padding.take(missing));
    bytes
}

/// The data in blocks, each with what corrects its errors, and the blocks woven together (§7.6).
fn interleave(data: &[u8], version: usize) -> Vec<u8> {
    let (correction, blocks, _) = SHAPES[version - 1];
    let (short, long) = (data.len() / blocks, data.len() % blocks);
    let mut rest = data;
    let mut parts = Vec::new();
    for block in 0..blocks {
        // The longer ones are the last.
        let length = short + usize::from(block >= blocks - long);
        let (part, others) = rest.split_at(length);
        parts.push((part, corrections(part, correction)));
        rest = others;
    }
    let woven = (0..=short).flat_map(|at| parts.iter().filter_map(move |it| it.0.get(at)));
    let corrections =
        (0..correction).flat_map(|at| parts.iter().filter_map(move |it| it.1.get(at)));
    woven.chain(corrections).copied().collect()
}

/// The remainder of a division by Reed and Solomon's polynomial of this degree (§7.5.2).
fn corrections(data: &[u8], degree: usize) -> Vec<u8> {
    let mut divisor = vec![0; degree - 1];
    divisor.push(1);
    let mut root = 1;
    for _ in 0..degree {
        for at in 0..degree {
            let next = divisor.get(at + 1).copied().unwrap_or(0);
            divisor[at] = times(divisor[at], root) ^ next;
        }
        root = times(root, 2);
    }
    let mut rest = vec![0; degree];
    for byte in data {
        let factor = byte ^ rest.remove(0);
        rest.push(0);
        for (to, by) in rest.iter_mut().zip(&divisor) {
            *to ^= times(*by, factor);
        }
    }
    rest
}

/// In the field of 256 elements, modulo x⁸ + x⁴ + x³ + x² + 1.
fn times(a: u8, b: u8) -> u8 {
    (0..8).rev().fold(0, |product: u8, at| {
        let doubled = (product << 1) ^ ((product >> 7) * 0x1d);
        doubled ^ ((b >> at & 1) * a)
    })
}

/// What so many bits of a code of Bose, Chaudhuri and Hocquenghem add.
fn remainder(value: u32, bits: u32, divisor: u32) -> u32 {
    (0..bits).fold(value, |rest, _| {
        (rest << 1) ^ ((rest >> (bits - 1)) * divisor)
    })
}

/// Where the middles of the small squares lie (Annex E).
fn alignments(version: usize) -> Vec<usize> {
    let last = 10 + 4 * version;
    match version {
        1 => Vec::new(),
        2..7 => vec![6, last],
        _ => vec![6, last / 2 + 3, last],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the library `qrcode` for Python draws it.
    const FERRITE: [&str; 21] = [
        "#######....#..#######",
        "#.....#..###..#.....#",
        "#.###.#.##.#..#.###.#",
        "#.###.#.#.....#.###.#",
        "#.###.#.###.#.#.###.#",
        "#.....#.#..#..#.....#",
        "#######.#.#.#.#######",
        "........#............",
        "#.#####..###..#####..",
        ".##.....#.######.##.#",
        "..##.##...#.#.##.###.",
        "#.#..#.#.#.####..##.#",
        ".#.#..##.#..#....#.#.",
        "........#.#.#..##.#.#",
        "#######..###.#.....#.",
        "#.....#.#......#.####",
        "#.###.#.##.#.#...#.#.",
        "#.###.#.#..####.#.#..",
        "#.###.#.#...#.#......",
        "#.....#....####..##..",
        "#######.##..#..##..#.",
    ];

    #[test]
    fn draws_what_others_draw() {
        let code = Code::of(b"ferrite").unwrap();
        let row = |y| (0..code.size()).map(move |x| (x, y));
        let rows = (0..code.size()).map(|y| {
            let modules = row(y).map(|(x, y)| if code.is_dark(x, y) { '#' } else { '.' });
            modules.collect::<String>()
        });
        assert_eq!(rows.collect::<Vec<_>>(), FERRITE);
    }

    /// The same library's, with several blocks and the version: a row is a number, its first module the highest bit.
    #[rustfmt::skip]
    const LINK: [u64; 45] = [
        0x1fd729c4797f, 0x104a47a47a41, 0x1756b75aaa5d, 0x1748895acb5d, 0x174731f5675d,
        0x105e311e7841, 0x1fd55555557f, 0x00010b1d7900, 0x146f87f37625, 0x02ac765a8a37,
        0x1c7041d06035, 0x1c05562ddcb8, 0x1fd66d195af6, 0x1d35c5f3a28d, 0x16ff5a9a39a5,
        0x150062259658, 0x1cee548d5e12, 0x132555a80aa9, 0x085296d9b8b7, 0x02a072a95b79,
        0x1ff1d7fd5ff8, 0x0d1d0518ab1b, 0x135bc95a195f, 0x0b166d113518, 0x01f34ff95df2,
        0x1f1cc353aaa1, 0x086f27a88955, 0x13103ced6f99, 0x17c2fc45d78a, 0x0ba8ba5a2965,
        0x1de60fa323fd, 0x062910abfb43, 0x17e88d7597c3, 0x093d279aa8ed, 0x0177fa2a8959,
        0x0f117c819272, 0x134ef3f1d3f9, 0x001dcb1b8b1b, 0x1fdbbd5ba95d, 0x1043471d531a,
        0x174363f135f0, 0x174dc69b9967, 0x1758a20b8951, 0x1044b13676a8, 0x1fd2013d7f29,
    ];

    #[test]
    fn draws_larger_ones_as_others_do() {
        let link = format!("https://example.com/r/{}", "kitchen-x9Q".repeat(30));
        let code = Code::of(&link.as_bytes()[..122]).unwrap();
        let row = |y| (0..45).fold(0, |row, x| row << 1 | u64::from(code.is_dark(x, y)));
        let rows: Vec<u64> = (0..45).map(row).collect();
        assert_eq!(rows, LINK);
    }

    #[test]
    fn takes_the_smallest_that_has_room_and_no_larger_one_than_there_is() {
        for (bytes, size) in [(1, 21), (14, 21), (15, 25), (122, 45), (213, 57)] {
            let code = Code::of(&vec![b'x'; bytes]).unwrap();
            assert_eq!(code.size(), size, "{bytes} bytes");
        }
        assert_eq!(Code::of(&[b'x'; 214]), None);
    }

    #[test]
    fn outlines_what_is_dark() {
        let path = Code::of(b"ferrite").unwrap().path();
        assert!(path.starts_with("M0 0h7v1h-7z"), "{path}");
    }
}
