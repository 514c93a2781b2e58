// How a way to the server is tried: a session and a peer connection for each, so that none is in another's. It owns what is
// asked of the browser, and knows no words.

const PATIENCE_MS = 8000;
// A browser that says nothing of a round trip by then has none to say.
const ROUNDS = 10;
const ROUND_MS = 100;

// A peer connection whose way to the server can be read from `pc`. What the server offers is passed on where `admits` says so.
class Try {
  constructor(configure) {
    this.configure = configure;
    this.errors = [];
    this.mapped = [];
    this.hosts = 0;
    this.done = new Promise((resolve) => (this.finish = resolve));
    this.answered = new Promise((resolve) => (this.note = resolve));
    this.hasGathered = false;
    // Over before that, where there is nothing to gather with.
    this.gathering = new Promise((resolve) => {
      this.gatheredAll = resolve;
      this.done.then(resolve);
    });
    this.timer = setTimeout(() => this.finish(this.pc?.connectionState === "connected" ? {} : { error: "silent" }), PATIENCE_MS);
    this.socket = new WebSocket(new URL("ws", document.baseURI).href.replace(/^http/, "ws"), "ferrite.v1");
    this.socket.onopen = () => this.say({ type: "hello", version: 1, client: "ferrite-connection-test" });
    this.socket.onmessage = ({ data }) => this.hear(JSON.parse(data)).catch((error) => this.finish({ error: "browser", words: error.message }));
    this.socket.onclose = () => this.finish({ error: "away" });
  }

  say(message) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  async hear(message) {
    if (message.type === "welcome") await this.call(message.iceServers);
    else if (message.type === "answer") await this.take(message.sdp);
    else if (message.type === "ping") this.say({ type: "pong", id: message.id });
    else if (message.type === "error") this.finish({ error: "refused", words: message.message });
  }

  async call(iceServers) {
    this.iceServers = iceServers;
    const { admits, ...configuration } = this.configure(iceServers);
    this.admits = admits;
    const pc = (this.pc = new RTCPeerConnection(configuration));
    pc.onicecandidate = ({ candidate }) => candidate && this.gathered(candidate);
    pc.onicecandidateerror = ({ errorCode, url }) => this.errors.push({ code: errorCode, url });
    pc.onicegatheringstatechange = () => {
      if (pc.iceGatheringState !== "complete") return;
      this.hasGathered = true;
      this.gatheredAll();
    };
    pc.onconnectionstatechange = () => pc.connectionState === "connected" && this.connected();
    pc.createDataChannel("try");
    await pc.setLocalDescription();
    this.say({ type: "offer", sdp: pc.localDescription.sdp });
  }

  gathered(candidate) {
    if (candidate.type === "relay") this.hasRelay = true;
    if (candidate.type === "srflx") this.mapped.push(candidate);
    if (candidate.type === "host" && candidate.protocol === "udp") this.hosts += 1;
    this.say({ type: "candidate", candidate: candidate.toJSON() });
  }

  async take(sdp) {
    const lines = sdp.split("\r\n");
    this.offered = lines.filter((line) => line.startsWith("a=candidate:")).map(address);
    this.note(this);
    const kept = lines.filter((line) => !line.startsWith("a=candidate:") || this.admits(address(line)));
    await this.pc.setRemoteDescription({ type: "answer", sdp: kept.join("\r\n") });
  }

  async connected() {
    for (let round = 1; ; round += 1) {
      const report = await this.pc.getStats();
      const entries = [...report.values()];
      const transport = entries.find(({ type }) => type === "transport");
      const pair = report.get(transport?.selectedCandidatePairId) ?? entries.find((it) => it.type === "candidate-pair" && it.selected);
      const ms = roundTrip(pair);
      if (ms !== undefined || round === ROUNDS) {
        return this.finish({ ms, local: report.get(pair?.localCandidateId)?.candidateType });
      }
      if (this.pc.connectionState !== "connected") return;
      await new Promise((resolve) => setTimeout(resolve, ROUND_MS));
    }
  }

