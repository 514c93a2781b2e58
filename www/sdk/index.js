// Rooms as objects, on top of FerriteClient: see index.d.ts.

export { DeviceError, openDevices, openScreen } from "./devices.js";
export { RpcError } from "./calls.js";
export { FileError, IncomingFile, OutgoingFile } from "./transfers.js";
export { LocalTrack } from "./local_track.js";
export { Participant } from "./participant.js";
export { Publication } from "./publication.js";
export { Room } from "./room.js";
