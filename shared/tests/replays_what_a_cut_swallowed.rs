//! Both ends of the replayed channel in virtual time: peer connections end at any point, with what is on its way in
//! either direction, and what each end sent comes to the other in order, all of it and nothing twice. The messages
//! travel as bytes, through the real codec.
#![allow(
    clippy::unwrap_used,
    reason = "a test may panic, and so may its helpers"
)]

use std::collections::VecDeque;

use ferrite_protocol::replay::{
    COUNTED_BYTES, COUNTED_MESSAGES, Came, Kept, NeverSent, Unnumbered,
};
use ferrite_protocol::{ClientData, Count, ServerData};
use proptest::prelude::*;

/// One end: what it sends and gets, by the numbers of its program's messages.
#[derive(Default)]
struct End {
    kept: Kept<Vec<u8>>,
    came: Came,
    /// The channel on which it speaks, if any, and whether it may send messages there yet.
    channel: Option<(usize, bool)>,
    sent: u32,
    got: Vec<u32>,
}

/// The client is the first of the two, and the server the other.
struct Link {
    ends: [End; 2],
    /// What is on its way to each end, by channel.
    under_way: Vec<[VecDeque<Vec<u8>>; 2]>,
    /// The client sends nothing before it knows what the server has.
    waits: bool,
}

const CLIENT: usize = 0;
const SERVER: usize = 1;

fn message(from: usize, number: u32) -> Vec<u8> {
    let payload = &number.to_be_bytes()[..];
    let encoded = match from {
        CLIENT => ClientData {
            to: None,
            topic: "t",
            payload,
        }
        .encode(),
        _ => ServerData {
            from: "p",
            is_private: false,
            topic: "t",
            payload,
        }
        .encode(),
    };
    encoded.unwrap()
}

fn number(to: usize, bytes: &[u8]) -> u32 {
    let payload = match to {
        SERVER => ClientData::decode(bytes).unwrap().payload,
        _ => ServerData::decode(bytes).unwrap().payload,
    };
    u32::from_be_bytes(payload.try_into().unwrap())
}

impl Link {
    fn new(waits: bool) -> Self {
        let mut link = Self {
            ends: [End::default(), End::default()],
            under_way: Vec::new(),
            waits,
        };
        link.cut();
        link
    }

    fn put(&mut self, from: usize, bytes: Vec<u8>) {
        let (channel, _) = self.ends[from].channel.unwrap();
        self.under_way[channel][1 - from].push_back(bytes);
    }

    /// The client has another peer connection. The server hears of it with the first message there, and speaks on the
    /// one before until then, where nobody listens.
    fn cut(&mut self) {
        self.under_way.push(Default::default());
        let channel = self.under_way.len() - 1;
        let client = &mut self.ends[CLIENT];
        client.channel = Some((channel, !self.waits));
        let counts = [client.came.begin(), client.kept.begin()];
        (counts.iter()).for_each(|count| self.put(CLIENT, count.encode().to_vec()));
        self.give(CLIENT);
    }

    fn send(&mut self, from: usize) {
        let end = &mut self.ends[from];
        end.kept.push(message(from, end.sent));
        end.sent += 1;
        self.give(from);
    }

    fn give(&mut self, from: usize) {
        while self.ends[from].channel.is_some_and(|(_, may)| may)
            && let Some(next) = self.ends[from].kept.peek()
        {
            let next = next.clone();
            self.ends[from].kept.was_given();
            self.put(from, next);
        }
    }

    /// Hands over the next message on its way to an end, on the client's channel. Returns whether there was one.
    fn deliver(&mut self, to: usize) -> bool {
        let channel = self.under_way.len() - 1;
        let Some(bytes) = self.under_way[channel][to].pop_front() else {
            return false;
        };
        if to == SERVER
            && self.ends[SERVER]
                .channel
                .is_none_or(|(it, _)| it != channel)
        {
            self.ends[SERVER].channel = Some((channel, false));
        }
        match Count::decode(&bytes).unwrap() {
            Some(Count::Received(number)) => self.settle(to, number),
            Some(Count::Next(number)) => self.ends[to].came.expect(number),
            None => self.take(to, &bytes),
        }
        true
    }

    fn settle(&mut self, at: usize, number: u64) {
        let end = &mut self.ends[at];
        while end.kept.settle(number).unwrap().is_some() {}
        if let Some((_, may @ false)) = &mut end.channel {
            *may = true;
            let received = (at == SERVER).then(|| end.came.begin());
            let counts = received.into_iter().chain([end.kept.begin()]);
            let counts: Vec<_> = counts.map(Count::encode).collect();
            (counts.iter()).for_each(|count| self.put(at, count.to_vec()));
            self.give(at);
        }
    }

    fn take(&mut self, to: usize, bytes: &[u8]) {
        let end = &mut self.ends[to];
        if end.came.take(bytes.len()).unwrap() {
            end.got.push(number(to, bytes));
        }
        if let Some(count) = end.came.due() {
            self.put(to, count.encode().to_vec());
        }
    }

