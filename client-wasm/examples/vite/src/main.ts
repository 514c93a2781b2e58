// A call of whoever opens this page, in a room of a Ferrite server: VITE_SERVER, or ?server=.
import { Room } from "ferrite-client/sdk";

const query = new URLSearchParams(location.search);
const url = query.get("server") ?? import.meta.env.VITE_SERVER ?? "http://localhost:8080/";

const form = document.querySelector<HTMLFormElement>("#enter")!;
const status = document.querySelector<HTMLElement>("#status")!;
const people = document.querySelector<HTMLElement>("#people")!;

const room = new Room({ url });
room.on("status", ({ phase, problem }) => (status.textContent = problem?.message ?? phase));
room.on("published", (publication) => {
  if (publication.participant.isLocal) return;
  const player = publication.attach();
  player.title = publication.participant.name ?? "Somebody";
  people.append(player);
  publication.once("unpublished", () => player.remove());
});

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  form.hidden = true;
  const media = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
  for (const track of media.getTracks()) room.publish(track);
  const name = String(new FormData(form).get("name"));
  await room.connect({ room: query.get("room") ?? "vite", name });
});
