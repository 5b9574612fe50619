/** The stage's geometry: the table of the design, and what must hold for any number of tiles in any window. */
import { describe, expect, it } from "vitest";
import type { Rect, Size } from "../room/layout";
import { content, deviceKind, grid, gridShape, pageSize, phoneGrid, speaker } from "../room/layout";

const WIDE = { w: 1408, h: 764 };
const PANEL = { w: 1064, h: 780 };
const TABLE: [number[], string, string][] = [
  [[1], "1×1", "1×1"], [[2], "2×1", "1×2"], [[3, 4], "2×2", "2×2"], [[5, 6], "3×2", "2×3"], [[7, 8, 9], "3×3", "3×3"],
  [[10, 11, 12], "4×3", "3×4"], [[13, 14, 15], "4×4", "3×5"], [[16], "4×4", "4×4"], [[17, 18, 19, 20], "5×4", "4×5"],
  [[21, 22, 23, 24], "5×5", "4×6"], [[25], "5×5", "5×5"],
];
const rows = TABLE.flatMap(([counts, wide, panel]) => counts.map((count) => [count, wide, panel] as const));

describe("columns × rows of the design's table", () => {
  it.each(rows)("%i tiles: %s wide, %s beside a panel", (count, wide, panel) => {
    const shape = (size: Size): string => {
      const { cols, rows: lines } = gridShape(count, size);
      return `${cols}×${lines}`;
    };
    expect(shape(WIDE)).toBe(wide);
    expect(shape(PANEL)).toBe(panel);
  });
});

const SIZES: Size[] = [WIDE, PANEL, { w: 374, h: 716 }, { w: 304, h: 500 }, { w: 720, h: 300 }, { w: 3000, h: 900 }, { w: 900, h: 1400 }];

function holds(rects: Rect[], { w, h }: Size): void {
  for (const rect of rects) {
    expect(rect.x).toBeGreaterThanOrEqual(-0.01);
    expect(rect.y).toBeGreaterThanOrEqual(-0.01);
    expect(rect.x + rect.w).toBeLessThanOrEqual(w + 0.01);
    expect(rect.y + rect.h).toBeLessThanOrEqual(h + 0.01);
    expect(rect.w).toBeGreaterThan(0);
    expect(rect.h).toBeGreaterThan(0);
  }
  rects.forEach((a, i) => rects.slice(i + 1).forEach((b) => {
    const apart = a.x + a.w <= b.x + 0.01 || b.x + b.w <= a.x + 0.01 || a.y + a.h <= b.y + 0.01 || b.y + b.h <= a.y + 0.01;
    expect(apart, `${JSON.stringify(a)} overlaps ${JSON.stringify(b)}`).toBe(true);
  }));
}

describe.each(SIZES)("in $w × $h", (size) => {
  it("grid tiles are inside, apart, 16:9, equal and centred", () => {
    for (let count = 1; count <= 25; count++) {
      const rects = grid(count, size);
      expect(rects).toHaveLength(count);
      holds(rects, size);
      for (const { w, h } of rects) expect(w / h).toBeCloseTo(16 / 9, 5);
      const left = Math.min(...rects.map(({ x }) => x));
      const right = Math.max(...rects.map(({ x, w }) => x + w));
      expect(left).toBeCloseTo(size.w - right, 5);
    }
  });

  it("no other column count gives wider tiles", () => {
    for (let count = 1; count <= 25; count++) {
      const best = gridShape(count, size).w;
      for (let cols = 1; cols <= count; cols++) {
        const lines = Math.ceil(count / cols);
        const w = Math.min((size.w - (cols - 1) * 10) / cols, (((size.h - (lines - 1) * 10) / lines) * 16) / 9);
        expect(w).toBeLessThanOrEqual(best + 1e-6);
      }
    }
  });

  it("speaker and content keep the large picture and the strip inside and apart", () => {
    for (let count = 0; count <= 30; count++) {
      for (const { large, strip } of [speaker(count, size), content(count, size)]) {
        holds([large, ...strip], size);
        expect(strip.length).toBeLessThanOrEqual(count);
        for (const tile of strip) expect(large.w * large.h).toBeGreaterThan(tile.w * tile.h);
      }
    }
  });
});

describe("a phone held upright", () => {
  const size = { w: 374, h: 716 };
  it.each([[1, 1, 1], [2, 1, 2], [3, 2, 2], [4, 2, 2], [5, 2, 3], [6, 2, 3]])("%i tiles: %i columns, %i rows", (count, cols, lines) => {
    const rects = phoneGrid(count, size);
    holds(rects, size);
    expect(new Set(rects.slice(0, cols * Math.floor(count / cols)).map(({ x }) => Math.round(x))).size).toBe(cols);
    expect(new Set(rects.map(({ y }) => Math.round(y))).size).toBe(lines);
    for (const { w, h } of rects) {
      expect(w / h).toBeGreaterThanOrEqual(3 / 4 - 0.01);
      expect(w / h).toBeLessThanOrEqual(16 / 9 + 0.01);
    }
  });
});

describe("pages", () => {
  it("hold the device's number, fewer where tiles would be narrower than 150 px", () => {
    expect(pageSize(25, WIDE)).toBe(25);
    expect(pageSize(25, { w: 640, h: 360 })).toBe(12);
    expect(gridShape(12, { w: 640, h: 360 }).w).toBeGreaterThanOrEqual(150);
    expect(gridShape(13, { w: 640, h: 360 }).w).toBeLessThan(150);
    expect(pageSize(25, { w: 100, h: 100 })).toBe(1);
  });

  it("know the device by its size and pointer", () => {
    expect(deviceKind({ w: 390, h: 844 }, true)).toBe("phone");
    expect(deviceKind({ w: 844, h: 390 }, true)).toBe("phone");
    expect(deviceKind({ w: 820, h: 1180 }, true)).toBe("tablet");
    expect(deviceKind({ w: 390, h: 844 }, false)).toBe("desktop");
  });
});
