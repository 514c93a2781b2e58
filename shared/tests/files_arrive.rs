//! Files go from one end to the other in virtual time, over a channel that is cut again and again, and
//! arrive as they were sent or not at all. Their messages have golden bytes, which `PROTOCOL.md` shows.
#![allow(
    clippy::unwrap_used,
    reason = "a test may panic, and so may its helpers"
)]

use std::collections::VecDeque;
use std::time::Duration;

use ferrite_protocol::file::{
    CHUNK_BYTES, CancelReason, FileError, FileId, FileMessage, Receiving, Sending, Step, Transfer,
    WINDOW_BYTES,
};
use ferrite_protocol::limits::MAX_DATA_BYTES;
use proptest::prelude::*;

const ID: FileId = FileId(7);

/// What lies between the two ends: a message takes this long.
const DELAY: Duration = Duration::from_millis(40);
const STEP: Duration = Duration::from_millis(5);

/// Chunks that the channel carries in a step.
const RATE: usize = 4;

/// The two ends and the channel.
struct World {
    now: Duration,
    file: Vec<u8>,
    sending: Sending,
    receiving: Option<Receiving>,
    came: Vec<u8>,
    there: VecDeque<(Duration, Vec<u8>)>,
    back: VecDeque<(Duration, Vec<u8>)>,
    /// Bytes of the file that were sent, and of those the most that were under way at a time.
    sent: u64,
    most: u64,
    /// What happens to a chunk on its way.
    spoils: bool,
}

impl World {
    fn new(size: usize) -> Self {
        let mut seed = 1_u32;
        let file: Vec<_> = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 24) as u8
        })
        .take(size)
        .collect();
        Self {
            now: Duration::ZERO,
            sending: Sending::new(ID, file.len() as u64, "tea.bin"),
            file,
            receiving: None,
            came: Vec::new(),
            there: VecDeque::new(),
            back: VecDeque::new(),
            sent: 0,
            most: 0,
            spoils: false,
        }
    }

    fn step(&mut self) {
        self.now += STEP;
        self.send();
        while let Some((_, message)) = self.there.pop_front_if(|(at, _)| *at <= self.now) {
            let message = FileMessage::decode(&message).unwrap();
            if let (
                None,
                FileMessage::Offer {
                    file, size, name, ..
                },
            ) = (&self.receiving, message)
            {
                let mut receiving = Receiving::offered(file, size, name);
                receiving.accept(self.now);
                self.receiving = Some(receiving);
            } else if let Some(receiving) = &mut self.receiving {
                self.came.extend(receiving.receive(self.now, &message));
            }
        }
        if let Some(receiving) = &mut self.receiving {
            receiving.handle_timeout(self.now);
            while let Some(message) = receiving.step() {
                self.back.push_back((self.now + DELAY, message));
            }
        }
        while let Some((_, message)) = self.back.pop_front_if(|(at, _)| *at <= self.now) {
            self.sending
                .receive(&FileMessage::decode(&message).unwrap());
        }
    }

    fn send(&mut self) {
        let mut room = RATE;
        while let Some(step) = self.sending.step(room > 0) {
            match step {
                Step::Read { offset, length } => {
                    room -= 1;
                    self.sent += length as u64;
                    let bytes = &self.file[offset as usize..offset as usize + length];
                    self.sending.read(offset, bytes);
                    let under_way = offset + length as u64 - self.sending.progress().0;
                    self.most = self.most.max(under_way);
                }
                Step::Send(mut message) => {
                    assert!(message.len() <= MAX_DATA_BYTES);
                    if self.spoils && message.len() > 1000 {
                        message[500] ^= 1;
                    }
                    self.there.push_back((self.now + DELAY, message));
                }
            }
        }
    }

    /// What is under way is lost, both ways. Either end may notice, or both.
    fn cut(&mut self, sender_notices: bool, receiver_notices: bool) {
        self.there.clear();
        self.back.clear();
        self.now += Duration::from_secs(3);
        if sender_notices {
            self.sending.reconnected();
        }
        if let Some(receiving) = self.receiving.as_mut().filter(|_| receiver_notices) {
            receiving.reconnected(self.now);
        }
    }

    fn run_until_over(&mut self) {
        let end = self.now + Duration::from_secs(60);
        while self.now < end && !self.is_over() {
            self.step();
        }
    }

    fn is_over(&self) -> bool {
        let receiving = self.receiving.as_ref();
        self.sending.transfer().is_over()
            && receiving.is_some_and(|receiving| receiving.transfer().is_over())
    }

    fn transfers(&self) -> (Transfer, Transfer) {
        let receiving = self.receiving.as_ref().unwrap();
        (self.sending.transfer(), receiving.transfer())
    }

    #[track_caller]
    fn has_arrived(&self) {
        assert_eq!(self.transfers(), (Transfer::Complete, Transfer::Complete));
        assert!(self.came == self.file, "it is not what was sent");
        let (all, receiving) = (self.file.len() as u64, self.receiving.as_ref().unwrap());
        assert_eq!(self.sending.progress(), (all, all));
        assert_eq!(receiving.progress(), (all, all));
    }
}

