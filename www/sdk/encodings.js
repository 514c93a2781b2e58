// How a track is encoded, by how it is to be published. Pure. Nothing, where the client is to choose by itself.

// The server knows layers by these names, best first; each has half the width and height of the one before.
const RIDS = ["f", "h", "q"];
// Of each layer, as a part of the one before.
const SHARE = 1 / 3;
// Layers of a picture whose larger side has so many pixels: of smaller ones browsers send fewer.
const LAYERS = [[960, 3], [640, 2], [0, 1]];
// In these Chromium makes spatial layers of one stream, unless it is told not to: servers take them apart where there is no simulcast.
const SCALABLE = ["VP9", "AV1"];
const MODE = /^(L1T[1-3]|L[23]T[1-3](_KEY)?)$/;
const SPATIAL = /^L[23]/;

// `codec` is the one that will be sent, as far as that is known.
export function encodings(options, { kind, source, size, codec }) {
  if (options.encodings) return options.encodings;
  const { simulcast, maxBitrate, maxFramerate, scalabilityMode } = options;
  if (kind === "audio") return maxBitrate === undefined ? undefined : [{ maxBitrate }];
  if (scalabilityMode !== undefined && !MODE.test(scalabilityMode)) throw new TypeError("no scalabilityMode such as L1T3 or L3T3_KEY");
  const isSpatial = SPATIAL.test(scalabilityMode);
  if (isSpatial && codec?.toUpperCase() !== "VP9") throw new TypeError(`${scalabilityMode} takes VP9: name it in codecs`);
  if ([simulcast, maxBitrate, maxFramerate, scalabilityMode].every((it) => it === undefined)) return undefined;
  const wanted = Array.isArray(simulcast) ? simulcast : standard(layers(simulcast, { source, size, codec }), maxBitrate);
  if (wanted.length === 0 || wanted.length > RIDS.length) throw new TypeError(`a picture has 1 to ${RIDS.length} layers`);
  if (isSpatial && wanted.length > 1) throw new TypeError(`${scalabilityMode} is one stream, without simulcast`);
  const most = said({ maxFramerate, scalabilityMode });
  if (wanted.length === 1) return [{ ...most, ...wanted[0] }];
  const mode = SCALABLE.includes(codec) ? { scalabilityMode: "L1T1" } : {};
  // Where there is little room, browsers leave out the last.
  return wanted.map((layer, at) => ({ rid: RIDS[at], scaleResolutionDownBy: 2 ** at, ...mode, ...most, ...layer })).reverse();
}

const said = (options) => Object.fromEntries(Object.entries(options).filter(([, it]) => it !== undefined));

// How many, where that is not said one by one.
function layers(simulcast, { source, size, codec }) {
  const isLayered = simulcast ?? (source === "camera" && (codec ?? "VP8") === "VP8");
  return isLayered ? LAYERS.find(([least]) => size >= least)[1] : 1;
}

const standard = (count, maxBitrate) => Array.from({ length: count }, (_, at) =>
  (maxBitrate === undefined ? {} : { maxBitrate: Math.round(maxBitrate * SHARE ** at) }));

// The first codec of these that the browser sends; the browser's own choice, where none is named.
export function chosen(codecs, capabilities) {
  const has = new Set(capabilities.map(({ mimeType }) => mimeType.split("/")[1].toUpperCase()));
  return codecs.find((codec) => has.has(codec.toUpperCase()));
}
