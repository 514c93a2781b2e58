//! The way of participants to the Ferrite server's signalling: a WebSocket each, all waited on at once.
//! Knows nothing of what is said on them.

use std::os::fd::AsRawFd;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use crate::load::line::Line;

/// All WebSockets.
pub(super) struct Door {
    poll: Poll,
    events: Events,
    wants: Sender<usize>,
    opened: Receiver<(usize, Result<Line>)>,
}

impl Door {
    /// Of the server at this address.
    pub(super) fn new(address: &str) -> Result<Self> {
        let (wants, opened) = doorman(address.to_owned());
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            wants,
            opened,
        })
    }

    /// The participant with this number wants in.
    pub(super) fn want(&self, number: usize) -> Result<()> {
        self.wants.send(number).context("the doorman has gone")
    }

    /// The next line that was opened, and for whom.
    pub(super) fn open(&mut self) -> Result<Option<(usize, Line)>> {
        let Ok((number, line)) = self.opened.try_recv() else {
            return Ok(None);
        };
        let line = line?;
        let descriptor = line.descriptor().as_raw_fd();
        let mut source = SourceFd(&descriptor);
        let registry = self.poll.registry();
        registry.register(&mut source, Token(number), Interest::READABLE)?;
        Ok(Some((number, line)))
    }

    /// Those whose lines have something to say.
    pub(super) fn hear(&mut self) -> Result<Vec<usize>> {
        self.poll.poll(&mut self.events, Some(Duration::ZERO))?;
        Ok(self.events.iter().map(|event| event.token().0).collect())
    }
}

/// Opens WebSockets one after the other, on a thread of its own: that takes a while each.
fn doorman(address: String) -> (Sender<usize>, Receiver<(usize, Result<Line>)>) {
    let (wants, wanted) = channel::<usize>();
    let (open, opened) = channel();
    std::thread::spawn(move || {
        for number in wanted {
            let line = Line::open(&address).map_err(|error| anyhow!(error));
            if open.send((number, line)).is_err() {
                return;
            }
        }
    });
    (wants, opened)
}
