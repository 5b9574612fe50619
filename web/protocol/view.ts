/** Which picture sits in which receive slot. Pure functions: who stays keeps his slot, so that his picture never blinks. */
import type { TrackName, ViewSlot } from "./messages";

/** A picture or sound that the page wants; `height` in device pixels, rounded to a step so that small moves ask for nothing. */
export interface Wanted {
  participant: string;
  track: TrackName;
  height: number;
}

export interface SlotSort {
  slot: number;
  kind: "audio" | "video";
  content: boolean;
}

const STEPS = [90, 180, 360, 720, 1080] as const;

/** The smallest step that is at least four fifths of the tile's height: a little enlargement costs less than a bigger picture. */
export function stepHeight(pixels: number): number {
  return STEPS.find((step) => step >= pixels * 0.8) ?? 1080;
}

const key = ({ participant, track }: Wanted): string => `${track}\n${participant}`;
const fits = (slot: SlotSort, track: TrackName): boolean =>
  slot.kind === (track === "camera" || track === "screen" ? "video" : "audio") && slot.content === (track !== "camera");

/** The new map from slot to picture. Wishes beyond the slots are left out, the last first. */
export function assign(previous: ReadonlyMap<number, Wanted>, slots: readonly SlotSort[], wanted: readonly Wanted[]): Map<number, Wanted> {
  const next = new Map<number, Wanted>();
  const room = new Map<string, number>();
  const granted: Wanted[] = [];
  for (const wish of wanted) {
    const sort = `${wish.track === "camera" ? "view" : wish.track}`;
    const used = room.get(sort) ?? 0;
    if (used >= slots.filter((slot) => fits(slot, wish.track)).length) continue;
    room.set(sort, used + 1);
    granted.push(wish);
  }
  const before = new Map([...previous].map(([slot, wish]) => [key(wish), slot]));
  const waiting: Wanted[] = [];
  for (const wish of granted) {
    const slot = slots.find((candidate) => candidate.slot === before.get(key(wish)));
    if (slot && fits(slot, wish.track) && !next.has(slot.slot)) next.set(slot.slot, wish);
    else waiting.push(wish);
  }
  for (const wish of waiting) {
    const free = slots.find((slot) => fits(slot, wish.track) && !next.has(slot.slot));
    if (free) next.set(free.slot, wish);
  }
  return next;
}

/** The `view` entries that turn `previous` into `next`, in slot order. */
export function changes(previous: ReadonlyMap<number, Wanted>, next: ReadonlyMap<number, Wanted>): ViewSlot[] {
  const result: ViewSlot[] = [];
  for (const slot of [...new Set([...previous.keys(), ...next.keys()])].sort((a, b) => a - b)) {
    const was = previous.get(slot);
    const is = next.get(slot);
    if (!is) result.push({ slot, participant: null, track: was?.track ?? "camera", height: 0 });
    else if (!was || key(was) !== key(is) || was.height !== is.height) result.push({ slot, ...is });
  }
  return result;
}
