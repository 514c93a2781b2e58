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
    resumeToken?: ResumeToken | null,
    /** The number of the last room message that came, so that none is missed and none comes twice. */
    lastMessage?: number | null, }
  /** Enters a room. */
  | { "type": "join",
    /** Carried back by the reply. */
    id?: RequestId | null,
    /** The room to enter. It is made if it is not there. */
    room: RoomId,
    /** What others may call this participant. A token's name goes before it. */
    name?: string | null,
    /** Whatever the application wants others to know of them. A token's goes before it. */
    metadata?: string | null,
    /** Says who this is and what they may do, where the server asks for it. */
    token?: JoinToken | null, }
  /** Replaces the token that let this client into its room. What it allows holds from now on. */
  | { "type": "authorize",
    /** Carried back by the reply. */
    id?: RequestId | null,
    /** Of the same room and the same identity. */
    token: JoinToken, }
  /** Changes what others see of this participant. What is left out stays. */
  | { "type": "update",
    /** Carried back by the reply. */
    id?: RequestId | null,
    /** What others may call them. */
    name?: string | null,
    /** Whatever the application wants others to know of them. */
    metadata?: string | null, }
  /** Says which of this client's publications are muted: the whole list each time. */
  | { "type": "mute",
    /** Carried back by the reply. */
    id?: RequestId | null,
    /** Their keys. */
    keys: Array<string>, }
  /** Says what each slot for pictures shows: the whole map each time, by the slot's `mid`. Until the
   * first of these the server fills the slots. */
  | { "type": "watch",
    /** Carried back by the reply. */
    id?: RequestId | null,
    /** What each shows; `null` and a slot that is left out show nothing. */
    slots: { [key in string]: Watch | null }, }
  /** Says whether this client keeps up with the pictures that it is shown. Until another of these it is shown smaller
   * layers of them, or larger ones again, a step at a time. */
  | { "type": "pressure",
    /** Carried back by the reply. */
    id?: RequestId | null,
    /** How it does now. */
    state: Pressure, }
  /** Says something to those in the room. */
  | { "type": "say",
    /** Carried back by the reply. */
    id?: RequestId | null,
    /** To these only; left out, to all. */
    to?: Array<ParticipantId> | null,
    /** What it is about. Late joiners are told what was said last about `chat`. */
    topic: string,
    /** What is said. */
    text: string, }
  /** Removes somebody from the room, if this client may. */
  | { "type": "kick",
    /** Carried back by the reply. */
    id?: RequestId | null,
    /** Whom. */
    participant: ParticipantId,
    /** Why, for them to read. */
    reason?: string | null, }
  /** Mutes a publication of somebody else's, if this client may. They can unmute it. */
  | { "type": "mutePublication",
    /** Carried back by the reply. */
    id?: RequestId | null,
    /** Which. */
    publication: PublicationId,
    /** Why, for them to read. */
    reason?: string | null, }
  /** Ends the room for everybody, if this client may. */
  | { "type": "endRoom",
    /** Carried back by the reply. */
    id?: RequestId | null,
    /** Why, for them to read. */
    reason?: string | null, }
  /** Leaves the room. */
  | { "type": "leave",
    /** Carried back by the reply. */
    id?: RequestId | null, }
  /** An SDP offer (RFC 9429). The first one makes the peer connection, later ones change it. */
  | { "type": "offer",
    /** Carried back by the answer or error. */
    id?: RequestId | null,
    /** The session description (RFC 8866). */
    sdp: string,
    /** What its media sections are for: the whole map each time. Without it everything that is
     * sent comes back. */
    tracks?: { [key in string]: TrackUse } | null, }
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
  /** Asks why the peer connection is not connected, and tells what was seen of it. */
  | { "type": "explain",
    /** Carried back by the reply. */
    id?: RequestId | null,
    /** What this client saw. */
    seen: ClientEvidence, }
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
  /** What to put into `RTCConfiguration.iceServers` from now on: all of it, before what was said last expires, and
   * when it is good no more. */
  | { "type": "iceServers",
    /** All of them. */
    iceServers: Array<IceServer>, }
  /** Answers a `join`. */
  | { "type": "joined",
    /** The request's id. */
    id?: RequestId | null,
    /** Who this client is in the room. */
    participant: ParticipantId,
    /** The room, this participant included. */
    room: RoomSnapshot,
    /** What this client may do there, for now: another token may say otherwise. */
    may?: Array<Right>,
    /** What was said: the last of the chat to who comes, what was missed to who comes back. */
    messages?: Array<RoomMessage>, }
  /** Answers a `leave`; without one it says that this client was made to leave. */
  | { "type": "left",
    /** The request's id. */
    id?: RequestId | null,
    /** Why, where it was not asked for. */
    cause?: LeaveCause | null,
    /** The words of who made it leave. */
    reason?: string | null, }
  /** What was asked for is done. */
  | { "type": "done",
    /** The request's id. */
    id?: RequestId | null, }
  /** Somebody else entered the room. */
  | { "type": "participantJoined",
    /** Who. */
    participant: Participant, }
  /** Somebody in the room is not what they were, or publishes something else. It may be this client. */
  | { "type": "participantUpdated",
    /** All of them, as they are now. */
    participant: Participant, }
  /** Somebody else left the room. */
  | { "type": "participantLeft",
    /** Who. */
    participant: ParticipantId,
    /** Why, where the server knows. */
    cause?: DepartureCause | null, }
  /** Somebody else muted what this client publishes. It is muted until this client says otherwise. */
  | { "type": "muted",
    /** Which. */
    publication: PublicationId,
    /** The words of who did it. */
    reason?: string | null, }
  /** What each slot carries: the whole map, by the slot's `mid`, whenever it changes. It answers a
   * `watch`, too. */
  | { "type": "watching",
    /** The request's id. */
    id?: RequestId | null,
    /** What each carries. A slot that is not there is free. */
    slots: { [key in string]: Slot }, }
  /** Who speaks: the whole list, whenever it changes, at most five times a second. */
  | { "type": "speaking",
    /** Who has the word: the last who spoke for more than a moment. They keep it while nobody speaks. Left out
     * until somebody had it, and when they are gone. */
    active?: ParticipantId | null,
    /** Those who speak right now, at most eight; who has spoken longest or loudest comes first. It may be this client. */
    participants: Array<ParticipantId>, }
  /** Which simulcast layers of what this client publishes somebody watches, or may at any moment, and how large what
   * it publishes in one stream: the whole of both maps whenever they change, by the publication's key. What is not
   * there is to be sent as it is. */
  | { "type": "wanted",
    /** The `rid`s of those layers, best first. Of the others nothing need be sent: a client that cannot leave
     * them out does no harm. */
    layers: { [key in string]: Array<string> },
    /** Of a picture in one stream whose codec may have spatial layers: how many times its width and height may be
     * halved, at most twice, and it is still as large as anybody watches it. Layers above that need not be sent. */
    halvings?: { [key in string]: number }, }
  /** How well this client's media does, as the server sees it: all of it, at most once a second, and only where it
   * is otherwise than was said. */
  | { "type": "quality",
    /** What the way to this client carries, in bits per second, as far as that is known. */
    bitsPerSecond?: number | null,
    /** Of each slot that pictures are shown on, by its `mid`. */
    slots: { [key in string]: SlotQuality },
    /** What comes of each layer of the pictures that this client publishes, in bits per second, best first, by the
     * publication's key. */
    arrives: { [key in string]: Array<number> }, }
  /** Somebody said something; it may be this client. */
  | { "type": "said",
    /** What, and who. */
    message: RoomMessage, }
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
  /** Answers an `explain`: why the peer connection is not connected. Without a request it tells a client that
   * did not ask. */
  | { "type": "explained",
    /** The request's id. */
    id?: RequestId | null,
    /** For programs. */
    cause: Cause,
    /** For people: one sentence that ends with what to do. */
    text: string, }
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
  /** The token is missing, or does not let this client do what it asked for. The message says why. */
  | "notAllowed"
  /** This server is not for pages of this origin. The message says who can change that. */
  | "refused"
  /** The server failed. Its log says how. */
  | "internal"
  /** A code a later version added. */
  | "other";

