// A call of whoever opens this page, in a room of a Ferrite server: VITE_SERVER, or ?server=.
import init from "ferrite-client";
import { StrictMode, useCallback, useState } from "react";
import { createRoot } from "react-dom/client";
import { useRoom } from "./useRoom";

const query = new URLSearchParams(location.search);
const url = query.get("server") ?? import.meta.env.VITE_SERVER ?? "http://localhost:8080/";
const room = query.get("room") ?? "react";

function Player({ track, title }: { track: MediaStreamTrack; title: string }) {
  const play = useCallback((player: HTMLMediaElement | null) => {
    if (player) player.srcObject = new MediaStream([track]);
  }, [track]);
  if (track.kind === "audio") return <audio ref={play} title={title} autoPlay />;
  return <video ref={play} title={title} autoPlay playsInline />;
}

function Call({ name, media }: { name: string; media: MediaStream }) {
  const { status, others, tracks } = useRoom({ url, room, name, media });
  return (
    <>
      <p id="status" role="status">{status?.problem?.message ?? status?.phase}</p>
      <ul id="people">
        {others.map((person) => (
          <li key={person.id}>
            {person.name ?? "Somebody"}
            {person.publications.map(({ id, label }) => {
              const track = tracks.get(id);
              return track && <Player key={id} track={track} title={label ?? person.name ?? id} />;
            })}
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

await init();
createRoot(document.querySelector("#root")!).render(<StrictMode><Page /></StrictMode>);
