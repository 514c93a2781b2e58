//! Offers that real peers made, and the answers they get.
//!
//! A directory of `testdata` is one peer connection: its offers in order, each with the answer it
//! gets. When the offers were recorded, the peers that made them took such answers (ffmpeg's was
//! recorded alone).
//! `BLESS=1 cargo test` writes the answers anew; read the difference before you keep it.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::{Agreed, CodecKind, DtlsRole, HashAlgorithm};
use super::{answer_to, media, refused};

/// One peer connection on file.
pub(super) struct Recording {
    pub(super) name: String,
    pub(super) offers: Vec<PathBuf>,
}

/// The peer connections on file whose offers are answered.
pub(super) fn recordings() -> Vec<Recording> {
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/media/sdp/testdata");
    let mut recordings: Vec<_> = sorted(&testdata)
        .into_iter()
        .filter(|directory| !directory.ends_with("gstreamer-no-bundle"))
        .map(|directory| Recording {
            name: directory.file_name().unwrap().to_str().unwrap().to_owned(),
            offers: sorted(&directory)
                .into_iter()
                .filter(|path| path.to_str().unwrap().ends_with(".offer.sdp"))
                .collect(),
        })
        .collect();
    recordings.sort_by(|a, b| a.name.cmp(&b.name));
    recordings
}

fn sorted(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// One offer on file.
pub(super) fn recorded(name: &str) -> String {
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/media/sdp/testdata");
    fs::read_to_string(testdata.join(name)).unwrap()
}

/// The session after the whole of a recording.
fn played(name: &str) -> Agreed {
    let recordings = recordings();
    let recording = recordings.iter().find(|r| r.name == name).unwrap();
    let agreed = recording.offers.iter().fold(None, |previous, path| {
        let offer = fs::read_to_string(path).unwrap();
        Some(answer_to(&offer, previous.as_ref()).unwrap().agreed)
    });
    agreed.unwrap()
}

#[test]
fn every_offer_gets_the_answer_on_file() {
    let bless = std::env::var_os("BLESS").is_some();
    let mut count = 0;
    for recording in recordings() {
        let mut previous = None;
        for path in recording.offers {
            let offer = fs::read_to_string(&path).unwrap();
            let answer = answer_to(&offer, previous.as_ref()).unwrap();
            let golden = path.to_str().unwrap().replace(".offer.", ".answer.");
            if bless {
                fs::write(&golden, &answer.sdp).unwrap();
            }
            let expected = fs::read_to_string(&golden).unwrap();
            assert_eq!(answer.sdp, expected, "{golden}");
            previous = Some(answer.agreed);
            count += 1;
        }
    }
    assert!(count > 30, "only {count} offers were found");
}

#[test]
fn chromium_gets_every_video_codec_it_offers() {
    let offer = recorded("chromium-audio-video-data/1-first.offer.sdp");
    let answer = answer_to(&offer, None).unwrap();
    let codecs = &media(&answer, 1).codecs;
    let kinds: Vec<_> = codecs.iter().map(|codec| codec.kind).collect();
    use CodecKind::{Av1, H264, Vp8, Vp9};
    assert_eq!(
        kinds,
        [Vp8, H264, H264, H264, H264, H264, H264, Av1, Vp9, Vp9]
    );
    let whole = |codec: &super::super::Codec| {
        codec.nack
            && codec.pli
            && codec.fir
            && codec.transport_cc
            && codec.rtx_payload_type.is_some()
    };
    assert!(codecs.iter().all(whole));
}

#[test]
fn ffmpeg_makes_this_end_the_dtls_client() {
    let answer = answer_to(&recorded("ffmpeg-whip/1-first.offer.sdp"), None).unwrap();
    assert_eq!(answer.agreed.dtls_role, DtlsRole::Client);
    let video = media(&answer, 1);
    assert_eq!(video.extensions, Default::default());
    let [stream] = video.remote_streams[..] else {
        panic!("{:?}", video.remote_streams);
    };
    assert_eq!(stream.rtx_ssrc, Some(stream.ssrc + 1));
}

#[test]
fn three_digests_of_one_certificate_come_from_aiortc() {
    let agreed = played("aiortc-data");
    let algorithms: Vec<_> = agreed.fingerprints.iter().map(|f| f.algorithm).collect();
    use HashAlgorithm::{Sha256, Sha384, Sha512};
    assert_eq!(algorithms, [Sha256, Sha384, Sha512]);
}

#[test]
fn gstreamer_without_bundle_learns_what_to_set() {
    let why = refused(&recorded("gstreamer-no-bundle/1-refused.offer.sdp"));
    assert!(
        why.contains("no a=group:BUNDLE") && why.contains("max-bundle"),
        "{why}"
    );
}