    fn settle_down(&mut self) {
        while self.deliver(SERVER) | self.deliver(CLIENT) {}
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Send(usize, u32),
    Deliver(usize, u32),
    Cut,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..2_usize, 1..50_u32).prop_map(|(end, count)| Step::Send(end, count)),
        4 => (0..2_usize, 1..60_u32).prop_map(|(end, count)| Step::Deliver(end, count)),
        1 => Just(Step::Cut),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    #[test]
    fn all_comes_in_order_and_nothing_twice_wherever_it_is_cut(steps in steps(), waits in any::<bool>()) {
        let mut link = Link::new(waits);
        for step in steps {
            match step {
                Step::Send(end, count) => (0..count).for_each(|_| link.send(end)),
                Step::Deliver(end, count) => {
                    (0..count).for_each(|_| { link.deliver(end); });
                }
                Step::Cut => link.cut(),
            }
            for (end, other) in [(0, 1), (1, 0)] {
                // In order and once, at any moment.
                let got = &link.ends[end].got;
                prop_assert!(got.iter().copied().eq(0..got.len() as u32));
                prop_assert!(got.len() <= link.ends[other].sent as usize);
            }
        }
        link.settle_down();
        for (end, other) in [(0, 1), (1, 0)] {
            prop_assert!(link.ends[end].got.iter().copied().eq(0..link.ends[other].sent));
            prop_assert!(link.ends[other].kept.len() < COUNTED_MESSAGES as usize);
        }
    }
}

#[test]
fn a_single_cut_at_each_point_costs_nothing() {
    for (deliveries, waits) in (0..150).flat_map(|at| [(at, false), (at, true)]) {
        let mut link = Link::new(waits);
        for _ in 0..70 {
            (0..2).for_each(|end| link.send(end));
        }
        (0..deliveries).for_each(|at| {
            link.deliver(at % 2);
        });
        link.cut();
        (0..2).for_each(|end| link.send(end));
        link.settle_down();
        for end in link.ends {
            assert!(end.got.iter().copied().eq(0..71), "{deliveries}");
        }
    }
}

#[test]
fn who_has_what_was_never_sent_is_told_so() {
    let mut kept = Kept::after(7);
    kept.push('a');
    kept.push('b');
    kept.was_given();
    assert_eq!(kept.settle(9).unwrap_err(), NeverSent(9, 8));
    assert_eq!(kept.settle(u64::MAX).unwrap_err(), NeverSent(u64::MAX, 8));
    // What was settled long ago is no news.
    assert_eq!(kept.settle(3), Ok(None));
    assert_eq!(kept.settle(8), Ok(Some('a')));
    assert_eq!(kept.settle(8), Ok(None));
    assert_eq!((kept.len(), kept.waiting(), kept.last_given()), (1, 1, 8));
}

#[test]
fn what_is_not_wanted_any_more_had_its_number_where_it_was_given() {
    let mut kept = Kept::default();
    (0..3).for_each(|at| kept.push(at));
    (0..2).for_each(|_| kept.was_given());
    let forgotten = std::iter::from_fn(|| kept.forget());
    assert_eq!(forgotten.count(), 3);
    assert_eq!(kept.begin(), Count::Next(3));
    // Late word of them harms nothing.
    assert_eq!(kept.settle(2), Ok(None));
    let mut came = Came::default();
    assert_eq!(came.begin(), Count::Received(0));
    assert_eq!(came.take(1), Err(Unnumbered));
    // What it did not get is kept no more.
    came.expect(3);
    assert_eq!(came.take(1), Ok(true));
    assert_eq!(came.begin(), Count::Received(3));
    came.expect(u64::MAX);
    assert_eq!(came.take(1), Ok(true));
    assert_eq!(came.take(1), Ok(false));
}

#[test]
fn what_was_given_to_a_channel_before_keeps_its_number() {
    let mut kept = Kept::default();
    (1..=4).for_each(|at| kept.push(at));
    (0..3).for_each(|_| kept.was_given());
    assert_eq!(kept.begin(), Count::Next(1));
    kept.was_given();
    // The other end has more of it than was given anew.
    assert_eq!(kept.settle(4), Err(NeverSent(4, 3)));
    let settled = std::iter::from_fn(|| kept.settle(2).unwrap());
    assert_eq!(settled.collect::<Vec<_>>(), [1, 2]);
    assert_eq!((kept.begin(), kept.peek()), (Count::Next(3), Some(&mut 3)));
    // Nobody else gets the third's number.
    while kept.forget().is_some() {}
    assert_eq!(kept.begin(), Count::Next(4));
}

#[test]
fn the_other_end_is_told_after_so_many_messages_or_bytes() {
    let mut came = Came::default();
    came.expect(1);
    let mut due = |bytes, messages: u32| {
        let told = (1..).find_map(|count| {
            assert_eq!(came.take(bytes), Ok(true));
            came.due().map(|due| (count, due))
        });
        let (count, _) = told.unwrap();
        assert_eq!(count, messages, "{bytes}");
    };
    due(1, COUNTED_MESSAGES);
    due(COUNTED_BYTES, 1);
    due(COUNTED_BYTES / 2, 2);
}

#[test]
fn what_is_kept_no_more_shows_in_the_number_of_the_next() {
    let mut came = Came::default();
    assert!(!came.is_numbered() && !came.misses(1) && came.misses(2));
    came.expect(1);
    assert_eq!((came.is_numbered(), came.take(1)), (true, Ok(true)));
    came.begin();
    assert!(!came.is_numbered() && !came.misses(2) && came.misses(3));
}
