//! Broken offers: whatever arrives, there is no panic, and what is answered is a sound answer.

use std::collections::HashSet;
use std::fs;
use std::io::Cursor;
use std::sync::OnceLock;

use proptest::prelude::*;
use rtc::sdp::description::session::SessionDescription;

use super::super::description::{Description, Media};
use super::super::{Agreed, Answer, MediaSection, Section};
use super::answer_to;
use super::real_peers::recordings;

/// One thing that can happen to a text. Numbers are taken modulo what there is.
#[derive(Clone, Debug)]
enum Mutation {
    DropLine(usize),
    DoubleLine(usize),
    SwapLines(usize, usize),
    /// A line of another offer.
    ForeignLine(usize, usize, usize),
    Truncate(usize),
    FlipByte(usize, u8),
    /// A word of a line for another of its words.
    CopyWord(usize, usize, usize),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    use Mutation::*;
    let n = || any::<usize>();
    prop_oneof![
        4 => n().prop_map(DropLine),
        4 => n().prop_map(DoubleLine),
        2 => (n(), n()).prop_map(|(a, b)| SwapLines(a, b)),
        4 => (n(), n(), n()).prop_map(|(a, b, c)| ForeignLine(a, b, c)),
        1 => n().prop_map(Truncate),
        4 => (n(), any::<u8>()).prop_map(|(a, b)| FlipByte(a, b)),
        4 => (n(), n(), n()).prop_map(|(a, b, c)| CopyWord(a, b, c)),
    ]
}

/// Every offer on file.
fn offers() -> &'static [String] {
    static OFFERS: OnceLock<Vec<String>> = OnceLock::new();
    OFFERS.get_or_init(|| {
        let paths = recordings()
            .into_iter()
            .flat_map(|recording| recording.offers);
        paths
            .map(|path| fs::read_to_string(path).unwrap())
            .collect()
    })
}

fn mutate(text: &str, mutation: &Mutation) -> String {
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    let mut bytes = text.as_bytes().to_vec();
    if lines.is_empty() {
        return String::new();
    }
    let (line, byte) = (|i: usize| i % lines.len(), |i: usize| i % text.len());
    match *mutation {
        Mutation::Truncate(at) => bytes.truncate(byte(at)),
        Mutation::FlipByte(at, bits) => bytes[byte(at)] ^= bits,
        Mutation::DropLine(at) => drop(lines.remove(line(at))),
        Mutation::DoubleLine(at) => {
            let at = line(at);
            lines.insert(at, lines[at].clone());
        }
        Mutation::SwapLines(a, b) => {
            let (a, b) = (line(a), line(b));
            lines.swap(a, b);
        }
        Mutation::ForeignLine(at, offer, other) => {
            let offer: Vec<_> = offers()[offer % offers().len()]
                .split_inclusive('\n')
                .collect();
            let at = line(at);
            lines.insert(at, offer[other % offer.len()].to_owned());
        }
        Mutation::CopyWord(at, from, to) => {
            let at = line(at);
            let mut words: Vec<_> = lines[at].split(' ').map(str::to_owned).collect();
            let (from, to) = (from % words.len(), to % words.len());
            words[to] = words[from].clone();
            lines[at] = words.join(" ");
        }
    }
    match mutation {
        Mutation::Truncate(_) | Mutation::FlipByte(..) => {
            String::from_utf8_lossy(&bytes).into_owned()
        }
        _ => lines.concat(),
    }
}

/// How many sections another implementation reads, if it reads the text at all.
fn sections_read_by_rtc(text: &str) -> Option<usize> {
    let description = SessionDescription::unmarshal(&mut Cursor::new(text)).ok()?;
    Some(description.media_descriptions.len())
}

/// Everything that holds for every answer.
fn check(offer: &str, answer: &Answer, previous: Option<&Agreed>) {
    let (offered, answered) = (
        Description::parse(offer).unwrap(),
        Description::parse(&answer.sdp).unwrap(),
    );
    let count = offered.media.len();
    assert_eq!(answered.media.len(), count);
    assert_eq!(answer.agreed.sections.len(), count);
    // It knows fewer kinds of media and protocols, which the answer mirrors.
    if sections_read_by_rtc(offer).is_some() {
        assert_eq!(sections_read_by_rtc(&answer.sdp), Some(count));
    }
    for ((offered_media, answered), section) in offered
        .media
        .iter()
        .zip(&answered.media)
        .zip(&answer.agreed.sections)
    {
        check_section(offered_media, answered, section);
        check_extensions(&offered, offered_media, answered);
    }
    check_ssrcs(answer);
    assert_eq!(answer.agreed.version, previous.map_or(1, |p| p.version + 1));
    assert!(!answer.agreed.fingerprints.is_empty());
}