#[test]
fn a_file_of_any_size_arrives_whole() {
    for size in [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, 4_000_000] {
        let mut world = World::new(size);
        world.run_until_over();
        world.has_arrived();
        assert_eq!(world.sent, size as u64, "something was sent again");
        assert!(world.most <= WINDOW_BYTES + CHUNK_BYTES as u64);
        assert_eq!(world.receiving.unwrap().name(), "tea.bin");
    }
}

#[test]
fn after_a_cut_it_goes_on_where_it_was() {
    for (sender, receiver) in [(true, false), (false, true), (true, true)] {
        let mut world = World::new(4_000_000);
        let cuts = 5;
        for _ in 0..cuts {
            (0..30).for_each(|_| world.step());
            world.cut(sender, receiver);
        }
        world.run_until_over();
        world.has_arrived();
        // What was under way is sent again, and no more: once for each who asks.
        let asked = u64::from(sender) + u64::from(receiver);
        let again = asked * cuts * (WINDOW_BYTES + CHUNK_BYTES as u64);
        assert!(world.sent <= world.file.len() as u64 + again);
    }
}

#[test]
fn what_is_lost_without_anybody_noticing_is_asked_for_after_a_while() {
    for steps in [9, 10, 12, 20, 60, 200] {
        let mut world = World::new(1_000_000);
        (0..steps).for_each(|_| world.step());
        if world.receiving.is_none() {
            world.sending.reconnected();
        }
        world.cut(false, false);
        world.run_until_over();
        world.has_arrived();
    }
}

#[test]
fn nothing_is_sent_twice_where_what_was_under_way_comes_on_another_channel() {
    let size = 3_000_000;
    for steps in [12, 20, 60, 100] {
        let mut world = World::new(size);
        (0..steps).for_each(|_| world.step());
        // Longer than a receiver waits for a sender that says nothing.
        world.now += Duration::from_secs(25);
        let now = world.now;
        let receiving = world.receiving.as_mut().unwrap();
        receiving.resumed(now);
        for (at, _) in world.there.iter_mut().chain(&mut world.back) {
            *at = now + DELAY;
        }
        world.run_until_over();
        world.has_arrived();
        assert_eq!(world.sent, size as u64, "{steps}");
    }
}

#[test]
fn either_end_may_stop_it_and_the_other_hears_of_it_whatever_is_lost() {
    let stopped = Transfer::Cancelled(CancelReason::Stopped);
    for (by_sender, is_cut) in [(true, false), (true, true), (false, false), (false, true)] {
        let mut world = World::new(4_000_000);
        (0..50).for_each(|_| world.step());
        match by_sender {
            true => world.sending.cancel(CancelReason::Stopped),
            false => (world.receiving.as_mut().unwrap()).cancel(CancelReason::Stopped),
        }
        world.step();
        if is_cut {
            world.cut(!by_sender, by_sender);
        }
        world.run_until_over();
        assert_eq!(
            world.transfers(),
            (stopped, stopped),
            "{by_sender} {is_cut}"
        );
        let came = world.came.len();
        assert!(came < world.file.len() && world.file.starts_with(&world.came));
    }
}

/// The sender has sent as much as it may, all of it was lost, and its own channel was never closed.
#[test]
fn a_receiver_that_stops_it_while_it_is_cut_off_says_so_when_it_is_back() {
    let mut world = World::new(4_000_000);
    (0..50).for_each(|_| world.step());
    let full = world.sending.progress().0 + WINDOW_BYTES;
    while world.sent < full {
        world.send();
        world.there.clear();
    }
    let receiving = world.receiving.as_mut().unwrap();
    receiving.cancel(CancelReason::Stopped);
    world.cut(false, true);
    world.run_until_over();
    let stopped = Transfer::Cancelled(CancelReason::Stopped);
    assert_eq!(world.transfers(), (stopped, stopped));
}

