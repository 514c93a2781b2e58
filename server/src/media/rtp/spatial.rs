//! Of which spatial layer of a stream a packet's frame is, who is shown that, and how large each layer is (SVC): what a
//! picture is made of that has several frames, of which each makes it larger. Read from VP9's payload descriptor; of AV1
//! the dependency descriptor says it. Knows nothing of who is shown what.

pub use crate::media::rtp::sizes::{MAX_SPATIAL, Sizes};
use crate::media::rtp::temporal::Temporal;
use crate::media::rtp::vp9::Descriptor;

/// A layer of which nothing came for so many pictures is not sent at present: encoders leave one out where they have no
/// room for it.
const QUIET: u8 = 15;

/// What a packet says of its frame's spatial layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spatial {
    /// The layer: 0 is the smallest.
    pub id: u8,
    /// How many there are: at least two, and no more than [`MAX_SPATIAL`].
    pub count: u8,
    /// The largest that comes at present.
    pub live: u8,
    /// A bit for each layer: whoever is shown that needs this frame.
    pub needed_by: u8,
    /// A bit for each layer: who is sent this frame, and all that it needs, may be shown that from it on. Of keyframes it
    /// is not said.
    pub opens: u8,
    /// It is the last packet of its frame.
    pub ends: bool,
    /// How large the layers are.
    pub sizes: Sizes,
}

impl Spatial {
    /// Whether whoever is shown a layer needs this frame.
    pub fn is_needed_by(&self, id: u8) -> bool {
        self.needed_by & bit(id) != 0
    }

    /// Whether whoever is sent this frame may be shown a layer from it on.
    pub fn opens(&self, id: u8) -> bool {
        self.opens & bit(id) != 0
    }

    /// A layer as simulcast layers are named: the largest is 0.
    pub fn layer(&self, id: u8) -> u8 {
        self.count.saturating_sub(1).saturating_sub(id)
    }

    /// The largest that is no better than a layer named so.
    pub fn id(&self, layer: u8) -> u8 {
        self.layer(layer)
    }

    /// How large the largest is.
    pub fn largest(&self) -> (u16, u16) {
        let largest = usize::from(self.count).checked_sub(1);
        let largest = largest.and_then(|at| self.sizes.get(at));
        largest.copied().unwrap_or_default()
    }

    /// The largest layer whose size fits, or the smallest; named as simulcast layers are.
    pub fn best(&self, fits: impl Fn((u16, u16)) -> bool) -> u8 {
        let ids = (0..self.count).rev();
        let mut sizes = ids.filter_map(|id| Some((id, *self.sizes.get(usize::from(id))?)));
        let found = sizes.find(|(_, size)| fits(*size));
        self.layer(found.map_or(0, |(id, _)| id))
    }
}

/// The one of a layer.
pub fn bit(id: u8) -> u8 {
    1_u8.checked_shl(id.into()).unwrap_or(0)
}

/// A bit for each of so many layers.
pub(super) fn all(count: u8) -> u8 {
    bit(count).wrapping_sub(1)
}

/// The layers of a stream, and which of them come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpatialLayers {
    count: u8,
    /// Those that come, as far as the sender says.
    active: u8,
    sizes: Sizes,
    /// How many pictures there were since one of each.
    quiet: [u8; MAX_SPATIAL],
    timestamp: Option<u32>,
}

/// What is behind the newest picture by less than this is late; what is by more is of a clock that was set anew.
const LATE_TICKS: u32 = 180_000;

impl SpatialLayers {
    /// So many of these sizes.
    pub fn new(count: u8, sizes: Sizes) -> Option<Self> {
        let is_told_apart = (2..=MAX_SPATIAL).contains(&count.into());
        is_told_apart.then(|| {
            let mut layers = Self {
                count,
                active: count,
                sizes,
                ..Self::default()
            };
            layers.order();
            layers
        })
    }

    /// Each is at least as large as the smaller ones, whatever is said: who watches small is not sent the largest for it.
    fn order(&mut self) {
        let mut least = (0, 0);
        for (width, height) in self.sizes.iter_mut().take(self.count.into()) {
            (*width, *height) = (least.0.max(*width), least.1.max(*height));
            least = (*width, *height);
        }
    }

