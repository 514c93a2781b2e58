//! SCTP packets of a [`Call`], each with as many chunks as fit.

use crate::call::{Call, ROOM};
use crate::speaker::{DCEP, Speaker};

impl Call {
    pub(super) fn sctp(&mut self, chunk: impl Fn(usize) -> Vec<u8>) {
        let mut chunks = Vec::new();
        let mut at = 0;
        loop {
            let next = chunk(at);
            if chunks.len() + next.len() > ROOM {
                break;
            }
            chunks.extend(next);
            at += 1;
        }
        let packet = self.speaker.sealed(&chunks);
        self.data(&packet);
    }

    pub(super) fn crumbs(&mut self) {
        let crumbs: Vec<_> = (0..ROOM / 20)
            .map(|_| self.speaker.crumb(0, 51, b"x"))
            .collect();
        let packet = self.speaker.sealed(&crumbs.concat());
        self.data(&packet);
    }

    pub(super) fn channels(&mut self) {
        let opens: Vec<_> = (0..ROOM / 28)
            .map(|_| {
                self.stream = (self.stream + 2) % 60_000;
                let open = [3, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
                self.speaker.crumb(self.stream, DCEP, &open)
            })
            .collect();
        let packet = self.speaker.sealed(&opens.concat());
        self.data(&packet);
    }

    pub(super) fn gaps(&mut self) {
        let chunks: Vec<_> = (0..ROOM / 20)
            .map(|_| {
                self.speaker.crumb(0, 51, b"x");
                self.speaker.crumb(0, 51, b"x")
            })
            .collect();
        let packet = self.speaker.sealed(&chunks.concat());
        self.data(&packet);
    }

    pub(super) fn pieces(&mut self) {
        let chunks: Vec<_> = (0..ROOM / 20)
            .map(|_| {
                self.stream = (self.stream + 1) % 1000;
                let mut piece = self.speaker.crumb(self.stream, 51, b"x");
                // A beginning, in order.
                piece[1] = 2;
                piece
            })
            .collect();
        let packet = self.speaker.sealed(&chunks.concat());
        self.data(&packet);
    }

    pub(super) fn init(&mut self) {
        let begin = Speaker::new().begin();
        self.data(&begin);
    }

    pub(super) fn sack(&mut self) {
        let gaps = ((ROOM - 16) / 4) as u16;
        let mut value = self.speaker.heard().to_be_bytes().to_vec();
        value.extend([0, 0x10, 0, 0]);
        value.extend(gaps.to_be_bytes());
        value.extend([0; 2]);
        for at in 0..gaps {
            value.extend((2 + at * 2).to_be_bytes());
            value.extend((2 + at * 2).to_be_bytes());
        }
        self.sctp(|at| {
            if at == 0 {
                chunk(3, &value)
            } else {
                vec![0; ROOM + 1]
            }
        });
    }

    pub(super) fn unknown_chunks(&mut self) {
        self.sctp(|_| chunk(0xFE, &[]));
    }

    pub(super) fn forward_tsn(&mut self) {
        let mut value = self.speaker.next_tsn().to_be_bytes().to_vec();
        (0..250_u16).for_each(|at| value.extend([at.to_be_bytes(), [0, 0]].concat()));
        self.sctp(|at| {
            if at == 0 {
                chunk(192, &value)
            } else {
                vec![0; ROOM + 1]
            }
        });
    }

    pub(super) fn resets(&mut self) {
        let mut value = vec![0, 13, 0, 0];
        value.extend([0; 12]);
        (0..250_u16).for_each(|at| value.extend(at.to_be_bytes()));
        let length = value.len() as u16;
        value[2..4].copy_from_slice(&length.to_be_bytes());
        self.sctp(|at| {
            if at == 0 {
                chunk(130, &value)
            } else {
                vec![0; ROOM + 1]
            }
        });
    }
}

fn chunk(kind: u8, value: &[u8]) -> Vec<u8> {
    let mut chunk = vec![kind, 0];
    chunk.extend((value.len() as u16 + 4).to_be_bytes());
    chunk.extend(value);
    chunk.resize(chunk.len().next_multiple_of(4), 0);
    chunk
}
