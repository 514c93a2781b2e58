//! What somebody is shown who is only just coming begins with a keyframe, which is wished for when it can reach them:
//! who sends it is not asked for another one at once.

use std::time::Duration;

use crate::harness::offer::Section;
use crate::harness::{World, seed};

#[test]
fn of_newcomers_when_they_have_keys() {
    let mut world = World::bare(seed(31));
    let offer = world.bare_offer(
        "actpass",
        &[Section::Video {
            mid: "0",
            direction: "sendrecv",
            ssrcs: None,
        }],
    );
    world.exchange(&offer).unwrap();
    world.run_until(Duration::from_secs(2), "connected", |world| {
        world.server.is_connected()
    });
    let connected = world.server.states.last().unwrap().0;
    let wishes = &world.server.wishes;
    assert!(!wishes.is_empty());
    assert!(
        wishes.iter().all(|at| *at >= connected),
        "{:?} before there are keys",
        wishes
            .iter()
            .map(|at| connected.saturating_duration_since(*at))
    );
}
