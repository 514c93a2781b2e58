// What a call's statistics say of each publication, and of all of it. Pure: reports come in, numbers go out. Rates and
// loss are those since the report before.
//
// A rate is in bits per second, a round trip in milliseconds, a loss from 0 to 1; null is not known.

// `report` and `before` are what `getStats` gave; `insight` is what the page's program knows of the call.
export function read(report, before, { room, quality, sections }) {
  const stats = [...report.values()];
  const pair = stats.find((it) => it.type === "candidate-pair" && it.nominated && it.state === "succeeded");
  const rows = room.participants.flatMap((participant) =>
    participant.publications.map((publication) => row(participant, publication)));
  const all = {
    received: rate(pair, "bytesReceived"),
    sent: rate(pair, "bytesSent"),
    roundTrip: milliseconds(pair?.currentRoundTripTime),
    loss: lost(stats.filter((it) => it.type === "inbound-rtp")),
    available: pair?.availableOutgoingBitrate ?? null,
    carries: quality.bitsPerSecond ?? null,
    path: path(report, pair),
  };
  return { all, rows: rows.toSorted((one, other) => other.isOwn - one.isOwn) };

  function row(participant, publication) {
    const isOwn = participant.id === room.own;
    const numbers = isOwn ? sending(publication) : receiving(publication);
    const { id, kind, source, muted } = publication;
    return { id, name: participant.name ?? null, isOwn, kind, source, ...numbers, why: muted ? "muted" : numbers.why };
  }

  function receiving({ id }) {
    const [mid, slot] = Object.entries(sections.slots).find(([, it]) => it.publication === id) ?? [];
    const stream = slot && !slot.idle && stats.find((it) => it.type === "inbound-rtp" && it.mid === mid);
    const shown = quality.shown.find((it) => it.publication === id);
    return {
      ...numbers(stream ? [stream] : []),
      loss: stream ? lost([stream]) : null,
      jitter: milliseconds(stream?.jitter),
      // What comes came from the server.
      roundTrip: stream ? milliseconds(pair?.currentRoundTripTime) : null,
      layer: stream && shown?.sent !== undefined ? shown.sent : null,
      why: slot ? slot.idle ?? shown?.limit ?? null : "unseen",
    };
  }

  function sending({ id }) {
    const key = id.slice(room.own.length + 1);
    const [mid] = Object.entries(sections.tracks).find(([, it]) => it.publish?.key === key) ?? [];
    const streams = stats.filter((it) => it.type === "outbound-rtp" && it.mid === mid && mid !== undefined);
    const active = streams.filter((it) => it.active !== false);
    const remote = stats.filter((it) => it.type === "remote-inbound-rtp" && streams.some(({ id }) => id === it.localId));
    const limits = active.map((it) => it.qualityLimitationReason).filter((it) => it && it !== "none");
    return {
      ...numbers(active),
      loss: worst(remote.map((it) => it.fractionLost)),
      jitter: milliseconds(worst(remote.map((it) => it.jitter))),
      roundTrip: milliseconds(worst(remote.map((it) => it.roundTripTime))),
      layer: null,
      why: limits[0] ?? null,
    };
  }

  // Of the largest of a publication's streams, and the rate of all.
  function numbers(streams) {
    const [best] = streams.toSorted((one, other) => (other.frameHeight ?? 0) - (one.frameHeight ?? 0));
    const rates = streams.map((it) => rate(it, it.type === "inbound-rtp" ? "bytesReceived" : "bytesSent"));
    return {
      bitrate: rates.reduce((sum, it) => (it === null ? sum : (sum ?? 0) + it), null),
      size: best?.frameWidth ? [best.frameWidth, best.frameHeight] : null,
      framesPerSecond: best?.framesPerSecond ?? null,
      codec: report.get(best?.codecId)?.mimeType?.split("/")[1] ?? null,
      layers: streams.filter((it) => it.frameHeight).length,
    };
  }

  function rate(stat, name) {
    const earlier = before?.get(stat?.id);
    const seconds = (stat?.timestamp - earlier?.timestamp) / 1000;
    return seconds > 0 ? Math.max(0, ((stat[name] - earlier[name]) * 8) / seconds) : null;
  }

  function lost(streams) {
    const since = (name) => streams.reduce((sum, it) => sum + (it[name] - (before?.get(it.id)?.[name] ?? it[name])), 0);
    const [gone, came] = [Math.max(0, since("packetsLost")), since("packetsReceived")];
    return gone + came > 0 ? gone / (gone + came) : null;
  }
}

function path(report, pair) {
  const [local, remote] = [pair?.localCandidateId, pair?.remoteCandidateId].map((id) => report.get(id));
  if (!local || !remote) return null;
  return { kind: local.candidateType, protocol: local.relayProtocol ?? local.protocol };
}

const milliseconds = (seconds) => (seconds === undefined || seconds === null ? null : seconds * 1000);

function worst(numbers) {
  const known = numbers.filter((it) => it !== undefined);
  return known.length > 0 ? Math.max(...known) : null;
}
