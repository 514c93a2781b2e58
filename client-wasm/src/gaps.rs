//! What `web-sys` lacks, or binds without `catch` although it throws.

use js_sys::{Array, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{
    EventTarget, MediaDevices, MediaStreamTrack, RtcConfiguration, RtcDataChannel,
    RtcDataChannelInit, RtcPeerConnection, RtcRtpCapabilities, RtcRtpSender, RtcRtpTransceiver,
    RtcSessionDescription, Window,
};

#[wasm_bindgen]
extern "C" {
    /// `RTCPeerConnection` with the methods of this decade.
    #[wasm_bindgen(extends = RtcPeerConnection, js_name = RTCPeerConnection)]
    #[derive(Clone)]
    pub(crate) type Connection;

    /// Has the next offer carry new ICE credentials.
    #[wasm_bindgen(method, js_name = restartIce)]
    pub(crate) fn restart_ice(this: &Connection);

    /// `setConfiguration` that may throw.
    #[wasm_bindgen(method, catch, js_name = setConfiguration)]
    pub(crate) fn configure(this: &Connection, it: &RtcConfiguration) -> Result<(), JsValue>;

    /// Makes the description that fits the signalling state, and sets it.
    #[wasm_bindgen(method, js_name = setLocalDescription)]
    pub(crate) fn set_local_description_implicitly(this: &Connection) -> Promise;

    /// `addTransceiver` that may throw.
    #[wasm_bindgen(method, catch, js_name = addTransceiver)]
    pub(crate) fn add_transceiver(
        this: &Connection,
        track: &MediaStreamTrack,
        init: &Object,
    ) -> Result<RtcRtpTransceiver, JsValue>;

    /// `addTransceiver` for a kind of media.
    #[wasm_bindgen(method, catch, js_name = addTransceiver)]
    pub(crate) fn add_transceiver_of(
        this: &Connection,
        kind: &str,
        init: &Object,
    ) -> Result<RtcRtpTransceiver, JsValue>;

    /// `createDataChannel` that may throw.
    #[wasm_bindgen(method, catch, js_name = createDataChannel)]
    pub(crate) fn create_channel(
        this: &Connection,
        label: &str,
        init: &RtcDataChannelInit,
    ) -> Result<RtcDataChannel, JsValue>;

    /// The SCTP transport, once there is one.
    #[wasm_bindgen(method, getter)]
    pub(crate) fn sctp(this: &Connection) -> Option<SctpTransport>;

    /// `RTCSctpTransport`.
    #[wasm_bindgen(js_name = RTCSctpTransport)]
    pub(crate) type SctpTransport;

    /// The largest message both ends take; infinite where there is no limit.
    #[wasm_bindgen(method, getter, js_name = maxMessageSize)]
    pub(crate) fn max_message_size(this: &SctpTransport) -> f64;

    /// What SCTP runs over.
    #[wasm_bindgen(method, getter)]
    pub(crate) fn transport(this: &SctpTransport) -> DtlsTransport;

    /// `RTCDtlsTransport`.
    #[wasm_bindgen(extends = EventTarget, js_name = RTCDtlsTransport)]
    #[derive(Clone)]
    pub(crate) type DtlsTransport;

    /// `new`, `connecting`, `connected`, `closed` or `failed`.
    #[wasm_bindgen(method, getter)]
    pub(crate) fn state(this: &DtlsTransport) -> String;

    /// `RTCRtpTransceiver` whose preferences may be refused.
    #[wasm_bindgen(extends = RtcRtpTransceiver, js_name = RTCRtpTransceiver)]
    #[derive(Clone)]
    pub(crate) type Transceiver;

    /// `setCodecPreferences` that may throw.
    #[wasm_bindgen(method, catch, js_name = setCodecPreferences)]
    pub(crate) fn prefer_codecs(this: &Transceiver, codecs: &Array) -> Result<(), JsValue>;

    /// `RTCRtpSender` whose parameters may be refused.
    #[wasm_bindgen(extends = RtcRtpSender, js_name = RTCRtpSender)]
    #[derive(Clone)]
    pub(crate) type Sender;

    /// `getParameters`, which older browsers lack.
    #[wasm_bindgen(method, catch, js_name = getParameters)]
    pub(crate) fn parameters(this: &Sender) -> Result<Object, JsValue>;

    /// `setParameters` that may throw.
    #[wasm_bindgen(method, catch, js_name = setParameters)]
    pub(crate) fn set_parameters(this: &Sender, parameters: &Object) -> Result<Promise, JsValue>;

    /// The static half of `RTCRtpReceiver`.
    #[wasm_bindgen(js_name = RTCRtpReceiver)]
    type Receiver;

    /// `getCapabilities`, which older browsers lack.
    #[wasm_bindgen(static_method_of = Receiver, catch, js_class = RTCRtpReceiver, js_name = getCapabilities)]
    fn capabilities(kind: &str) -> Result<Option<RtcRtpCapabilities>, JsValue>;

    /// `NetworkInformation`, of which few browsers tell anything.
    #[wasm_bindgen(extends = EventTarget, js_name = NetworkInformation)]
    #[derive(Clone)]
    pub(crate) type Network;

    /// `wifi`, `cellular`, `none` and so on, where the browser tells.
    #[wasm_bindgen(method, getter, js_name = type)]
    pub(crate) fn kind(this: &Network) -> Option<String>;

    /// `MediaStreamTrack` of a browser that may be older.
    #[wasm_bindgen(extends = MediaStreamTrack, js_name = MediaStreamTrack)]
    type Track;

    /// `getCapabilities`, which older browsers lack.
    #[wasm_bindgen(method, catch, js_name = getCapabilities)]
    fn capabilities(this: &Track) -> Result<JsValue, JsValue>;

    /// What was asked of it so far.
    #[wasm_bindgen(method, js_name = getConstraints)]
    fn constraints(this: &Track) -> Object;

    /// `applyConstraints`, which forgets what was asked before.
    #[wasm_bindgen(method, js_name = applyConstraints)]
    fn apply(this: &Track, constraints: &Object) -> Promise;

    /// `MediaDevices` that know screens, which those of phones do not.
    #[wasm_bindgen(extends = MediaDevices, js_name = MediaDevices)]
    pub(crate) type Screens;

    /// `getDisplayMedia`.
    #[wasm_bindgen(method, catch, js_name = getDisplayMedia)]
    pub(crate) fn get_display_media(this: &Screens, options: &Object) -> Result<Promise, JsValue>;

    #[wasm_bindgen(catch, js_name = showSaveFilePicker)]
    fn show_save_file_picker(options: &Object) -> Result<Promise, JsValue>;

    /// `FileSystemFileHandle`: a place for a file.
    #[wasm_bindgen(js_name = FileSystemFileHandle)]
    pub(crate) type FileHandle;

    /// Begins to write there: a [`WritableFile`].
    #[wasm_bindgen(method, js_name = createWritable)]
    pub(crate) fn create_writable(this: &FileHandle) -> Promise;

    /// `FileSystemWritableFileStream`: what is written is in the file once it was closed.
    #[wasm_bindgen(js_name = FileSystemWritableFileStream)]
    #[derive(Debug)]
    pub(crate) type WritableFile;

    /// Writes what comes next.
    #[wasm_bindgen(method)]
    pub(crate) fn write(this: &WritableFile, bytes: &Uint8Array) -> Promise;

    /// Has all of it in the file.
    #[wasm_bindgen(method)]
    pub(crate) fn close(this: &WritableFile) -> Promise;

    /// Has nothing of it in the file.
    #[wasm_bindgen(method)]
    pub(crate) fn abort(this: &WritableFile) -> Promise;

    /// `Response`, of which only this is wanted.
    #[wasm_bindgen(js_name = Response)]
    pub(crate) type Answer;

    /// The status code.
    #[wasm_bindgen(method, getter)]
    pub(crate) fn status(this: &Answer) -> u16;

    /// The body as JSON.
    #[wasm_bindgen(method)]
    pub(crate) fn json(this: &Answer) -> Promise;

    #[wasm_bindgen(js_name = fetch)]
    fn begin_to_fetch(url: &str, options: &Object) -> Promise;

    /// Shows an error as the browser shows one that nobody caught.
    #[wasm_bindgen(js_name = reportError)]
    pub(crate) fn report_error(error: &JsValue);
}

/// Fetches.
pub(crate) async fn fetch(url: &str, options: &Object) -> Result<Answer, JsValue> {
    let answer = begin_to_fetch(url, options).await?;
    Ok(answer.unchecked_into())
}

/// Whether pages may write to files of the user's (File System Access).
pub(crate) fn has_files() -> bool {
    let window: JsValue = web_sys::window().into();
    Reflect::has(&window, &"showSaveFilePicker".into()).unwrap_or(false)
}

/// Asks the user where to have a file. Fails where they do not want it any more, or the page may not ask.
pub(crate) async fn choose_file(name: &str) -> Result<FileHandle, JsValue> {
    let options = Object::new();
    Reflect::set(&options, &"suggestedName".into(), &name.into())?;
    Ok(show_save_file_picker(&options)?.await?.unchecked_into())
}

/// What the browser tells of its network.
pub(crate) fn network(window: &Window) -> Option<Network> {
    let network = Reflect::get(&window.navigator(), &"connection".into()).ok()?;
    network.is_object().then(|| network.unchecked_into())
}

/// What the browser can receive of a kind of media. Fails where it does not tell.
pub(crate) fn receiver_capabilities(kind: &str) -> Result<Option<RtcRtpCapabilities>, JsValue> {
    Receiver::capabilities(kind)
}

/// The size of the pictures of a track, where it has any.
pub(crate) fn size_of(track: &MediaStreamTrack) -> Option<(u16, u16)> {
    let settings = track.get_settings();
    let read = |name: &str| {
        let value = Reflect::get(&settings, &name.into()).ok()?.as_f64()?;
        Some(value as u16).filter(|size| *size > 0)
    };
    read("width").zip(read("height"))
}

/// The id of the device that a track is of, where the browser tells it.
pub(crate) fn device_of(track: &MediaStreamTrack) -> String {
    let id = Reflect::get(&track.get_settings(), &"deviceId".into());
    id.ok().and_then(|id| id.as_string()).unwrap_or_default()
}

const BLUR: &str = "backgroundBlur";

/// Whether the browser blurs the background of a camera's picture, where it can do that and leave it (W3C
/// mediacapture-extensions, "backgroundBlur").
pub(crate) fn blur_of(track: &MediaStreamTrack) -> Option<bool> {
    let capabilities = track.unchecked_ref::<Track>().capabilities().ok()?;
    let choice: Array = Reflect::get(&capabilities, &BLUR.into())
        .ok()?
        .dyn_into()
        .ok()?;
    let has = |value: bool| choice.includes(&value.into(), 0);
    let now = Reflect::get(&track.get_settings(), &BLUR.into()).ok()?;
    (has(true) && has(false)).then_some(now.as_bool()?)
}

/// Has the browser blur the background of a camera's picture, or not.
pub(crate) async fn blur(track: &MediaStreamTrack, blurred: bool) -> Result<(), JsValue> {
    let track: &Track = track.unchecked_ref();
    let constraints = Object::assign(&Object::new(), &track.constraints());
    Reflect::set(&constraints, &BLUR.into(), &blurred.into())?;
    track.apply(&constraints).await.map(drop)
}

/// The SDP of a description, or nothing.
pub(crate) fn sdp_of(description: Option<RtcSessionDescription>) -> String {
    description.map(|it| it.sdp()).unwrap_or_default()
}

/// A plain object made of JSON: how W3C dictionaries get in.
pub(crate) fn object_from<T: serde::Serialize>(value: &T) -> Result<Object, JsValue> {
    let json = serde_json::to_string(value).map_err(|error| error.to_string())?;
    js_sys::JSON::parse(&json)?
        .dyn_into()
        .map_err(|_| "not an object".into())
}
