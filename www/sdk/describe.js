// What an offer says of how a room's tracks are published: the order of codecs, and what browsers let nobody say of Opus
// but in the text (RFC 7587 §6.1). A server answers with what it was offered.

// `sent` has for each transceiver how what it sends is published; the others play what comes.
export async function describe(connection, sent, stereo) {
  const sounds = connection.getTransceivers().map((transceiver, at) => {
    if (sent[at]) prefer(transceiver, sent[at]);
    return sent[at] ?? { stereo };
  });
  if (!sounds.some(({ stereo, dtx }) => stereo || dtx)) return connection.setLocalDescription();
  const { type, sdp } = await connection.createOffer();
  return connection.setLocalDescription({ type, sdp: written(sdp, sounds) });
}

export const capabilities = (kind) => RTCRtpReceiver.getCapabilities?.(kind)?.codecs ?? [];

// What the browser lacks is passed over, and one that cannot keeps its own order.
function prefer(transceiver, { codecs, red }) {
  const { kind } = transceiver.receiver.track;
  const wanted = kind === "video" ? (codecs ?? []) : red ? ["red"] : [];
  if (wanted.length === 0) return;
  const names = wanted.map((codec) => `${kind}/${codec}`.toUpperCase());
  const place = ({ mimeType }) => [...names, mimeType.toUpperCase()].indexOf(mimeType.toUpperCase());
  transceiver.setCodecPreferences?.(capabilities(kind).toSorted((one, other) => place(one) - place(other)));
}

// Sections for media come in the order of their transceivers (RFC 9429 §5.2).
export function written(sdp, sounds) {
  const left = [...sounds];
  const sections = sdp.split(/^(?=m=)/m);
  return sections.map((section) => (/^m=(audio|video) /.test(section) ? worded(section, left.shift() ?? {}) : section)).join("");
}

function worded(section, { stereo, dtx }) {
  const [, opus] = section.match(/^a=rtpmap:(\d+) opus\/48000\/2\r$/m) ?? [];
  if (opus === undefined) return section;
  const wanted = [...(stereo ? ["stereo=1", "sprop-stereo=1"] : []), ...(dtx ? ["usedtx=1"] : [])];
  return section.replace(new RegExp(`^(a=fmtp:${opus} )(.*)\r$`, "m"), (_, name, said) =>
    `${name}${[...new Set([...said.split(";"), ...wanted])].join(";")}\r`);
}
