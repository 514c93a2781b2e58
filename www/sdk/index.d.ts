/**
 * Rooms as objects: a room, who is in it, what they publish, and what this client does. On top of `FerriteClient`, whose
 * words these events and shapes have; a page uses one or the other.
 */
import type {
  FerriteDeparted, FerriteJoin, FerriteLeft, FerriteOptions, FerritePhase, FerritePublish, FerriteQuality, FerriteRoomMessage,
  FerriteSource, FerriteStats, FerriteStatus, FerriteShown, FerriteVideoCodec,
} from "../ferrite_client.js";

// What does not say that it is exported is not.
export {};

/** How long a listener listens. */
export interface ListenerOptions {
  /** Until this is aborted. */
  signal?: AbortSignal;
}

/** What all handles have. Within a listener everything is already as the event tells. */
declare class Emitter<Events> {
  /** Calls back with every event of a kind. What is thrown there is reported, and keeps nothing from others. */
  on<K extends keyof Events>(event: K, listener: (detail: Events[K]) => void, options?: ListenerOptions): this;
  /** Calls back with the next one. */
  once<K extends keyof Events>(event: K, listener: (detail: Events[K]) => void, options?: ListenerOptions): this;
  /** Calls back no more. */
  off<K extends keyof Events>(event: K, listener: (detail: Events[K]) => void): this;
  /**
   * Each event of a kind from now on, for `for await`: until the loop is left, the signal is aborted, or the handle is
   * over. Of those that come while the loop is busy the newest 1000 wait.
   */
  events<K extends keyof Events>(event: K, options?: ListenerOptions): AsyncIterableIterator<Events[K]>;
}

/** How to make a room. */
export interface RoomOptions extends FerriteOptions {
  /** Whether what others publish is subscribed to by itself. Default: true. */
  subscribe?: boolean;
  /**
   * Whether what others publish in stereo is heard so. Chromium plays it in one channel otherwise; Firefox always plays
   * two. Default: false, which is less to decode.
   */
  stereo?: boolean;
}

/** How to get into a room. */
export interface RoomConnect extends FerriteJoin {
  /** Goes no further; the promise rejects with its reason. */
  signal?: AbortSignal;
}

/** Why there is no camera, microphone or screen. */
export declare class DeviceError extends Error {
  private constructor();
  /**
   * `denied`: the user, the system or a policy says no, or no screen was chosen. `missing`: there is none, or not this
   * one, or the browser does not show screens. `busy`: it is there and cannot be opened, as when another program has it.
   * `unfit`: none can do what is asked for in `constraint`. `insecure`: the page does not come over https. `other`: see
   * `cause`.
   */
  readonly code: "denied" | "missing" | "busy" | "unfit" | "insecure" | "other";
  /** What cannot be met. */
  readonly constraint: string | undefined;
  /** What the browser threw. */
  readonly cause: unknown;
}

/** `getUserMedia`, which rejects with a {@link DeviceError}. */
export declare function openDevices(constraints: MediaStreamConstraints): Promise<MediaStream>;

/** `getDisplayMedia`, which does, too. */
export declare function openScreen(options?: DisplayMediaStreamOptions): Promise<MediaStream>;

/** A layer of a picture: the largest comes first, and each has half the width and height of the one before. */
export interface SimulcastLayer {
  /** Bits per second. */
  maxBitrate?: number;
  /** Frames per second. */
  maxFramerate?: number;
  /** By what width and height are divided, instead. */
  scaleResolutionDownBy?: number;
  /** {@link PublishOptions.scalabilityMode} of this one. */
  scalabilityMode?: "L1T1" | "L1T2" | "L1T3";
}

/**
 * How to publish a track. A server passes on one layer of a picture to each
 * participant, or one spatial layer of a stream that has such (SVC), and leaves temporal layers of it out where there is no
 * room for them.
 */
