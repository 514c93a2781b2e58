//! The two ends without a channel: what each says to the other, who may mean harm.

use std::time::Duration;

use ferrite_protocol::file::{
    CHUNK_BYTES, CancelReason, FileMessage, Receiving, Sending, Step, Transfer, WINDOW_BYTES,
};

use super::ID;

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
