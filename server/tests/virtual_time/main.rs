//! Two ends in virtual time: a peer of ours and one of somebody else's, over a link that loses,
//! reorders, duplicates, delays and cuts. No socket and no sleep: an hour takes milliseconds.
//!
//! A failing test prints its seed; `FERRITE_SEED=… cargo test --test virtual_time NAME` plays the
//! same link again. (The far end draws its keys from the system, so runs may differ in a byte.)
// Helpers are shared by the tests of this program, and none but them sees them.
#![allow(unreachable_pub, dead_code, clippy::unwrap_used)]

mod answers_checks;
mod asks_for_keyframes_in_time;
mod asks_once;
mod begins_with_a_keyframe;
mod begins_with_the_first_syllable;
mod carries_data_and_closes;
mod connects;
mod crosses_shards;
mod echoes_media;
mod ends_what_is_over;
mod fits_the_path;
mod follows_paths;
mod forwards_once;
mod forwards_without_gaps;
mod handshakes;
mod harness;
mod keeps_to_ceilings;
mod learns_the_path;
mod obeys_receivers_estimates;
mod over_a_bad_link;
mod paces_pictures;
mod proves_addresses;
mod recovers_losses;
mod reports;
mod rooms_cross_shards;
mod sends_messages;
mod slow_readers;
mod spares_weak_receivers;
mod takes_spatial_layers_apart;
mod tells_why;
mod thins_temporal_layers;
mod traces_are_replayed;
mod withstands_floods;
