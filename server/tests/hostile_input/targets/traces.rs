//! A trace that anybody may have made up.

use ferrite_server::congestion::trace::{Ending, replay};

/// The input as a file, and as what is in one whose checksums are right.
pub fn trace(input: &[u8]) {
    let _ = replay(input);
    let mut file = b"ferrite trace 3\n".to_vec();
    file.extend((input.len() as u32).to_le_bytes());
    file.extend(crc32c::crc32c(input).to_le_bytes());
    file.extend(input);
    let replay = replay(&file).unwrap();
    assert!(replay.different <= replay.decisions);
    assert_eq!(replay.differences.len() as u64, replay.different.min(10));
    assert_ne!(replay.ending, Ending::Cut);
}