/** What a client saw. */
export type ClientEvidence = {
    /** This call worked before, so that the sums hold what was before it broke. */
    workedBefore?: boolean,
    /** The addresses that it found it can send from. */
    local: Gathered,
    /** The server's candidates that it knows. */
    remote: number,
    /** Its candidate pairs by UDP. */
    udp: PairSums,
    /** Its candidate pairs by TCP. */
    tcp: PairSums,
    /** Its candidate pairs through a relay. */
    relayed: PairSums,
    /** The codes of `icecandidateerror`, each once: 401 where a relay refuses the credentials, 701 where a
     * server is not reached. */
    gatheringErrors?: Array<number>,
    /** The DTLS handshake, where it is told. */
    dtls?: Handshake | null, };

/** The candidates that a client gathered. */
export type Gathered = {
    /** Of its own interfaces, the names for them included that browsers give instead of addresses. */
    host: number,
    /** As servers see it. */
    reflexive: number,
    /** At relays. */
    relayed: number,
    /** It has looked for all there are. */
    complete: boolean, };

/** Sums over candidate pairs. */
export type PairSums = {
    /** How many pairs there are. */
    pairs: number,
    /** Checks that left. Not every browser counts them. */
    sent?: number | null,
    /** Answers that came to them. */
    answered?: number | null,
    /** Checks without an answer, on pairs that have answers to others. */
    lost?: number | null, };

