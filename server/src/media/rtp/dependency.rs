//! The dependency descriptor (AV1 RTP specification, appendix A): of which layers a frame is, and what one may
//! begin with it. A descriptor names a template; the templates come with keyframes, and are kept for each stream. No
//! more is read than that needs, and no descriptor is longer than 255 bytes: the work has a bound.

use crate::congestion::ALL_TEMPORAL;
use crate::media::rtp::spatial::{MAX_SPATIAL, Sizes, Spatial, SpatialLayers, all, bit};
use crate::media::rtp::temporal::Temporal;
use crate::media::rtp::work;

/// Templates of a stream: their numbers have six bits.
pub const MAX_TEMPLATES: usize = 64;
/// Before what a descriptor may have besides: whether a frame begins, the template, the frame's number.
const MANDATORY: usize = 3;
/// Of what comes first after that: the frame says itself what it is to each decode target.
const HAS_DTIS: u8 = 0x20;
/// Which decode targets come is said, and no structure.
const STRUCTURE_OR_ACTIVE: u8 = 0xC0;
const ACTIVE: u8 = 0x40;
/// What a frame is to a decode target (A.2): not part of it, or a point to switch up at.
const NOT_PRESENT: u8 = 0;
const SWITCH: u8 = 2;

/// The templates of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Structure {
    /// The number of the first template.
    offset: u8,
    /// The layers of each decode target.
    targets: Vec<Layers>,
    /// What frames are that say nothing besides: no more than [`MAX_TEMPLATES`].
    templates: Vec<Frame>,
    /// The spatial layers, where there are several.
    spatial: Option<SpatialLayers>,
    /// How many of them come.
    active: u8,
    /// There are, and they are not told apart: all of a picture goes out.
    is_whole: bool,
}

/// A spatial layer and a temporal one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Layers {
    spatial: u8,
    temporal: u8,
}

/// What a descriptor says of its frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// Its temporal layer.
    pub temporal: Temporal,
    /// Its spatial layer, where there are several; nothing is said of the others.
    pub spatial: Option<Spatial>,
}

/// What comes before a frame's own definition.
struct Head {
    structure: Option<Structure>,
    has_active: bool,
}

impl Structure {
    /// The one that a descriptor brings, if any.
    pub fn brought(descriptor: &[u8]) -> Option<Self> {
        let mut bits = Bits::after_mandatory(descriptor)?;
        let head = Head::read(&mut bits)?;
        let mut structure = head.structure?;
        if head.has_active {
            structure.active = structure.read_active(&mut bits)?;
        }
        Some(structure)
    }

    /// How many spatial layers come.
    pub fn active(&self) -> u8 {
        self.active
    }

    /// How many do from a frame on whose descriptor says so, and brings no structure.
    pub fn activated(&self, descriptor: &[u8]) -> Option<u8> {
        if descriptor.get(MANDATORY)? & STRUCTURE_OR_ACTIVE != ACTIVE {
            return None;
        }
        let mut bits = Bits::after_mandatory(descriptor)?;
        Head::read(&mut bits)?;
        self.read_active(&mut bits)
    }

    /// `active_decode_targets_bitmask`: the last bit is the first target's.
    fn read_active(&self, bits: &mut Bits<'_>) -> Option<u8> {
        let mask = bits.get(self.targets.len() as u8)?;
        let active = self.targets.iter().enumerate();
        let active = active.filter(|(target, _)| {
            mask.checked_shr(*target as u32)
                .is_some_and(|it| it & 1 == 1)
        });
        let counts = active.map(|(_, target)| target.spatial.saturating_add(1));
        Some(counts.max().unwrap_or(1))
    }

    /// The spatial layers, where there are several that can be told apart.
    pub fn spatial(&self) -> Option<SpatialLayers> {
        self.spatial
    }

    /// What a descriptor says of its frame, by these templates.
    pub fn frame(&self, descriptor: &[u8]) -> Option<Frame> {
        let first = *descriptor.first()?;
        let at = (first & 0x3F).wrapping_sub(self.offset) & 0x3F;
        let mut frame = *self.templates.get(usize::from(at))?;
        if !self.is_whole
            && let Some(dtis) = self.own_dtis(descriptor)
        {
            let layers = Layers {
                spatial: frame.spatial.map_or(0, |it| it.id),
                temporal: frame.temporal.id,
            };
            frame = self.of(layers, &dtis);
        }
        let begins = first & 0x80 != 0;
        if !begins || self.is_whole {
            frame.temporal.opens = 0;
        }
        if let Some(spatial) = &mut frame.spatial {
            spatial.ends = first & 0x40 != 0;
            spatial.opens = if begins { spatial.opens } else { 0 };
        }
        Some(frame)
    }

