/** Keyboard shortcuts: one letter, inactive while typing; with Alt + Shift always. They can be switched off. */
export type Command = "mic" | "camera" | "share" | "people" | "layout" | "full" | "keys" | "previous" | "next";

export const KEYS: readonly { key: string; command: Command; shown: string }[] = [
  { key: "m", command: "mic", shown: "M" },
  { key: "c", command: "camera", shown: "C" },
  { key: "p", command: "share", shown: "P" },
  { key: "u", command: "people", shown: "U" },
  { key: "l", command: "layout", shown: "L" },
  { key: "f", command: "full", shown: "F" },
  { key: "?", command: "keys", shown: "?" },
  { key: "PageUp", command: "previous", shown: "PgUp" },
  { key: "PageDown", command: "next", shown: "PgDn" },
];

export interface Keystroke {
  key: string;
  code: string;
  ctrl: boolean;
  alt: boolean;
  shift: boolean;
  meta: boolean;
  typing: boolean;
}

/** The command of a keystroke, or null. `letters` is false when one-letter shortcuts are switched off. */
export function commandOf(stroke: Keystroke, letters: boolean): Command | null {
  if (stroke.ctrl || stroke.meta) return null;
  const forced = stroke.alt && stroke.shift;
  if (!forced && (stroke.typing || stroke.alt || !letters)) return null;
  // With Alt the key is often another sign; its place on the keyboard still names the letter.
  const letter = forced && /^Key[A-Z]$/.test(stroke.code) ? stroke.code.slice(3).toLowerCase() : stroke.key.length === 1 ? stroke.key.toLowerCase() : stroke.key;
  return KEYS.find(({ key }) => key === letter)?.command ?? null;
}

/** Listens on the document; returns the function that stops it. */
export function listenKeys(letters: () => boolean, run: (command: Command) => void): () => void {
  const onkey = (event: KeyboardEvent): void => {
    const at = event.target as HTMLElement;
    const typing = at.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(at.tagName);
    const command = commandOf({
      key: event.key, code: event.code, ctrl: event.ctrlKey, alt: event.altKey, shift: event.shiftKey, meta: event.metaKey, typing,
    }, letters());
    if (!command || event.repeat) return;
    event.preventDefault();
    run(command);
  };
  document.addEventListener("keydown", onkey);
  return () => document.removeEventListener("keydown", onkey);
}
