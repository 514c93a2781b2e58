//! The data channel section (RFC 8841): SCTP's port, the message size, and the two spellings.

use super::agreed::DataSection;
use super::description::Media;
use super::offer::Offered;

/// The SCTP port of this end, in every answer.
pub const LOCAL_SCTP_PORT: u16 = 5000;

/// What a peer takes that does not say (RFC 8841 §6.1).
const DEFAULT_MAX_MESSAGE_SIZE: u32 = 64 * 1024;

/// How the section is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// `UDP/DTLS/SCTP webrtc-datachannel` and `a=sctp-port`.
    Standard,
    /// `DTLS/SCTP 5000` and `a=sctpmap`, from before RFC 8841 was one.
    Draft,
}

/// Reads the section, or says why it cannot be taken.
pub(super) fn read(offered: &Offered<'_>) -> Result<(DataSection, Spelling), &'static str> {
    let media = &offered.media;
    let (port, spelling) = match media.protocol {
        "UDP/DTLS/SCTP" | "TCP/DTLS/SCTP" => (standard_port(media)?, Spelling::Standard),
        "DTLS/SCTP" => (draft_port(media)?, Spelling::Draft),
        _ => return Err("is over a protocol other than DTLS/SCTP"),
    };
    let section = DataSection {
        mid: offered.label.to_string(),
        sctp_port: port,
        max_message_size: max_message_size(media),
    };
    Ok((section, spelling))
}

fn standard_port(media: &Media<'_>) -> Result<u16, &'static str> {
    if !media.formats.contains(&"webrtc-datachannel") {
        return Err("is no webrtc-datachannel");
    }
    let port = media.attributes.value("sctp-port");
    nonzero(port.and_then(|port| port.parse().ok()))
}

fn draft_port(media: &Media<'_>) -> Result<u16, &'static str> {
    let maps = media.attributes.values("sctpmap");
    let port = maps.filter_map(|map| {
        let mut words = map.split_ascii_whitespace();
        let port = words.next().filter(|port| media.formats.contains(port))?;
        (words.next() == Some("webrtc-datachannel")).then_some(port)
    });
    nonzero(port.into_iter().find_map(|port| port.parse().ok()))
}

/// Port 0 closes the association (RFC 8841 §5.2).
fn nonzero(port: Option<u16>) -> Result<u16, &'static str> {
    port.filter(|&port| port != 0).ok_or("has no SCTP port")
}

/// 0 is any size; what does not fit in 32 bits is as good as that many.
fn max_message_size(media: &Media<'_>) -> u32 {
    let size = media.attributes.value("max-message-size");
    let size = size.and_then(|size| size.parse::<u64>().ok());
    size.map_or(DEFAULT_MAX_MESSAGE_SIZE, |size| {
        size.try_into().unwrap_or(u32::MAX)
    })
}
