// Ferrite's signalling protocol. Written by `cargo run -p ferrite-protocol --example write-bindings`.

/** What a client sends.
 *
 * A client that sends only `offer` and `candidate`, without a `hello`, gets an answer, candidates
 * and an echo. */
export type ClientMessage = { "type": "hello",
    /** The protocol version the client speaks. */
    version: number,
    /** The client's name and version, for the server's log. */
    client?: string | null,
    /** Resumes the session this token was given for. */
    resumeToken?: ResumeToken | null, }
  | { "type": "join",
    /** Carried back by the reply. */
    id?: RequestId | null,
    /** The room to enter. It is made if it is not there. */
    room: RoomId,
    /** What others may call this participant. */
    name?: string | null, }
  | { "type": "leave",
    /** Carried back by the reply. */
    id?: RequestId | null, }
  | { "type": "offer",
    /** Carried back by the answer or error. */
    id?: RequestId | null,
    /** The session description (RFC 8866). */
    sdp: string, }
  | { "type": "candidate",
    /** The candidate, as the browser gives it. */
    candidate: IceCandidate | null, }
  | { "type": "endOfCandidates", }
  | { "type": "hangUp",
    /** Carried back by the reply. */
    id?: RequestId | null, }
  | { "type": "ping",
    /** Carried back by the pong. */
    id?: RequestId | null, }
  | { "type": "pong",
    /** The ping's id. */
    id?: RequestId | null, };

/** What the server sends. */
export type ServerMessage = { "type": "welcome",
    /** The protocol version of this session. */
    version: number,
    /** The session's id, as the server's log has it. */
    session: SessionId,
    /** Resumes this session, once, within the server's resume time. A welcome can get lost, so
     * a used token is void only when a later welcome's has been confirmed: by any message over
     * the WebSocket that brought it. So whoever resumes waits for the welcome, then speaks. */
    resumeToken: ResumeToken,
    /** Whether an earlier session goes on. */
    resumed: boolean,
    /** How often the client should ping, in milliseconds. The server closes a session it has
     * not heard from for three of these. */
    pingIntervalMs: number,
    /** What to put into `RTCConfiguration.iceServers`. */
    iceServers: Array<IceServer>, }
  | { "type": "joined",
    /** The request's id. */
    id?: RequestId | null,
    /** Who this client is in the room. */
    participant: ParticipantId,
    /** The room, this participant included. */
    room: RoomSnapshot, }
  | { "type": "left",
    /** The request's id. */
    id?: RequestId | null, }
  | { "type": "participantJoined",
    /** Who. */
    participant: Participant, }
  | { "type": "participantLeft",
    /** Who. */
    participant: ParticipantId, }
  | { "type": "answer",
    /** The request's id. */
    id?: RequestId | null,
    /** The session description (RFC 8866). */
    sdp: string, }
  | { "type": "candidate",
    /** The candidate, to be given to `addIceCandidate`. */
    candidate: IceCandidate, }
  | { "type": "endOfCandidates", }
  | { "type": "peerState",
    /** The state. */
    state: PeerConnectionState,
    /** Why, in words for a person, when it is not good news. With `connected` it says what ended
     * although the connection did not: the data channels. */
    reason?: string | null, }
  | { "type": "hungUp",
    /** The request's id. */
    id?: RequestId | null, }
  | { "type": "error",
    /** The request's id, where it had one. */
    id?: RequestId | null,
    /** For programs. */
    code: ErrorCode,
    /** For people. */
    message: string, }
  | { "type": "goingAway",
    /** In milliseconds. */
    retryAfterMs: number, }
  | { "type": "ping",
    /** Carried back by the pong. */
    id?: RequestId | null, }
  | { "type": "pong",
    /** The ping's id. */
    id?: RequestId | null, };

/** `RTCPeerConnectionState`, as the server sees it. */
export type PeerConnectionState = "new" | "connecting" | "connected" | "disconnected" | "failed" | "closed";

/** The `code` of an error message. */
export type ErrorCode = "badMessage" | "unknownType" | "versionMismatch" | "badOffer" | "badCandidate" | "badState" | "resumeFailed" | "limitExceeded" | "refused" | "internal" | "other";

/** `RTCSdpType`. The browser always offers and the server always answers, so v1 has no others. */
export type SdpType = "offer" | "answer";

/** `RTCSessionDescriptionInit`. */
export type SessionDescription = {
    /** Whether this offers or answers. */
    type: SdpType,
    /** The session description (RFC 8866). */
    sdp: string, };

/** `RTCIceCandidateInit`: what a browser's `candidate.toJSON()` gives.
 *
 * An empty `candidate` says that its generation has no more (RFC 8838 §13). */
export type IceCandidate = {
    /** The candidate attribute (RFC 8839 §5.1), `candidate:` and all. */
    candidate: string,
    /** The media section's identification tag. */
    sdpMid?: string | null,
    /** The media section's index, from 0. */
    sdpMLineIndex?: number | null,
    /** The ICE generation the candidate belongs to. */
    usernameFragment?: string | null, };

/** `RTCIceServer`. */
export type IceServer = {
    /** `stun:`, `turn:` or `turns:` URLs. */
    urls: Array<string>,
    /** The TURN user name. */
    username?: string | null,
    /** The TURN password. */
    credential?: string | null, };

/** Somebody in a room. */
export type Participant = {
    /** Unique in the room. */
    id: ParticipantId,
    /** What others may call them. */
    name?: string | null, };

/** A whole room at one moment: what a client that knows nothing needs. */
export type RoomSnapshot = {
    /** The room. */
    id: RoomId,
    /** Everybody in it, oldest first. */
    participants: Array<Participant>, };

/** One signalling session: a client's WebSocket, and whatever resumes it. */
export type SessionId = string;

/** A room, as its users name it. */
export type RoomId = string;

/** Somebody in a room. */
export type ParticipantId = string;

/** Chosen by the sender of a request; its reply carries it back. */
export type RequestId = number;

/** The secret that lets a client resume its session after its WebSocket dropped. */
export type ResumeToken = string;
