// A room as React sees it: in it as long as the component is there, and drawn anew when something changes.
import { Room, type Participant, type RoomEvents } from "ferrite-client/sdk";
import { useEffect, useState } from "react";

export interface UseRoom {
  url: string;
  room: string;
  name: string;
  /** What to publish. */
  media: MediaStream;
}

export interface RoomState {
  status: Room["status"];
  participants: Participant[];
}

const CHANGES: (keyof RoomEvents)[] = [
  "status", "participantJoined", "participantChanged", "participantLeft", "published", "publicationChanged", "unpublished",
];

export function useRoom({ url, room: id, name, media }: UseRoom): RoomState {
  const [state, setState] = useState<RoomState>({ status: { phase: "idle", link: "idle" }, participants: [] });
  useEffect(() => {
    const leaving = new AbortController();
    const room = new Room({ url });
    for (const event of CHANGES) {
      const change = () => setState({ status: room.status, participants: [...room.participants.values()] });
      room.on(event, change, leaving);
    }
    for (const track of media.getTracks()) room.publish(track);
    // Why it could not be is in the status.
    room.connect({ room: id, name, signal: leaving.signal }).catch(console.info);
    return () => {
      leaving.abort();
      void room.leave();
    };
  }, [url, id, name, media]);
  return state;
}