    /// So many come from now on, of these sizes. Encoders count those that they leave out no more, without a keyframe:
    /// the others stay what they are, and keep their names. Where the largest of fewer is as large as any was, in a keyframe,
    /// it is smaller ones that there are none of any more.
    pub fn renew(&mut self, count: u8, sizes: Sizes, is_key: bool) {
        let largest = |sizes: &Sizes, count: u8| {
            let at = usize::from(count).checked_sub(1)?;
            sizes.get(at).filter(|size| **size != (0, 0)).copied()
        };
        let [now, known] = [largest(&sizes, count), largest(&self.sizes, self.count)];
        if is_key && (2..self.count).contains(&count) && now.is_some() && now >= known {
            (self.count, self.sizes, self.quiet) = (count, Sizes::default(), Default::default());
        }
        self.count = self.count.max(count).min(MAX_SPATIAL as u8);
        let known = self.sizes.iter_mut().zip(sizes);
        // Who says no sizes says nothing of them.
        let told = known.take(count.into()).filter(|(_, told)| *told != (0, 0));
        told.for_each(|(known, told)| *known = told);
        self.order();
        self.activate(count);
    }

    /// So many come from now on. Another does once something comes of it; one that is said to begin is believed to.
    pub fn activate(&mut self, count: u8) {
        let before = self.active.into();
        self.active = count.clamp(1, self.count);
        let begun = self.quiet.iter_mut().take(self.active.into()).skip(before);
        begun.for_each(|quiet| *quiet = 0);
        let left_out = self.quiet.iter_mut().skip(self.active.into());
        left_out.for_each(|quiet| *quiet = QUIET);
    }

    /// How many there are.
    pub fn count(&self) -> u8 {
        self.count
    }

    /// How large they are.
    pub fn sizes(&self) -> Sizes {
        self.sizes
    }

    /// Notes that a packet of a layer came, and says it of the packet.
    pub fn note(&mut self, timestamp: u32, spatial: Spatial) -> Spatial {
        let is_next = |known: u32| timestamp != known && known.wrapping_sub(timestamp) > LATE_TICKS;
        if self.timestamp.is_none_or(is_next) {
            self.timestamp = Some(timestamp);
            let quiet = self.quiet.iter_mut();
            quiet.for_each(|quiet| *quiet = quiet.saturating_add(1));
        }
        if let Some(quiet) = self.quiet.get_mut(usize::from(spatial.id)) {
            *quiet = 0;
        }
        let live = (0..self.active)
            .rev()
            .find(|id| (self.quiet.get(usize::from(*id))).is_some_and(|quiet| *quiet < QUIET));
        Spatial {
            count: self.count,
            sizes: self.sizes,
            live: live.unwrap_or(0),
            ..spatial
        }
    }
}

impl Spatial {
    /// What a payload of VP9 says, of a stream with these layers. What larger ones do not need (Z), as between keyframes
    /// where layers depend on others in keyframes alone, is for who is shown its own.
    pub fn of_vp9(descriptor: &Descriptor<'_>, layers: &SpatialLayers) -> Self {
        let id = descriptor.spatial();
        let (all, below) = (all(layers.count), bit(id).wrapping_sub(1));
        let own = bit(id) & all;
        Self {
            id,
            needed_by: match descriptor.is_for_larger() {
                true => all & !below,
                false => own,
            },
            ends: descriptor.ends(),
            ..Self::default()
        }
    }

    /// Whether larger layers do without a keyframe of the smallest, where there are some: each is a picture by itself.
    pub fn is_by_itself(&self, layers: &SpatialLayers) -> bool {
        layers.active > 1 && self.needed_by != all(layers.count)
    }

    /// What a payload of VP9 says of its temporal layer to who is not sent the smaller frames of its picture: that one may
    /// switch up at it is said in each.
    pub fn temporal_of_vp9(temporal: Temporal, descriptor: &Descriptor<'_>) -> Option<Temporal> {
        let (_, is_switch) = descriptor.temporal()?;
        Some(temporal.of_frame(is_switch && descriptor.begins()))
    }
}

#[cfg(test)]
mod tests;
