//! The native client's reliable messages, over however many peer connections: what is on its way when one ends comes on
//! the next. Owns what was sent and not received, and the count of what came; knows nothing of what is in a message.

use std::sync::Arc;

use anyhow::Result;
use bytes::BytesMut;
use ferrite_protocol::Count;
use ferrite_protocol::replay::{Came, Kept};
use tokio::sync::Mutex;
use webrtc::data_channel::DataChannel;

type Channel = Arc<dyn DataChannel>;

/// See the module.
#[derive(Clone, Default)]
pub(super) struct Replay(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// The one that is open. What comes on another is of a connection that was given up.
    channel: Option<Channel>,
    kept: Kept<Vec<u8>>,
    came: Came,
}

impl Replay {
    /// Another channel is open.
    pub(super) async fn opened(&self, channel: Channel) -> Result<()> {
        let mut state = self.0.lock().await;
        let counts = [state.came.begin(), state.kept.begin()];
        for count in counts {
            say(&channel, count).await?;
        }
        state.channel = Some(channel);
        state.give().await;
        Ok(())
    }

    /// Nothing is sent on the channel or taken from it any more.
    pub(super) async fn detach(&self) {
        self.0.lock().await.channel = None;
    }

    /// Takes what came on a channel, and has whoever reads it get what is a message that did not come before.
    pub(super) async fn hear(
        &self,
        channel: &Channel,
        bytes: &[u8],
        pass_on: impl FnOnce(),
    ) -> Result<()> {
        let mut state = self.0.lock().await;
        if !(state.channel.as_ref()).is_some_and(|known| Arc::ptr_eq(known, channel)) {
            return Ok(());
        }
        match Count::decode(bytes)? {
            Some(Count::Received(number)) => while state.kept.settle(number)?.is_some() {},
            Some(Count::Next(number)) => state.came.expect(number),
            None => {
                if let Ok(true) = state.came.take(bytes.len()) {
                    pass_on();
                }
                if let Some(count) = state.came.due() {
                    say(channel, count).await?;
                }
            }
        }
        Ok(())
    }

    /// Sends a message, on this channel or the next.
    pub(super) async fn send(&self, message: Vec<u8>) {
        let mut state = self.0.lock().await;
        state.kept.push(message);
        state.give().await;
    }
}

impl State {
    /// What the channel does not take waits for another.
    async fn give(&mut self) {
        let Some(channel) = &self.channel else { return };
        while let Some(message) = self.kept.peek() {
            if channel.send(BytesMut::from(&message[..])).await.is_err() {
                return;
            }
            self.kept.was_given();
        }
    }
}

async fn say(channel: &Channel, count: Count) -> Result<()> {
    Ok(channel.send(BytesMut::from(&count.encode()[..])).await?)
}