#[test]
fn who_takes_its_time_holds_up_the_sender() {
    let now = Duration::ZERO;
    let mut receiving = Receiving::offered(ID, 10_000_000, "tea.bin");
    receiving.used(now, 0);
    receiving.accept(now);
    let mut sending = Sending::new(ID, 10_000_000, "tea.bin");
    let (mut used, mut came) = (0, 0);
    let chunk = vec![7; CHUNK_BYTES];
    // Until neither has anything to say.
    let mut go_on = |receiving: &mut Receiving, now| loop {
        let mut is_quiet = true;
        while let Some(message) = receiving.step() {
            is_quiet = false;
            sending.receive(&FileMessage::decode(&message).unwrap());
        }
        while let Some(step) = sending.step(true) {
            is_quiet = false;
            match step {
                Step::Read { offset, length } => sending.read(offset, &chunk[..length]),
                Step::Send(message) => {
                    let message = FileMessage::decode(&message).unwrap();
                    came += receiving.receive(now, &message).len() as u64;
                }
            }
        }
        if is_quiet {
            return came;
        }
    };
    while used < 10_000_000 {
        let came = go_on(&mut receiving, now);
        assert!(
            came <= used + WINDOW_BYTES + CHUNK_BYTES as u64,
            "{came} of {used}"
        );
        // However long nobody uses anything, only one more window is asked for.
        for seconds in 1..60 {
            receiving.handle_timeout(Duration::from_secs(seconds));
        }
        let came = go_on(&mut receiving, now);
        assert!(came > used && came - used < 2 * WINDOW_BYTES + CHUNK_BYTES as u64);
        used = came;
        receiving.used(now, used);
    }
    go_on(&mut receiving, now);
    assert!(receiving.is_compared());
    assert_eq!(receiving.transfer(), Transfer::Active);
}

/// A file of one chunk that came and is not written yet, and its sender.
fn compared() -> (Receiving, Sending) {
    let now = Duration::ZERO;
    let mut receiving = Receiving::offered(ID, 10, "tea.bin");
    receiving.used(now, 0);
    receiving.accept(now);
    let mut sending = Sending::new(ID, 10, "tea.bin");
    talk(&mut receiving, &mut sending);
    assert!(receiving.is_compared());
    (receiving, sending)
}

/// Until neither has anything to say.
fn talk(receiving: &mut Receiving, sending: &mut Sending) {
    loop {
        if let Some(message) = receiving.step() {
            sending.receive(&FileMessage::decode(&message).unwrap());
        } else if let Some(step) = sending.step(true) {
            match step {
                Step::Read { offset, length } => sending.read(offset, &[7; 10][..length]),
                Step::Send(message) => {
                    receiving.receive(Duration::ZERO, &FileMessage::decode(&message).unwrap());
                }
            }
        } else {
            return;
        }
    }
}

#[test]
fn a_sender_is_told_that_it_is_there_when_it_was_written() {
    let (mut receiving, mut sending) = compared();
    let active = (Transfer::Active, Transfer::Active);
    assert_eq!((receiving.transfer(), sending.transfer()), active);
    // However often it asks, nothing comes twice.
    for _ in 0..2 {
        sending.reconnected();
        receiving.used(Duration::ZERO, 10);
        talk(&mut receiving, &mut sending);
        assert_eq!((receiving.transfer(), sending.transfer()), active);
        assert_eq!(receiving.progress(), (10, 10));
        assert_eq!(receiving.poll_timeout(), None);
    }
    receiving.kept();
    talk(&mut receiving, &mut sending);
    let complete = (Transfer::Complete, Transfer::Complete);
    assert_eq!((receiving.transfer(), sending.transfer()), complete);
}

#[test]
fn what_cannot_be_written_to_its_end_is_no_file_that_arrived() {
    let (mut receiving, mut sending) = compared();
    receiving.cancel(CancelReason::Failed);
    receiving.kept();
    talk(&mut receiving, &mut sending);
    let failed = Transfer::Cancelled(CancelReason::Failed);
    assert_eq!((receiving.transfer(), sending.transfer()), (failed, failed));
}

#[test]
fn a_sender_that_stops_what_is_being_written_is_too_late() {
    let (mut receiving, mut sending) = compared();
    sending.cancel(CancelReason::Stopped);
    talk(&mut receiving, &mut sending);
    receiving.kept();
    assert_eq!(receiving.transfer(), Transfer::Complete);
}

#[test]
fn a_sender_that_keeps_to_no_window_is_given_up() {
    let now = Duration::ZERO;
    let mut receiving = Receiving::offered(ID, 10_000_000, "x");
    receiving.used(now, 0);
    receiving.accept(now);
    let (file, bytes) = (ID, &[7; CHUNK_BYTES][..]);
    let mut offset = 0;
    while receiving.transfer() == Transfer::Active {
        let chunk = FileMessage::Chunk {
            file,
            offset,
            bytes,
        };
        offset += receiving.receive(now, &chunk).len() as u64;
        assert!(offset <= 2 * WINDOW_BYTES + CHUNK_BYTES as u64);
    }
    assert_eq!(
        receiving.transfer(),
        Transfer::Cancelled(CancelReason::Failed)
    );
}

