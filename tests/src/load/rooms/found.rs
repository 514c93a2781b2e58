//! What participants find in all they are sent: sums.

use super::histogram::Histogram;
use super::layers::LAYERS;

/// What was found, over all streams.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Packets received, without those sent again.
    pub packets: u64,
    /// Those of pictures.
    pub video: u64,
    /// Numbers that were not received when a later one was.
    pub gaps: u64,
    /// Of the gaps, those that came in the end.
    pub late: u64,
    /// Of the gaps, those that were sent again.
    pub repaired: u64,
    /// Packets that the link swallowed.
    pub swallowed: u64,
    /// Packets received twice under one number.
    pub repeats: u64,
    /// What the publisher sent and no number was left for.
    pub left_out: u64,
    /// Packets that were not authentic.
    pub broken: u64,
    /// Frames that a decoder can decode.
    pub frames: u64,
    /// Frames that it cannot.
    pub lost_frames: u64,
    /// Frames that came before the first keyframe of a stream: there is nothing to decode them with.
    pub early_frames: u64,
    /// Pictures that took another's place with something else than a keyframe.
    pub no_keyframe: u64,
    /// Timestamps that went another way than the publisher's.
    pub timestamps: u64,
    /// Packets of each layer of pictures, smallest first; those of pictures without layers are with the first.
    pub layers: [u64; LAYERS],
    /// How often another layer took one's place.
    pub layer_switches: u64,
    /// Of those, how often a frame was cut short by that.
    pub cut_frames: u64,
    /// What the publisher sent and no number was left for, before a keyframe and on a link that may be too narrow.
    pub paused: u64,
    /// What the publisher sent of frames of which nothing came, and no number was left for.
    pub thinned: u64,
    /// Frames that came without one that they need.
    pub undecodable: u64,
    /// From the publisher's send call to the arrival.
    pub latency: Histogram,
    /// From asking for something else to its first packet.
    pub switched: Histogram,
    /// How unevenly packets arrive (RFC 3550 §6.4.1), as each stream has it with each packet.
    pub jitter: Histogram,
}

impl Found {
    /// Adds what else was found.
    pub fn add(&mut self, more: &Self) {
        for (sum, more) in [
            (&mut self.packets, more.packets),
            (&mut self.video, more.video),
            (&mut self.gaps, more.gaps),
            (&mut self.late, more.late),
            (&mut self.repaired, more.repaired),
            (&mut self.swallowed, more.swallowed),
            (&mut self.repeats, more.repeats),
            (&mut self.left_out, more.left_out),
            (&mut self.broken, more.broken),
            (&mut self.frames, more.frames),
            (&mut self.lost_frames, more.lost_frames),
            (&mut self.early_frames, more.early_frames),
            (&mut self.no_keyframe, more.no_keyframe),
            (&mut self.timestamps, more.timestamps),
            (&mut self.layer_switches, more.layer_switches),
            (&mut self.cut_frames, more.cut_frames),
            (&mut self.paused, more.paused),
            (&mut self.thinned, more.thinned),
            (&mut self.undecodable, more.undecodable),
        ] {
            *sum += more;
        }
        for (sum, more) in self.layers.iter_mut().zip(more.layers) {
            *sum += more;
        }
        self.latency.add(&more.latency);
        self.switched.add(&more.switched);
        self.jitter.add(&more.jitter);
    }
}
