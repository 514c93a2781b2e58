//! What a browser says is what it hears: the same tone, and silence when it is muted.

use anyhow::Result;
use ferrite_tests::{BrowserOptions, scene, scene_with, tone};

#[tokio::test]
async fn a_tone_of_440_hz() -> Result<()> {
    scene("a_tone_comes_back", async |scene| {
        scene.open_lab().await?;
        let heard = scene
            .run(
                r"
                const call = new lab.Call();
                call.pc.addTrack(lab.tone(440));
                await call.connect();
                return lab.hears(lab.ear(await call.returned('audio')), 440);",
            )
            .await?;
        println!("heard {heard}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn two_tones_on_two_tracks_each_on_its_own() -> Result<()> {
    scene("two_tones_come_back", async |scene| {
        scene.open_lab().await?;
        scene
            .run(
                r"
                const call = new lab.Call();
                for (const hertz of [440, 880]) call.pc.addTrack(lab.tone(hertz));
                await call.connect();
                const [one, other] = call.pc.getTransceivers().map(({ receiver }) =>
                    lab.ear(new MediaStream([receiver.track])));
                await lab.hears(one, 440);
                await lab.hears(other, 880);",
            )
            .await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_muted_track_is_silent_until_it_is_unmuted() -> Result<()> {
    let dir = ferrite_tests::artefacts::fresh("microphone")?;
    let wav = dir.join("440.wav");
    tone::write(&wav, 440)?;
    let options = BrowserOptions {
        microphone: Some(wav),
        ..BrowserOptions::default()
    };
    scene_with("muted_means_silent", &[], &options, async |scene| {
        scene.open_lab().await?;
        scene
            .run(
                r"
                const stream = await navigator.mediaDevices.getUserMedia({ audio: {
                    echoCancellation: false, noiseSuppression: false, autoGainControl: false } });
                const [microphone] = stream.getAudioTracks();
                const call = new lab.Call();
                call.pc.addTrack(microphone);
                await call.connect();
                const listen = lab.ear(await call.returned('audio'));
                await lab.hears(listen, 440);
                microphone.enabled = false;
                await lab.silence(listen);
                microphone.enabled = true;
                await lab.hears(listen, 440);",
            )
            .await?;
        Ok(())
    })
    .await
}