fn check_section(offered: &Media<'_>, answered: &Media<'_>, section: &Section) {
    assert_eq!(
        (offered.kind, offered.protocol),
        (answered.kind, answered.protocol)
    );
    assert_eq!(
        offered.attributes.value("mid"),
        answered.attributes.value("mid")
    );
    let rejected = matches!(section, Section::Rejected { .. });
    assert_eq!(rejected, answered.port == 0);
    assert_eq!(rejected, !answered.attributes.has("ice-ufrag"));
    match section {
        Section::Media(media) => check_media(offered, answered, media),
        Section::Data(data) => assert_ne!(data.sctp_port, 0),
        Section::Rejected { .. } => {}
    }
}

fn check_media(offered: &Media<'_>, answered: &Media<'_>, media: &MediaSection) {
    let known: HashSet<_> = offered.formats.iter().collect();
    assert!(answered.formats.iter().all(|format| known.contains(format)));
    let mut types = HashSet::new();
    for codec in &media.codecs {
        for payload_type in [Some(codec.payload_type), codec.rtx_payload_type]
            .into_iter()
            .flatten()
        {
            assert!(types.insert(payload_type), "{payload_type} twice");
            assert!(
                answered
                    .formats
                    .contains(&payload_type.to_string().as_str())
            );
        }
    }
    assert!(!media.codecs.is_empty());
    assert_eq!(types.len(), answered.formats.len());
    assert_eq!(media.direction.send, media.send.is_some());
}

/// Every extension of the answer stands in the offer's section or, for all sections, in front of them.
fn check_extensions(offer: &Description<'_>, offered: &Media<'_>, answered: &Media<'_>) {
    let id = |mapping: &str| mapping.split([' ', '/']).next().unwrap().to_owned();
    let own = offered.attributes.values("extmap");
    let known: HashSet<_> = own
        .chain(offer.attributes.values("extmap"))
        .map(id)
        .collect();
    let mut seen = HashSet::new();
    for mapping in answered.attributes.values("extmap") {
        assert!(known.contains(&id(mapping)), "{mapping}");
        assert!(seen.insert(id(mapping)), "{mapping} twice");
    }
}

fn check_ssrcs(answer: &Answer) {
    let mut seen = HashSet::from([0]);
    for section in &answer.agreed.sections {
        let Section::Media(media) = section else {
            continue;
        };
        let remote = media
            .remote_streams
            .iter()
            .flat_map(|s| [Some(s.ssrc), s.rtx_ssrc]);
        let sent = media.send.iter().flat_map(|s| [Some(s.ssrc), s.rtx_ssrc]);
        for ssrc in remote.chain(sent).flatten() {
            assert!(seen.insert(ssrc), "SSRC {ssrc} twice");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 800, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_broken_offer_is_refused_or_answered_soundly(
        index in any::<prop::sample::Index>(),
        mutations in prop::collection::vec(mutation(), 1..6),
    ) {
        let whole = index.get(offers());
        let broken = mutations.iter().fold(whole.clone(), |text, mutation| mutate(&text, mutation));
        let before = answer_to(whole, None).map(|answer| answer.agreed).ok();
        for previous in [None, before.as_ref()] {
            let Ok(answer) = answer_to(&broken, previous) else { continue };
            check(&broken, &answer, previous);
            // The same offer again changes nothing.
            let again = answer_to(&broken, Some(&answer.agreed)).unwrap();
            prop_assert_eq!(&again.agreed.sections, &answer.agreed.sections);
            prop_assert_eq!(again.agreed.dtls_role, answer.agreed.dtls_role);
        }
    }

    #[test]
    fn any_text_is_refused_or_answered(text in "(v=0\r\n)?([a-z]=[ -~]{0,40}\r?\n){0,30}\\PC{0,20}") {
        let _ = answer_to(&text, None);
    }
}
