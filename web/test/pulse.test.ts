/** When a silent path is given up. */
import { describe, expect, it } from "vitest";
import { Pulse } from "../protocol/pulse";

/** Feeds the growth of each reading; the number of readings until the path was given up, or null. */
function run(growth: number[], type = "inbound-rtp"): number | null {
  const pulse = new Pulse();
  let total = 10;
  for (const [i, by] of growth.entries()) {
    total += by;
    if (pulse.read([["a", { type, packetsReceived: total, responsesReceived: total }], ["b", { type: "codec" }]])) return i;
  }
  return null;
}

describe("pulse", () => {
  it("gives up after three silent readings where media flowed", () => {
    expect(run([50, 50, 50, 50, 50, 50, 0, 0, 0, 0])).toBe(8);
    expect(run([50, 50, 50, 50, 50, 50, 0, 0, 50, 0, 0, 50])).toBeNull();
  });

  it("is patient where only consent checks are answered, one in 2.5 s, even when one is lost", () => {
    expect(run([0, 0, 1, 0, 1, 0, 0, 1, 0, 1, 0, 0, 0, 0, 1, 0, 0, 1], "candidate-pair")).toBeNull();
    expect(run([0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0], "candidate-pair")).toBe(10);
  });

  it("judges nothing by a browser that counts nothing", () => {
    const pulse = new Pulse();
    for (let i = 0; i < 20; i++) expect(pulse.read([["a", { type: "transport" }]])).toBe(false);
  });
});
