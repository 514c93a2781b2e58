//! An INIT as the library can read it, and what its sender is told of it (RFC 9260 §3.2.1, §3.3.2).
//!
//! The library gives up at a parameter without a value, and at flags. All it takes from the parameters is whether the
//! peer knows FORWARD-TSN: so that is what is left of them. Knows the layout; not what an INIT leads to.

use super::packet::{self, Builder, Chunk, Header, u16_at};
use bytes::{BufMut, Bytes};

/// Tag, window, numbers of streams, first TSN.
const FIXED_LENGTH: usize = 16;
const PARAMETER_HEADER_LENGTH: usize = 4;
/// RFC 9260 §3.3.2: an end takes at least so much.
const LEAST_WINDOW: u32 = 1500;
/// What may be said of what is not known. The answer goes to whom the question came from, and is about as long.
const MAX_REPORT_LENGTH: usize = 512;

const UNRECOGNIZED_PARAMETER: u16 = 8;
const SUPPORTED_EXTENSIONS: u16 = 0x8008;
const FORWARD_TSN_SUPPORTED: u16 = 0xc000;

/// What the parameters of an INIT come to.
#[derive(Debug, Default)]
struct Parameters {
    forward_tsn: bool,
    report: Vec<u8>,
}

/// An INIT of the peer's that can be answered.
#[derive(Debug)]
pub(super) struct Init {
    /// A packet for the library.
    pub(super) packet: Bytes,
    /// Parameters for the INIT ACK: those of the peer's that are not known here and that it wants to hear of.
    pub(super) report: Vec<u8>,
}

/// Reads an INIT; none if it is cut short, or has no tag or no streams, which nothing can be answered to.
pub(super) fn read(header: Header, init: Chunk<'_>) -> Option<Init> {
    let mut value = init.value.get(..FIXED_LENGTH)?.to_vec();
    if init.u32(0)? == 0 || init.u16(8)? == 0 || init.u16(10)? == 0 {
        return None;
    }
    let window = init.u32(4)?.max(LEAST_WINDOW);
    value[4..8].copy_from_slice(&window.to_be_bytes());
    let parameters = parameters(&init.value[FIXED_LENGTH..]);
    value.put_u16(SUPPORTED_EXTENSIONS);
    if parameters.forward_tsn {
        value.put_u16(6);
        value.put_slice(&[packet::RECONFIG, packet::FORWARD_TSN, 0, 0]);
    } else {
        value.put_u16(5);
        value.put_slice(&[packet::RECONFIG, 0, 0, 0]);
    }
    Some(Init {
        packet: Builder::new(header).chunk(packet::INIT, 0, &value).finish(),
        report: parameters.report,
    })
}

// In any order; what is left behind one that is cut short says nothing.
fn parameters(mut rest: &[u8]) -> Parameters {
    let mut parameters = Parameters::default();
    while let (Some(kind), Some(length)) = (u16_at(rest, 0), u16_at(rest, 2)) {
        let Some(parameter) = rest
            .get(..usize::from(length))
            .filter(|parameter| parameter.len() >= PARAMETER_HEADER_LENGTH)
        else {
            break;
        };
        let value = &parameter[PARAMETER_HEADER_LENGTH..];
        match kind {
            SUPPORTED_EXTENSIONS => parameters.forward_tsn |= value.contains(&packet::FORWARD_TSN),
            FORWARD_TSN_SUPPORTED => parameters.forward_tsn = true,
            _ if is_known(kind) => {}
            _ => {
                if kind & 0x4000 != 0 {
                    parameters.report(parameter);
                }
                if kind & 0x8000 == 0 {
                    break;
                }
            }
        }
        rest = rest
            .get(parameter.len().next_multiple_of(4)..)
            .unwrap_or_default();
    }
    parameters
}

impl Parameters {
    fn report(&mut self, parameter: &[u8]) {
        let length = PARAMETER_HEADER_LENGTH + parameter.len();
        if self.report.len() + length > MAX_REPORT_LENGTH {
            return;
        }
        self.report.put_u16(UNRECOGNIZED_PARAMETER);
        self.report.put_u16(length as u16);
        self.report.put_slice(parameter);
        self.report
            .put_bytes(0, length.next_multiple_of(4) - length);
    }
}

/// Addresses, cookies, ECN, authentication and the like: known, and of no use below DTLS.
fn is_known(kind: u16) -> bool {
    matches!(kind, 5..=9 | 11 | 12 | 0xc001..=0xc006)
}

/// An INIT ACK of this end's with `report` at its end.
pub(super) fn with_report(packet: &Bytes, init: Chunk<'_>, report: &[u8]) -> Option<Bytes> {
    let mut value = init.value.to_vec();
    value.resize(value.len().next_multiple_of(4), 0);
    value.put_slice(report);
    let header = packet::header(packet)?;
    Some(
        Builder::new(header)
            .chunk(init.kind, init.flags, &value)
            .finish(),
    )
}
