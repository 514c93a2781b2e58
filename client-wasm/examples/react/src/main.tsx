// A call of whoever opens this page, in a room of a Ferrite server: VITE_SERVER, or ?server=.
import type { Publication } from "ferrite-client/sdk";
import { StrictMode, useCallback, useState } from "react";
import { createRoot } from "react-dom/client";
import { useRoom } from "./useRoom";

const query = new URLSearchParams(location.search);
const url = query.get("server") ?? import.meta.env.VITE_SERVER ?? "http://localhost:8080/";
const room = query.get("room") ?? "react";

/** Plays what somebody publishes: as much of it comes as is seen. */
function Player({ publication }: { publication: Publication }) {
  const play = useCallback((player: HTMLMediaElement | null) => {
    if (!player) return;
    publication.attach(player);
    return () => publication.detach(player);
  }, [publication]);
  return publication.kind === "audio" ? <audio ref={play} /> : <video ref={play} title={publication.label} />;
}

function Call({ name, media }: { name: string; media: MediaStream }) {
  const { status, participants } = useRoom({ url, room, name, media });
  return (
    <>
      <p id="status" role="status">{status.problem?.message ?? status.phase}</p>
      <ul id="people">
        {participants.filter(({ isLocal }) => !isLocal).map((person) => (
          <li key={person.id}>
            {person.name ?? "Somebody"}
            {[...person.publications.values()].map((it) => <Player key={it.id} publication={it} />)}
          </li>
        ))}
      </ul>
    </>
  );
}

function Page() {
  const [call, setCall] = useState<{ name: string; media: MediaStream }>();
  if (call) return <Call {...call} />;
  const enter = async (form: FormData) => {
    const media = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
    setCall({ name: String(form.get("name")), media });
  };
  return (
    <form action={enter}>
      <label>Name <input name="name" required autoComplete="nickname" /></label>
      <button>Call</button>
    </form>
  );
}

createRoot(document.querySelector("#root")!).render(<StrictMode><Page /></StrictMode>);
