//! The two ends of a file, and a channel between them that is cut again and again, in virtual time.

use std::collections::VecDeque;
use std::time::Duration;

use ferrite_protocol::file::{FileMessage, Receiving, Sending, Step, Transfer};
use ferrite_protocol::limits::MAX_DATA_BYTES;

use super::ID;

/// What lies between the two ends: a message takes this long.
pub(super) const DELAY: Duration = Duration::from_millis(40);
const STEP: Duration = Duration::from_millis(5);

/// Chunks that the channel carries in a step.
const RATE: usize = 4;

/// The two ends and the channel.
pub(super) struct World {
    pub(super) now: Duration,
    pub(super) file: Vec<u8>,
    pub(super) sending: Sending,
    pub(super) receiving: Option<Receiving>,
    pub(super) came: Vec<u8>,
    pub(super) there: VecDeque<(Duration, Vec<u8>)>,
    pub(super) back: VecDeque<(Duration, Vec<u8>)>,
    /// Bytes of the file that were sent, and of those the most that were under way at a time.
    pub(super) sent: u64,
    pub(super) most: u64,
    /// What happens to a chunk on its way.
    pub(super) spoils: bool,
}

impl World {
    pub(super) fn new(size: usize) -> Self {
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

    pub(super) fn step(&mut self) {
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

    pub(super) fn send(&mut self) {
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
    pub(super) fn cut(&mut self, sender_notices: bool, receiver_notices: bool) {
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

    pub(super) fn run_until_over(&mut self) {
        let end = self.now + Duration::from_secs(60);
        while self.now < end && !self.is_over() {
            self.step();
        }
    }

    pub(super) fn is_over(&self) -> bool {
        let receiving = self.receiving.as_ref();
        self.sending.transfer().is_over()
            && receiving.is_some_and(|receiving| receiving.transfer().is_over())
    }

    pub(super) fn transfers(&self) -> (Transfer, Transfer) {
        let receiving = self.receiving.as_ref().unwrap();
        (self.sending.transfer(), receiving.transfer())
    }

    #[track_caller]
    pub(super) fn has_arrived(&self) {
        assert_eq!(self.transfers(), (Transfer::Complete, Transfer::Complete));
        assert!(self.came == self.file, "it is not what was sent");
        let (all, receiving) = (self.file.len() as u64, self.receiving.as_ref().unwrap());
        assert_eq!(self.sending.progress(), (all, all));
        assert_eq!(receiving.progress(), (all, all));
    }
}
