//! The two messages of the Data Channel Establishment Protocol (RFC 8832 §5), as bytes.
//!
//! Knows the layout and what is malformed; what a message means to a channel is decided elsewhere.

use super::channel::{ChannelOptions, Reliability};
use super::packet::{u16_at, u32_at};
use bytes::{BufMut, Bytes, BytesMut};

const DATA_CHANNEL_ACK: u8 = 0x02;
const DATA_CHANNEL_OPEN: u8 = 0x03;
const OPEN_LENGTH: usize = 12;

const RELIABLE: u8 = 0x00;
const PARTIAL_RELIABLE_REXMIT: u8 = 0x01;
const PARTIAL_RELIABLE_TIMED: u8 = 0x02;
const UNORDERED: u8 = 0x80;

/// The longest label, and the longest protocol, that DCEP's length fields can say.
pub(super) const MAX_NAME_LENGTH: usize = u16::MAX as usize;

/// A DCEP message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Dcep {
    Open(ChannelOptions),
    Ack,
}

/// Reads a message; `None` when it is malformed (RFC 8832 §6: the channel is then to be closed).
pub(super) fn decode(message: &[u8]) -> Option<Dcep> {
    match *message.first()? {
        DATA_CHANNEL_ACK => Some(Dcep::Ack),
        DATA_CHANNEL_OPEN => decode_open(message).map(Dcep::Open),
        _ => None,
    }
}

fn decode_open(message: &[u8]) -> Option<ChannelOptions> {
    let channel_type = *message.get(1)?;
    let parameter = u32_at(message, 4)?;
    let label_end = OPEN_LENGTH + usize::from(u16_at(message, 8)?);
    let protocol_end = label_end + usize::from(u16_at(message, 10)?);
    Some(ChannelOptions {
        label: text(message.get(OPEN_LENGTH..label_end)?)?,
        protocol: text(message.get(label_end..protocol_end)?)?,
        ordered: channel_type & UNORDERED == 0,
        reliability: match channel_type & !UNORDERED {
            RELIABLE => Reliability::Reliable,
            PARTIAL_RELIABLE_REXMIT => Reliability::MaxRetransmits(parameter),
            PARTIAL_RELIABLE_TIMED => Reliability::MaxLifetimeMs(parameter),
            _ => return None,
        },
        priority: u16_at(message, 2)?,
    })
}

fn text(bytes: &[u8]) -> Option<String> {
    Some(std::str::from_utf8(bytes).ok()?.to_owned())
}

/// `DATA_CHANNEL_OPEN`. The caller has checked both names against [`MAX_NAME_LENGTH`].
pub(super) fn encode_open(options: &ChannelOptions) -> Bytes {
    let (channel_type, parameter) = match options.reliability {
        Reliability::Reliable => (RELIABLE, 0),
        Reliability::MaxRetransmits(count) => (PARTIAL_RELIABLE_REXMIT, count),
        Reliability::MaxLifetimeMs(lifetime) => (PARTIAL_RELIABLE_TIMED, lifetime),
    };
    let ordering = if options.ordered { 0 } else { UNORDERED };
    let mut message =
        BytesMut::with_capacity(OPEN_LENGTH + options.label.len() + options.protocol.len());
    message.put_u8(DATA_CHANNEL_OPEN);
    message.put_u8(channel_type | ordering);
    message.put_u16(options.priority);
    message.put_u32(parameter);
    message.put_u16(options.label.len() as u16);
    message.put_u16(options.protocol.len() as u16);
    message.put_slice(options.label.as_bytes());
    message.put_slice(options.protocol.as_bytes());
    message.freeze()
}

/// `DATA_CHANNEL_ACK`.
pub(super) fn encode_ack() -> Bytes {
    Bytes::from_static(&[DATA_CHANNEL_ACK])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_option() -> Vec<ChannelOptions> {
        let reliabilities = [
            Reliability::Reliable,
            Reliability::MaxRetransmits(0),
            Reliability::MaxLifetimeMs(70_000),
        ];
        let names = [("", ""), ("chat", "json"), ("ünïcödé", "")];
        let mut options = Vec::new();
        for reliability in reliabilities {
            for ordered in [false, true] {
                for (label, protocol) in names {
                    options.push(ChannelOptions {
                        label: label.to_owned(),
                        protocol: protocol.to_owned(),
                        ordered,
                        reliability,
                        priority: 512,
                    });
                }
            }
        }
        options
    }

    #[test]
    fn an_open_comes_back_as_it_was_written() {
        for options in every_option() {
            assert_eq!(decode(&encode_open(&options)), Some(Dcep::Open(options)));
        }
    }

    #[test]
    fn an_ack_comes_back_as_it_was_written() {
        assert_eq!(decode(&encode_ack()), Some(Dcep::Ack));
    }

    // The layout of RFC 8832 §5.1, byte by byte, so that writer and reader cannot agree on a wrong one.
    #[test]
    fn an_open_has_the_layout_of_the_rfc() {
        let options = ChannelOptions {
            label: "ab".to_owned(),
            protocol: "c".to_owned(),
            ordered: false,
            reliability: Reliability::MaxLifetimeMs(300),
            priority: 256,
        };
        assert_eq!(
            &encode_open(&options)[..],
            [3, 0x82, 1, 0, 0, 0, 1, 44, 0, 2, 0, 1, b'a', b'b', b'c']
        );
    }

    #[test]
    fn every_truncation_of_an_open_is_malformed() {
        for options in every_option() {
            let message = encode_open(&options);
            for length in 0..message.len() {
                assert_eq!(decode(&message[..length]), None, "{length} bytes");
            }
        }
    }

    #[test]
    fn an_unknown_message_or_channel_type_and_broken_utf8_are_malformed() {
        assert_eq!(decode(&[]), None);
        assert_eq!(decode(&[9]), None);
        let mut message = encode_open(&ChannelOptions::default()).to_vec();
        message[1] = 0x03;
        assert_eq!(decode(&message), None);
        assert_eq!(decode(&[3, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0xff]), None);
    }
}