    /// What a frame of these layers is, by what it is to each decode target.
    fn of(&self, layers: Layers, dtis: &[u8]) -> Frame {
        let Layers { spatial, temporal } = layers;
        let own = self.targets.iter().zip(dtis);
        let own = own.filter(|(target, _)| self.spatial.is_none() || target.spatial == spatial);
        let own: Vec<_> = own.map(|(target, dti)| (target.temporal, *dti)).collect();
        Frame {
            temporal: Temporal {
                id: temporal,
                needs: temporal,
                opens: opens(temporal, &own),
            },
            spatial: self.spatial.map(|_| Spatial {
                id: spatial,
                needed_by: self.of_targets(dtis, |_, dti| dti != NOT_PRESENT),
                opens: self.of_targets(dtis, |target, dti| target.temporal == 0 && dti == SWITCH),
                ..Spatial::default()
            }),
        }
    }

    /// The spatial layers of decode targets of which this is so.
    fn of_targets(&self, dtis: &[u8], is_so: impl Fn(Layers, u8) -> bool) -> u8 {
        let targets = self.targets.iter().zip(dtis);
        let found = targets.filter(|(target, dti)| is_so(**target, **dti));
        found.fold(0, |all, (target, _)| all | bit(target.spatial))
    }

    /// What a frame is to each decode target, where its descriptor says so itself.
    fn own_dtis(&self, descriptor: &[u8]) -> Option<Vec<u8>> {
        // A structure that comes with it, and may be long, is not read again for nothing.
        if descriptor.get(MANDATORY)? & HAS_DTIS == 0 {
            return None;
        }
        let mut bits = Bits::after_mandatory(descriptor)?;
        let head = Head::read(&mut bits)?;
        if head.has_active {
            bits.get(self.targets.len() as u8)?;
        }
        self.targets.iter().map(|_| bits.short(2)).collect()
    }

    /// `template_dependency_structure()`.
    fn read(bits: &mut Bits<'_>) -> Option<Self> {
        let offset = bits.short(6)?;
        let count = usize::from(bits.short(5)?) + 1;
        let layers = layers(bits)?;
        let dtis = (0..layers.len() * count).map(|_| bits.short(2));
        let dtis: Vec<u8> = dtis.collect::<Option<_>>()?;
        skip_references(bits, layers.len(), count)?;
        let largest = layers.iter().map(|it| it.spatial).max()?;
        let sizes = match bits.flag()? {
            true => sizes(bits, largest)?,
            false => Sizes::default(),
        };
        let targets = (0..count).map(|target| {
            let frames = layers.iter().zip(dtis.chunks(count));
            let parts = frames.filter(|(_, dtis)| dtis[target] != NOT_PRESENT);
            parts.fold(Layers::default(), |most, (it, _)| Layers {
                spatial: most.spatial.max(it.spatial),
                temporal: most.temporal.max(it.temporal),
            })
        });
        let mut structure = Self {
            offset,
            targets: targets.collect(),
            templates: Vec::new(),
            spatial: SpatialLayers::new(largest.saturating_add(1), sizes),
            active: largest.saturating_add(1),
            is_whole: false,
        };
        let frames = layers.iter().zip(dtis.chunks(count));
        structure.templates = frames.map(|(it, dtis)| structure.of(*it, dtis)).collect();
        structure.is_whole = largest > 0 && !structure.begins_with_smallest();
        if structure.is_whole {
            structure.spatial = None;
            structure.templates = vec![Frame::default(); layers.len()];
        }
        Some(structure)
    }

    /// Whether all spatial layers need the smallest, in keyframes: others are several pictures, of which each begins by
    /// itself.
    fn begins_with_smallest(&self) -> bool {
        self.spatial.is_some_and(|layers| {
            let all = all(layers.count());
            let mut frames = self.templates.iter().filter_map(|it| it.spatial);
            frames.any(|it| it.id == 0 && it.needed_by == all)
        })
    }
}

