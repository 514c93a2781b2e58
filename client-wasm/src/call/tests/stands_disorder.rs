//! Whatever comes, in whatever order.

use super::super::strain::Frames;
use super::*;

/// Whatever comes, in whatever order: no message without an open link, no deed on a peer
/// connection that is not there, never two of them.
#[test]
fn no_order_of_events_breaks_the_rules() {
    for seed in 1..400_u64 {
        let mut chance = Chance(seed);
        let mut rig = Rig::new();
        let (mut peer, mut socket) = (false, false);
        for _ in 0..200 {
            let link = rig.call.status().link;
            let Some(input) = chance.input(&rig, peer) else {
                continue;
            };
            rig.now += Duration::from_millis(chance.below(3_000));
            socket &= !matches!(input, Input::SocketClosed { .. });
            for effect in rig.feed(input) {
                match effect {
                    Effect::Connect => socket = true,
                    Effect::Disconnect(_) => socket = false,
                    Effect::Send(ClientMessage::Hello { .. }) => assert!(socket),
                    Effect::Send(message) => {
                        let open = socket && link == LinkState::Ready
                            || rig.call.status().link == LinkState::Ready;
                        assert!(open, "seed {seed}: {message:?} while {link:?}");
                    }
                    Effect::CreatePeer(_) => {
                        assert!(!peer, "seed {seed}: a second peer");
                        peer = true;
                    }
                    Effect::ClosePeer => {
                        assert!(peer, "seed {seed}: no peer to close");
                        peer = false;
                    }
                    Effect::MakeOffer
                    | Effect::ApplyAnswer(_)
                    | Effect::AddCandidate(_)
                    | Effect::Receive(_)
                    | Effect::Want(_)
                    | Effect::Investigate
                    | Effect::GatherWith(_)
                    | Effect::RestartIce => assert!(peer, "seed {seed}: no peer for {effect:?}"),
                    Effect::ForgetMessages
                    | Effect::BeginSession
                    | Effect::Hear(_)
                    | Effect::Complain(_)
                    | Effect::ShowMuted(..)
                    | Effect::Depart(..)
                    | Effect::Settle(..)
                    | Effect::End(_)
                    | Effect::Arm(..)
                    | Effect::Disarm(..) => {}
                }
            }
            let phase = rig.phase();
            assert!(phase != Phase::Connected || peer, "seed {seed}");
        }
    }
}

/// A small generator of chance (xorshift), the same for the same seed.
pub(super) struct Chance(pub(super) u64);

impl Chance {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    /// Something that could happen now. What a peer connection says comes only from one.
    fn input(&mut self, rig: &Rig, peer: bool) -> Option<Input> {
        let state = [
            PeerState::Connecting,
            PeerState::Connected,
            PeerState::Disconnected,
            PeerState::Failed,
            PeerState::Closed,
        ][self.below(5) as usize];
        let id = RequestId(rig.call.ids.0);
        let timers: Vec<Timer> = rig.timers.keys().copied().collect();
        let traffic = Traffic {
            sent: self.below(1_000) as f64,
            received: self.below(3) as f64,
            frames: Frames {
                decoded: self.below(100) as f64,
                dropped: self.below(100) as f64,
                lost: self.below(2) as f64,
            },
        };
        let input = match self.below(24) {
            0 | 1 => Input::Start,
            20 => Input::Online(self.below(2) == 0),
            21 => Input::Hidden(self.below(2) == 0),
            2 => Input::Retry,
            3 if self.below(4) == 0 => Input::HangUp,
            4 | 5 => Input::SocketOpened,
            6 => Input::SocketClosed { code: 1006 },
            7 | 8 => Input::Heard(welcome(self.below(2) == 0)),
            9 | 10 => Input::Heard(answer(id)),
            11 => Input::Heard(sees(state)),
            12 if peer => Input::NegotiationNeeded,
            13 if peer => Input::OfferMade(Ok(offer("offer"))),
            14 if peer => Input::AnswerApplied(Ok(())),
            15 if peer => Input::PeerState(state),
            18 | 19 if peer => Input::Traffic(traffic),
            17 if peer && self.below(4) == 0 => Input::PeerClosed,
            22 if peer => Input::ChannelClosed,
            16 if peer => Input::LocalCandidate(Some(candidate("a"))),
            _ => {
                let timer = timers.get(self.below(timers.len().max(1) as u64) as usize);
                Input::Fired(*timer?)
            }
        };
        Some(input)
    }
}
