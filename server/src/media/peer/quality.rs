//! How well a peer's pictures do, as its session is told: what its path carries, which layer each section is sent and
//! what keeps it from a better one, what comes of what it publishes. Pure: looked at once a second, by whoever has it.

use ferrite_protocol::{Limit, SlotQuality};

use crate::congestion::OperatingPoint;

/// How often in a row a section has to be found to have less than is wished for, before anybody is told why.
const PATIENCE: u8 = 3;

/// How well everything does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quality {
    /// What the path carries, once that is known.
    pub bits_per_second: Option<u32>,
    /// Of the sections that pictures are sent on, by index.
    pub slots: Vec<(usize, SlotQuality)>,
    /// Of the sections that pictures come on, by index: how much comes of each layer, best first.
    pub arrives: Vec<(usize, Vec<u32>)>,
}

impl Quality {
    /// Whether nobody would see a difference.
    fn is_like(&self, other: &Self) -> bool {
        let bits = |quality: &Self| quality.bits_per_second.unwrap_or(0);
        let arrives = self.arrives.iter().zip(&other.arrives);
        self.slots == other.slots
            && self.bits_per_second.is_some() == other.bits_per_second.is_some()
            && is_about(bits(self), bits(other))
            && self.arrives.len() == other.arrives.len()
            && arrives.into_iter().all(|((at, layers), (known, before))| {
                let mut pairs = layers.iter().zip(before);
                at == known
                    && layers.len() == before.len()
                    && pairs.all(|(now, before)| is_about(*now, *before))
            })
    }
}

/// A quarter more or less: rates are never the same.
fn is_about(one: u32, other: u32) -> bool {
    let (less, more) = (one.min(other), one.max(other));
    more - less <= less / 4
}

/// A section that pictures are sent on, as it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The best layer that is wished for.
    pub wished: u8,
    /// The best layer that the other end keeps up with, as far as it says.
    pub allowed: u8,
    /// What the path has room for: within it `None` where it has none; `None` where that is not known.
    pub fitting: Option<Option<OperatingPoint>>,
    /// The best layer that comes from whoever publishes it.
    pub arriving: Option<u8>,
    /// The layer that goes out.
    pub layer: Option<u8>,
    /// The highest temporal layer of it that does, where some are left out.
    pub temporal: Option<u8>,
}

impl Sent {
    /// What keeps it from what is wished for.
    fn limit(&self) -> Option<Limit> {
        let Some(arriving) = self.arriving else {
            return Some(Limit::Interrupted);
        };
        let could_be = self.wished.max(arriving);
        let is_narrow = match self.fitting {
            Some(None) => true,
            Some(Some(room)) => room > OperatingPoint::whole(could_be.max(self.allowed)),
            None => false,
        };
        match is_narrow {
            true => Some(Limit::Download),
            false if self.allowed > could_be => Some(Limit::Cpu),
            false => (arriving > self.wished).then_some(Limit::Upload),
        }
    }
}

/// What was found of late, and what the session was told.
#[derive(Debug, Default)]
pub struct QualityWatch {
    /// By section: what limited it, and how often in a row.
    limits: Vec<(usize, Limit, u8)>,
    told: Option<Quality>,
}

impl QualityWatch {
    /// Takes what was found now. Returns it where it is to be told.
    pub fn look(
        &mut self,
        bits_per_second: Option<u32>,
        sent: &[(usize, Sent)],
        arrives: Vec<(usize, Vec<u32>)>,
    ) -> Option<Quality> {
        let before = std::mem::take(&mut self.limits);
        let slots = sent.iter().map(|(section, sent)| {
            let limit = sent.limit().filter(|limit| {
                let known = before
                    .iter()
                    .find(|(at, it, _)| (at, it) == (section, limit));
                let count = known.map_or(0, |(.., count)| *count).saturating_add(1);
                self.limits.push((*section, *limit, count));
                count >= PATIENCE
            });
            let slot = SlotQuality {
                wished: sent.wished,
                sent: sent.layer,
                temporal_layer: sent.temporal,
                limit,
            };
            (*section, slot)
        });
        let quality = Quality {
            bits_per_second,
            slots: slots.collect(),
            arrives,
        };
        let known = self.told.as_ref().unwrap_or(const { &NOTHING });
        (!quality.is_like(known)).then_some(quality)
    }

