
/** What a {@link FerriteClient} may be told from the start. */
export interface FerriteOptions {
  /**
   * The server: an `http(s):` address, next to which `ws` is taken, or a `ws(s):` address as it is.
   * Default: where this page came from.
   */
  url?: string;
  /** The video codec to offer first, where the browser has it. Default: the browser's own order. */
  codec?: "VP8" | "VP9" | "H264" | "AV1";
}

/** Where a call is. */
export type FerritePhase =
  | "idle" | "connecting" | "negotiating" | "connected" | "reconnecting" | "failed" | "closed";

/** Where the WebSocket is. The call goes on without it. */
export type FerriteLink = "idle" | "opening" | "greeting" | "ready" | "waiting" | "stopped";

/** What is wrong with a call. */
export interface FerriteProblem {
  /** For programs. */
  code:
    | "serverAway" | "offline" | "serverRestarting" | "otherVersion" | "superseded" | "limitExceeded"
    | "refused" | "noAnswer" | "browser" | "slowPath" | "noPath";
  /** For people. */
  message: string;
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
  code: FerriteProblem["code"] | "closed" | "hungUp" | "notOpen" | "tooLarge" | "full" | "badData";
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
  /** {@link FerriteClient.send} works from now on. */
  channelOpen: undefined;
  /** {@link FerriteClient.send} works no more. The client calls anew, at most once a minute, as soon as the call is up and the server in reach. */
  channelClose: undefined;
  /** A message came over the data channel. */
  message: string | ArrayBuffer;
}

export interface FerriteClient {
  /** Calls back with every event of a kind, until {@link FerriteClient.off}. */
  on<K extends keyof FerriteEvents>(event: K, callback: (detail: FerriteEvents[K]) => void): void;
  /** Calls back no more. */
  off<K extends keyof FerriteEvents>(event: K, callback: (detail: FerriteEvents[K]) => void): void;
}
