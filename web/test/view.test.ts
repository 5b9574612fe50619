/** Slots and order: who stays keeps his slot and his place. */
import { describe, expect, it } from "vitest";
import type { Participant } from "../protocol/messages";
import { Spotlight, StageOrder } from "../protocol/order";
import type { SlotSort, Wanted } from "../protocol/view";
import { assign, changes, stepHeight } from "../protocol/view";

const slots: SlotSort[] = [
  ...[3, 4, 5, 6].map((slot) => ({ slot, kind: "video" as const, content: false })),
  { slot: 7, kind: "audio", content: true },
  { slot: 8, kind: "video", content: true },
];
const camera = (participant: string, height = 180): Wanted => ({ participant, track: "camera", height });
const shown = (map: ReadonlyMap<number, Wanted>): string => [...map].sort(([a], [b]) => a - b).map(([slot, { participant }]) => `${slot}${participant}`).join(" ");

describe("slots", () => {
  it("who stays keeps his slot, whatever the order of the wishes", () => {
    const first = assign(new Map(), slots, ["a", "b", "c"].map((id) => camera(id)));
    expect(shown(first)).toBe("3a 4b 5c");
    const second = assign(first, slots, ["d", "c", "a"].map((id) => camera(id)));
    expect(shown(second)).toBe("3a 4d 5c");
    expect(changes(first, second)).toEqual([{ slot: 4, participant: "d", track: "camera", height: 180 }]);
  });

  it("wishes beyond the slots are left out, the last first, and never take a shown one's slot", () => {
    const first = assign(new Map(), slots, ["a", "b", "c", "d"].map((id) => camera(id)));
    const second = assign(first, slots, ["e", "d", "c", "b", "a"].map((id) => camera(id)));
    expect(shown(second)).toBe("3e 4b 5c 6d");
  });

  it("content goes to content slots only", () => {
    const map = assign(new Map(), slots, [camera("a"), { participant: "a", track: "screen", height: 1080 }, { participant: "a", track: "screen-audio", height: 0 }]);
    expect(map.get(8)?.track).toBe("screen");
    expect(map.get(7)?.track).toBe("screen-audio");
    expect(map.get(3)?.track).toBe("camera");
  });

  it("emptied slots and new heights are told, the rest is not", () => {
    const first = assign(new Map(), slots, [camera("a"), camera("b")]);
    const second = assign(first, slots, [camera("b", 360)]);
    expect(changes(first, second)).toEqual([
      { slot: 3, participant: null, track: "camera", height: 0 }, { slot: 4, participant: "b", track: "camera", height: 360 },
    ]);
    expect(changes(second, second)).toEqual([]);
  });

  it("any history: no slot twice, nobody twice, kinds fit, the kept are kept", () => {
    let seed = 7;
    const random = (most: number): number => (seed = (seed * 48271) % 2147483647) % most;
    let map = new Map<number, Wanted>();
    for (let round = 0; round < 500; round++) {
      const wanted = Array.from({ length: random(9) }, () => camera(String.fromCharCode(97 + random(12))));
      const unique = [...new Map(wanted.map((wish) => [wish.participant, wish])).values()];
      const next = assign(map, slots, unique);
      expect(next.size).toBe(Math.min(4, unique.length));
      expect(new Set([...next.values()].map(({ participant }) => participant)).size).toBe(next.size);
      const granted = new Set(unique.slice(0, 4).map(({ participant }) => participant));
      for (const [slot, { participant }] of map) if (granted.has(participant)) expect(next.get(slot)?.participant).toBe(participant);
      map = next;
    }
  });

  it.each([[100, 90], [112, 90], [113, 180], [297, 360], [450, 360], [451, 720], [900, 720], [901, 1080], [5000, 1080]])("a tile of %i px asks for %i", (pixels, step) => {
    expect(stepHeight(pixels)).toBe(step);
  });
});

function people(count: number, more: (i: number) => Partial<Participant> = () => ({})): Participant[] {
  return Array.from({ length: count }, (_, i) => ({
    id: `p${i}`, name: `P${i}`, role: "participant", kind: "browser", guest: true, tracks: ["camera"], connected: true, joined_at: i, ...more(i),
  }));
}
const nobody = { pinned: new Set<string>(), spokeAt: new Map<string, number>() };

describe("order", () => {
  it("starts with cameras on, then rooms, then arrival", () => {
    const order = new StageOrder().update(people(5, (i) => ({ tracks: i < 2 ? [] : ["camera"], kind: i === 1 ? "sip" : "browser" })), nobody, 9, 0);
    expect(order).toEqual(["p2", "p3", "p4", "p1", "p0"]);
  });

  it("nobody on the page moves when others come, go or turn cameras on", () => {
    const stage = new StageOrder();
    const before = stage.update(people(6), nobody, 4, 0).slice(0, 4);
    expect(stage.update(people(9), nobody, 4, 1).slice(0, 4)).toEqual(before);
    const without = people(9).filter(({ id }) => id !== "p1");
    expect(stage.update(without, nobody, 4, 2).slice(0, 4)).toEqual(["p0", "p2", "p3", "p4"]);
  });

  it("a voice from elsewhere takes the place of the longest silent, at most once in two seconds", () => {
    const stage = new StageOrder();
    stage.update(people(6), nobody, 3, 0);
    const spokeAt = new Map([["p0", 9_000], ["p1", 4_000], ["p2", 8_000], ["p4", 9_900], ["p5", 9_950]]);
    expect(stage.update(people(6), { ...nobody, spokeAt }, 3, 10_000).slice(0, 3)).toEqual(["p0", "p5", "p2"]);
    expect(stage.update(people(6), { ...nobody, spokeAt }, 3, 10_100).slice(0, 3)).toEqual(["p0", "p5", "p2"]);
    spokeAt.set("p4", 12_000);
    expect(stage.update(people(6), { ...nobody, spokeAt }, 3, 12_050).slice(0, 3)).toEqual(["p0", "p5", "p4"]);
  });

  it("a pinned person comes to the page, stays first and is never swapped", () => {
    const stage = new StageOrder();
    stage.update(people(6), nobody, 3, 0);
    const pinned = new Set(["p5"]);
    expect(stage.update(people(6), { ...nobody, pinned }, 3, 3_000)[0]).toBe("p5");
    const spokeAt = new Map([["p0", 6_000], ["p1", 6_000], ["p4", 6_000]]);
    expect(stage.update(people(6), { pinned, spokeAt }, 3, 6_001).slice(0, 3)).toContain("p5");
  });
});

describe("spotlight", () => {
  const present = new Set(["a", "b"]);

  it("changes after 1.2 s of speech, not more than once in 2 s, and stays in silence", () => {
    const light = new Spotlight();
    expect(light.update("a", present, 0)).toBe("a");
    expect(light.update("b", present, 1_000)).toBe("a");
    expect(light.update("b", present, 2_100)).toBe("a");
    expect(light.update("b", present, 2_200)).toBe("b");
    expect(light.update("a", present, 2_300)).toBe("b");
    expect(light.update("a", present, 3_600)).toBe("b");
    expect(light.update("a", present, 4_200)).toBe("a");
    expect(light.update(null, present, 9_000)).toBe("a");
    expect(light.update(null, new Set(["b"]), 9_100)).toBe(null);
  });
});