  // What came of it. A relay that was not had is another matter than one that leads nowhere.
  async outcome() {
    const outcome = await this.done;
    clearTimeout(this.timer);
    if (outcome.error !== "silent" || !this.isRelayed || this.hasRelay) return outcome;
    return { error: this.errors.some(({ code }) => code === 401) ? "credentials" : "unreached" };
  }

  close() {
    clearTimeout(this.timer);
    this.pc?.close();
    this.socket.onclose = null;
    this.socket.close(1000);
  }
}

// Not every browser says it, and some count whole milliseconds: none on a short way.
function roundTrip({ currentRoundTripTime, totalRoundTripTime, responsesReceived } = {}) {
  const seconds = currentRoundTripTime ?? (responsesReceived > 0 ? totalRoundTripTime / responsesReceived : undefined);
  return seconds === undefined || Number.isNaN(seconds) ? undefined : seconds * 1000;
}

// `candidate:1 1 udp 2130706431 192.0.2.1 3478 typ host`
function address(line) {
  const [, , protocol, , host, port] = line.split(" ");
  return { protocol: protocol.toLowerCase(), host, port };
}

const bracketed = (host) => (host.includes(":") ? `[${host}]` : host);

export const direct = (protocol) => new Try(() => ({ admits: (it) => it.protocol === protocol }));

// By nothing but this relay. It has a peer connection of its own: Chromium sends to a relay over UDP from the socket of the
// direct path, which then has no answers where both are one server.
export function relayed(url) {
  const one = new Try((iceServers) => {
    const server = iceServers.find(({ urls }) => urls.includes(url) || urls.includes(url.replace("transport=udp", "transport=tcp")));
    return { iceServers: [{ ...server, urls: [url] }], iceTransportPolicy: "relay", admits: () => true };
  });
  one.isRelayed = true;
  return one;
}

// The relays to try. The server names none of its own over UDP, for the reason above; it has one wherever it has one over
// TCP at a port of its media (PROTOCOL.md).
export function relays(iceServers, offered) {
  const urls = iceServers.flatMap(({ urls }) => urls).filter((url) => /^turns?:/.test(url));
  const own = ({ host, port }, url) => url === `turn:${bracketed(host)}:${port}?transport=tcp`;
  const isOwn = (url) => offered.some((it) => own(it, url));
  const all = urls.flatMap((url) => (isOwn(url) ? [url.replace("transport=tcp", "transport=udp"), url] : [url]));
  return [...new Set(all)];
}

// What a NAT does to one socket that asks several STUN servers: ours at each address that it offers, and those that were set.
// Where there is no NAT64 (RFC 6052) nobody answers at the addresses behind one.
export function mapping(iceServers, offered) {
  const answers = ({ protocol, host }) => protocol === "udp" && !host.startsWith("64:ff9b::");
  const ours = offered.filter(answers).map(({ host, port }) => `stun:${bracketed(host)}:${port}`);
  const others = iceServers.flatMap(({ urls }) => urls).filter((url) => url.startsWith("stun:"));
  const urls = [...new Set([...ours, ...others])].slice(0, 8);
  // It connects to nothing: browsers stop to gather where they are connected.
  return { asked: urls.length, one: new Try(() => ({ iceServers: [{ urls }], admits: () => false })) };
}

// `none`, `endpointIndependent` or `dependent` (RFC 4787 §4.1), `some` of a kind that this does not tell, or `unknown`.
// Servers that have not answered by then might have shown another address.
export function nat({ asked, one }, udpWorks) {
  const bases = new Map();
  for (const { relatedAddress, relatedPort, address, port } of one.mapped) {
    const base = `${relatedAddress} ${relatedPort}`;
    bases.set(base, (bases.get(base) ?? new Set()).add(`${address} ${port}`));
  }
  // Where the browser hides its own addresses, one base looks like the other.
  const isHidden = one.mapped.some(({ relatedPort }) => !relatedPort);
  if (one.mapped.length === 0) return udpWorks && one.hasGathered ? "none" : "unknown";
  if (isHidden && one.hosts !== 1) return "some";
  if ([...bases.values()].some((seen) => seen.size > 1)) return "dependent";
  return one.hasGathered && asked - new Set(one.errors.map(({ url }) => url)).size > 1 ? "endpointIndependent" : "some";
}
