/** Lip-sync: the controller brings a simulated voice and picture together, and does nothing without a reason. */
import { describe, expect, it } from "vitest";
import { align, SlotReader } from "../protocol/sync";

/** Two buffers with a natural delay; a target above it holds longer. Capture runs on one clock. */
function run(voiceDelay: number, pictureDelay: number, seconds: number): { skew: number; voice: number; picture: number }[] {
  let targets = { voice: 0, picture: 0 };
  const history = [];
  for (let second = 0; second < seconds; second++) {
    const voice = Math.max(voiceDelay, targets.voice);
    const picture = Math.max(pictureDelay, targets.picture);
    history.push({ skew: voice - picture, ...targets });
    targets = align(
      { timestamp: 1e12 + second * 1000 - voice, delay: voice, target: targets.voice },
      { timestamp: 1e12 + second * 1000 - picture, delay: picture, target: targets.picture },
    );
  }
  return history;
}

describe("align", () => {
  it.each([[60, 60], [200, 60], [60, 250], [500, 40], [40, 700]])("voice %i ms, picture %i ms: within 60 ms after 8 s, never worse than at first", (voice, picture) => {
    const history = run(voice, picture, 12);
    for (const { skew } of history.slice(8)) expect(Math.abs(skew)).toBeLessThanOrEqual(60);
    for (const { skew } of history) expect(Math.abs(skew)).toBeLessThanOrEqual(Math.abs(voice - picture) + 1);
  });

  it("delays the early side only", () => {
    expect(align({ timestamp: 0, delay: 200, target: 0 }, { timestamp: 100, delay: 100, target: 0 })).toEqual({ voice: 0, picture: 160 });
    expect(align({ timestamp: 100, delay: 100, target: 0 }, { timestamp: 0, delay: 200, target: 0 })).toEqual({ voice: 160, picture: 0 });
  });

  it("takes back an earlier delay before it adds one", () => {
    expect(align({ timestamp: 0, delay: 300, target: 300 }, { timestamp: 100, delay: 50, target: 0 })).toEqual({ voice: 240, picture: 0 });
    expect(align({ timestamp: 0, delay: 80, target: 30 }, { timestamp: 100, delay: 50, target: 0 })).toEqual({ voice: 0, picture: 80 });
  });

  it("leaves a small skew and one that no clock explains alone, and never asks for more than 800 ms", () => {
    expect(align({ timestamp: 0, delay: 50, target: 0 }, { timestamp: 19, delay: 50, target: 7 })).toEqual({ voice: 0, picture: 7 });
    expect(align({ timestamp: 0, delay: 50, target: 0 }, { timestamp: 3e6, delay: 50, target: 0 })).toEqual({ voice: 0, picture: 0 });
    expect(align({ timestamp: 0, delay: 50, target: 0 }, { timestamp: 1_900, delay: 50, target: 700 }).picture).toBe(800);
  });
});

describe("reading the browser's totals", () => {
  it("tells what happened since the last reading", () => {
    const reader = new SlotReader();
    const row = (more: object): [string, unknown] => ["x", { type: "inbound-rtp", mid: "4", ...more }];
    reader.read([row({ jitterBufferDelay: 10, jitterBufferEmittedCount: 100, totalAudioEnergy: 1, totalProcessingDelay: 1, framesDecoded: 10, estimatedPlayoutTimestamp: 5 }), ["y", { type: "codec" }]]);
    const readings = reader.read([row({ jitterBufferDelay: 16, jitterBufferEmittedCount: 200, totalAudioEnergy: 1.5, totalProcessingDelay: 2.5, framesDecoded: 30, estimatedPlayoutTimestamp: 1005 })]);
    expect(readings.get("4")).toEqual({ playout: 1005, delay: 60, held: 75, energy: 0.5 });
    expect(readings.size).toBe(1);
    expect(reader.read([row({})]).get("4")).toEqual({ playout: null, delay: 0, held: null, energy: 0 });
  });
});
