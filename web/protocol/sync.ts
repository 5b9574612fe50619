/**
 * Lip-sync. A voice plays from a speaker slot and its picture from a view slot, so the browser does not align the two by itself.
 * Where the browser tells `estimatedPlayoutTimestamp` (W3C webrtc-stats; the engine writes both slots' sender reports on the room's
 * clock), the two are compared; Chromium tells it only for a voice and a picture of one stream, so otherwise the time that each
 * spends between arrival and playout is compared: both left one computer together and took one way. `jitterBufferTarget` (W3C
 * webrtc-extensions) then delays the one that is ahead.
 *
 * Left out: browsers without jitterBufferTarget (nothing is touched), and voices other than the dominant one, whose picture is the one
 * that is looked at.
 */
import type { Client } from "./client";
import type { ReceiveSlot } from "./media";

/** Below this many ms of skew nothing is done: nobody sees it. */
const DEADBAND = 20;
/** More than this is no skew but a clock that does not fit. */
const IMPLAUSIBLE = 2_000;
const MOST = 800;
const GAIN = 0.6;

/** One side of a pair: when what it plays now was captured, how long its buffer holds it, and the delay asked of it. All in ms. */
export interface Playout {
  timestamp: number;
  delay: number;
  target: number;
}

/** The new targets for a voice and its picture. Undoes an earlier delay of the late side before it adds one to the early side. */
export function align(voice: Playout, picture: Playout): { voice: number; picture: number } {
  const ahead = picture.timestamp - voice.timestamp;
  const size = Math.abs(ahead);
  if (size < DEADBAND || size > IMPLAUSIBLE) return { voice: voice.target, picture: picture.target };
  const [early, late] = ahead > 0 ? [picture, voice] : [voice, picture];
  const step = size * GAIN;
  const given = Math.min(late.target, step);
  const lateTarget = Math.round(late.target - given);
  const earlyTarget = given < step ? Math.round(Math.min(MOST, Math.max(early.target, early.delay) + step - given)) : early.target;
  return ahead > 0 ? { voice: lateTarget, picture: earlyTarget } : { voice: earlyTarget, picture: lateTarget };
}

interface Inbound {
  mid?: string;
  estimatedPlayoutTimestamp?: number;
  jitterBufferDelay?: number;
  jitterBufferEmittedCount?: number;
  totalProcessingDelay?: number;
  framesDecoded?: number;
  totalAudioEnergy?: number;
}

type Total = "jitterBufferDelay" | "jitterBufferEmittedCount" | "totalProcessingDelay" | "framesDecoded" | "totalAudioEnergy";

/** What one receive slot did since the last reading. */
export interface SlotReading {
  playout: number | null;
  /** Mean time in the jitter buffer, ms. */
  delay: number;
  /** Mean time from arrival to playout, decoding included, ms; null when nothing played. */
  held: number | null;
  /** Loudness heard since the last reading; 0 for pictures. */
  energy: number;
}

/** Turns the browser's running totals into what happened since the last reading. */
export class SlotReader {
  private before = new Map<string, Inbound>();

  read(report: Iterable<[string, unknown]>): Map<string, SlotReading> {
    const readings = new Map<string, SlotReading>();
    const now = new Map<string, Inbound>();
    for (const [, stat] of report) {
      const row = stat as Inbound & { type: string };
      if (row.type !== "inbound-rtp" || row.mid === undefined) continue;
      const was = this.before.get(row.mid) ?? {};
      const since = (key: Total): number =>
        Math.max(0, (row[key] ?? 0) - (was[key] ?? 0));
      const emitted = since("jitterBufferEmittedCount");
      const delay = emitted > 0 ? (since("jitterBufferDelay") / emitted) * 1000 : 0;
      const decoded = since("framesDecoded");
      const processed = decoded > 0 ? (since("totalProcessingDelay") / decoded) * 1000 : 0;
      readings.set(row.mid, {
        playout: row.estimatedPlayoutTimestamp ?? null,
        delay,
        held: emitted > 0 ? Math.max(delay, processed) : null,
        energy: since("totalAudioEnergy"),
      });
      now.set(row.mid, row);
    }
    this.before = now;
    return readings;
  }
}

type Buffered = RTCRtpReceiver & { jitterBufferTarget?: number | null };

/** Keeps the dominant speaker's voice and picture together. */
export class LipSync {
  private readonly reader = new SlotReader();
  private readonly targets = new WeakMap<RTCRtpReceiver, number>();
  private dominant: string | null = null;
  /** The last measured skew in ms (picture ahead of voice when positive); null when there was none to measure. */
  skew: number | null = null;

  constructor(private readonly client: Client) {
    client.session.on("speakers", ({ dominant }) => {
      this.dominant = dominant;
    });
    client.media.on("stats", (report) => this.step(this.reader.read(report.entries())));
  }

  private step(readings: ReadonlyMap<string, SlotReading>): void {
    const pair = this.pair(readings);
    this.skew = null;
    if (!pair) return;
    const both = pair.map(({ mid }) => readings.get(mid)!);
    const clocked = both.every(({ playout }) => playout !== null);
    const [voice, picture] = pair.map(({ receiver }, i) => ({
      timestamp: clocked ? both[i]!.playout! : -both[i]!.held!, delay: both[i]!.delay, target: this.targets.get(receiver) ?? 0,
    })) as [Playout, Playout];
    this.skew = picture.timestamp - voice.timestamp;
    const next = align(voice, picture);
    this.ask(pair[0], next.voice);
    this.ask(pair[1], next.picture);
  }

  /** The loudest voice slot and the slot that shows the dominant speaker, when both play. */
  private pair(readings: ReadonlyMap<string, SlotReading>): [ReceiveSlot, ReceiveSlot] | null {
    const { media, view } = this.client;
    let voice: ReceiveSlot | null = null;
    let loudest = 0;
    for (const slot of media.receiveSlots) {
      const reading = readings.get(slot.mid);
      if (slot.role !== "speaker" || !reading || reading.held === null || reading.energy <= loudest) continue;
      voice = slot;
      loudest = reading.energy;
    }
    const shown = [...view].find(([, wish]) => wish.track === "camera" && wish.participant === this.dominant)?.[0];
    const picture = media.receiveSlots.find(({ slot }) => slot === shown);
    if (!voice || !picture || (readings.get(picture.mid)?.held ?? null) === null) return null;
    return [voice, picture];
  }

  private ask({ receiver }: ReceiveSlot, target: number): void {
    if (!("jitterBufferTarget" in receiver) || this.targets.get(receiver) === target) return;
    this.targets.set(receiver, target);
    (receiver as Buffered).jitterBufferTarget = target > 0 ? target : null;
  }
}