/// The sizes of pictures, each less one.
fn sizes(bits: &mut Bits<'_>, largest: u8) -> Option<Sizes> {
    let mut sizes = Sizes::default();
    for layer in 0..=usize::from(largest) {
        let size = [bits.get(16)?, bits.get(16)?].map(|side| (side as u16).saturating_add(1));
        if let Some(known) = sizes.get_mut(layer).filter(|_| layer < MAX_SPATIAL) {
            *known = size.into();
        }
    }
    Some(sizes)
}

/// `template_layers()`: the layers of each template.
fn layers(bits: &mut Bits<'_>) -> Option<Vec<Layers>> {
    let (mut layers, mut spatial, mut temporal) = (Vec::new(), 0_u8, 0_u8);
    while layers.len() < MAX_TEMPLATES {
        layers.push(Layers {
            spatial,
            temporal: temporal.min(ALL_TEMPORAL),
        });
        match bits.short(2)? {
            0 => {}
            1 => temporal += 1,
            2 => (spatial, temporal) = (spatial + 1, 0),
            _ => return Some(layers),
        }
    }
    None
}

/// `template_fdiffs()` and `template_chains()`.
fn skip_references(bits: &mut Bits<'_>, templates: usize, targets: usize) -> Option<()> {
    for _ in 0..templates {
        while bits.flag()? {
            bits.get(4)?;
        }
    }
    let chains = bits.up_to(targets as u32 + 1)?;
    if chains == 0 {
        return Some(());
    }
    (0..targets).try_for_each(|_| bits.up_to(chains).map(drop))?;
    (0..templates * chains as usize).try_for_each(|_| bits.get(4).map(drop))
}

/// Up to which temporal layer one may be shown everything from a frame on that one can decode: the highest above its
/// own of which all decode targets may be switched to, of those that there are of its spatial layer. The highest of all
/// stands for whatever there is.
fn opens(id: u8, targets: &[(u8, u8)]) -> u8 {
    let most = targets.iter().map(|(layer, _)| *layer).max().unwrap_or(0);
    let is_open = |layer: &u8| {
        let of_layer = || targets.iter().filter(|(it, _)| it == layer);
        of_layer().all(|(_, dti)| matches!(*dti, NOT_PRESENT | SWITCH))
            && of_layer().any(|(_, dti)| *dti == SWITCH)
    };
    match (id + 1..=most).rev().find(is_open) {
        Some(layer) if layer == most => ALL_TEMPORAL,
        Some(layer) => layer,
        None => 0,
    }
}

impl Head {
    fn read(bits: &mut Bits<'_>) -> Option<Self> {
        let has_structure = bits.flag()?;
        let has_active = bits.flag()?;
        // Whether its targets, references and chains are its own, which come later.
        bits.get(3)?;
        let structure = match has_structure {
            true => Some(Structure::read(bits)?),
            false => None,
        };
        Some(Self {
            structure,
            has_active,
        })
    }
}

/// Bits, the first of a byte first.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    /// Those after what every descriptor has, where there are some.
    fn after_mandatory(descriptor: &'a [u8]) -> Option<Self> {
        let bytes = descriptor.get(MANDATORY..).filter(|it| !it.is_empty())?;
        Some(Self { bytes, at: 0 })
    }

    fn get(&mut self, count: u8) -> Option<u32> {
        work::count(count.into());
        (0..count).try_fold(0_u32, |number, _| {
            let byte = self.bytes.get(self.at / 8)?;
            let bit = byte >> (7 - self.at % 8) & 1;
            self.at += 1;
            Some(number << 1 | u32::from(bit))
        })
    }

    fn flag(&mut self) -> Option<bool> {
        self.get(1).map(|bit| bit == 1)
    }

    /// No more than eight bits.
    fn short(&mut self, count: u8) -> Option<u8> {
        self.get(count).map(|number| number as u8)
    }

    /// `ns(n)`: a number below another, in as few bits as that takes.
    fn up_to(&mut self, end: u32) -> Option<u32> {
        let width = (u32::BITS - end.leading_zeros()) as u8;
        let short = (1 << width) - end;
        let number = self.get(width - 1)?;
        match number < short {
            true => Some(number),
            false => Some((number << 1) + self.get(1)? - short),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
