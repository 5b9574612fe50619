/** The control bar: icon over word; the accessible name is the action and contains the visible word. */
import { h, icon, set, setIcon, write } from "./dom";
import { t } from "./i18n";

export interface ControlActions {
  mic(): void;
  camera(): void;
  share(): void;
  more(): void;
  people(): void;
  leave(): void;
}

export interface ControlState {
  mic: boolean;
  camera: boolean;
  sharing: boolean;
  mayShare: boolean;
  count: number;
  people: boolean;
  settings: boolean;
}

type Button = { element: HTMLButtonElement; icon: SVGSVGElement };

function control(action: string, iconName: string, word: string, run: () => void, className = ""): Button {
  const drawing = icon(iconName);
  return { icon: drawing, element: h("button", { class: `ctl ${className}`, type: "button", "data-action": action, onclick: run }, drawing, word) };
}

export class Controls {
  private readonly mic: Button;
  private readonly camera: Button;
  private readonly share: Button;
  private readonly more: Button;
  private readonly people: Button;
  private readonly count = h("span", { class: "count", "aria-hidden": "true" });
  private readonly facts = h("span", { class: "muted small num" });
  readonly element: HTMLElement;

  constructor(actions: ControlActions) {
    this.mic = control("mic", "mic", t("mic.word"), () => actions.mic());
    this.camera = control("camera", "cam", t("camera.word"), () => actions.camera());
    this.share = control("share", "share", t("share.word"), () => actions.share(), "wide");
    this.more = control("more", "more", t("more.word"), () => actions.more());
    this.people = control("people", "people", t("people.word"), () => actions.people());
    this.people.element.append(this.count);
    const leave = control("leave", "leave", t("leave.word"), () => actions.leave(), "ctl-leave");
    set(leave.element, "aria-label", t("leave.name"));
    set(this.more.element, "aria-label", t("more.name"));
    this.element = h("nav", { class: "bar", id: "commands", "aria-label": t("room.commands"), tabindex: -1 },
      h("div", { class: "bar-side" }, this.facts),
      this.mic.element, this.camera.element, this.share.element, this.more.element, leave.element,
      h("div", { class: "bar-side wide" }, this.people.element));
  }

  update(state: ControlState, time: string): void {
    this.toggle(this.mic, state.mic, "mic", t("mic.mute"), t("mic.unmute"));
    this.toggle(this.camera, state.camera, "cam", t("camera.off"), t("camera.on"));
    set(this.share.element, "aria-label", state.sharing ? t("share.stop") : t("share.start"));
    set(this.share.element, "aria-disabled", state.mayShare ? null : "true");
    set(this.share.element, "data-on", state.sharing);
    set(this.more.element, "aria-expanded", String(state.settings));
    set(this.people.element, "aria-expanded", String(state.people));
    set(this.people.element, "aria-label", t("people.name", { count: state.count }));
    write(this.count, String(state.count));
    write(this.facts, t("room.facts", { time, count: state.count }));
  }

  /** The button that opened a panel, for the focus to come back to. */
  opener(panel: string): HTMLElement {
    const button = panel === "people" ? this.people.element : this.more.element;
    return button.checkVisibility() ? button : this.more.element;
  }

  private toggle({ element, icon: drawing }: Button, on: boolean, name: string, off: string, back: string): void {
    set(element, "data-off", !on);
    set(element, "aria-label", on ? off : back);
    setIcon(drawing, on ? name : `${name}-off`);
  }
}
