//! The native client's data channels, on which members of a room send one another bytes.

use std::sync::Arc;

use anyhow::{Context, Result};
use bytes::BytesMut;
use ferrite_protocol::{ClientData, LOSSY_CHANNEL, ParticipantId, RELIABLE_CHANNEL, ServerData};
use tokio::sync::mpsc;
use webrtc::data_channel::{DataChannel, DataChannelEvent, RTCDataChannelInit};
use webrtc::peer_connection::PeerConnection;

use super::incoming::{Data, Delivery, Incoming};

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
    reliable: Arc<dyn DataChannel>,
    lossy: Arc<dyn DataChannel>,
}

impl Channels {
    /// Opens them with the connection's first offer. What comes on them, and that each is open, is told.
    pub(super) async fn open(
        connection: &dyn PeerConnection,
        news: &mpsc::Sender<Result<Incoming>>,
    ) -> Result<Self> {
        let newest_counts = RTCDataChannelInit {
            ordered: false,
            max_retransmits: Some(0),
            ..RTCDataChannelInit::default()
        };
        let reliable = connection.create_data_channel(RELIABLE_CHANNEL, None);
        let reliable = reliable.await?;
        let lossy = connection.create_data_channel(LOSSY_CHANNEL, Some(newest_counts));
        let lossy = lossy.await?;
        for (channel, delivery) in [(&reliable, Delivery::Reliable), (&lossy, Delivery::Lossy)] {
            tokio::spawn(hear(channel.clone(), delivery, news.clone()));
        }
        Ok(Self { reliable, lossy })
    }

    /// How many there are.
    pub(super) const COUNT: usize = 2;

    /// Sends bytes to these participants, or to everybody else.
    pub(super) async fn send(&self, delivery: Delivery, data: &ClientData<'_>) -> Result<()> {
        let channel = match delivery {
            Delivery::Reliable => &self.reliable,
            Delivery::Lossy => &self.lossy,
        };
        let bytes = data.encode()?;
        Ok(channel.send(BytesMut::from(&bytes[..])).await?)
    }
}

async fn hear(
    channel: Arc<dyn DataChannel>,
    delivery: Delivery,
    news: mpsc::Sender<Result<Incoming>>,
) {
    while let Some(event) = channel.poll().await {
        let said = match event {
            DataChannelEvent::OnOpen => Ok(Incoming::Opened),
            DataChannelEvent::OnMessage(message) => {
                let data = Data::read(delivery, &message.data);
                let data = data.with_context(|| format!("bytes on the {delivery:?} channel"));
                data.map(Incoming::Data)
            }
            DataChannelEvent::OnClose => break,
            _ => continue,
        };
        if news.send(said).await.is_err() {
            // Nobody listens any more.
            return;
        }
    }
}