#[test]
fn who_does_not_want_it_gets_nothing_of_it() {
    let mut world = World::new(1_000_000);
    let mut receiving = Receiving::offered(ID, 1_000_000, "tea.bin");
    receiving.cancel(CancelReason::Refused);
    world.receiving = Some(receiving);
    world.run_until_over();
    let refused = Transfer::Cancelled(CancelReason::Refused);
    assert_eq!(world.transfers(), (refused, refused));
    assert_eq!((world.sent, world.came.len()), (0, 0));
}

#[test]
fn what_is_not_what_was_sent_is_found_out() {
    let mut world = World::new(1_000_000);
    world.spoils = true;
    world.run_until_over();
    let different = Transfer::Cancelled(CancelReason::Different);
    assert_eq!(world.transfers(), (different, different));
}

#[test]
fn a_file_that_cannot_be_read_is_given_up() {
    let mut world = World::new(1_000_000);
    (0..18).for_each(|_| world.step());
    while let Some(step) = world.sending.step(true) {
        if let Step::Read { offset, .. } = step {
            world.sending.read(offset, &[]);
        }
    }
    world.run_until_over();
    let failed = Transfer::Cancelled(CancelReason::Failed);
    assert_eq!(world.transfers(), (failed, failed));
}

#[test]
fn a_receiver_that_lies_gets_no_more_than_there_is() {
    let mut sending = Sending::new(ID, 1_000_000, "x");
    let (file, most) = (ID, u64::MAX);
    assert!(matches!(sending.step(true), Some(Step::Send(_))));
    sending.receive(&FileMessage::Progress {
        file,
        received: most,
    });
    sending.receive(&FileMessage::Verified { file });
    assert_eq!(sending.transfer(), Transfer::Offered);
    sending.receive(&FileMessage::Accept { file, offset: most });
    let read = Step::Read {
        offset: 0,
        length: CHUNK_BYTES,
    };
    assert_eq!(sending.step(true), Some(read));
    sending.receive(&FileMessage::Progress {
        file,
        received: most,
    });
    assert_eq!(sending.progress(), (0, 1_000_000));
}

#[test]
fn a_sender_that_lies_is_given_up_and_nothing_piles_up_for_it() {
    let now = Duration::ZERO;
    let mut receiving = Receiving::offered(ID, 10, "x");
    receiving.accept(now);
    let (file, bytes) = (ID, &[7; 6][..]);
    let chunk = |offset| FileMessage::Chunk {
        file,
        offset,
        bytes,
    };
    assert_eq!(receiving.receive(now, &chunk(0)), bytes);
    for offset in [u64::MAX, 7, 0] {
        assert_eq!(receiving.receive(now, &chunk(offset)), b"");
    }
    for _ in 0..100 {
        let (size, name, topic) = (10, "x", "");
        let offer = FileMessage::Offer {
            file,
            size,
            name,
            topic,
        };
        receiving.receive(now, &offer);
    }
    let messages = std::iter::from_fn(|| receiving.step());
    assert!(messages.count() <= 2);
    // More than it said there is.
    assert_eq!(receiving.receive(now, &chunk(6)), b"");
    let different = Transfer::Cancelled(CancelReason::Different);
    assert_eq!(receiving.transfer(), different);
}

fn messages() -> [(&'static str, FileMessage<'static>); 8] {
    let file = FileId(0x0102_0304_0506_0708);
    [
        (
            "offer",
            FileMessage::Offer {
                file,
                size: 300,
                name: "Tee.txt",
                topic: "",
            },
        ),
        (
            "offerAbout",
            FileMessage::Offer {
                file,
                size: 300,
                name: "Tee.txt",
                topic: "recipe",
            },
        ),
        ("accept", FileMessage::Accept { file, offset: 256 }),
        (
            "chunk",
            FileMessage::Chunk {
                file,
                offset: 256,
                bytes: &[0xaa, 0xbb],
            },
        ),
        (
            "progress",
            FileMessage::Progress {
                file,
                received: 258,
            },
        ),
        (
            "done",
            FileMessage::Done {
                file,
                sha256: std::array::from_fn(|at| at as u8),
            },
        ),
        ("verified", FileMessage::Verified { file }),
        (
            "cancel",
            FileMessage::Cancel {
                file,
                reason: CancelReason::Stopped,
            },
        ),
    ]
}

