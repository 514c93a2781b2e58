//! The screen before a room, and the ways away from it.

use anyhow::Result;

use super::{DEFAULT, Guests, NONE, notes};

/// Notes what is opened, has a camera that can blur and be another program's, and keeps what is copied.
const STAND_INS: &str = "
    window.opened = [];
    const media = navigator.mediaDevices;
    const get = media.getUserMedia.bind(media);
    media.getUserMedia = async (wish) => {
        opened.push(wish);
        if (window.isBusy && wish.video) throw new DOMException('', 'NotReadableError');
        // What is only in a list opens as another.
        const plain = wish.audio?.deviceId?.exact?.startsWith('headset');
        const stream = await get(plain ? { ...wish, audio: true } : wish);
        [window.sound] = stream.getAudioTracks().concat(window.sound);
        return stream;
    };
    const blurring = new WeakMap();
    const { prototype } = MediaStreamTrack;
    const { getCapabilities, getSettings, applyConstraints } = prototype;
    prototype.getCapabilities = function () {
        const blur = this.kind === 'video' ? { backgroundBlur: [false, true] } : {};
        return { ...getCapabilities.call(this), ...blur };
    };
    prototype.getSettings = function () {
        const blur = this.kind === 'video' ? { backgroundBlur: blurring.get(this) ?? false } : {};
        return { ...getSettings.call(this), ...blur };
    };
    prototype.applyConstraints = async function ({ backgroundBlur, ...others }) {
        await applyConstraints.call(this, others);
        blurring.set(this, backgroundBlur);
    };
    window.blurs = (track) => blurring.get(track) ?? false;
    navigator.clipboard.writeText = async (text) => { window.copied = text; };
    window.picture = () => document.querySelector('#preview').srcObject?.getVideoTracks()[0];";

/// Opens the page that asks who wants to enter.
async fn knock(guests: &Guests<'_>) -> Result<()> {
    let room = guests.proxy.url("/r/kitchen");
    guests.ada.open(&room).await?;
    is_ready(guests, "Enter").await
}

async fn is_ready(guests: &Guests<'_>, words: &str) -> Result<()> {
    let ready = format!(
        "document.querySelector('#enter-text')?.textContent === {words:?} && !document.querySelector('#enter').disabled"
    );
    guests.ada_has(words, &ready).await?;
    notes::begin(guests.ada).await
}

pub(crate) async fn the_language(guests: &Guests<'_>) -> Result<()> {
    knock(guests).await?;
    for words in ["Eintreten", "Enter"] {
        guests.ada.click("[data-language]").await?;
        is_ready(guests, words).await?;
    }
    Ok(())
}

pub(crate) async fn the_choices(guests: &Guests<'_>) -> Result<()> {
    let ada = guests.ada;
    ada.run(STAND_INS, vec![]).await?;
    guests.ada_has("a picture", "!!picture()").await?;
    ada.type_into("#camera-select", NONE).await?;
    guests.ada_has("no picture", "!picture()").await?;
    ada.type_into("#camera-select", DEFAULT).await?;
    guests.ada_has("a picture", "!!picture()").await?;
    // The microphone of the page's first moments was opened before the stand-ins came.
    ada.type_into("#microphone-select", NONE).await?;
    for (key, state) in [(DEFAULT, "live"), (NONE, "ended"), (DEFAULT, "live")] {
        ada.type_into("#microphone-select", key).await?;
        let is_so = format!("window.sound?.readyState === {state:?}");
        guests.ada_has(state, &is_so).await?;
    }
    ada.click("#blur").await?;
    guests
        .ada_has("a blurred background", "blurs(picture())")
        .await?;
    ada.click("#blur").await?;
    guests
        .ada_has("a clear background", "!blurs(picture())")
        .await?;

    guests
        .click_shows(".advanced summary", "#codec", true)
        .await?;
    ada.type_into("#resolution", "640").await?;
    let size = "(({ videoWidth, videoHeight }) => `${videoWidth} ${videoHeight}`)(document.querySelector('#preview'))";
    guests
        .ada_has("a small picture", &format!("{size} === '640 360'"))
        .await?;
    ada.click("#processing").await?;
    let plain = "opened.at(-1).audio?.echoCancellation === false";
    guests.ada_has("sound as it is", plain).await?;
    ada.type_into("#codec", "VP9").await?;
    ada.screenshot("door").await
}

/// The codec of the picture that is sent.
const CODEC: &str = "
    const add = RTCPeerConnection.prototype.addTransceiver;
    RTCPeerConnection.prototype.addTransceiver = function (...given) {
        window.connection = this;
        return add.apply(this, given);
    };
    window.codec = async () => {
        const report = await window.connection?.getStats();
        const all = [...(report?.values() ?? [])];
        const sent = all.find((it) => it.type === 'outbound-rtp' && it.kind === 'video' && it.framesEncoded > 0);
        return all.find(({ id }) => id === sent?.codecId)?.mimeType;
    };";

pub(crate) async fn who_enters(guests: &Guests<'_>) -> Result<()> {
    guests.ada.run(CODEC, vec![]).await?;
    guests.ada.type_into("#name", "Ada").await?;
    guests.click_shows("#enter", "#room", true).await?;
    let name = "document.querySelector('#grid [data-self] .name')?.textContent === 'Ada (you)'";
    guests.ada_has("her name", name).await?;
    let vp9 = "await codec() === 'video/VP9'";
    guests.ada_has("the codec she chose", vp9).await
}

/// Out of the room, out of the page, and into it again.
pub(crate) async fn the_ways_out(guests: &Guests<'_>) -> Result<()> {
    let ada = guests.ada;
    guests.click_shows("#leave", "#prejoin", true).await?;
    for (link, path) in [("#enter-form a", "/echo"), (".home", "/")] {
        ada.click(link).await?;
        let there = format!("location.pathname === {path:?} && document.readyState === 'complete'");
        guests.ada_has("another page", &there).await?;
        knock(guests).await?;
    }
    Ok(())
}