/** `RTCDtlsTransportState`. */
export type Handshake =
  /** It has not begun. */
  | "new"
  /** It is under way. */
  | "connecting"
  /** It is done. */
  | "connected"
  /** It was closed. */
  | "closed"
  /** It failed. */
  | "failed"
  /** A state that a later version added. */
  | "other";

/** Why a call is not connected. */
export type Cause =
  /** The server has no peer connection for this client. */
  | "noPeer"
  /** The client knows no address of the server's. */
  | "noServerAddress"
  /** The client has no address to send from. */
  | "noClientAddress"
  /** None of the client's addresses goes with one of the server's. */
  | "noPair"
  /** The client sends no checks. */
  | "noChecks"
  /** The server offers only private addresses to a client that is elsewhere. */
  | "privateAddress"
  /** Nothing of the client's arrives, neither by UDP nor by what else it tries. */
  | "nothingArrives"
  /** No UDP of the client's arrives, and it tries nothing else. */
  | "udpBlocked"
  /** No UDP of the client's arrives; TCP does. */
  | "onlyTcpArrives"
  /** A relay is needed, and refuses the client's credentials. */
  | "relayRefused"
  /** A relay is needed, and the client does not reach it. */
  | "relayUnreachable"
  /** The client's checks have another call's name or password. */
  | "wrongPassword"
  /** The client claims the server's role in ICE. */
  | "roleConflict"
  /** The client's checks arrive, and the answers do not. */
  | "answersLost"
  /** Many checks or answers are lost. */
  | "lossy"
  /** Checks and answers arrive, and the client chooses no path. */
  | "notNominated"
  /** ICE has its path, and no DTLS of the client's arrives. */
  | "dtlsMissing"
  /** ICE has its path, and the DTLS of the server's has no answer. */
  | "dtlsUnanswered"
  /** Small DTLS datagrams arrive, and large ones do not. */
  | "largeDatagramsLost"
  /** The DTLS handshake began, and does not go on. */
  | "handshakeStalls"
  /** The server's end of the handshake is done, and the client's is not. */
  | "lastFlightLost"
  /** The certificate is not the one that the client announced. */
  | "wrongCertificate"
  /** The DTLS handshake failed. */
  | "handshakeFailed"
  /** The client's end closed the connection. */
  | "closedByClient"
  /** What came over the path comes no more. */
  | "wentSilent"
  /** The evidence does not tell. */
  | "unclear"
  /** A cause that a later version added. */
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
    name?: string | null,
    /** Whatever the application wants others to know of them. */
    metadata?: string | null,
    /** Whether their client is there. */
    state?: ParticipantState,
    /** What they publish. */
    publications?: Array<Publication>, };