export interface PublishOptions extends Partial<FerritePublish> {
  /** Default: `mic` or `cam`. */
  key?: string;
  /**
   * Whether pictures are sent in layers, so that everybody gets one that fits; or one to three layers. Default: true for
   * a camera in VP8. Of pictures with less than 960 pixels on the larger side there are two, and with less than 640 one.
   */
  simulcast?: boolean | SimulcastLayer[];
  /** Bits per second: of sound, or of the largest layer of a picture. Each further one has a third. */
  maxBitrate?: number;
  /** Frames per second. */
  maxFramerate?: number;
  /**
   * Of a picture: in how many temporal layers each of its layers is sent. Whoever has no room for all is sent half the
   * frames of two, and a half or a quarter of three. In VP9 also spatial layers: `L3T3_KEY` is three sizes of one
   * stream, of which everybody is sent the one that fits. Not with simulcast. Where the browser does not know it, or refuses it, it is sent as if
   * it was not said. Default: the browser's own, which is three in Chromium for simulcast in VP8.
   */
  scalabilityMode?: `L${1 | 2 | 3}T${1 | 2 | 3}` | `L${2 | 3}T${1 | 2 | 3}_KEY`;
  /** The codecs of a picture: the browser sends the first that it has. Default: that of the room's options. */
  codecs?: FerriteVideoCodec[];
  /** Of sound: in two channels, where the track has two. Who listens in Chromium needs {@link RoomOptions.stereo}. */
  stereo?: boolean;
  /** Of sound: next to nothing is sent while it is silent. */
  dtx?: boolean;
  /**
   * Of sound: each packet has the one before it, too, where the browser can (RED, RFC 2198). It takes twice as much, and
   * no loss of a single packet is heard by those who take it so; the others get it as it would else be.
   */
  red?: boolean;
  /** What it is: `speech` or `music`, `motion`, `detail` or `text`. Also of a track that replaces it. */
  contentHint?: string;
}

/** Something that was said, and by whom, where they are still there. */
export interface RoomMessage extends FerriteRoomMessage {
  participant?: Participant;
}

/** Bytes that somebody sent. */
export interface RoomBytes {
  /** The participant's id, as the server knows. */
  from: string;
  participant: Participant | undefined;
  topic: string;
  /** To this client and perhaps others, not to all. */
  isPrivate: boolean;
  data: Uint8Array<ArrayBuffer>;
}

/** Why a file did not come whole. */
export declare class FileError extends Error {
  private constructor();
  /**
   * `refused`: it was declined. `stopped`: either end stopped it, or one of them left. `failed`: it could not be read or
   * kept, or its sender did not wait for its reader. `different`: what came is not what was sent. `full`: 64 go on already.
   */
  readonly code: "refused" | "stopped" | "failed" | "different" | "full";
}

/** What a file on its way tells. */
export interface FileEvents {
  /** So much of it has come at the other end, or here. */
  progress: { received: number; size: number };
  over: OutgoingFile["state"];
}

declare class FileTransfer extends Emitter<FileEvents> {
  readonly participant: Participant;
  readonly name: string;
  /** What its sender says that it is about; empty where they said nothing, as a room's page does. */
  readonly topic: string;
  readonly size: number;
  readonly received: number;
  readonly state: "offered" | "active" | "complete" | "refused" | "stopped" | "failed" | "different";
  readonly isOver: boolean;
  /**
   * Resolves when all of it came and was compared, and, where it is written to a disk, that was closed. Rejects with a
   * {@link FileError} where it does not.
   */
  readonly done: Promise<void>;
  /** Declines or stops it. A sender's comes too late for what was compared: the other end may have it all the same. */
  cancel(): void;
}

/** A file that this client sends. It goes on where it was after a cut, and ends when either end leaves the room. */
export declare class OutgoingFile extends FileTransfer {
  private constructor();
  readonly file: Blob;
}

/** A file that somebody offers. */
export declare class IncomingFile extends FileTransfer {
  private constructor();
  /**
   * Takes it. What is not read of the stream holds up its sender: a megabyte or two wait. The stream ends when all of
   * it was compared, which the sender is told at once, and fails where it does not come; whoever cancels it stops the file.
   */
  accept(): ReadableStream<Uint8Array<ArrayBuffer>>;
  /**
   * Takes it into a stream, such as that of a file on a disk (`createWritable()`). What that has not taken holds up the
   * sender as above. It resolves when all was compared and the stream closed, which is when the sender's `done` does.
   * Where it does not come, or was answered before, the stream is aborted, and where the stream fails the file is stopped:
   * then it rejects.
   */
  saveTo(stream: WritableStream<Uint8Array<ArrayBuffer>>): Promise<void>;
}

/**
 * What a {@link Room} tells, in this order: who comes before what they publish, what goes before who goes, and all that
 * was there before `left`.
 */
