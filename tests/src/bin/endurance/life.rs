//! One session: how far it comes, and how it ends. Its number says which, so that every combination
//! comes up and a failure can be lived again.

use std::time::{Duration, Instant};

use anyhow::Result;
use ferrite_protocol::{ClientMessage, RoomId};
use ferrite_tests::load::{Caller, Link, Silence};
use str0m::config::DtlsCert;

/// Where the server is, and what all lives share.
pub(crate) struct World {
    pub(crate) address: String,
    pub(crate) media_port: u16,
    pub(crate) certificate: DtlsCert,
}

/// One session.
#[derive(Debug)]
pub(crate) struct Life {
    stage: Stage,
    end: End,
    /// It says hello, and so may be resumed.
    greets: bool,
    /// It sits in a room.
    joins: bool,
    /// Its media goes over TCP.
    over_tcp: bool,
}

/// How far it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The WebSocket is open.
    Opened,
    /// The greeting is over.
    Greeted,
    /// It has its answer, and sends nothing to the media port.
    Answered,
    /// It sends one check.
    Checking,
    /// It sends so many DTLS datagrams.
    Handshaking(u32),
    /// ICE and DTLS are done.
    Connected,
    /// Media comes back.
    Talking,
    /// A message comes back.
    Chatting,
    /// Media comes back after an ICE restart.
    Restarted,
}

/// How it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The sockets are closed without a word.
    Cut,
    /// Goodbyes everywhere.
    Close,
    /// It hangs up, then closes the WebSocket.
    HangUp,
    /// DTLS is closed, and the WebSocket cut.
    CloseDtls,
    /// It leaves its room, and is cut.
    Leave,
    /// The sockets stay open, and nothing comes any more.
    Vanish,
}

const STAGES: [Stage; 13] = [
    Stage::Opened,
    Stage::Greeted,
    Stage::Answered,
    Stage::Checking,
    Stage::Handshaking(0),
    Stage::Handshaking(1),
    Stage::Handshaking(2),
    Stage::Handshaking(3),
    Stage::Handshaking(4),
    Stage::Connected,
    Stage::Talking,
    Stage::Chatting,
    Stage::Restarted,
];

const ENDS: [End; 6] = [
    End::Cut,
    End::Close,
    End::HangUp,
    End::CloseDtls,
    End::Leave,
    End::Vanish,
];

/// What has to come back of media before it ends.
const ENOUGH: u64 = 5;

/// The time between two packets.
const PACE: Duration = Duration::from_millis(5);

const ROOMS: usize = 20;

impl Life {
    /// The life of this number. 13 and 6 have no divisor in common: 78 lives see every pair, and the
    /// rest varies with every further 78.
    pub(crate) fn of(number: usize) -> Self {
        let round = number / (STAGES.len() * ENDS.len());
        let greets = !(number + round).is_multiple_of(2);
        Self {
            stage: STAGES[number % STAGES.len()],
            end: ENDS[number % ENDS.len()],
            greets,
            joins: greets && (number / 3 + round).is_multiple_of(2),
            over_tcp: (number / 2 + round).is_multiple_of(4),
        }
    }

    /// Lives it. Who vanished is returned.
    pub(crate) fn live(&self, world: &World, number: usize) -> Result<Option<Caller>> {
        let link = match self.over_tcp {
            true => Link::tcp(world.media_port)?,
            false => Link::udp()?,
        };
        let mut caller = Caller::open(&world.address, &world.certificate, link)?;
        self.reach(&mut caller, number)?;
        self.end(caller)
    }

    fn reach(&self, caller: &mut Caller, number: usize) -> Result<()> {
        if self.stage == Stage::Opened {
            return Ok(());
        }
        self.enter(caller, number)?;
        caller.peer.link.set_silence(match self.stage {
            Stage::Answered => Silence::After(0),
            Stage::Checking => Silence::After(1),
            Stage::Handshaking(datagrams) => Silence::AfterDtls(datagrams),
            _ => Silence::Never,
        });
        if self.stage == Stage::Greeted {
            return Ok(());
        }
        caller.offer()?;
        caller.until("an answer", |caller| Ok(caller.peer.is_answered()))?;
        match self.stage {
            Stage::Opened | Stage::Greeted | Stage::Answered => Ok(()),
            Stage::Checking | Stage::Handshaking(_) => caller
                .until("a datagram to swallow", |caller| {
                    Ok(caller.peer.link.swallowed > 0)
                }),
            Stage::Connected => caller.until("a connection", |caller| Ok(caller.peer.connected)),
            Stage::Talking => talk(caller),
            Stage::Chatting => chat(caller),
            Stage::Restarted => {
                talk(caller)?;
                caller.offer_restart()?;
                caller.until("another answer", |caller| Ok(caller.peer.is_answered()))?;
                talk(caller)
            }
        }
    }

    fn enter(&self, caller: &mut Caller, number: usize) -> Result<()> {
        if self.greets {
            caller.greet()?;
            caller.until("a welcome", |caller| Ok(caller.welcomed))?;
        }
        if self.joins {
            let room = RoomId(format!("room {}", number % ROOMS));
            caller.say(&ClientMessage::Join {
                id: None,
                room,
                name: None,
                metadata: None,
                token: None,
            })?;
            caller.until("a seat", |caller| Ok(caller.joined))?;
        }
        Ok(())
    }

    fn end(&self, mut caller: Caller) -> Result<Option<Caller>> {
        match self.end {
            End::Vanish => return Ok(Some(caller)),
            End::Cut => {}
            End::CloseDtls => caller.peer.close()?,
            End::Leave if self.joins && caller.joined => {
                caller.say(&ClientMessage::Leave { id: None })?;
                caller.until("to have left", |caller| Ok(!caller.joined))?;
            }
            End::Leave => caller.say(&ClientMessage::EndOfCandidates {})?,
            End::HangUp => {
                caller.say(&ClientMessage::HangUp { id: None })?;
                caller.until("to have hung up", |caller| Ok(caller.hung_up))?;
                close(&mut caller)?;
            }
            End::Close => {
                caller.peer.close()?;
                close(&mut caller)?;
            }
        }
        Ok(None)
    }
}

fn close(caller: &mut Caller) -> Result<()> {
    caller.close_line(1000)?;
    caller.until("the WebSocket to close", |caller| {
        Ok(caller.ended.is_some())
    })
}

fn talk(caller: &mut Caller) -> Result<()> {
    let enough = caller.peer.counts.returned + ENOUGH;
    let mut next = Instant::now();
    caller.until("media to come back", |caller| {
        let now = Instant::now();
        if caller.peer.connected && now >= next {
            next = now + PACE;
            caller.peer.send(now, 1)?;
        }
        Ok(caller.peer.counts.returned >= enough)
    })
}

fn chat(caller: &mut Caller) -> Result<()> {
    caller.until("a data channel", |caller| Ok(caller.peer.has_channel()))?;
    caller.peer.send_data(&[7; 1000])?;
    caller.until("a message to come back", |caller| {
        Ok(caller.peer.messages.returned > 0)
    })
}
