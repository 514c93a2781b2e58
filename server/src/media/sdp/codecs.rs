//! Which codecs of an offered section are taken, with their parameters, feedback and retransmission.
//!
//! The server forwards and never decodes, so it takes a codec exactly as it is offered: what one
//! end is told of the other's decoder is true end to end.

use std::collections::{BTreeMap, BTreeSet};

use super::agreed::{Codec, CodecKind, MediaKind};
use super::description::Media;

/// How Opus is called (RFC 7587 §7).
const OPUS: &str = "opus/48000/2";

/// The codecs taken from one section.
#[derive(Debug, Default)]
pub(super) struct Codecs<'a> {
    /// In the offer's order.
    pub(super) chosen: Vec<Chosen<'a>>,
    /// Every payload type taken, codecs and retransmissions, in the order of the `m=` line.
    pub(super) payload_types: Vec<u8>,
}

/// A codec taken, with the text that says so.
#[derive(Debug)]
pub(super) struct Chosen<'a> {
    /// Its meaning.
    pub(super) codec: Codec,
    /// Its `a=rtpmap` value behind the payload type, as offered.
    pub(super) encoding: &'a str,
    /// The `a=rtpmap` and `a=fmtp` values of its retransmissions, as offered.
    pub(super) rtx: Option<(&'a str, &'a str)>,
}

/// The formats of a section: what its attributes say of each payload type.
struct Formats<'a> {
    order: Vec<u8>,
    encodings: BTreeMap<u8, &'a str>,
    parameters: BTreeMap<u8, &'a str>,
    feedback: BTreeMap<Option<u8>, BTreeSet<&'a str>>,
    retransmissions: Vec<Rtx<'a>>,
}

/// A retransmission format (RFC 4588 §8.6).
struct Rtx<'a> {
    payload_type: u8,
    /// What it sends again.
    of: u8,
    encoding: &'a str,
    fmtp: &'a str,
}

/// Chooses from a section.
pub(super) fn choose<'a>(kind: MediaKind, media: &Media<'a>) -> Codecs<'a> {
    let formats = Formats::read(media);
    let mut chosen: Vec<_> = formats
        .order
        .iter()
        .filter_map(|&payload_type| formats.codec(kind, payload_type))
        .collect();
    for choice in &mut chosen {
        choice.add_rtx(&formats);
        choice.add_feedback(kind, &formats);
    }
    let taken = |payload_type: &u8| {
        let payload_type = Some(*payload_type);
        let of = |codec: &Codec| [Some(codec.payload_type), codec.rtx_payload_type];
        chosen
            .iter()
            .any(|choice| of(&choice.codec).contains(&payload_type))
    };
    let payload_types = formats.order.iter().copied().filter(taken).collect();
    Codecs {
        chosen,
        payload_types,
    }
}

impl Codecs<'_> {
    /// What the media plane needs to know.
    pub(super) fn meaning(&self) -> Vec<Codec> {
        self.chosen
            .iter()
            .map(|choice| choice.codec.clone())
            .collect()
    }
}

impl<'a> Formats<'a> {
    fn read(media: &Media<'a>) -> Self {
        let mut order = Vec::new();
        for payload_type in media.formats.iter().filter_map(|f| payload_type(f)) {
            if !order.contains(&payload_type) {
                order.push(payload_type);
            }
        }
        let mut formats = Formats {
            order,
            encodings: by_payload_type(media, "rtpmap"),
            parameters: by_payload_type(media, "fmtp"),
            feedback: feedback(media),
            retransmissions: Vec::new(),
        };
        let order = formats.order.iter();
        formats.retransmissions = order
            .filter_map(|&rtx| formats.retransmission(rtx))
            .collect();
        formats
    }

    fn retransmission(&self, payload_type: u8) -> Option<Rtx<'a>> {
        let encoding = *self.encodings.get(&payload_type)?;
        let name = encoding.split('/').next()?;
        if !name.eq_ignore_ascii_case("rtx") {
            return None;
        }
        let fmtp = self.fmtp(payload_type);
        Some(Rtx {
            payload_type,
            of: parameter(fmtp, "apt").and_then(self::payload_type)?,
            encoding,
            fmtp,
        })
    }

    fn fmtp(&self, payload_type: u8) -> &'a str {
        self.parameters
            .get(&payload_type)
            .copied()
            .unwrap_or_default()
    }

    fn codec(&self, kind: MediaKind, payload_type: u8) -> Option<Chosen<'a>> {
        let encoding = *self.encodings.get(&payload_type)?;
        let fmtp = self.fmtp(payload_type);
        let (kind, clock_rate) = recognise(kind, encoding, fmtp)?;
        if kind == CodecKind::Red && !self.repeats_opus(fmtp) {
            return None;
        }
        let codec = Codec {
            kind,
            payload_type,
            rtx_payload_type: None,
            clock_rate,
            fmtp: answered_fmtp(kind, fmtp),
            nack: false,
            pli: false,
            fir: false,
            transport_cc: false,
            remb: false,
        };
        Some(Chosen {
            codec,
            encoding,
            rtx: None,
        })
    }

    /// Whether what a packet of RED holds is Opus in all its blocks (RFC 2198 §5): others are not forwarded.
    fn repeats_opus(&self, fmtp: &str) -> bool {
        let is_opus = |block: &str| {
            let encoding = payload_type(block).and_then(|block| self.encodings.get(&block));
            encoding.is_some_and(|encoding| encoding.eq_ignore_ascii_case(OPUS))
        };
        fmtp.split('/').all(|block| is_opus(block.trim()))
    }

    /// The first retransmission format that names the payload type.
    fn rtx_of(&self, payload_type: u8, clock_rate: u32) -> Option<&Rtx<'a>> {
        let encoding = format!("rtx/{clock_rate}");
        let mut naming = self.retransmissions.iter();
        naming.find(|rtx| rtx.of == payload_type && rtx.encoding.eq_ignore_ascii_case(&encoding))
    }
}