/** Whether somebody's client is there. Connected, where it is not said. */
export type ParticipantState =
  /** It is. */
  | "connected"
  /** It lost its connection and may come back; until then its place is kept. */
  | "reconnecting";

/** What somebody publishes. */
export type Publication = {
    /** Unique in the room. */
    id: PublicationId,
    /** Sound or pictures. */
    kind: MediaKind,
    /** Where it comes from. */
    source: Source,
    /** What its publisher calls it. */
    label?: string | null,
    /** Nothing is sent of it at the moment. */
    muted?: boolean,
    /** The width of the best there is of it, in pixels. */
    width?: number | null,
    /** Its height. */
    height?: number | null, };

/** The kinds of media. */
export type MediaKind =
  /** Sound. */
  | "audio"
  /** Pictures. */
  | "video";

/** Where a publication comes from. */
export type Source =
  /** A camera. */
  | "camera"
  /** A microphone. */
  | "microphone"
  /** A screen, or a part of one. */
  | "screen"
  /** The sound of what a screen shows. */
  | "screenAudio"
  /** Something else, or a source that a later version added. */
  | "other";

/** Something that a client may do in a room. */
export type Right =
  /** Publish, if not from every source. */
  | "publish"
  /** Watch and listen to others. */
  | "subscribe"
  /** Say something, and send messages. */
  | "say"
  /** Mute and remove others, and end the room. */
  | "moderate"
  /** A right that a later version added. */
  | "other";

/** A whole room at one moment: what a client that knows nothing needs. */
export type RoomSnapshot = {
    /** The room. */
    id: RoomId,
    /** Everybody in it, oldest first. */
    participants: Array<Participant>, };

/** Something that somebody said in a room. */
export type RoomMessage = {
    /** A later message has a larger number, in whatever room. */
    number: number,
    /** Who sent it, as the server knows. */
    from: ParticipantId,
    /** What they were called then. */
    name?: string | null,
    /** To whom, where it is not to all. */
    to?: Array<ParticipantId> | null,
    /** What it is about; `chat` is what people write to each other. */
    topic: string,
    /** When the server took it, in milliseconds since 1970. */
    at: number,
    /** What was said. */
    text: string, };

/** What a media section is for. */
export type TrackUse =
  /** This is published on it. */
  | { "publish": {
    /** Names the publication among this client's: under the same key it is the same one, also on
     * another section or peer connection. It is not empty, and has no `/` in it. */
    key: string,
    /** Where it comes from. */
    source: Source,
    /** What to call it. */
    label?: string | null,
    /** The width of the best there is of it, in pixels. */
    width?: number | null,
    /** Its height. */
    height?: number | null, } }
  /** It is a slot: what others publish is shown on it, one at a time. The nth slot for sound and
   * the nth for pictures are one `MediaStream`. */
  | { "receive": MediaKind };

/** What a slot for pictures is to show. */
export type Watch = {
    /** Which publication. */
    publication: PublicationId,
    /** How wide it is shown, in pixels of the screen. Left out, the best there is is sent. */
    width?: number | null,
    /** How high it is shown. */
    height?: number | null,
    /** Nothing is to be sent for now. */
    paused?: boolean,
    /** Whether it comes before what other slots show, where there is not room for all. Left out, it is `low`. */
    priority?: Priority, };

