/** One tile of the stage: picture or initials, name, marks. Built once a person, changed by attributes. */
import type { Participant } from "../protocol/messages";
import { h, icon, set, setIcon, write } from "./dom";
import type { Key } from "./i18n";
import { t } from "./i18n";
import type { Rect } from "./layout";
import type { Picture } from "./pool";

export function initials(name: string): string {
  const words = name.trim().split(/\s+/).filter((word) => /^[\p{L}\p{N}]/u.test(word));
  const first = [...(words[0] ?? "?")][0] ?? "?";
  const last = words.length > 1 ? ([...(words[words.length - 1] ?? "")][0] ?? "") : "";
  return (first + last).toLocaleUpperCase();
}

/** One of six colours, the same for the same person everywhere. */
export function avatarColour(id: string): number {
  let sum = 0;
  for (const character of id) sum = (sum * 31 + character.codePointAt(0)!) >>> 0;
  return (sum % 6) + 1;
}

export function avatar(person: Participant, className = ""): HTMLElement {
  const drawing = person.kind === "phone" ? "phone" : person.kind === "sip" || person.kind === "h323" ? "codec" : null;
  return h("span", { class: `avatar av-${avatarColour(person.id)} ${className}`, "aria-hidden": "true" }, drawing ? icon(drawing) : initials(person.name));
}

export function kindKey(person: Participant): Key | null {
  if (person.role === "organiser") return "tile.organiser";
  if (person.kind === "sip" || person.kind === "h323") return "tile.room";
  if (person.kind === "phone") return "tile.phone";
  return null;
}

export interface TileState {
  self: boolean;
  speaking: boolean;
  pinned: boolean;
  /** Over the others on a small screen: little room for the name. */
  floating: boolean;
  track: "camera" | "screen";
}

export class Tile {
  readonly element: HTMLLIElement;
  picture: Picture | null = null;
  private readonly initials: HTMLElement;
  private readonly bars = h("span", { class: "bars", "aria-hidden": "true" }, h("i"), h("i"), h("i"));
  private readonly mark = icon("mic-off", "i off");
  private readonly name = h("span", { class: "nm" });
  private readonly tag = h("span", { class: "tile-tag" });
  private readonly spoken = h("span", { class: "vh" });
  private readonly flags = h("p", { class: "tile-flags" });
  private mover: HTMLElement | null = null;

  constructor(person: Participant, track: "camera" | "screen") {
    this.initials = h("div", { class: "tile-off" }, track === "camera" ? avatar(person) : icon("share", "i i-xl"));
    this.element = h("li", { class: `tile tile-${track}`, "data-participant": person.id, "data-track": track, tabindex: -1 },
      this.initials, this.flags,
      h("p", { class: "tile-name" }, this.bars, this.mark, this.name, this.tag, this.spoken));
  }

  update(person: Participant, state: TileState): void {
    const muted = state.track === "camera" && !person.tracks.includes("mic");
    const { element } = this;
    set(element, "data-self", state.self);
    set(element, "data-speaking", state.speaking);
    set(element, "data-muted", muted);
    set(element, "data-away", !person.connected);
    set(this.bars, "hidden", !state.speaking);
    set(this.mark, "hidden", !muted);
    setIcon(this.mark, "mic-off");
    write(this.name, state.track === "screen" ? t("share.tile", { name: person.name }) : state.floating ? t("people.youShort") : state.self ? t("people.you", { name: person.name }) : person.name);
    const kind = state.track === "screen" || state.floating ? null : kindKey(person);
    write(this.tag, kind ? t(kind) : "");
    set(this.tag, "hidden", !kind);
    write(this.spoken, state.speaking ? t("tile.speaking") : muted ? t("tile.muted") : "");
    const flag = !person.connected ? t("tile.away") : state.pinned ? t("tile.pinned") : "";
    if (this.flags.textContent !== flag) this.flags.replaceChildren(...(flag ? [h("span", { class: "flag" }, icon(person.connected ? "pin" : "net"), flag)] : []));
  }

  show(picture: Picture | null): void {
    if (this.picture === picture && (!picture || picture.element.parentElement === this.element)) return;
    this.picture = picture;
    if (picture) {
      this.element.prepend(picture.element);
      // Moving an element may pause it in some browsers.
      void picture.video.play().catch(() => undefined);
    }
  }

  /** Touching the tile runs `move`; null makes it an ordinary tile again. */
  movable(move: (() => void) | null): void {
    if (!move) this.mover?.remove();
    if (!move || this.mover) {
      if (!move) this.mover = null;
      return;
    }
    this.mover = h("button", { class: "tile-corner", type: "button", "data-action": "corner", "aria-label": t("self.corner"), onclick: move });
    this.element.append(this.mover);
  }

  place({ x, y, w, h: height }: Rect): void {
    const { style } = this.element;
    style.setProperty("left", `${x}px`);
    style.setProperty("top", `${y}px`);
    style.setProperty("width", `${w}px`);
    style.setProperty("height", `${height}px`);
  }
}
