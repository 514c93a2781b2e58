// A call of whoever opens this page, in a room of a Ferrite server: VITE_SERVER, or ?server=.
import init, { FerriteClient, type FerriteShown } from "ferrite-client";

const query = new URLSearchParams(location.search);
const server = query.get("server") ?? import.meta.env.VITE_SERVER ?? "http://localhost:8080/";
const room = query.get("room") ?? "vite";

const form = document.querySelector<HTMLFormElement>("#enter")!;
const status = document.querySelector<HTMLElement>("#status")!;
const people = document.querySelector<HTMLElement>("#people")!;
const players = new Map<string, HTMLMediaElement>();

/** Plays what comes of a publication, and nothing when nothing comes. */
function show({ publication, track }: FerriteShown) {
  let player = players.get(publication);
  if (!player) {
    player = document.createElement(track?.kind === "audio" ? "audio" : "video");
    player.autoplay = true;
    player.title = publication;
    players.set(publication, player);
    people.append(player);
  }
  player.srcObject = track && new MediaStream([track]);
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  form.hidden = true;
  await init();
  const client = new FerriteClient({ url: server });
  client.on("status", ({ phase, problem }) => (status.textContent = problem?.message ?? phase));
  client.on("shown", show);
  client.on("unpublished", ({ id }) => {
    players.get(id)?.remove();
    players.delete(id);
  });
  const media = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
  for (const track of media.getTracks()) {
    client.publishTrack(track, { key: track.kind === "audio" ? "mic" : "cam" });
  }
  await client.join({ room, name: String(new FormData(form).get("name")) });
});
