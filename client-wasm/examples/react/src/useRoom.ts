// A room as React sees it: in it as long as the component is there, and drawn anew when something changes.
import { FerriteClient, type FerriteParticipant, type FerriteStatus } from "ferrite-client";
import { useEffect, useState } from "react";

export interface UseRoom {
  url: string;
  room: string;
  name: string;
  /** What to publish. */
  media: MediaStream;
}

export interface RoomState {
  status?: FerriteStatus;
  /** Everybody else. */
  others: FerriteParticipant[];
  /** What comes of what they publish, by the publication's id. */
  tracks: ReadonlyMap<string, MediaStreamTrack>;
}

const OUTSIDE: RoomState = { others: [], tracks: new Map() };

const CHANGES = [
  "joined", "participantJoined", "participantChanged", "participantLeft",
  "published", "publicationChanged", "unpublished", "left",
] as const;

export function useRoom({ url, room, name, media }: UseRoom): RoomState {
  const [state, setState] = useState(OUTSIDE);
  useEffect(() => {
    const client = new FerriteClient({ url });
    const change = (part: Partial<RoomState>) => setState((state) => ({ ...state, ...part }));
    client.on("status", (status) => change({ status }));
    for (const event of CHANGES) {
      client.on(event, () => {
        const { own, participants } = client.room ?? { participants: [] };
        change({ others: participants.filter(({ id }) => id !== own) });
      });
    }
    client.on("shown", ({ publication, track }) => setState((state) => {
      const tracks = new Map(state.tracks);
      if (track) tracks.set(publication, track);
      else tracks.delete(publication);
      return { ...state, tracks };
    }));
    for (const track of media.getTracks()) {
      client.publishTrack(track, { key: track.kind === "audio" ? "mic" : "cam" });
    }
    // Why it could not be is in the status.
    client.join({ room, name }).catch(console.warn);
    return () => {
      client.close();
      setState(OUTSIDE);
    };
  }, [url, room, name, media]);
  return state;
}
