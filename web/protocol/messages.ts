/**
 * Messages between the browser and the control plane, version 1: the mirror of `signalling/webrtc/messages.py`
 * (docs/protocol.md). JSON text frames over one WebSocket, sub-protocol `massalia.v1`; each message is its own type, told
 * apart by `type`. Ids are opaque strings, times are milliseconds. The samples of tests/contract/websocket hold both sides together.
 */
import { flag, InvalidMessage, list, nullable, object, oneOf, or, text, whole } from "./validate";
import type { Infer, ObjectOf, Schema } from "./validate";

export const VERSION = 1;
export const SUBPROTOCOL = "massalia.v1";
/** The server closes the socket with 1009 above this many bytes a frame. */
export const MAX_MESSAGE = 256 * 1024;

const trackName = oneOf("mic", "camera", "screen", "screen-audio");
const role = oneOf("participant", "organiser");
const language = oneOf("fr", "en");

/** One person or device in the roster. `tracks` are the tracks now published and not muted; `connected` is false while a seat is kept. */
const participant = object({
  id: text,
  name: text,
  role,
  kind: or(oneOf("browser", "sip", "h323", "phone", "synthetic"), "browser"),
  guest: or(flag, true),
  tracks: or(list(trackName), []),
  connected: or(flag, true),
  joined_at: or(whole, 0),
});

const roomInfo = object({
  slug: text,
  name: text,
  number: text,
  seats: whole,
  mode: oneOf("meeting", "stage"),
  language,
  may_share: flag,
  layouts: or(list(text), ["grid", "speaker"]),
});

/** How many receive slots of each sort the client negotiates, once. */
const slotPlan = object({
  audio: or(whole, 3),
  video: or(whole, 25),
  content_audio: or(whole, 1),
  content_video: or(whole, 1),
});

const offerTrack = object({ mid: text, track: trackName });
/** Slots are numbered from 0 in m-line order. Role `speaker`: voices, filled by the engine; `view`: what the client asks for. */
const offerSlot = object({ mid: text, slot: whole, kind: oneOf("audio", "video"), role: oneOf("speaker", "view") });
/** What one view slot shall show; `height` in pixels, 0 for "any". */
const viewSlot = object({
  slot: whole,
  participant: or(nullable(text), null),
  track: or(trackName, "camera"),
  height: or(whole, 0),
});
const speaker = object({ id: text, level: whole });
const iceServer = object({ urls: list(text), username: or(nullable(text), null), credential: or(nullable(text), null) });

const clientMessages = {
  join: {
    version: whole,
    room: text,
    name: text,
    pin: or(nullable(text), null),
    device: or(oneOf("desktop", "tablet", "phone"), "desktop"),
    language: or(language, "fr"),
  },
  resume: { version: whole, token: text, media_alive: flag },
  offer: { sdp: text, tracks: list(offerTrack), slots: list(offerSlot) },
  publish: { track: trackName, on: flag },
  view: { slots: list(viewSlot) },
  mute: { participant: text, track: trackName },
  leave: {},
  ping: { t: whole },
} as const;

const serverMessages = {
  joined: {
    version: whole,
    you: text,
    role,
    token: text,
    room: roomInfo,
    roster: list(participant),
    plan: slotPlan,
    ice_servers: or(list(iceServer), []),
    resumed: or(flag, false),
    need_offer: or(flag, true),
  },
  answer: { sdp: text },
  roster: { seq: whole, put: or(list(participant), []), gone: or(list(text), []), total: or(whole, 0) },
  speakers: { dominant: or(nullable(text), null), active: or(list(speaker), []) },
  send: { track: trackName, active: flag, height: or(whole, 0) },
  muted: { track: trackName, by: text },
  "media.restart": { reason: oneOf("engine", "transport") },
  bye: { reason: oneOf("left", "room_closed", "replaced", "kicked", "timeout") },
  error: {
    code: text,
    message: text,
    fatal: or(flag, false),
    retry_after: or(nullable(whole), null),
    field: or(nullable(text), null),
  },
  pong: { t: whole },
} as const;

type Tagged<M> = { [T in keyof M & string]: { type: T } & ObjectOf<M[T]> };

export type TrackName = Infer<typeof trackName>;
export type Role = Infer<typeof role>;
export type Language = Infer<typeof language>;
export type Participant = Infer<typeof participant>;
export type RoomInfo = Infer<typeof roomInfo>;
export type SlotPlan = Infer<typeof slotPlan>;
export type OfferTrack = Infer<typeof offerTrack>;
export type OfferSlot = Infer<typeof offerSlot>;
export type ViewSlot = Infer<typeof viewSlot>;
export type Speaker = Infer<typeof speaker>;
export type IceServer = Infer<typeof iceServer>;
export type DeviceKind = "desktop" | "tablet" | "phone";

type Client = Tagged<typeof clientMessages>;
type Server = Tagged<typeof serverMessages>;
export type ClientMessage = Client[keyof Client];
export type ServerMessage = Server[keyof Server];
export type Join = Client["join"];
export type Offer = Client["offer"];
export type Joined = Server["joined"];
export type Roster = Server["roster"];
export type Speakers = Server["speakers"];
export type Send = Server["send"];
export type Muted = Server["muted"];
export type Bye = Server["bye"];
/** `code` is stable and machine-readable, `message` a sentence in the person's language, `retry_after` milliseconds. */
export type Failure = Server["error"];

type Table = Map<string, Schema<Record<string, unknown>>>;
const build = (messages: Record<string, object>): Table =>
  new Map(Object.entries(messages).map(([type, fields]) => [type, object(fields as never) as Schema<never>]));
const clientTable = build(clientMessages);
const serverTable = build(serverMessages);

function decode(table: Table, frame: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(frame);
  } catch {
    throw new InvalidMessage("$", "JSON");
  }
  if (typeof value !== "object" || value === null || !("type" in value)) throw new InvalidMessage("$", "an object with a type");
  const { type, ...fields } = value as Record<string, unknown>;
  const schema = typeof type === "string" ? table.get(type) : undefined;
  if (!schema) throw new InvalidMessage("$.type", `one of ${[...table.keys()].join(", ")}`);
  return { type, ...schema.read(fields, "$") };
}

function encode(table: Table, message: { type: string }): string {
  const schema = table.get(message.type);
  if (!schema) throw new InvalidMessage("$.type", "a known type");
  const { type, ...fields } = message;
  return JSON.stringify({ type, ...(schema.write(fields) as object) });
}

/** @throws InvalidMessage */
export const decodeServer = (frame: string): ServerMessage => decode(serverTable, frame) as ServerMessage;
/** @throws InvalidMessage */
export const decodeClient = (frame: string): ClientMessage => decode(clientTable, frame) as ClientMessage;
export const encodeClient = (message: ClientMessage): string => encode(clientTable, message);
export const encodeServer = (message: ServerMessage): string => encode(serverTable, message);