#[test]
fn the_messages_are_what_they_were_and_the_page_shows_them() {
    let page = include_str!("../PROTOCOL.md");
    for (name, message) in messages() {
        let bytes = message.encode();
        assert_eq!(FileMessage::decode(&bytes), Ok(message), "{name}");
        let path = format!(
            "{}/tests/golden_data/file.{name}.bin",
            env!("CARGO_MANIFEST_DIR")
        );
        assert_eq!(std::fs::read(path).unwrap(), bytes, "{name}");
        let bytes: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let bytes = bytes.join(" ");
        let row = format!("| [`{name}`](tests/golden_data/file.{name}.bin) | `{bytes}` |");
        assert!(page.contains(&row), "{row}");
    }
}

#[test]
fn a_topic_is_said_with_each_offer_and_no_longer_than_it_may_be() {
    let long = "\u{e9}".repeat(40);
    for (topic, expected) in [("", ""), ("recipe", "recipe"), (&long, &long[..64])] {
        let mut sending = Sending::new(ID, 3, "Tee.txt").about(topic);
        for _ in 0..2 {
            let Some(Step::Send(message)) = sending.step(true) else {
                panic!("no offer");
            };
            let Ok(FileMessage::Offer { topic, name, .. }) = FileMessage::decode(&message) else {
                panic!("not that");
            };
            assert_eq!((topic, name), (expected, "Tee.txt"));
            assert_eq!(sending.step(true), None);
            sending.reconnected();
        }
    }
    let head = [&[1][..], &[0; 16]].concat();
    for topic in [&[][..], &[0xff], &[b'x'; 65]] {
        let bytes = [&head[..], b"tea\0", topic].concat();
        assert_eq!(FileMessage::decode(&bytes), Err(FileError::Topic));
    }
}

#[test]
fn what_is_no_message_about_a_file_is_refused() {
    let id = [0; 8];
    for (bytes, error) in [
        (vec![], FileError::Length),
        (vec![1, 2, 3], FileError::Length),
        ([&[9][..], &id].concat(), FileError::Kind(9)),
        ([&[2][..], &id, &[0; 7]].concat(), FileError::Length),
        ([&[3][..], &id, &[0; 8]].concat(), FileError::Length),
        (
            [&[3][..], &id, &[0; 8 + CHUNK_BYTES + 1]].concat(),
            FileError::Length,
        ),
        ([&[6][..], &id, &[0]].concat(), FileError::Length),
        ([&[1][..], &id, &[0; 8]].concat(), FileError::Name),
        ([&[1][..], &id, &[0; 8], b"../x"].concat(), FileError::Name),
        ([&[1][..], &id, &[0; 8], b"\xff"].concat(), FileError::Name),
    ] {
        assert_eq!(FileMessage::decode(&bytes), Err(error), "{bytes:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_file_arrives_whatever_is_lost_and_whoever_notices(
        size in 0_usize..1_500_000,
        cuts in prop::collection::vec((1_usize..120, 1_u8..4), 0..8),
    ) {
        let mut world = World::new(size);
        for (steps, noticed_by) in cuts {
            (0..steps).for_each(|_| world.step());
            // Before there is a receiver only the sender can.
            let sender = noticed_by & 1 != 0 || world.receiving.is_none();
            world.cut(sender, noticed_by & 2 != 0);
        }
        world.run_until_over();
        world.has_arrived();
    }

    #[test]
    fn whatever_is_read_is_written_the_same(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let mut bytes = bytes;
        if let Some(kind) = bytes.first_mut() {
            *kind = 1 + *kind % 7;
        }
        if let Ok(message) = FileMessage::decode(&bytes)
            && !matches!(message, FileMessage::Cancel { .. })
        {
            prop_assert_eq!(message.encode(), bytes);
        }
    }
}

#[test]
fn who_said_that_this_was_all_waits_for_an_answer_however_little_it_heard_of() {
    let file = ID;
    let mut sending = Sending::new(file, 3, "tea.bin");
    assert!(sending.awaits_answer());
    sending.receive(&FileMessage::Accept { file, offset: 0 });
    assert!(!sending.awaits_answer());
    assert!(matches!(sending.step(true), Some(Step::Read { .. })));
    sending.read(0, b"tea");
    for said_all in [false, true] {
        assert!(matches!(sending.step(true), Some(Step::Send(_))));
        assert_eq!(sending.awaits_answer(), said_all);
    }
    assert_eq!(sending.progress(), (0, 3));
    sending.receive(&FileMessage::Verified { file });
    assert!(!sending.awaits_answer());
}
