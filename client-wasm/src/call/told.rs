//! What the server was told of a wish: it is said once, and again where the reply may be lost.

use ferrite_protocol::RequestId;

/// Numbers requests.
#[derive(Debug, Default)]
pub(super) struct Ids(pub(super) u32);

impl Ids {
    pub(super) fn next(&mut self) -> RequestId {
        self.0 = self.0.wrapping_add(1);
        RequestId(self.0)
    }
}

/// What is said once the server took it, or is said again.
#[derive(Debug)]
pub(super) struct Told<T> {
    pub(super) told: Option<T>,
    /// The request that has no reply yet.
    pub(super) asking: Option<RequestId>,
}

impl<T: PartialEq> Told<T> {
    pub(super) const NOTHING: Self = Self {
        told: None,
        asking: None,
    };

    /// The server knows this.
    pub(super) fn of(told: T) -> Self {
        Self {
            told: Some(told),
            asking: None,
        }
    }

    /// Whether this is news to the server; it will be none again.
    pub(super) fn tell(&mut self, wanted: T, ids: &mut Ids) -> Option<RequestId> {
        if self.told.as_ref() == Some(&wanted) {
            return None;
        }
        self.told = Some(wanted);
        self.asking = Some(ids.next());
        self.asking
    }

    pub(super) fn reply(&mut self, id: Option<RequestId>) {
        self.asking.take_if(|asking| id == Some(*asking));
    }

    /// What has no reply may never have arrived.
    pub(super) fn doubt(&mut self) {
        if self.asking.take().is_some() {
            self.told = None;
        }
    }
}
