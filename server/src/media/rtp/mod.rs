//! RTP and RTCP as formats: bytes, numbers and clocks. Knows neither peers nor streams.
//!
//! | module | what lives there |
//! |---|---|
//! | `header` | RTP headers and their extensions, read in place and written anew |
//! | `rtcp` | the few kinds of RTCP that the server reads and writes |
//! | `transport_cc` | feedback on transport-wide numbers |
//! | `clock` | the monotonic clock and the wall clock |
//! | `numbering` | sequence numbers that go on where packets are left out |
//! | `temporal` | of which temporal layer a frame is, as its payload says |
//! | `spatial` | the same of spatial layers |
//! | `sizes` | how large spatial layers are |
//! | `dependency` | of which layers a frame is, as the dependency descriptor says |
//! | `vp9` | what VP9's payload descriptor says |
//! | `keyframe` | whether a payload begins a keyframe |
//! | `packet` | a received packet with what forwarding needs of it |
//! | `red` | sound that is sent once more with what follows it |
//! | `ring` | things by sequence number, found in one step |
//! | `work` | counts steps, in tests |

pub mod clock;
pub mod dependency;
pub mod frame_numbers;
pub mod header;
pub mod keyframe;
pub mod numbering;
pub mod packet;
pub(crate) mod red;
pub mod ring;
pub mod rtcp;
pub mod sizes;
pub mod spatial;
pub mod temporal;
pub mod transport_cc;
pub mod vp9;
pub(crate) mod work;
