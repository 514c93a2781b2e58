//! How loud a microphone is, also while it is muted: then nothing of it is sent, and what is measured here is a
//! number that stays on the page. While nobody reads it nothing is listened to.

use wasm_bindgen::JsValue;
use web_sys::{
    AnalyserNode, AudioContext, AudioContextState, MediaStream, MediaStreamAudioSourceNode,
    MediaStreamTrack,
};

use super::capture::Capture;

/// What the meter calls silence.
const FLOOR_DB: f32 = -60.0;
const SAMPLES: usize = 1024;

/// Measures one track until it is dropped.
pub(super) struct Level {
    context: AudioContext,
    analyser: AnalyserNode,
    samples: Vec<f32>,
    /// A track of its own, which no mute silences and nobody else has; or the device would not be turned off.
    track: Capture,
    /// Some browsers collect a source that nobody holds.
    _source: MediaStreamAudioSourceNode,
}

impl Level {
    pub(super) fn of(track: &MediaStreamTrack, listens: bool) -> Result<Self, JsValue> {
        // The browser's own `clone`: another track, and not this one again.
        let track = Capture(MediaStreamTrack::clone(track));
        track.0.set_enabled(listens);
        let stream = MediaStream::new()?;
        stream.add_track(&track.0);
        let context = AudioContext::new()?;
        let source = context.create_media_stream_source(&stream)?;
        let analyser = context.create_analyser()?;
        analyser.set_fft_size(SAMPLES as u32);
        source.connect_with_audio_node(&analyser)?;
        Ok(Self {
            context,
            analyser,
            samples: vec![0.0; SAMPLES],
            track,
            _source: source,
        })
    }

    /// Listens, or no longer.
    pub(super) fn listen(&self, listens: bool) {
        self.track.0.set_enabled(listens);
    }

    /// 0 to 1.
    pub(super) fn read(&mut self) -> f32 {
        self.analyser.get_float_time_domain_data(&mut self.samples);
        loudness(&self.samples)
    }

    /// Browsers let a page measure sound only after the user has done something.
    pub(super) fn wake(&self) {
        if self.context.state() == AudioContextState::Suspended {
            let _ = self.context.resume();
        }
    }
}

impl Drop for Level {
    fn drop(&mut self) {
        let _ = self.context.close();
    }
}

/// The root mean square on a decibel scale, [`FLOOR_DB`] as 0 and full scale as 1: as ears do it.
fn loudness(samples: &[f32]) -> f32 {
    let sum: f32 = samples.iter().map(|sample| sample * sample).sum();
    let rms = (sum / samples.len().max(1) as f32).sqrt();
    let db = 20.0 * rms.max(f32::MIN_POSITIVE).log10();
    (1.0 - db / FLOOR_DB).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_nothing_and_full_scale_is_all() {
        assert_eq!(loudness(&[0.0; 64]), 0.0);
        assert_eq!(loudness(&[1.0; 64]), 1.0);
        assert_eq!(loudness(&[]), 0.0);
    }

    #[test]
    fn a_tenth_of_the_amplitude_is_twenty_decibels_less() {
        let quiet = loudness(&[0.1; 64]);
        assert!((quiet - 40.0 / 60.0).abs() < 1e-4, "{quiet}");
    }
}
