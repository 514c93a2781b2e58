
/** What a {@link FerriteClient} may be told from the start. */
export interface FerriteOptions {
  /**
   * The server: an `http(s):` address, next to which `ws` is taken, or a `ws(s):` address as it is.
   * Default: where this page came from.
   */
  url?: string;
  /** The video codec to offer first, where the browser has it. Default: the browser's own order. */
  codec?: FerriteVideoCodec;
  /**
   * Makes an offer and sets it as the local description, for what browsers let nobody say otherwise. `sent` has, for each
   * transceiver of a room in its order, how {@link FerriteClient.publishTrack} was told to publish what it sends.
   * Default: `connection.setLocalDescription()`.
   */
  describe?: (connection: RTCPeerConnection, sent: (FerritePublish | undefined)[]) => Promise<void>;
  /**
   * How many others are heard at a time in a room, from 1 to 32: where more publish sound, those who speak or spoke last.
   * Anything else is a `TypeError`. Default: five, but all of up to eight.
   */
  voices?: number;
}

/** A codec that servers forward. */
export type FerriteVideoCodec = "VP8" | "VP9" | "H264" | "AV1";

/** Where a call is. */
export type FerritePhase =
  | "idle" | "connecting" | "negotiating" | "connected" | "reconnecting" | "failed" | "closed";

/** Where the WebSocket is. The call goes on without it. */
export type FerriteLink = "idle" | "opening" | "greeting" | "ready" | "waiting" | "stopped";

/** Why there is no media path: the server puts what it saw beside what the browser saw (docs/diagnosis.md). */
export type FerriteCause =
  | "noPeer" | "noServerAddress" | "noClientAddress" | "noPair" | "noChecks" | "privateAddress"
  | "nothingArrives" | "udpBlocked" | "onlyTcpArrives" | "relayRefused" | "relayUnreachable"
  | "wrongPassword" | "roleConflict" | "answersLost" | "lossy" | "notNominated" | "dtlsMissing"
  | "dtlsUnanswered" | "largeDatagramsLost" | "handshakeStalls" | "lastFlightLost" | "wrongCertificate"
  | "handshakeFailed" | "closedByClient" | "wentSilent" | "unclear" | "other";

/** What is wrong with a call. */
export interface FerriteProblem {
  /** For programs. */
  code:
    | "serverAway" | "offline" | "serverRestarting" | "otherVersion" | "superseded" | "limitExceeded"
    | "refused" | "noAnswer" | "browser" | "slowPath" | "noPath";
  /** For people: what is wrong, and what to do. */
  message: string;
  /** With `slowPath` and `noPath`, once the server has found out. */
  why?: FerriteCause;
}

/** How a call is. */
export interface FerriteStatus {
  phase: FerritePhase;
  link: FerriteLink;
  problem?: FerriteProblem;
}

/** What a client's promises reject with. */
export interface FerriteError extends Error {
  name: "FerriteError";
  code:
    | FerriteProblem["code"] | "closed" | "hungUp" | "notOpen" | "tooLarge" | "full" | "badData"
    /** Asked of a room, in none. */
    | "outside"
    /** The server's own codes; its words are the message. */
    | "badState" | "notAllowed" | "badMessage" | "internal" | "other";
  /** With `noPath`, once the server has found out. */
  why?: FerriteCause;
}

/** How to get into a room. */
export interface FerriteJoin {
  /** It is made if it is not there. */
  room: string;
  /** What others may call this client. */
  name?: string;
  /** Whatever the application wants others to know of it. */
  metadata?: string;
  /** Who this is and what they may do, where the server has keys. */
  token?: string;
}

/** A room as it is. */
export interface FerriteRoom {
  id: string;
  /** The id of this client. */
  own: string;
  /** Everybody, this client included, oldest first. */
  participants: FerriteParticipant[];
}

/** Somebody in a room. */
export interface FerriteParticipant {
  /** Unique in the room. */
  id: string;
  name?: string;
  metadata?: string;
  /** Who lost the connection and may come back is `reconnecting`. */
  state: "connected" | "reconnecting";
  publications: FerritePublication[];
}

/** Where a publication comes from. */
export type FerriteSource = "camera" | "microphone" | "screen" | "screenAudio" | "other";