impl<'a> Chosen<'a> {
    fn add_rtx(&mut self, formats: &Formats<'a>) {
        let codec = &mut self.codec;
        if let Some(rtx) = formats.rtx_of(codec.payload_type, codec.clock_rate) {
            codec.rtx_payload_type = Some(rtx.payload_type);
            self.rtx = Some((rtx.encoding, rtx.fmtp));
        }
    }

    fn add_feedback(&mut self, kind: MediaKind, formats: &Formats<'a>) {
        let (codec, video) = (&mut self.codec, kind == MediaKind::Video);
        for target in [None, Some(codec.payload_type)] {
            for &feedback in formats.feedback.get(&target).into_iter().flatten() {
                match feedback {
                    "nack" => codec.nack = true,
                    "nack pli" => codec.pli = video,
                    "ccm fir" => codec.fir = video,
                    "transport-cc" => codec.transport_cc = true,
                    "goog-remb" => codec.remb = video,
                    _ => {}
                }
            }
        }
    }
}

/// The kinds of feedback (`a=rtcp-fb`, RFC 4585 §4.2) of each payload type; `None` is for "*".
fn feedback<'a>(media: &Media<'a>) -> BTreeMap<Option<u8>, BTreeSet<&'a str>> {
    let mut feedback: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for value in media.attributes.values("rtcp-fb") {
        let (target, kind) = value.split_once(' ').unwrap_or((value, ""));
        let target = payload_type(target);
        if target.is_some() || value.starts_with("* ") {
            feedback.entry(target).or_default().insert(kind.trim());
        }
    }
    feedback
}

/// What codec an encoding is, if it is one that is forwarded, and its clock rate.
fn recognise(kind: MediaKind, encoding: &str, fmtp: &str) -> Option<(CodecKind, u32)> {
    let encoding = encoding.to_ascii_lowercase();
    let codec = match (kind, encoding.as_str()) {
        (MediaKind::Audio, OPUS) => return Some((CodecKind::Opus, 48_000)),
        (MediaKind::Audio, "red/48000/2") => return Some((CodecKind::Red, 48_000)),
        (MediaKind::Video, "vp8/90000") => CodecKind::Vp8,
        (MediaKind::Video, "vp9/90000") => CodecKind::Vp9,
        (MediaKind::Video, "h264/90000") => CodecKind::H264,
        (MediaKind::Video, "av1/90000") => CodecKind::Av1,
        (MediaKind::Audio | MediaKind::Video, _) => return None,
    };
    forwardable(codec, fmtp).then_some((codec, 90_000))
}

/// Whether the server knows how to forward the codec in this configuration.
fn forwardable(codec: CodecKind, fmtp: &str) -> bool {
    let one_of =
        |name, default, known: &[&str]| known.contains(&parameter(fmtp, name).unwrap_or(default));
    match codec {
        // RFC 9628 §6: 4:2:0 in 8 bits, or in 10 and 12.
        CodecKind::Vp9 => one_of("profile-id", "0", &["0", "2"]),
        // RFC 6184 §6: interleaved mode (2) needs reordering on decoding order numbers.
        CodecKind::H264 => {
            let profile = parameter(fmtp, "profile-level-id").unwrap_or("42000a");
            one_of("packetization-mode", "0", &["0", "1"])
                && profile.len() == 6
                && profile.bytes().all(|b| b.is_ascii_hexdigit())
        }
        CodecKind::Opus | CodecKind::Red | CodecKind::Vp8 | CodecKind::Av1 => true,
    }
}

/// The parameters of the answer: those of the offer, but for what describes the offerer's own
/// stream (RFC 6184 §8.2.2, `sprop-…`).
fn answered_fmtp(codec: CodecKind, fmtp: &str) -> String {
    if codec != CodecKind::H264 || !fmtp.contains("sprop-") {
        return fmtp.to_owned();
    }
    let capabilities = fmtp
        .split(';')
        .map(str::trim)
        .filter(|p| !p.starts_with("sprop-"));
    capabilities.collect::<Vec<_>>().join(";")
}

/// The value of one `a=fmtp` parameter.
pub(super) fn parameter<'a>(fmtp: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = fmtp.split(';').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(key, _)| key.trim().eq_ignore_ascii_case(name))?;
    Some(value.trim())
}

/// Values of an attribute by the payload type they begin with; the first one counts.
fn by_payload_type<'a>(media: &Media<'a>, name: &str) -> BTreeMap<u8, &'a str> {
    let mut values = BTreeMap::new();
    for value in media.attributes.values(name) {
        let (number, rest) = value.split_once(' ').unwrap_or((value, ""));
        if let Some(payload_type) = payload_type(number) {
            values.entry(payload_type).or_insert(rest.trim());
        }
    }
    values
}

/// A payload type that cannot be mistaken for RTCP on a multiplexed port (RFC 5761 §4).
pub(super) fn payload_type(text: &str) -> Option<u8> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let number = digits.then(|| text.parse::<u8>().ok())??;
    matches!(number, 0..=63 | 96..=127).then_some(number)
}