export interface RoomEvents {
  status: FerriteStatus;
  participantJoined: Participant;
  participantChanged: Participant;
  /**
   * They are gone, and `departure` says why. Told of everybody, this client included, when it leaves itself, before
   * `left`; and, where the server was started anew, of who was there before and is not now.
   */
  participantLeft: Participant;
  published: Publication;
  /** It was muted or not, or changed otherwise: of one's own, too. */
  publicationChanged: Publication;
  unpublished: Publication;
  /** Another track, or none, comes of it. */
  shown: Publication;
  /** Who speaks now. */
  speaking: Participant[];
  quality: FerriteQuality;
  /**
   * Somebody said something, perhaps this client. Chat that was said before comes again after each `connect`: `number`
   * says whether you have it. Numbers begin anew with the server, and `at` is later then.
   */
  said: RoomMessage;
  bytes: RoomBytes;
  /**
   * Somebody offers a file; it is declined with `cancel()`, and by itself where nobody listens. Of one participant 8 wait
   * at a time.
   */
  file: IncomingFile;
  complaint: string;
  /** {@link Room.isPlaybackBlocked} changed. */
  playbackBlocked: boolean;
  /**
   * Somebody else muted what this client publishes, and perhaps said why; `mute()` and `unmute()` of its track say otherwise.
   * After a cut it may be told once more, where it is still so and `unmute()` was not called since.
   */
  muted: { publication: Publication; reason?: string };
  left: FerriteLeft;
}

/** What a method takes and what comes of it: values that JSON can carry. */
export interface RpcMethod {
  payload: any;
  result: any;
}

/** Why a call was not done; or thrown by a method, for its caller. */
export declare class RpcError extends Error {
  /** A method may use codes of its own. At most 64 characters come over, and 512 of the message. */
  constructor(code: string, message?: string);
  /**
   * `timeout`: there was no answer in time. `gone`: they left the room. `interrupted`: this client did. Nobody knows
   * then whether it was done. `unknownMethod`, `failed`: they have no such method, or it threw. `full`: too many calls
   * wait, here or there. `tooLarge`: a call and a result have at most 16 KiB.
   */
  readonly code: string;
}

/** How long to wait. */
export interface RpcCallOptions {
  /** Milliseconds. Default: ten seconds. */
  timeout?: number;
  /** Waits no more; the promise rejects with its reason, and the method is told. */
  signal?: AbortSignal;
}

/** Who calls. */
export interface RpcCall {
  participant: Participant;
  /** Aborted when nobody waits for the result any more. */
  signal: AbortSignal;
}

/**
 * A room. It may be left and connected to again, also as another one. `Methods` are those that participants call of each
 * other: `Room<{ greet: { payload: string; result: number } }>`.
 */