/** What somebody publishes. */
export interface FerritePublication {
  /** Unique in the room: the participant's id, `/`, and the key. */
  id: string;
  /** Who publishes it. */
  participant: string;
  kind: "audio" | "video";
  source: FerriteSource;
  label?: string;
  /** Nothing is sent of it at the moment. */
  muted: boolean;
  /** Of the best there is of it, in pixels. */
  width?: number;
  height?: number;
}

/** How to publish a track. */
export interface FerritePublish {
  /** Names it among what this client publishes. Not empty, without `/`. */
  key: string;
  /** Default: `microphone` for sound, `camera` for pictures. */
  source?: FerriteSource;
  label?: string;
  /**
   * How it is encoded: layers by their `rid`s, `q`, `h` and `f`, of which `f` is the largest, smallest first; or one
   * without. A server passes on one layer to each, or one spatial layer of one without a `rid` (`scalabilityMode`), and
   * without some of its temporal layers where there is no room for them. A mode that the browser refuses is left out. Default: two or three layers of a camera's pictures in VP8
   * that are at least 640 pixels wide, else one.
   */
  encodings?: RTCRtpEncodingParameters[];
}

/** A place for pictures. */
export interface FerriteView {
  /** The id of a publication. */
  publication: string;
  /** How large it is shown, in pixels of the screen. Left out, the best there is comes. */
  width?: number;
  height?: number;
  /** Nothing is to be sent for now. */
  paused?: boolean;
  /** What comes first where there is not room for all. Default: `low`, of which screens come first, then what is larger. */
  priority?: RTCPriorityType;
}

/** What comes of a publication of somebody else. */
export interface FerriteShown {
  publication: string;
  participant: string;
  /** Null while nothing comes. */
  track: MediaStreamTrack | null;
  /** Why nothing comes, where the server says. */
  idle?: "muted" | "paused" | "noPublisher" | "codec" | "bandwidth" | "notAllowed" | "other";
}

/** Who speaks. */
export interface FerriteSpeaking {
  /** The participant who has the word: the last who spoke for more than a moment. They keep it while nobody speaks. */
  active?: string;
  /** The participants who speak right now, this client perhaps among them. */
  participants: string[];
}

/** How well pictures do, as the server sees it. */
export interface FerriteQuality {
  /** What the way to this client carries, once that is known. */
  bitsPerSecond?: number;
  /** Of the pictures of others that are shown: the layer that would be best for its size, the one that comes (0 is the
   * best there is, each further one has half the width and height), the highest temporal layer of it that does, where
   * those above are left out (0 is the lowest, each further one doubles the frames in a second), and why that is less
   * than is wished for, where it has been for a while: the way to this client is too narrow; its publisher sends less; nothing comes from them. */
  shown: {
    publication: string;
    wished: number;
    sent?: number;
    temporalLayer?: number;
    limit?: "download" | "cpu" | "upload" | "interrupted" | "other";
  }[];
  /** What comes at the server of each layer of the pictures that this client publishes, by key, best first, in bits per second. */
  arrives: Record<string, number[]>;
}

/** How to say something. */
export interface FerriteSay {
  /** What it is about. Default: `chat`, of which late joiners are told what was said last. */
  topic?: string;
  /** The ids of those it is for. Default: everybody. */
  to?: string[];
}

/** Something that was said. */
export interface FerriteRoomMessage {
  /** A later one has a larger number. */
  number: number;
  /** The participant who said it, as the server knows. */
  from: string;
  /** What they were called then. */
  name?: string;
  to?: string[];
  topic: string;
  /** Milliseconds since 1970. */
  at: number;
  text: string;
}

/** That somebody else muted what this client publishes. */
export interface FerriteMuted {
  publication: string;
  /** In the words of whoever did it. */
  reason?: string;
}

/** Somebody who is gone, as they were. */
export interface FerriteDeparted extends FerriteParticipant {
  /**
   * `left`: they left, or closed the page. `kicked`: somebody removed them. `joinedElsewhere`: the same identity joined
   * anew. `lost`: their connection was gone, and they did not come back. `limitExceeded`: their client sent too much, or did
   * not read, and the server ended its session. `other`: what this client has no word for. Left out where nobody says: of all,
   * when this client is in the room no more (`left` says why); of who was gone when it came back, or is hidden from now on;
   * of more than 256 who left at once; by an older server.
   */
  cause?: "left" | "kicked" | "joinedElsewhere" | "lost" | "limitExceeded" | "other";
}

