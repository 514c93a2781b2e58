// LiveKit's SDK for Node.js: mints tokens as an application would, or says what it reads in one of ours.
// Takes what to do as one argument in JSON; the last line is `result` and JSON.
import { AccessToken, RoomConfiguration, TokenVerifier, TrackSource } from "livekit-server-sdk";

const { key, secret, mint, verify } = JSON.parse(process.argv[2]);

async function minted({ options, grant, room }) {
  const token = new AccessToken(key, secret, options);
  const canPublishSources = grant.canPublishSources?.map((name) => TrackSource[name.toUpperCase()]);
  token.addGrant({ ...grant, canPublishSources });
  if (room) token.roomConfig = new RoomConfiguration(room);
  return token.toJwt();
}

const result = mint
  ? await Promise.all(mint.map(minted))
  : await new TokenVerifier(key, secret).verify(verify).catch((error) => ({ refused: error.code }));
console.log("result", JSON.stringify(result));
