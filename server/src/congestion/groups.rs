//! How much farther apart packets arrived than they were sent (draft-ietf-rmcat-gcc-02 §5.2). What was
//! sent at once counts as one group: a picture's packets queue behind one another even on a free path.

/// Packets sent within this many microseconds are a group.
const SENT_TOGETHER: i64 = 5_000;
/// What arrives within this many microseconds of the one before it, having caught up, came in one burst:
/// a radio link gathers what it sends.
const ARRIVED_TOGETHER: i64 = 5_000;
/// The longest burst.
const MAX_BURST: i64 = 100_000;
/// The other end's clock jumped, or it lies: what was gathered is of no use.
const MAX_JUMP: i64 = 3_000_000;

/// How far apart two groups were, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Delta {
    /// When they were sent.
    pub(super) sent: f64,
    /// When they arrived.
    pub(super) arrived: f64,
}

#[derive(Clone, Copy, Debug)]
struct Group {
    first_sent: i64,
    last_sent: i64,
    first_arrived: i64,
    last_arrived: i64,
}

/// The last two groups. Times are in microseconds, of two clocks that need not agree.
#[derive(Debug, Default)]
pub(super) struct Groups {
    before: Option<Group>,
    current: Option<Group>,
}

impl Groups {
    /// Takes a packet. Where it is the first of a group, says how far the two before it were apart.
    pub(super) fn add(&mut self, sent: i64, arrived: i64) -> Option<Delta> {
        let fresh = Group {
            first_sent: sent,
            last_sent: sent,
            first_arrived: arrived,
            last_arrived: arrived,
        };
        let Some(group) = &mut self.current else {
            self.current = Some(fresh);
            return None;
        };
        // What comes out of order says nothing of the queue now.
        if sent < group.first_sent {
            return None;
        }
        if (arrived - group.last_arrived).abs() > MAX_JUMP {
            (self.before, self.current) = (None, Some(fresh));
            return None;
        }
        if group.takes(sent, arrived) {
            group.last_sent = group.last_sent.max(sent);
            group.last_arrived = group.last_arrived.max(arrived);
            return None;
        }
        let complete = *group;
        self.current = Some(fresh);
        let before = self.before.replace(complete)?;
        let apart = |from: i64, to: i64| (to - from) as f64 / 1000.0;
        let delta = Delta {
            sent: apart(before.last_sent, complete.last_sent),
            arrived: apart(before.last_arrived, complete.last_arrived),
        };
        (delta.arrived >= 0.0).then_some(delta)
    }
}

impl Group {
    fn takes(&self, sent: i64, arrived: i64) -> bool {
        if sent - self.first_sent <= SENT_TOGETHER {
            return true;
        }
        let (later_sent, later) = (sent - self.last_sent, arrived - self.last_arrived);
        later < later_sent && later <= ARRIVED_TOGETHER && arrived - self.first_arrived < MAX_BURST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The deltas of packets sent and arrived at these milliseconds.
    fn deltas(packets: &[(i64, i64)]) -> Vec<(f64, f64)> {
        let mut groups = Groups::default();
        let packets = packets.iter();
        packets
            .filter_map(|(sent, arrived)| groups.add(sent * 1000, arrived * 1000))
            .map(|delta| (delta.sent, delta.arrived))
            .collect()
    }

    #[test]
    fn what_was_sent_at_once_is_one_group() {
        let packets = [(0, 50), (1, 52), (33, 83), (34, 95), (66, 120), (100, 150)];
        assert_eq!(deltas(&packets), [(33.0, 43.0), (32.0, 25.0)]);
    }

    #[test]
    fn what_arrives_in_a_burst_is_one_group() {
        let packets = [
            (0, 50),
            (20, 90),
            (40, 91),
            (60, 92),
            (100, 150),
            (120, 170),
        ];
        assert_eq!(deltas(&packets), [(60.0, 42.0), (40.0, 58.0)]);
    }

    #[test]
    fn disorder_and_jumps_say_nothing() {
        let packets = [
            (0, 50),
            (20, 70),
            (10, 71),
            (40, 90),
            (60, 9000),
            (80, 9020),
        ];
        assert_eq!(deltas(&packets), [(20.0, 20.0)]);
    }
}
