//! The answer's text (RFC 9429 §5.3.1).
//!
//! Everything is decided when this file is reached: it only spells.

use std::fmt::{self, Write};

use super::agreed::{Agreed, Codec, Direction, DtlsRole, Local, Section, SendStream};
use super::codecs::Chosen;
use super::data::{LOCAL_SCTP_PORT, Spelling};
use super::draft::{Draft, MediaDraft};
use super::offer::{Offer, Offered};

/// Lines of an answer.
struct Text(String);

impl Text {
    fn line(&mut self, line: fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = self.0.write_fmt(line);
        self.0.push_str("\r\n");
    }
}

macro_rules! line {
    ($text:expr, $($format:tt)+) => { $text.line(format_args!($($format)+)) };
}

/// Everything an answer is spelled from.
pub(super) struct Writer<'w, 'a> {
    pub(super) offer: &'w Offer<'a>,
    pub(super) drafts: &'w [Draft<'a>],
    pub(super) agreed: &'w Agreed,
    pub(super) local: &'w Local,
    /// The index of the section that speaks for the transport, if any section is taken.
    pub(super) tagged: Option<usize>,
}

impl Writer<'_, '_> {
    /// Spells the answer.
    pub(super) fn write(&self) -> String {
        let mut text = Text(String::new());
        self.session(&mut text);
        let sections = self.offer.sections.iter().zip(self.drafts);
        for (index, (offered, draft)) in sections.enumerate() {
            match draft {
                Draft::Rejected(_) => self.rejected(&mut text, offered),
                Draft::Media(media) => self.media(&mut text, index, offered, media),
                Draft::Data(_, spelling) => self.data(&mut text, index, offered, *spelling),
            }
        }
        text.0
    }

    fn session(&self, text: &mut Text) {
        line!(text, "v=0");
        // The id leaves its highest bit alone (RFC 9429 §5.2.1).
        let id = self.local.session_id & (u64::MAX >> 1);
        line!(text, "o=- {id} {} IN IP4 127.0.0.1", self.agreed.version);
        line!(text, "s=-");
        line!(text, "t=0 0");
        let tags = self.bundled_tags();
        if !tags.is_empty() {
            line!(text, "a=group:BUNDLE {}", tags.join(" "));
        }
        line!(text, "a=ice-lite");
        // The candidates are all here, but for a relayed one that changes, and those of a trickling peer are welcome (RFC 8838 §4).
        let trickle = if self.offers_trickle() {
            " trickle"
        } else {
            ""
        };
        line!(text, "a=ice-options:ice2{trickle}");
        if self.offer.session.has("extmap-allow-mixed") {
            line!(text, "a=extmap-allow-mixed");
        }
        line!(text, "a=msid-semantic: WMS *");
    }

    /// The offer's group without what was rejected (RFC 9143 §7.3).
    fn bundled_tags(&self) -> Vec<&str> {
        let taken = |tag: &&str| {
            let mut sections = self.offer.sections.iter().zip(self.drafts);
            sections.any(|(o, d)| o.mid == Some(*tag) && !matches!(d, Draft::Rejected(_)))
        };
        let tags = self.offer.bundle.iter().flatten().copied();
        tags.filter(taken).collect()
    }

    fn offers_trickle(&self) -> bool {
        let sections = self.offer.sections.iter().map(|s| &s.media.attributes);
        sections
            .chain([&self.offer.session])
            .flat_map(|attributes| attributes.values("ice-options"))
            // Spaces part the options; libdatachannel has commas.
            .flat_map(|options| options.split([' ', ',']))
            .any(|option| option == "trickle")
    }

    fn rejected(&self, text: &mut Text, offered: &Offered<'_>) {
        let media = &offered.media;
        let format = media.formats.first().copied().unwrap_or("0");
        line!(text, "m={} 0 {} {format}", media.kind, media.protocol);
        line!(text, "c=IN IP4 0.0.0.0");
        mid(text, offered);
        line!(text, "a=inactive");
    }

    fn media(&self, text: &mut Text, index: usize, offered: &Offered<'_>, draft: &MediaDraft<'_>) {
        let attributes = &offered.media.attributes;
        let payload_types = draft.codecs.payload_types.iter();
        let formats: Vec<_> = payload_types.map(u8::to_string).collect();
        let (kind, protocol) = (draft.kind.name(), offered.media.protocol);
        line!(text, "m={kind} 9 {protocol} {}", formats.join(" "));
        line!(text, "c=IN IP4 0.0.0.0");
        self.transport(text, index);
        mid(text, offered);
        if attributes.has("extmap-allow-mixed") {
            line!(text, "a=extmap-allow-mixed");
        }
        for mapping in &draft.mappings {
            line!(
                text,
                "a=extmap:{}{} {}",
                mapping.id,
                mapping.direction,
                mapping.name
            );
        }
        line!(text, "a={}", spelled(draft.direction));
        line!(text, "a=rtcp-mux");
        if attributes.has("rtcp-rsize") {
            line!(text, "a=rtcp-rsize");
        }
        for choice in &draft.codecs.chosen {
            codec(text, choice);
        }
        simulcast(text, draft);
        if let Some(Section::Media(media)) = self.agreed.sections.get(index) {
            media
                .send
                .iter()
                .for_each(|s| stream(text, s, &self.local.cname));
        }
    }