export declare class Room<Methods extends Record<keyof Methods, RpcMethod> = Record<string, RpcMethod>> extends Emitter<RoomEvents> {
  constructor(options?: RoomOptions);
  /** Its name, while one is in. */
  readonly id: string | undefined;
  readonly status: FerriteStatus;
  /** `status.phase`. */
  readonly state: FerritePhase;
  /** Everybody by id, this client included, oldest first. It changes as they come and go. */
  readonly participants: ReadonlyMap<string, Participant>;
  readonly localParticipant: Participant | undefined;
  /** What this client publishes, by key. */
  readonly localTracks: ReadonlyMap<string, LocalTrack>;
  /** Who speaks. */
  readonly speakers: Participant[];
  /** Who has the word. */
  readonly activeSpeaker: Participant | undefined;
  readonly quality: FerriteQuality;
  /** The browser keeps attached elements from playing, as it does with sound until the user clicks: show a button then. */
  readonly isPlaybackBlocked: boolean;
  /** Plays them: call it when the user clicks. Rejects with `NotAllowedError` where the browser does not play them all. */
  startPlayback(): Promise<void>;
  /**
   * Goes in, and stays over cuts and changes of the network. Resolves when the server has let this client in. Rejects
   * with the server's `code` and `message` where it does not (a `FerriteError`, such as `notAllowed`). While the server is
   * away it goes on trying, and `status.problem` says so.
   */
  connect(options: RoomConnect): Promise<void>;
  /**
   * Leaves. Resolves when all that was there is told to be gone. Camera and microphone go on, for the next room: to turn
   * them off, `stop()` each of `localTracks` then.
   */
  leave(): Promise<void>;
  /** Publishes a track here and in the next room, until it is stopped. */
  publish(track: MediaStreamTrack, options?: PublishOptions): LocalTrack;
  /** Says something to all, or to some. Resolves when the server took it. */
  say(text: string, options?: { topic?: string; to?: (Participant | string)[] }): Promise<void>;
  /**
   * Sends bytes, at most 60 KiB (64 with the ids of whom they are for), to all or some, over the reliable channel. Resolves
   * when the browser took them, so await it, and nothing piles up here: while the network is gone, and while 2 MiB are not received, it waits. They come in
   * order and once, also over a cut, for as long as the session goes on; when that does not, the call fails (`status`: the
   * phase `failed`), or the room is left, what waits rejects with `notOpen`, and what was under way may be lost. Nobody waits for a
   * reader who is slow: the server tells them that they are, and then ends their session. They connect again, if they want to.
   * What need not be waited for is small, or is a file.
   *
   * With `reliable: false` the newest counts, as with a pointer that moves: it is sent at once and once, in no order, at most
   * 8 KiB with its topic and recipients, 500 a second, where one to more than 50 counts as one for each 50. What finds no channel, no room or a slow reader is gone, and nobody is told.
   */
  sendBytes(data: ArrayBuffer | ArrayBufferView<ArrayBuffer>, options?: { topic?: string; to?: (Participant | string)[]; reliable?: boolean }): Promise<void>;
  /**
   * Offers a file to somebody. Its name is no path: slashes and control characters become `_`. A topic says what it is
   * about, in at most 64 bytes: the one at the other end is the same.
   */
  sendFile(file: Blob, options: { to: Participant | string; name?: string; topic?: string; signal?: AbortSignal }): OutgoingFile;
  /**
   * Calls a method of somebody. Resolves with its result, and rejects with an {@link RpcError}, or a `FerriteError` where
   * the server does not pass it on. It runs once, also where the connection is cut meanwhile.
   */
  call<M extends keyof Methods & string>(
    participant: Participant | string, method: M, payload: Methods[M]["payload"], options?: RpcCallOptions,
  ): Promise<Methods[M]["result"]>;
  /** What to do when others call a method. Throws `InvalidStateError` where it has a handler already. */
  handle<M extends keyof Methods & string>(
    method: M,
    handler: (payload: Methods[M]["payload"], call: RpcCall) => Methods[M]["result"] | PromiseLike<Methods[M]["result"]>,
    options?: ListenerOptions,
  ): void;
  stats(): Promise<FerriteStats>;
  /** Removes somebody, if this client may. */
  kick(participant: Participant | string, reason?: string): Promise<void>;
  /** Mutes what somebody else publishes, if this client may, until they unmute it. */
  mutePublication(publication: Publication | string, reason?: string): Promise<void>;
  /** Ends the room for everybody, if this client may. */
  end(reason?: string): Promise<void>;
}

/** `lost`: they are reconnecting, or nothing comes from them. `poor`: their way is too narrow for the picture wanted. */
export type ConnectionQuality = "good" | "poor" | "lost";

/** What a {@link Participant} tells. */
export interface ParticipantEvents {
  participantChanged: Participant;
  participantLeft: Participant;
  published: Publication;
  unpublished: Publication;
  /** Whether they speak now. */
  speaking: boolean;
  quality: ConnectionQuality;
}

/**
 * Somebody in a room: the same object as long as they are there, over cuts of theirs and of ours. Where tokens say who
 * they are, that is their id, and they are the same when they come back anew before anybody saw them go.
 */
export declare class Participant extends Emitter<ParticipantEvents> {
  private constructor();
  readonly id: string;
  readonly isLocal: boolean;
  readonly name: string | undefined;
  readonly metadata: string | undefined;
  readonly state: "connected" | "reconnecting";
  /** By id. */
  readonly publications: ReadonlyMap<string, Publication>;
  readonly isSpeaking: boolean;
  readonly connectionQuality: ConnectionQuality;
  /** They are gone, and this handle tells nothing more. */
  readonly isOver: boolean;
  /** Why they are gone, where the server says. */
  readonly departure: FerriteDeparted["cause"];
  /** What they publish from there. */
  from(source: FerriteSource): Publication | undefined;
}