    /// The session was told this.
    pub fn told(&mut self, quality: Quality) {
        self.told = Some(quality);
    }
}

/// What a session knows that was told nothing.
const NOTHING: Quality = Quality {
    bits_per_second: None,
    slots: Vec::new(),
    arrives: Vec::new(),
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::congestion::ALL_TEMPORAL;

    /// Room for all of a layer.
    fn room(layer: u8) -> Option<Option<OperatingPoint>> {
        Some(Some(OperatingPoint::whole(layer)))
    }

    const GOOD: Sent = Sent {
        wished: 0,
        allowed: 0,
        fitting: Some(Some(OperatingPoint {
            layer: 0,
            temporal: ALL_TEMPORAL,
        })),
        arriving: Some(0),
        layer: Some(0),
        temporal: None,
    };

    #[test]
    fn the_narrowest_place_is_named() {
        assert_eq!(GOOD.limit(), None);
        let of = |change: fn(&mut Sent)| {
            let mut sent = GOOD;
            change(&mut sent);
            sent.limit()
        };
        assert_eq!(of(|it| it.fitting = room(1)), Some(Limit::Download));
        assert_eq!(of(|it| it.fitting = Some(None)), Some(Limit::Download));
        assert_eq!(of(|it| it.arriving = Some(1)), Some(Limit::Upload));
        assert_eq!(of(|it| it.arriving = None), Some(Limit::Interrupted));
        assert_eq!(of(|it| it.fitting = None), None, "nobody says what came");
        // What is given is what there is, and not what the path could carry.
        let upload = of(|it| (it.arriving, it.fitting) = (Some(1), room(1)));
        assert_eq!(upload, Some(Limit::Upload));
        assert_eq!(of(|it| (it.wished, it.fitting) = (1, room(1))), None);
        let busy = of(|it| (it.allowed, it.fitting) = (1, room(1)));
        assert_eq!(busy, Some(Limit::Cpu));
        let narrower = of(|it| (it.allowed, it.fitting) = (1, room(2)));
        let thinned = OperatingPoint {
            layer: 0,
            temporal: 1,
        };
        assert_eq!(
            Sent {
                fitting: Some(Some(thinned)),
                ..GOOD
            }
            .limit(),
            Some(Limit::Download)
        );
        assert_eq!(narrower, Some(Limit::Download));
    }

    #[test]
    fn why_is_told_once_it_lasts_and_that_it_is_over_at_once() {
        let mut watch = QualityWatch::default();
        let mut limit = |sent: Sent| {
            let told = watch.look(None, &[(3, sent)], Vec::new())?;
            watch.told(told.clone());
            Some(told.slots[0].1.limit)
        };
        let bad = Sent {
            arriving: Some(1),
            ..GOOD
        };
        assert_eq!(limit(GOOD), Some(None));
        assert_eq!([bad; 2].map(&mut limit), [None; 2]);
        assert_eq!(limit(GOOD), None);
        assert_eq!([bad; 2].map(&mut limit), [None; 2]);
        assert_eq!(limit(bad), Some(Some(Limit::Upload)));
        assert_eq!([bad; 9].map(&mut limit), [None; 9]);
        assert_eq!(limit(GOOD), Some(None));
    }

    #[test]
    fn what_hardly_changes_is_not_told_and_where_there_is_nothing_nothing() {
        let mut watch = QualityWatch::default();
        assert_eq!(watch.look(None, &[], Vec::new()), None);
        let mut told = |bits: u32, arrives: u32| {
            let told = watch.look(Some(bits), &[], vec![(1, vec![0, arrives])]);
            told.inspect(|it| watch.told(it.clone())).is_some()
        };
        assert!(told(1_000_000, 500_000));
        assert!(!told(1_200_000, 450_000));
        assert!(!told(850_000, 500_000));
        assert!(told(1_300_000, 500_000));
        assert!(told(1_300_000, 0));
        assert!(!told(1_300_000, 0));
    }
}
