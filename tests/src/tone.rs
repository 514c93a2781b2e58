//! A sine wave as a WAV file, for Chromium's fake microphone.

use std::f64::consts::TAU;
use std::path::Path;

use anyhow::Result;

const RATE: u32 = 48_000;

/// Writes ten seconds of a sine at half of full scale: 48 kHz, mono, 16 bits. The length holds a
/// whole number of periods of every whole frequency, so that a loop has no click.
pub fn write(path: &Path, hertz: u32) -> Result<()> {
    let samples = (0..RATE * 10).map(|n| {
        let phase = TAU * f64::from(hertz) * f64::from(n) / f64::from(RATE);
        (phase.sin() * f64::from(i16::MAX / 2)) as i16
    });
    let data: Vec<u8> = samples.flat_map(i16::to_le_bytes).collect();
    let mut file = header(data.len().try_into()?);
    file.extend(data);
    Ok(std::fs::write(path, file)?)
}

fn header(bytes: u32) -> Vec<u8> {
    let mut header = Vec::with_capacity(44);
    header.extend(b"RIFF");
    header.extend((36 + bytes).to_le_bytes());
    header.extend(b"WAVEfmt ");
    header.extend(16_u32.to_le_bytes());
    header.extend(1_u16.to_le_bytes()); // PCM
    header.extend(1_u16.to_le_bytes()); // mono
    header.extend(RATE.to_le_bytes());
    header.extend((RATE * 2).to_le_bytes());
    header.extend(2_u16.to_le_bytes());
    header.extend(16_u16.to_le_bytes());
    header.extend(b"data");
    header.extend(bytes.to_le_bytes());
    header
}
