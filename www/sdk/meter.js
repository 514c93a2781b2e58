// How well one publication does, since it was last asked. What the numbers are is in quality_numbers.js; here is what
// they are told: of a room, one publication, and the section that it is on.

import { read } from "../quality_numbers.js";

export class Meter {
  #connection = null;
  #report = null;

  async read(connection, publication) {
    const report = await connection.getStats();
    // Another one counts anew.
    const before = connection === this.#connection ? this.#report : null;
    [this.#connection, this.#report] = [connection, report];
    const [{ size, isOwn, id, name, kind, source, ...numbers }] = read(report, before, insight(connection, publication)).rows;
    return { ...numbers, width: size?.[0] ?? null, height: size?.[1] ?? null, report };
  }
}

function insight(connection, { id, key, kind, source, muted, participant, track, idle, quality }) {
  const mid = track && section(connection, track, participant.isLocal);
  const carried = mid === null ? [] : [[mid, { publication: id, publish: { key } }]];
  const sections = Object.fromEntries(carried);
  // What the server says that it does not send has no section that tells.
  if (idle) sections.idle = { publication: id, idle };
  return {
    room: { own: participant.isLocal ? participant.id : undefined, participants: [{ id: participant.id, publications: [{ id, kind, source, muted }] }] },
    quality: { shown: quality ? [{ publication: id, ...quality }] : [] },
    sections: { tracks: sections, slots: sections },
  };
}

function section(connection, track, isOwn) {
  const end = isOwn ? "sender" : "receiver";
  return connection.getTransceivers().find((it) => it[end].track === track)?.mid ?? null;
}
