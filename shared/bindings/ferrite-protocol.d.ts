// Ferrite's signalling protocol. Written by `cargo run -p ferrite-protocol --example write-bindings`.

/** What a client sends.
 *
 * A client that sends only `offer` and `candidate`, without a `hello`, gets an answer, candidates
 * and an echo. */
export type ClientMessage =
  /** Opens or resumes a session. Optional; if sent, it comes first. */
  | { "type": "hello",
    /** The protocol version the client speaks. */
    version: number,
    /** The client's name and version, for the server's log. */
    client?: string | null,
    /** Resumes the session this token was given for. */
    resumeToken?: ResumeToken | null, }
  /** Enters a room. */
  | { "type": "join",
    /** Carried back by the reply. */
    id?: RequestId | null,
    /** The room to enter. It is made if it is not there. */
    room: RoomId,
    /** What others may call this participant. */
    name?: string | null, }
  /** Leaves the room. */
  | { "type": "leave",
    /** Carried back by the reply. */
    id?: RequestId | null, }
  /** An SDP offer (RFC 9429). The first one makes the peer connection, later ones change it. */
  | { "type": "offer",
    /** Carried back by the answer or error. */
    id?: RequestId | null,
    /** The session description (RFC 8866). */
    sdp: string, }
  /** A trickled candidate (RFC 8838). `null` means the same as `endOfCandidates`. */
  | { "type": "candidate",
    /** The candidate, as the browser gives it. */
    candidate: IceCandidate | null, }
  /** There are no more candidates. */
  | { "type": "endOfCandidates", }
  /** Closes the peer connection and keeps the session. */
  | { "type": "hangUp",
    /** Carried back by the reply. */
    id?: RequestId | null, }
  /** Asks for a `pong`. */
  | { "type": "ping",
    /** Carried back by the pong. */
    id?: RequestId | null, }
  /** Answers a `ping`. */
  | { "type": "pong",
    /** The ping's id. */
    id?: RequestId | null, };

/** What the server sends. */
export type ServerMessage =
  /** Answers a `hello`. */
  | { "type": "welcome",
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
  /** Answers a `join`. */
  | { "type": "joined",
    /** The request's id. */
    id?: RequestId | null,
    /** Who this client is in the room. */
    participant: ParticipantId,
    /** The room, this participant included. */
    room: RoomSnapshot, }
  /** Answers a `leave`. */
  | { "type": "left",
    /** The request's id. */
    id?: RequestId | null, }
  /** Somebody else entered the room. */
  | { "type": "participantJoined",
    /** Who. */
    participant: Participant, }
  /** Somebody else left the room. */
  | { "type": "participantLeft",
    /** Who. */
    participant: ParticipantId, }
  /** Answers an `offer`. */
  | { "type": "answer",
    /** The request's id. */
    id?: RequestId | null,
    /** The session description (RFC 8866). */
    sdp: string, }
  /** A candidate of the server's. */
  | { "type": "candidate",
    /** The candidate, to be given to `addIceCandidate`. */
    candidate: IceCandidate, }
  /** The server has no more candidates. */
  | { "type": "endOfCandidates", }
  /** What the server sees of the peer connection. */
  | { "type": "peerState",
    /** The state. */
    state: PeerConnectionState,
    /** Why, in words for a person, when it is not good news. With `connected` it says what ended
     * although the connection did not: the data channels. */
    reason?: string | null, }
  /** Answers a `hangUp`. */
  | { "type": "hungUp",
    /** The request's id. */
    id?: RequestId | null, }
  /** A request could not be met. The session goes on unless the WebSocket closes. */
  | { "type": "error",
    /** The request's id, where it had one. */
    id?: RequestId | null,
    /** For programs. */
    code: ErrorCode,
    /** For people. */
    message: string, }
  /** The server is shutting down. Call again after the given time. */
  | { "type": "goingAway",
    /** In milliseconds. */
    retryAfterMs: number, }
  /** Asks for a `pong`. */
  | { "type": "ping",
    /** Carried back by the pong. */
    id?: RequestId | null, }
  /** Answers a `ping`. */
  | { "type": "pong",
    /** The ping's id. */
    id?: RequestId | null, };

/** `RTCPeerConnectionState`, as the server sees it. */
export type PeerConnectionState =
  /** Nothing was heard from the other end. */
  | "new"
  /** ICE or DTLS is under way. */
  | "connecting"
  /** ICE has a consented pair, DTLS is done. */
  | "connected"
  /** Consent is late. */
  | "disconnected"
  /** Consent was lost or DTLS failed. An ICE restart within 30 s can bring lost consent back; after
   * that the peer connection is closed. */
  | "failed"
  /** Closed by either end. */
  | "closed";

/** The `code` of an error message. */
export type ErrorCode =
  /** The frame is not a JSON object with a `type`, or a field is missing or of the wrong kind. */
  | "badMessage"
  /** The `type` is none this version has. */
  | "unknownType"
  /** The client speaks another version. The message names both. */
  | "versionMismatch"
  /** The offer cannot be answered. The message says why. */
  | "badOffer"
  /** The candidate cannot be parsed. */
  | "badCandidate"
  /** The request does not fit the session's state. */
  | "badState"
  /** The resume token is unknown or expired. The session starts anew. */
  | "resumeFailed"
  /** A documented limit was passed. */
  | "limitExceeded"
  /** This server is not for pages of this origin. The message says who can change that. */
  | "refused"
  /** The server failed. Its log says how. */
  | "internal"
  /** A code a later version added. */
  | "other";

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
