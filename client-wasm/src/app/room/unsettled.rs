//! Lines of the chat that are on their way: whether they arrived is told later. Pure.

use crate::sorted::Map;

#[derive(Debug, Default)]
pub(super) struct Unsettled {
    lines: Map<u32, String>,
    next: u32,
}

impl Unsettled {
    /// A line is on its way under this number. The call lets so many wait that all are told of.
    pub(super) fn add(&mut self, text: String) -> u32 {
        self.next = self.next.wrapping_add(1);
        self.lines.insert(self.next, text);
        self.next
    }

    /// The line of this number is not on its way any more.
    pub(super) fn take(&mut self, number: u32) -> Option<String> {
        self.lines.remove(&number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_told_of_once() {
        let mut unsettled = Unsettled::default();
        let (a, b) = (unsettled.add("a".into()), unsettled.add("b".into()));
        assert_eq!(unsettled.take(b).as_deref(), Some("b"));
        assert_eq!(unsettled.take(b), None);
        assert_eq!(unsettled.take(a).as_deref(), Some("a"));
    }
}
