// Messages of bytes in a room, and what they say of files: PROTOCOL.md, "Sending bytes" and "Files". Pure.

const VERSION = 1;
// What a server takes of one message.
const PAYLOAD_BYTES = 60 * 1024;
// The same of one that is sent once, with what is before it.
const LOSSY_BYTES = 8 * 1024;
// Their number is one byte.
const RECIPIENTS = 255;
const KIND = { all: 1, some: 2, fromToAll: 3, fromToSome: 4 };
// How long the parts of what is said about a file are; what is left is the last of them.
const SAID = ["", "offer", "accept", "chunk", "progress", "done", "verified", "cancel"];
const WITH_NUMBER = ["offer", "accept", "chunk", "progress"];

const NAME_BYTES = 255;
export const TOPIC_BYTES = 64;

export const isTopic = (topic) => new TextEncoder().encode(topic).length <= TOPIC_BYTES;

// What a file may be called. Whoever saves it does so where its user says.
export function isName(name) {
  const { length } = new TextEncoder().encode(name);
  return length >= 1 && length <= NAME_BYTES && name !== "." && name !== ".." && !/[\p{Cc}/\\]/u.test(name);
}

// The same name as far as it is one.
export function asName(name) {
  let taken = "";
  let bytes = 0;
  for (const character of `${name}`.replace(/[\p{Cc}/\\]/gu, "_")) {
    bytes += new TextEncoder().encode(character).length;
    if (bytes > NAME_BYTES) break;
    taken += character;
  }
  return isName(taken) ? taken : "file";
}

// What an offer says besides: a name and, after a zero byte, what it is about.
export function offered(name, topic) {
  return new TextEncoder().encode(topic ? `${name}\0${topic}` : name);
}

// Nothing, where these bytes are neither.
export function offerIn(bytes) {
  try {
    const said = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    const end = said.indexOf("\0");
    const [name, topic] = end < 0 ? [said, ""] : [said.slice(0, end), said.slice(end + 1)];
    return isName(name) && (end < 0 || (topic && isTopic(topic))) ? { name, topic } : null;
  } catch {
    return null;
  }
}

// A text after its length, in one byte.
function text(words) {
  const bytes = new TextEncoder().encode(words);
  if (bytes.length > 255) throw new TypeError("a name or topic has at most 255 bytes");
  return [bytes.length, ...bytes];
}

export function packed(topic, payload, to) {
  if (payload.length > PAYLOAD_BYTES) throw new RangeError(`a message has at most ${PAYLOAD_BYTES} bytes`);
  if (to?.length > RECIPIENTS) throw new RangeError(`a message goes to all, or to at most ${RECIPIENTS}`);
  const names = to ? [KIND.some, to.length, ...to.flatMap(text)] : [KIND.all];
  const head = [VERSION, ...names, ...text(topic)];
  const message = new Uint8Array(head.length + payload.length);
  message.set(head);
  message.set(payload, head.length);
  return message;
}

// The same on the channel where the newest counts.
export function asLossy(message) {
  if (message.length > LOSSY_BYTES) throw new RangeError(`a message that is not reliable has at most ${LOSSY_BYTES} bytes, with its topic and recipients`);
  return message;
}

// Nothing, where it is no message that a server sends.
export function unpacked(buffer) {
  const bytes = new Uint8Array(buffer);
  if (bytes[0] !== VERSION || (bytes[1] !== KIND.fromToAll && bytes[1] !== KIND.fromToSome)) return null;
  let at = 2;
  const read = () => {
    const end = at + 1 + bytes[at];
    const words = new TextDecoder().decode(bytes.subarray(at + 1, end));
    at = end;
    return words;
  };
  const [from, topic] = [read(), read()];
  return at <= bytes.length ? { from, isPrivate: bytes[1] === KIND.fromToSome, topic, payload: bytes.subarray(at) } : null;
}

// `id` is a BigInt, and so is no other number.
export function said(what, id, number, rest = []) {
  const hasNumber = WITH_NUMBER.includes(what);
  const bytes = new Uint8Array(9 + (hasNumber ? 8 : 0) + rest.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = SAID.indexOf(what);
  view.setBigUint64(1, id);
  if (hasNumber) view.setBigUint64(9, BigInt(number));
  bytes.set(rest, hasNumber ? 17 : 9);
  return bytes;
}

export function heard(bytes) {
  const what = SAID[bytes[0]];
  const hasNumber = WITH_NUMBER.includes(what);
  if (!what || bytes.length < (hasNumber ? 17 : 9)) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const number = hasNumber ? Number(view.getBigUint64(9)) : undefined;
  return { what, id: view.getBigUint64(1), number, rest: bytes.subarray(hasNumber ? 17 : 9) };
}