/** How well a publication does. Rates and loss are those since it was last asked, and null the first time. */
export interface PublicationStats {
  /** Bits per second, of all layers that are sent. */
  bitrate: number | null;
  /** Of the largest that is sent, or of what comes. */
  width: number | null;
  height: number | null;
  framesPerSecond: number | null;
  /** 0 to 1. Of what is sent, as the server last said. */
  loss: number | null;
  /** Milliseconds. */
  jitter: number | null;
  /** Milliseconds, to the server and back. */
  roundTrip: number | null;
  codec: string | null;
  /** The layer that comes: 0 is the best there is. */
  layer: number | null;
  /** How many are sent. */
  layers: number;
  /**
   * What limits it: it is muted; this client does not ask for it (`paused`, `unseen`); the way from or to this client
   * (`bandwidth`, `download`); that of who publishes it (`upload`); nothing comes from them (`interrupted`,
   * `noPublisher`); `codec`, which this browser cannot play; `notAllowed`; this device is busy (`cpu`).
   */
  why:
    | "muted" | "paused" | "unseen" | "bandwidth" | "download" | "upload" | "interrupted" | "noPublisher" | "codec"
    | "notAllowed" | "cpu" | "other" | null;
  /** What the browser says of the whole connection. */
  report: RTCStatsReport;
}

/** What a {@link Publication} tells. */
export interface PublicationEvents {
  publicationChanged: Publication;
  shown: Publication;
  unpublished: Publication;
}

/**
 * What somebody publishes. Of a picture that is attached to elements as much comes as the largest of them that is seen
 * needs, and nothing while none is; of one that is not attached, the best there is.
 */
export declare class Publication extends Emitter<PublicationEvents> {
  private constructor();
  readonly id: string;
  /** Its name among what they publish. */
  readonly key: string;
  readonly participant: Participant;
  readonly kind: "audio" | "video";
  readonly source: FerriteSource;
  readonly label: string | undefined;
  readonly muted: boolean;
  /** Of the best there is of it. */
  readonly width: number | undefined;
  readonly height: number | undefined;
  /** What comes of it, or what this client sends. */
  readonly track: MediaStreamTrack | null;
  /** Why nothing comes, where the server says. */
  readonly idle: FerriteShown["idle"];
  /** The layer wanted and the one that comes, and why that is less. */
  readonly quality: Omit<FerriteQuality["shown"][number], "publication"> | undefined;
  /** It is published no more. */
  readonly isOver: boolean;
  readonly isSubscribed: boolean;
  readonly isPaused: boolean;
  /** What comes first where there is not room for all. */
  priority: RTCPriorityType;
  /** In pixels of the screen: instead of what elements need. Null: as those. */
  size: { width: number; height: number } | null;
  /** The server chooses which sounds come; what is not subscribed to is not heard. */
  subscribe(): void;
  unsubscribe(): void;
  /** Nothing is sent of it, and it keeps its place. */
  pause(): void;
  resume(): void;
  /** Of what this client sends, or of what comes. Rejects with `InvalidStateError` where there is no call that it is in. */
  getStats(): Promise<PublicationStats>;
  /**
   * Plays it in this element, or in a new one that is returned, whatever track comes. One of a picture is muted until it is
   * detached: so it plays by itself. Sound plays only after a click, or while the page has a microphone: see {@link Room.isPlaybackBlocked}.
   */
  attach(): HTMLMediaElement;
  attach<E extends HTMLMediaElement>(element: E): E;
  /** From this element, or from all. By itself when it is over. */
  detach(element?: HTMLMediaElement): void;
}

/** A track that this client publishes until it says otherwise, in every room. What is over throws `InvalidStateError`. */
export declare class LocalTrack {
  private constructor();
  readonly key: string;
  readonly kind: "audio" | "video";
  readonly options: PublishOptions & { key: string };
  readonly track: MediaStreamTrack;
  /** How others see it, while they do. */
  readonly publication: Publication | undefined;
  /** Whoever may can mute what others publish. */
  readonly muted: boolean;
  readonly isOver: boolean;
  /** Nothing of it leaves the browser from now on. The track goes on running. */
  mute(): void;
  /** Sends it again, whoever muted it. */
  unmute(): void;
  /** Another track under the same publication. The old one goes on running. */
  replace(track: MediaStreamTrack): void;
  /** Another camera or microphone, and stops the old one. Rejects with a {@link DeviceError}, and keeps the old one then. */
  setDevice(deviceId: string): Promise<void>;
  /**
   * Whether the browser blurs the background of a camera's picture. Undefined where one cannot choose: few browsers do it
   * themselves, and only with some cameras.
   */
  readonly backgroundBlur: boolean | undefined;
  /** Blurs it, or not; `setDevice` asks another camera for the same. Rejects with a {@link DeviceError}, `unfit` where one cannot choose. */
  setBackgroundBlur(isBlurred: boolean): Promise<void>;
  /** Of its publication. */
  getStats(): Promise<PublicationStats>;
  /** Publishes it no more; the track goes on running. */
  unpublish(): void;
  /** Publishes it no more, and stops the track. */
  stop(): void;
}
