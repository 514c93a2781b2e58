// A peer in plain JavaScript that knows two messages, `offer` and `candidate`, and the
// measurements the tests take in the page. Loaded into the page as the global `lab`.

const until = async (what, probe, patience = 60_000) => {
  const deadline = performance.now() + patience;
  for (;;) {
    const seen = await probe();
    if (seen) return seen;
    if (performance.now() > deadline) throw new Error(`waited ${patience} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};

// One peer connection and the WebSocket that signals for it. Everything the server says is kept.
class Call {
  constructor(configuration) {
    this.said = [];
    this.tracks = [];
    // What is done to an offer on its way out.
    this.edit = (sdp) => sdp;
    this.pc = new RTCPeerConnection(configuration);
    this.pc.onicecandidate = ({ candidate }) => this.send({ type: "candidate", candidate });
    this.pc.ontrack = ({ track }) => this.tracks.push(track);
    this.ws = new WebSocket(`${location.origin.replace("http", "ws")}/ws`);
    this.ws.onmessage = ({ data }) => this.hear(JSON.parse(data));
    this.opened = new Promise((resolve, reject) => {
      this.ws.onopen = resolve;
      this.ws.onerror = () => reject(new Error("the WebSocket failed"));
    });
  }

  send(message) {
    if (this.ws.readyState === WebSocket.OPEN) this.ws.send(JSON.stringify(message));
  }

  async hear(message) {
    this.said.push(message);
    if (message.type === "candidate") this.pc.addIceCandidate(message.candidate);
    if (message.type !== "answer") return;
    await this.pc.setRemoteDescription(message);
    this.answered = true;
  }

  // Offers what the peer connection now has, and waits for the answer to be applied.
  async offer() {
    await this.opened;
    this.answered = false;
    await this.pc.setLocalDescription();
    const { type, sdp } = this.pc.localDescription;
    this.send({ type, sdp: this.edit(sdp) });
    await until("an answer", () => {
      const error = this.said.find(({ type }) => type === "error");
      if (error) throw new Error(`the server says ${JSON.stringify(error)}`);
      return this.answered;
    });
  }

  async connected() {
    await until("a connection", () => {
      if (this.pc.connectionState === "failed") throw new Error("the connection failed");
      return this.pc.connectionState === "connected";
    });
  }

  async connect() {
    await this.offer();
    await this.connected();
  }

  // The stream of what came back in this kind.
  async returned(kind) {
    const track = await until(`a returned ${kind} track`, () =>
      this.tracks.find((track) => track.kind === kind));
    return new MediaStream([track]);
  }

  // The `inbound-rtp` stats of a kind, with the MIME type of the codec.
  async inbound(kind) {
    const stats = [...(await this.pc.getStats()).values()];
    const found = stats.find((stat) => stat.type === "inbound-rtp" && stat.kind === kind);
    if (!found) return null;
    const codec = stats.find(({ id }) => id === found.codecId);
    return { ...found, mimeType: codec?.mimeType };
  }

  close() {
    this.pc.close();
    this.ws.close();
  }
}

// A moving picture: red or another colour to the left, blue to the right, and between them a bar that runs.
const picture = (width = 320, height = 240, left = "#e00000") => {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d");
  let frame = 0;
  const draw = () => {
    context.fillStyle = left;
    context.fillRect(0, 0, width / 2, height);
    context.fillStyle = "#0000e0";
    context.fillRect(width / 2, 0, width / 2, height);
    context.fillStyle = "#ffffff";
    context.fillRect(width / 2 - 20, (frame += 4) % height, 40, 20);
  };
  draw();
  setInterval(draw, 50);
  return canvas.captureStream(20).getVideoTracks()[0];
};

const audio = new AudioContext();

// A sine wave as a track.
const tone = (hertz) => {
  const oscillator = new OscillatorNode(audio, { frequency: hertz });
  const destination = new MediaStreamAudioDestinationNode(audio);
  oscillator.connect(destination);
  oscillator.start();
  return destination.stream.getAudioTracks()[0];
};

// An ear on a stream: the loudest frequency in hertz, and how loud it all is (RMS, 1 is full scale).
const ear = (stream) => {
  // Chromium decodes a remote track only when an element plays it.
  const element = Object.assign(new Audio(), { srcObject: stream, muted: true });
  element.play();
  const source = new MediaStreamAudioSourceNode(audio, { mediaStream: stream });
  const analyser = new AnalyserNode(audio, { fftSize: 8192, smoothingTimeConstant: 0 });
  source.connect(analyser);
  return () => {
    const bins = new Float32Array(analyser.frequencyBinCount);
    analyser.getFloatFrequencyData(bins);
    const loudest = bins.indexOf(Math.max(...bins));
    const wave = new Float32Array(analyser.fftSize);
    analyser.getFloatTimeDomainData(wave);
    const rms = Math.sqrt(wave.reduce((sum, value) => sum + value * value, 0) / wave.length);
    return { hertz: (loudest * audio.sampleRate) / analyser.fftSize, rms, element };
  };
};

// Waits until an ear hears a tone.
const hears = (listen, hertz) => {
  let heard;
  return until(`a tone of ${hertz} Hz`, () => {
    heard = listen();
    return heard.rms > 0.01 && Math.abs(heard.hertz - hertz) < 12 && { heard: heard.hertz, rms: heard.rms };
  }).catch((error) => {
    throw new Error(`${error.message}, heard ${heard?.hertz} Hz, as loud as ${heard?.rms}`);
  });
};

// The frequency of a sound in hertz, also where nothing can be played: Firefox without a loudspeaker suspends every
// AudioContext but an offline one. A second is recorded and decoded, and its waves are counted.
const frequency = async (stream) => {
  const element = Object.assign(new Audio(), { srcObject: stream, muted: true });
  element.play();
  await until("sound", () => element.currentTime > 0);
  const recorder = new MediaRecorder(stream);
  const piece = new Promise((resolve) => { recorder.ondataavailable = resolve; });
  const start = element.currentTime;
  recorder.start();
  await until("a second of sound", () => element.currentTime > start + 1);
  recorder.stop();
  const record = await (await piece).data.arrayBuffer();
  element.srcObject = null;
  const sound = await new OfflineAudioContext(1, 48000, 48000).decodeAudioData(record);
  const wave = sound.getChannelData(0).slice(-24000);
  const rises = wave.filter((value, n) => value >= 0 && wave[n - 1] < 0).length;
  return (rises * sound.sampleRate) / wave.length;
};

// Waits until an ear hears nothing.
const silence = (listen) => until("silence", () => listen().rms < 0.0005 && true);

// The colours in the middle of the left and right halves of what a video shows.
const colours = (video) => {
  const { videoWidth: width, videoHeight: height } = video;
  if (!width) return null;
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.drawImage(video, 0, 0);
  const at = (x) => [...context.getImageData(width * x, height / 2, 1, 1).data.slice(0, 3)];
  return { left: at(0.25), right: at(0.75), width, height };
};

// An eye on a stream.
const eye = (stream) => {
  const video = Object.assign(document.createElement("video"), { srcObject: stream, muted: true });
  document.body.append(video);
  video.play();
  return () => colours(video);
};

// A message of `size`: bytes that a shifted, cut or repeated copy would not match, or text with
// characters of one to four bytes in UTF-8.
const message = (size, binary) => {
  const bytes = Uint8Array.from({ length: size }, (_, n) => (n * 31 + (n >> 8)) % 251);
  if (binary) return bytes.buffer;
  const words = "aé€😀";
  const text = words.repeat(Math.floor(size / 10));
  return text + "x".repeat(size - new TextEncoder().encode(text).length);
};

const same = (one, other) => {
  if (typeof one === "string" || typeof other === "string") return one === other;
  const [left, right] = [new Uint8Array(one), new Uint8Array(other)];
  return left.length === right.length && left.every((byte, n) => byte === right[n]);
};

// Sends messages on a channel, and waits for as many to come back.
const exchange = async (channel, messages) => {
  channel.binaryType = "arraybuffer";
  const back = [];
  channel.onmessage = ({ data }) => back.push(data);
  await until("an open channel", () => channel.readyState === "open");
  for (const message of messages) channel.send(message);
  await until(`${messages.length} messages`, () => back.length >= messages.length);
  return back;
};

// A call whose picture, sound and messages came back, its channel, and the two candidates in use.
const everything = async (configuration) => {
  const call = new Call(configuration);
  const channel = call.pc.createDataChannel("echo");
  for (const track of [picture(), tone(440)]) call.pc.addTrack(track);
  await call.connect();
  await hears(ear(await call.returned("audio")), 440);
  eye(await call.returned("video"));
  await until("30 frames", async () => (await call.inbound("video"))?.framesDecoded > 30);
  const [back] = await exchange(channel, [message(200_000, true)]);
  if (!same(message(200_000, true), back)) throw new Error("came back changed");
  const stats = await call.pc.getStats();
  const transport = [...stats.values()].find(({ type }) => type === "transport");
  const pair = stats.get(transport.selectedCandidatePairId);
  const [local, remote] = [pair.localCandidateId, pair.remoteCandidateId].map((id) => stats.get(id));
  return { call, channel, local, remote };
};

// The WebSockets that are opened from now on, so that they can be cut.
const collectSockets = () => {
  const sockets = [];
  window.WebSocket = class extends WebSocket {
    constructor(...args) {
      super(...args);
      sockets.push(this);
    }
  };
  return sockets;
};

// What a promise is rejected with.
const rejected = async (promise) => {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("should have been rejected");
};

const expect = (what, seen, wanted) => {
  const [is, should] = [seen, wanted].map((it) => JSON.stringify(it));
  if (is !== should) throw new Error(`${what} is ${is}, not ${should}`);
};

window.lab = {
  until, Call, picture, tone, ear, hears, frequency, silence, colours, eye, message, same, exchange, everything, collectSockets, rejected, expect,
};
