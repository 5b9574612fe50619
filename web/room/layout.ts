/**
 * The stage's geometry as pure functions (its rules and its table are in test/layout.test.ts): where each tile lies in a stage of W × H CSS pixels.
 * Tiles never overlap, never leave the stage, and keep their order.
 */
export const GAP = 10;
export const MIN_TILE = 150;

export interface Rect {
  x: number;
  y: number;
  w: number;
  h: number;
}

export interface Size {
  w: number;
  h: number;
}

export interface GridShape {
  cols: number;
  rows: number;
  /** Width of a 16:9 tile. */
  w: number;
}

/** The column count that gives the widest 16:9 tiles; on a tie fewer rows. */
export function gridShape(count: number, { w: width, h: height }: Size, gap = GAP): GridShape {
  let best: GridShape = { cols: 1, rows: Math.max(1, count), w: -Infinity };
  for (let cols = 1; cols <= Math.max(1, count); cols++) {
    const rows = Math.ceil(Math.max(1, count) / cols);
    const w = Math.min((width - (cols - 1) * gap) / cols, (((height - (rows - 1) * gap) / rows) * 16) / 9);
    if (w > best.w + 1e-9 || (Math.abs(w - best.w) <= 1e-9 && rows < best.rows)) best = { cols, rows, w };
  }
  return best;
}

/** Rows of equal cells, centred, the last row centred too. */
function cells(count: number, cols: number, cell: Size, area: Rect): Rect[] {
  const rows = Math.ceil(count / cols);
  const top = area.y + (area.h - rows * cell.h - (rows - 1) * GAP) / 2;
  return Array.from({ length: count }, (_, i) => {
    const row = Math.floor(i / cols);
    const inRow = row === rows - 1 ? count - row * cols : cols;
    const left = area.x + (area.w - inRow * cell.w - (inRow - 1) * GAP) / 2;
    return { x: left + (i - row * cols) * (cell.w + GAP), y: top + row * (cell.h + GAP), w: cell.w, h: cell.h };
  });
}

const whole = ({ w, h }: Size): Rect => ({ x: 0, y: 0, w, h });

export function grid(count: number, size: Size): Rect[] {
  if (count === 0) return [];
  const { cols, w } = gridShape(count, size);
  const width = Math.max(0, w);
  return cells(count, cols, { w: width, h: (width * 9) / 16 }, whole(size));
}

/** A phone held upright: one column for two, two columns from three on; tiles fill, from 3:4 to 16:9. */
export function phoneGrid(count: number, size: Size): Rect[] {
  if (count === 0) return [];
  const cols = count <= 2 ? 1 : 2;
  const rows = Math.ceil(count / cols);
  const w = (size.w - (cols - 1) * GAP) / cols;
  const fair = (size.h - (rows - 1) * GAP) / rows;
  const h = Math.min(Math.max(fair, 0), (w * 4) / 3);
  return cells(count, cols, { w: Math.min(w, (h * 16) / 9), h }, whole(size));
}

export interface Featured {
  large: Rect;
  /** As many as fit; people beyond are on no tile. */
  strip: Rect[];
}

/** Large picture and a strip of at most five under it, or at the right of a very wide stage. */
export function speaker(count: number, size: Size): Featured {
  const shown = Math.min(5, count, Math.max(1, Math.floor((size.w + GAP) / (64 + GAP))));
  if (shown === 0) return { large: fit169(whole(size)), strip: [] };
  if (size.w / size.h > 2.1) return beside(shown, size, clamp(size.w * 0.14, 128, 192));
  const w = clamp((size.w - 4 * GAP) / 5, 64, 192);
  const tile = { w, h: (w * 9) / 16 };
  const large = fit169({ x: 0, y: 0, w: size.w, h: Math.max(0, size.h - tile.h - GAP) });
  return { large, strip: cells(shown, shown, tile, { x: 0, y: size.h - tile.h, w: size.w, h: tile.h }) };
}

/** The document fills; people in a strip at the right (900 px and more) or in at most two rows on top. */
export function content(count: number, size: Size): Featured {
  if (count === 0) return { large: whole(size), strip: [] };
  if (size.w >= 900) {
    const w = clamp(size.w * 0.16, 160, 224);
    return beside(Math.min(count, Math.floor((size.h + GAP) / ((w * 9) / 16 + GAP))), size, w);
  }
  const w = clamp((size.w - 3 * GAP) / 4, 64, 160);
  const tile = { w, h: (w * 9) / 16 };
  const perRow = Math.max(1, Math.floor((size.w + GAP) / (w + GAP)));
  const rows = Math.min(size.h < 480 ? 1 : 2, Math.ceil(count / perRow));
  const height = rows * tile.h + (rows - 1) * GAP;
  const shown = Math.min(count, rows * perRow);
  const strip = cells(shown, perRow, tile, { x: 0, y: 0, w: size.w, h: height });
  return { large: { x: 0, y: height + GAP, w: size.w, h: Math.max(0, size.h - height - GAP) }, strip };
}

function beside(count: number, size: Size, w: number): Featured {
  const tile = { w, h: (w * 9) / 16 };
  const shown = Math.min(count, Math.max(1, Math.floor((size.h + GAP) / (tile.h + GAP))));
  const strip = cells(shown, 1, tile, { x: size.w - w, y: 0, w, h: size.h });
  return { large: fit169({ x: 0, y: 0, w: Math.max(0, size.w - w - GAP), h: size.h }), strip };
}

function fit169({ x, y, w, h }: Rect): Rect {
  const width = Math.min(w, (h * 16) / 9);
  const height = (width * 9) / 16;
  return { x: x + (w - width) / 2, y: y + (h - height) / 2, w: width, h: height };
}

const clamp = (value: number, least: number, most: number): number => Math.min(most, Math.max(least, value));

/** How many tiles a page holds: the device's number, fewer when tiles would be narrower than 150 px. */
export function pageSize(most: number, size: Size): number {
  let count = most;
  while (count > 1 && gridShape(count, size).w < MIN_TILE) count -= 1;
  return count;
}

/** Which sort of device this window is, by its shortest and longest side and its pointer. */
export function deviceKind(size: Size, coarsePointer: boolean): "desktop" | "tablet" | "phone" {
  if (!coarsePointer) return "desktop";
  return Math.min(size.w, size.h) < 600 ? "phone" : "tablet";
}

/** The pages' number of tiles by device. */
export const PAGE = { desktop: 25, tablet: 12, phone: 6 } as const;