    fn data(&self, text: &mut Text, index: usize, offered: &Offered<'_>, spelling: Spelling) {
        let protocol = offered.media.protocol;
        match spelling {
            Spelling::Standard => line!(text, "m=application 9 {protocol} webrtc-datachannel"),
            Spelling::Draft => line!(text, "m=application 9 {protocol} {LOCAL_SCTP_PORT}"),
        }
        line!(text, "c=IN IP4 0.0.0.0");
        self.transport(text, index);
        mid(text, offered);
        match spelling {
            Spelling::Standard => line!(text, "a=sctp-port:{LOCAL_SCTP_PORT}"),
            Spelling::Draft => line!(text, "a=sctpmap:{LOCAL_SCTP_PORT} webrtc-datachannel 1024"),
        }
        line!(text, "a=max-message-size:{}", self.local.max_message_size);
    }

    /// The transport's lines. One section would be enough for RFC 9143 §7.1.3, but older peers
    /// look for credentials in every section; candidates are in one only.
    fn transport(&self, text: &mut Text, index: usize) {
        line!(text, "a=ice-ufrag:{}", self.local.ice_ufrag);
        line!(text, "a=ice-pwd:{}", self.local.ice_pwd);
        let digest: Vec<_> = self
            .local
            .fingerprint
            .iter()
            .map(|b| format!("{b:02X}"))
            .collect();
        line!(text, "a=fingerprint:sha-256 {}", digest.join(":"));
        match self.agreed.dtls_role {
            DtlsRole::Server => line!(text, "a=setup:passive"),
            DtlsRole::Client => line!(text, "a=setup:active"),
        }
        if self.tagged == Some(index) && !self.local.candidates.is_empty() {
            for candidate in &self.local.candidates {
                line!(text, "a={candidate}");
            }
            if !self.local.trickles {
                line!(text, "a=end-of-candidates");
            }
        }
    }
}

fn mid(text: &mut Text, offered: &Offered<'_>) {
    if let Some(mid) = offered.mid {
        line!(text, "a=mid:{mid}");
    }
}

fn spelled(direction: Direction) -> &'static str {
    match (direction.send, direction.recv) {
        (true, true) => "sendrecv",
        (true, false) => "sendonly",
        (false, true) => "recvonly",
        (false, false) => "inactive",
    }
}

fn codec(text: &mut Text, choice: &Chosen<'_>) {
    let codec = &choice.codec;
    let payload_type = codec.payload_type;
    line!(text, "a=rtpmap:{payload_type} {}", choice.encoding);
    for feedback in feedback(codec) {
        line!(text, "a=rtcp-fb:{payload_type} {feedback}");
    }
    if !codec.fmtp.is_empty() {
        line!(text, "a=fmtp:{payload_type} {}", codec.fmtp);
    }
    if let (Some(payload_type), Some((encoding, fmtp))) = (codec.rtx_payload_type, choice.rtx) {
        line!(text, "a=rtpmap:{payload_type} {encoding}");
        line!(text, "a=fmtp:{payload_type} {fmtp}");
    }
}

fn feedback(codec: &Codec) -> impl Iterator<Item = &'static str> {
    let agreed = [
        (codec.transport_cc, "transport-cc"),
        (codec.remb, "goog-remb"),
        (codec.fir, "ccm fir"),
        (codec.nack, "nack"),
        (codec.pli, "nack pli"),
    ];
    agreed
        .into_iter()
        .filter(|(on, _)| *on)
        .map(|(_, name)| name)
}

fn simulcast(text: &mut Text, draft: &MediaDraft<'_>) {
    if draft.layers.is_empty() {
        return;
    }
    for layer in &draft.layers {
        let space = if layer.restrictions.is_empty() {
            ""
        } else {
            " "
        };
        line!(
            text,
            "a=rid:{} recv{space}{}",
            layer.rid,
            layer.restrictions
        );
    }
    let rids: Vec<_> = draft.layers.iter().map(|layer| layer.rid).collect();
    line!(text, "a=simulcast:recv {}", rids.join(";"));
}

/// The stream this end sends. `a=msid` is for JSEP; the `a=ssrc` lines are for peers that do not
/// learn SSRCs from packets.
fn stream(text: &mut Text, stream: &SendStream, cname: &str) {
    let msid = format!("{} {}", stream.stream_id, stream.track_id);
    line!(text, "a=msid:{msid}");
    if let Some(rtx) = stream.rtx_ssrc {
        line!(text, "a=ssrc-group:FID {} {rtx}", stream.ssrc);
    }
    for ssrc in [Some(stream.ssrc), stream.rtx_ssrc].into_iter().flatten() {
        line!(text, "a=ssrc:{ssrc} cname:{cname}");
        line!(text, "a=ssrc:{ssrc} msid:{msid}");
    }
}
