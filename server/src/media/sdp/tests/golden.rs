//! Offers that real peers made, with the answers they get. `BLESS=1 cargo test` writes the answers anew.

use std::path::{Path, PathBuf};

use super::super::{Answer, Local, SdpError, Session, answer};

/// What a server might bring.
pub(super) fn local() -> Local {
    Local {
        ice_ufrag: "srvU".into(),
        ice_pwd: "srvPasswordOf24Character".into(),
        fingerprint: std::array::from_fn(|i| i as u8),
        candidates: vec!["candidate:1 1 udp 2130706431 192.0.2.1 3478 typ host".into()],
        session_id: 4611731400430051336,
        max_message_size: 262_144,
        cname: "ferrite".into(),
    }
}

/// Answers with SSRCs that count from 1000.
pub(super) fn answer_to(offer: &str, previous: Option<&Session>) -> Result<Answer, SdpError> {
    let mut next = 1000;
    let mut random = || {
        next += 1;
        next
    };
    answer(offer, &local(), previous, &mut random)
}

pub(super) fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/media/sdp/testdata")
}

#[test]
fn offers_of_real_peers_get_the_answers_on_file() {
    let bless = std::env::var_os("BLESS").is_some();
    for entry in std::fs::read_dir(testdata()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let Some(name) = name.strip_suffix(".offer.sdp") else {
            continue;
        };
        let offer = std::fs::read_to_string(&path).unwrap();
        let answer = answer_to(&offer, None).unwrap().sdp;
        let golden = testdata().join(format!("{name}.answer.sdp"));
        if bless {
            std::fs::write(&golden, &answer).unwrap();
        }
        assert_eq!(answer, std::fs::read_to_string(&golden).unwrap(), "{name}");
    }
}
