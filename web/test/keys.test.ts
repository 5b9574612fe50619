/** Shortcuts: one letter, not while typing, with Alt + Shift always; can be switched off; leaving has none. */
import { describe, expect, it } from "vitest";
import type { Keystroke } from "../room/shortcuts";
import { commandOf, KEYS } from "../room/shortcuts";

const stroke = (key: string, more: Partial<Keystroke> = {}): Keystroke => ({ key, code: `Key${key.toUpperCase()}`, ctrl: false, alt: false, shift: false, meta: false, typing: false, ...more });

describe("shortcuts", () => {
  it("work by their letter, in capitals too", () => {
    expect(commandOf(stroke("m"), true)).toBe("mic");
    expect(commandOf(stroke("M", { shift: true }), true)).toBe("mic");
    expect(commandOf(stroke("PageDown"), true)).toBe("next");
    expect(commandOf(stroke("?", { shift: true }), true)).toBe("keys");
    expect(commandOf(stroke("z"), true)).toBeNull();
  });

  it("are silent while typing, with the browser's own modifiers, and when switched off", () => {
    expect(commandOf(stroke("m", { typing: true }), true)).toBeNull();
    expect(commandOf(stroke("c", { ctrl: true }), true)).toBeNull();
    expect(commandOf(stroke("c", { meta: true }), true)).toBeNull();
    expect(commandOf(stroke("m"), false)).toBeNull();
  });

  it("work with Alt + Shift while typing, by the place of the key", () => {
    expect(commandOf(stroke("µ", { code: "KeyM", alt: true, shift: true, typing: true }), false)).toBe("mic");
  });

  it("are each their own, and none leaves", () => {
    expect(new Set(KEYS.map(({ key }) => key)).size).toBe(KEYS.length);
    expect(KEYS.map(({ command }) => command)).not.toContain("leave");
  });
});
