//! aiortc's sound, picture and data come back to it as it sent them. Its offers have all candidates
//! inside, and three fingerprints at each section. Edited on their way out, they stand for those
//! of many devices.

use anyhow::{Result, ensure};
use ferrite_tests::aiortc_call;
use serde_json::{Value, json};

/// Sends a 440 Hz tone, messages, and a picture if the options say so.
fn comes_back(test: &str, options: Value) -> Result<()> {
    let seen = aiortc_call(test, &options)?;
    heard(&seen)?;
    ensure!(seen["messages"] == true, "messages came back changed");
    Ok(())
}

fn heard(seen: &Value) -> Result<()> {
    let hertz = seen["hertz"].as_f64().unwrap_or_default();
    ensure!((hertz - 440.0).abs() < 12.0, "sent 440 Hz, got {hertz} Hz");
    Ok(())
}

/// Sends an offer to which these edits were made: pairs of a pattern and its replacement.
fn comes_back_edited(test: &str, edits: &[(&str, &str)]) -> Result<()> {
    comes_back(test, json!({ "edits": edits }))
}

#[test]
fn aiortc_gets_back_opus_data_and_vp8() -> Result<()> {
    comes_back("aiortc_vp8", json!({ "video": "VP8" }))
}

#[test]
fn aiortc_gets_back_opus_data_and_h264() -> Result<()> {
    comes_back("aiortc_h264", json!({ "video": "H264" }))
}

/// What browsers of before 2019 have, and many devices: HMAC-SHA1 instead of AES-GCM.
#[test]
fn aiortc_knows_no_aead_for_its_media() -> Result<()> {
    let options = json!({ "video": "VP8", "srtp": "SHA1_80" });
    comes_back("aiortc_sha1_80", options)
}

/// WHIP clients offer so: the server is the DTLS client then.
#[test]
fn aiortc_is_the_dtls_server() -> Result<()> {
    comes_back_edited("aiortc_passive", &[("a=setup:actpass", "a=setup:passive")])
}

#[test]
fn aiortc_is_the_dtls_client_by_its_own_wish() -> Result<()> {
    comes_back_edited("aiortc_active", &[("a=setup:actpass", "a=setup:active")])
}

/// The server learns where the peer is from its checks.
#[test]
fn aiortc_offers_no_candidates() -> Result<()> {
    let edits = [(r"a=(candidate:.*|end-of-candidates)\r\n", "")];
    comes_back_edited("aiortc_no_candidates", &edits)
}

#[test]
fn aiortc_sends_its_candidates_before_its_offer() -> Result<()> {
    comes_back("aiortc_candidates_first", json!({ "candidates": "first" }))
}

/// Nobody answers for this name, and nobody waits for an answer.
#[test]
fn aiortc_hides_its_address_behind_mdns() -> Result<()> {
    let hidden = r"\g<1>0c1b8a8e-4a4c-4a3e-9d57-3c6e0a1a1b2f.local\g<2>";
    let edits = [[r"(a=candidate:\w+ 1 udp \d+ )\S+( \d+ typ host)", hidden]];
    let seen = aiortc_call("aiortc_mdns", &json!({ "edits": edits }))?;
    heard(&seen)?;
    let took = seen["connected_ms"].as_u64();
    ensure!(
        took.is_some_and(|took| took < 2000),
        "connected after {took:?} ms"
    );
    Ok(())
}

/// An echo that is longer than the peer takes (RFC 8841 §6.1) is left out, and the channel lives on.
#[test]
fn aiortc_takes_messages_of_1000_bytes_at_most() -> Result<()> {
    let edits = [[r"a=max-message-size:\d+", "a=max-message-size:1000"]];
    let options = json!({ "edits": edits, "messages": [999, 1001, 1000, 60_000, 1] });
    let seen = aiortc_call("aiortc_short_messages", &options)?;
    heard(&seen)?;
    let sizes = &seen["sizes"];
    ensure!(*sizes == json!([999, 1000, 1]), "came back: {sizes}");
    Ok(())
}

/// RFC 9260 §9.1. Whoever has no channels left is told why, and keeps its media.
#[test]
fn aiortc_aborts_its_association() -> Result<()> {
    let options = json!({ "video": "VP8", "aborts": true });
    let seen = aiortc_call("aiortc_aborts", &options)?;
    let reason = seen["state"]["reason"].as_str().unwrap_or_default();
    ensure!(
        reason.contains("aborted by the peer"),
        "the reason is {reason:?}"
    );
    Ok(())
}

/// Its packets then say nothing of what they belong to but their SSRC.
#[test]
fn aiortc_has_no_header_extensions() -> Result<()> {
    let options = json!({ "video": "VP8", "edits": [[r"a=extmap:.*\r\n", ""]] });
    comes_back("aiortc_no_extensions", options)
}

#[test]
fn aiortc_has_a_sha_384_fingerprint() -> Result<()> {
    let edits = [(r"a=fingerprint:sha-(256|512).*\r\n", "")];
    comes_back_edited("aiortc_sha_384", &edits)
}

#[test]
fn aiortc_has_a_sha_512_fingerprint_at_session_level() -> Result<()> {
    let edits = [
        (r"a=fingerprint:sha-(256|384).*\r\n", ""),
        (r"(?s)\A(.*?)(m=.*?)(a=fingerprint:[^\r]*\r\n)", r"\1\3\2"),
        (r"(a=ice-pwd:.*\r\n)a=fingerprint:.*\r\n", r"\1"),
    ];
    comes_back_edited("aiortc_sha_512", &edits)
}

/// Whoever it is, it is not who the offer says: nothing but the fingerprint tells.
#[test]
fn aiortc_is_refused_with_a_certificate_that_is_not_the_offers() -> Result<()> {
    let edits = [[r"(a=fingerprint:\S+ ).{11}", r"\g<1>DE:AD:BE:EF"]];
    let options = json!({ "edits": edits, "fails": true });
    let seen = aiortc_call("aiortc_wrong_fingerprint", &options)?;
    let reason = seen["state"]["reason"].as_str().unwrap_or_default();
    ensure!(reason.contains("fingerprint"), "the reason is {reason:?}");
    Ok(())
}