/** What comes first where there is not room for all, in the words of WebRTC's `RTCPriorityType`. Of one priority
 * screens come first, then what is shown larger. */
export type Priority =
  /** After everything else. */
  | "very-low"
  /** As usual. */
  | "low"
  /** Before what is usual. */
  | "medium"
  /** Before everything else. */
  | "high";

/** What a slot carries. */
export type Slot = {
    /** The publication that is shown on it, or would be. */
    publication: PublicationId,
    /** Why nothing comes of it, where nothing does. */
    idle?: Idle | null, };

/** Why a slot carries nothing. */
export type Idle =
  /** Its publisher muted it. */
  | "muted"
  /** `watch` says so. */
  | "paused"
  /** Nobody publishes it: not yet, or not any more. */
  | "noPublisher"
  /** Its publisher sends a codec that this client did not agree to on the slot. */
  | "codec"
  /** There is no room for it on the way to this client. It comes back by itself. */
  | "bandwidth"
  /** This client's token does not let it subscribe. */
  | "notAllowed"
  /** A reason that a later version added. */
  | "other";

/** How well a slot for pictures does. */
export type SlotQuality = {
    /** The layer that would be best for its size: 0 is the best there is, each further one has half the width and height. */
    wished: number,
    /** The layer that goes out; left out while none does. */
    sent?: number | null,
    /** The highest temporal layer of it that goes out, where those above it are left out for want of room: 0 is the
     * lowest, and each further one doubles the frames in a second. */
    temporalLayer?: number | null,
    /** Why that is less than is wished for, where it has been for a while. */
    limit?: Limit | null, };

/** What keeps a picture from being better. */
export type Limit =
  /** The way to this client is too narrow. */
  | "download"
  /** This client said that it cannot keep up. */
  | "cpu"
  /** Its publisher sends less, as browsers do whose way to the server is too narrow or that are too busy. */
  | "upload"
  /** Nothing comes from its publisher, who says nothing of why. */
  | "interrupted"
  /** Something that a later version added. */
  | "other";

/** Whether a device keeps up with what it has to do, in the words of the Compute Pressure API's `PressureState`. */
export type Pressure =
  /** It could do more. */
  | "nominal"
  /** It does what it has to, and no more. */
  | "fair"
  /** It falls behind: less would be better. */
  | "serious"
  /** It is about to fail: the least is enough. */
  | "critical";

/** Why a client was made to leave its room. */
export type LeaveCause =
  /** Somebody removed this participant. */
  | "kicked"
  /** The room was ended. */
  | "roomEnded"
  /** The same identity joined anew. */
  | "joinedElsewhere"
  /** A cause that a later version added. */
  | "other";

/** Why somebody else is no longer in the room. */
export type DepartureCause =
  /** They left, or closed the page. */
  | "left"
  /** Somebody removed them. */
  | "kicked"
  /** The same identity joined anew. */
  | "joinedElsewhere"
  /** Their connection was gone, and they did not come back, or could not. */
  | "lost"
  /** Their client passed a limit, and the server ended its session. */
  | "limitExceeded"
  /** A cause that a later version added. */
  | "other";

/** One signalling session: a client's WebSocket, and whatever resumes it. */
export type SessionId = string;

/** A room, as its users name it. */
export type RoomId = string;

/** Somebody in a room. */
export type ParticipantId = string;

/** What somebody publishes in a room: `participant/key`, whatever peer connection carries it. */
export type PublicationId = string;

/** The secret that lets a client into a room: a JWT (RFC 7519). */
export type JoinToken = string;

/** Chosen by the sender of a request; its reply carries it back. */
export type RequestId = number;

/** The secret that lets a client resume its session after its WebSocket dropped. */
export type ResumeToken = string;