/** Why this client is in the room no more. */
export interface FerriteLeft {
  /** `asked`: by this program. `refused`: it had to join anew, and the server did not let it. */
  cause: "asked" | "kicked" | "roomEnded" | "joinedElsewhere" | "refused" | "other";
  /** In the words of whoever did it. */
  reason?: string;
}

/** One RTP stream. Rates and loss are those since the last report; counts are those of the call. */
export interface FerriteFlow {
  codec: string | null;
  /** Bits per second. */
  bitrate: number | null;
  bytes: number;
  packets: number;
  packetsLost: number | null;
  /** 0 to 1. */
  loss: number | null;
  /** Milliseconds. */
  jitter: number | null;
  /** Milliseconds. */
  roundTrip: number | null;
  width: number | null;
  height: number | null;
  framesPerSecond: number | null;
  /** Encoded or decoded. */
  frames: number | null;
  keyFrames: number | null;
  framesDropped: number | null;
  limitedBy: string | null;
}

/** A call in numbers. */
export interface FerriteStats {
  /** Milliseconds since 1970. */
  timestamp: number;
  /** The candidate pair in use; bitrates in bits per second, times in milliseconds. */
  path: {
    local: string;
    remote: string;
    roundTrip: number | null;
    available: number | null;
    sent: number | null;
    received: number | null;
  } | null;
  sent: { audio: FerriteFlow | null; video: FerriteFlow | null };
  received: { audio: FerriteFlow | null; video: FerriteFlow | null };
}

/** What a {@link FerriteClient} tells, and with what. */
export interface FerriteEvents {
  /** The call changed. */
  status: FerriteStatus;
  /** What the server sees of the connection changed. */
  serverState: { state: RTCPeerConnectionState; reason?: string };
  /** There is a new peer connection, not yet negotiated; tracks and channels of the one before are gone. */
  peerConnection: RTCPeerConnection;
  /** A track comes from the server. */
  track: RTCTrackEvent;
  /**
   * There is a data channel, and in a room the server has said what it kept. `resumed`: what was on its way on the one
   * before comes on this one, in both directions, in order and once. Else nobody knows what of it came.
   */
  channelOpen: { resumed: boolean };
  /**
   * There is none: in a room, what {@link FerriteClient.send} is given waits for the next, and outside it rejects, as it
   * does while the phase is `failed`. The client calls anew, as soon as the call is up and the server in reach: at most
   * once a minute, and twice as long after the last time, up to 16 minutes, where the next does not stay open for a minute.
   * {@link FerriteClient.retry} and a new call begin with that again.
   */
  channelClose: undefined;
  /** A message came over the data channel: what was sent, outside of rooms; in one, bytes of others, on either channel. */
  message: string | ArrayBuffer;
  /** This client is in the room; again, where it came back as another participant. */
  joined: FerriteRoom;
  /** Somebody is there: of everybody who is, after `joined`, this client included. */
  participantJoined: FerriteParticipant;
  /** Somebody's name, metadata or state changed. */
  participantChanged: FerriteParticipant;
  /** Somebody is gone, and why, where the server says. */
  participantLeft: FerriteDeparted;
  /** Somebody publishes something, or did when this client joined. */
  published: FerritePublication;
  /** It was muted or not, or changed otherwise. */
  publicationChanged: FerritePublication;
  /** It is published no more. */
  unpublished: FerritePublication;
  /** Another track, or none, comes of what somebody publishes. */
  shown: FerriteShown;
  /** Others speak than before, or somebody else has the word. */
  speaking: FerriteSpeaking;
  /** Pictures do better or worse, or the way to this client does; at most once a second. */
  quality: FerriteQuality;
  /** Somebody said something, perhaps this client. */
  said: FerriteRoomMessage;
  /** Something in the room could not be done that nobody waits for; the server's words. */
  complaint: string;
  /** Somebody else muted what this client publishes; `unmute` ends that. After a cut it may be told once more, unless that was called since. */
  muted: FerriteMuted;
  /** This client is in the room no more. All that was in it is told to be gone before this. */
  left: FerriteLeft;
}

export interface FerriteClient {
  /** Calls back with every event of a kind, until {@link FerriteClient.off}. */
  on<K extends keyof FerriteEvents>(event: K, callback: (detail: FerriteEvents[K]) => void): void;
  /** Calls back no more. */
  off<K extends keyof FerriteEvents>(event: K, callback: (detail: FerriteEvents[K]) => void): void;
}
