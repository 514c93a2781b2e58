//! The native client's data channels, on which members of a room send one another bytes.

use std::sync::Arc;

use anyhow::{Context, Result};
use bytes::BytesMut;
use ferrite_protocol::{ClientData, LOSSY_CHANNEL, ParticipantId, REPLAYED_CHANNEL, ServerData};
use tokio::sync::mpsc;
use webrtc::data_channel::{DataChannel, DataChannelEvent, RTCDataChannelInit};
use webrtc::peer_connection::PeerConnection;

use super::incoming::{Data, Delivery, Incoming};
use super::replay::Replay;

impl Data {
    fn read(delivery: Delivery, bytes: &[u8]) -> Result<Self> {
        let data = ServerData::decode(bytes)?;
        Ok(Self {
            delivery,
            from: ParticipantId(data.from.to_owned()),
            is_private: data.is_private,
            topic: data.topic.to_owned(),
            payload: data.payload.to_vec(),
        })
    }
}

/// Both channels.
pub(super) struct Channels {
    /// What is sent on the reliable one, and came.
    replay: Replay,
    lossy: Arc<dyn DataChannel>,
}

impl Channels {
    /// Opens them with the connection's first offer. What comes on them, and that each is open, is told. What was on its
    /// way on the reliable one of another connection comes on this one's.
    pub(super) async fn open(
        connection: &dyn PeerConnection,
        news: &mpsc::Sender<Result<Incoming>>,
        replay: Replay,
    ) -> Result<Self> {
        let newest_counts = RTCDataChannelInit {
            ordered: false,
            max_retransmits: Some(0),
            ..RTCDataChannelInit::default()
        };
        let reliable = connection.create_data_channel(REPLAYED_CHANNEL, None);
        let reliable = reliable.await?;
        let lossy = connection.create_data_channel(LOSSY_CHANNEL, Some(newest_counts));
        let lossy = lossy.await?;
        tokio::spawn(hear_reliable(reliable, replay.clone(), news.clone()));
        tokio::spawn(hear_lossy(lossy.clone(), news.clone()));
        Ok(Self { replay, lossy })
    }

    /// How many there are.
    pub(super) const COUNT: usize = 2;

    /// What is to come on the channel of another connection, too.
    pub(super) fn replay(&self) -> &Replay {
        &self.replay
    }

    /// Sends bytes to these participants, or to everybody else.
    pub(super) async fn send(&self, delivery: Delivery, data: &ClientData<'_>) -> Result<()> {
        let bytes = data.encode()?;
        match delivery {
            Delivery::Reliable => self.replay.send(bytes).await,
            Delivery::Lossy => self.lossy.send(BytesMut::from(&bytes[..])).await?,
        }
        Ok(())
    }
}

async fn hear_reliable(
    channel: Arc<dyn DataChannel>,
    replay: Replay,
    news: mpsc::Sender<Result<Incoming>>,
) {
    while let Some(event) = channel.poll().await {
        // What is counted has to come: there is place for it before.
        let Ok(place) = news.reserve().await else {
            return;
        };
        match event {
            DataChannelEvent::OnOpen => {
                let opened = replay.opened(channel.clone()).await;
                place.send(opened.map(|()| Incoming::Opened));
            }
            DataChannelEvent::OnMessage(message) => {
                let bytes = &message.data[..];
                let pass_on = || place.send(read(Delivery::Reliable, bytes));
                if let Err(error) = replay.hear(&channel, bytes, pass_on).await
                    && news.send(Err(error)).await.is_err()
                {
                    return;
                }
            }
            DataChannelEvent::OnClose => return,
            _ => {}
        }
    }
}

async fn hear_lossy(channel: Arc<dyn DataChannel>, news: mpsc::Sender<Result<Incoming>>) {
    while let Some(event) = channel.poll().await {
        let said = match event {
            DataChannelEvent::OnOpen => Ok(Incoming::Opened),
            DataChannelEvent::OnMessage(message) => read(Delivery::Lossy, &message.data),
            DataChannelEvent::OnClose => return,
            _ => continue,
        };
        if news.send(said).await.is_err() {
            // Nobody listens any more.
            return;
        }
    }
}

fn read(delivery: Delivery, bytes: &[u8]) -> Result<Incoming> {
    let data = Data::read(delivery, bytes);
    let data = data.with_context(|| format!("bytes on the {delivery:?} channel"));
    data.map(Incoming::Data)
}
