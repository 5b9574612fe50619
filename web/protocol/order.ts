/**
 * Who is on the stage, and where. Who is on the page keeps his place; a voice from elsewhere takes the place of the person who
 * has been silent longest, at most once in two seconds. Off the page: pinned, recent voices, cameras on, rooms, then arrival.
 */
import type { Participant } from "./messages";

const RECENT = 60_000;
const SWAP_EVERY = 2_000;

export interface StageFacts {
  /** Ids that stay first. */
  pinned: ReadonlySet<string>;
  /** When each person was last heard, by the clock that gives `now`. */
  spokeAt: ReadonlyMap<string, number>;
}

export class StageOrder {
  private order: string[] = [];
  private swappedAt = -Infinity;

  /**
   * The whole order, for pages of `perPage`. `people` is the roster without oneself.
   * @returns ids, those of the first page first
   */
  update(people: readonly Participant[], facts: StageFacts, perPage: number, now: number): readonly string[] {
    const byId = new Map(people.map((person) => [person.id, person]));
    const kept = this.order.filter((id) => byId.has(id));
    const known = new Set(kept);
    const rank = (person: Participant): number[] => [
      facts.pinned.has(person.id) ? 0 : 1,
      now - (facts.spokeAt.get(person.id) ?? -Infinity) < RECENT ? 0 : 1,
      person.tracks.includes("camera") ? 0 : 1,
      person.kind === "sip" || person.kind === "h323" ? 0 : 1,
      person.joined_at,
    ];
    const off = [...kept.slice(perPage), ...people.filter(({ id }) => !known.has(id)).map(({ id }) => id)]
      .map((id) => ({ id, rank: rank(byId.get(id)!) }))
      .sort((a, b) => compare(a.rank, b.rank) || (a.id < b.id ? -1 : 1))
      .map(({ id }) => id);
    const page = kept.slice(0, perPage);
    while (page.length < perPage && off.length > 0) page.push(off.shift()!);
    this.swap(page, off, facts, now);
    const pinned = page.filter((id) => facts.pinned.has(id));
    this.order = [...pinned, ...page.filter((id) => !facts.pinned.has(id)), ...off];
    return this.order;
  }

  private swap(page: string[], off: string[], { pinned, spokeAt }: StageFacts, now: number): void {
    if (now - this.swappedAt < SWAP_EVERY) return;
    const spoke = (id: string): number => spokeAt.get(id) ?? -Infinity;
    let incoming = off.findIndex((id) => pinned.has(id));
    if (incoming < 0) {
      const latest = off.reduce<string | null>((best, id) => (best === null || spoke(id) > spoke(best) ? id : best), null);
      if (latest === null || now - spoke(latest) >= SWAP_EVERY) return;
      incoming = off.indexOf(latest);
    }
    let silent = -1;
    for (let i = page.length - 1; i >= 0; i--) {
      if (pinned.has(page[i]!)) continue;
      if (silent < 0 || spoke(page[i]!) < spoke(page[silent]!)) silent = i;
    }
    if (silent < 0 || (!pinned.has(off[incoming]!) && now - spoke(page[silent]!) < SWAP_EVERY)) return;
    [page[silent], off[incoming]] = [off[incoming]!, page[silent]!];
    this.swappedAt = now;
  }
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return a[i]! < b[i]! ? -1 : 1;
  return 0;
}

/**
 * Who fills the large picture of the speaker view: changes after 1.2 s of speech, never more than once in 2 s, and stays on the last
 * speaker in silence.
 */
export class Spotlight {
  private shown: string | null = null;
  private candidate: string | null = null;
  private since = 0;
  private changedAt = -Infinity;

  update(dominant: string | null, present: ReadonlySet<string>, now: number): string | null {
    if (this.shown !== null && !present.has(this.shown)) this.shown = null;
    if (dominant !== this.candidate) {
      this.candidate = dominant;
      this.since = now;
    }
    if (dominant !== null && present.has(dominant) && dominant !== this.shown) {
      const settled = now - this.since >= 1_200 && now - this.changedAt >= 2_000;
      if (this.shown === null || settled) {
        this.shown = dominant;
        this.changedAt = now;
      }
    }
    return this.shown;
  }
}
