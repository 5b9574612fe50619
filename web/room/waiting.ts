/** The waiting page: see and hear oneself, choose devices, say one's name, enter. Nothing here can prevent entering but the server's answer. */
import type { Failure } from "../protocol/messages";
import type { Devices } from "./devices";
import { memory } from "./devices";
import { h, icon, logo, set, setIcon, write } from "./dom";
import { DeviceFields } from "./fields";
import type { Key } from "./i18n";
import { language, t } from "./i18n";
import { Picture } from "./pool";

/** Public facts of a room (`GET /api/rooms/<slug>`). */
export interface RoomFacts {
  name: string;
  number: string;
  pin_required: boolean;
  seats: number;
  present: number;
}

const KNOWN = new Set(["bad_pin", "pin_delay", "unknown_room", "full", "bad_name", "version", "forbidden", "too_fast", "unavailable"]);

/** The sentence for a failure: ours when we know the code, the server's own otherwise. */
export function failureText({ code, message }: Failure): string {
  return KNOWN.has(code) && code !== "pin_delay" ? t(`error.${code}` as Key) : message || t("error.other");
}

export function waitText(milliseconds: number): string {
  const seconds = Math.max(1, Math.ceil(milliseconds / 1000));
  return seconds < 60 ? t("time.seconds", { count: seconds }) : t("time.minutes", { count: Math.ceil(seconds / 60) });
}

export interface Entry {
  name: string;
  pin: string | null;
}

export class WaitingPage {
  readonly element: HTMLElement;
  private readonly picture = new Picture();
  private readonly fields: DeviceFields;
  private readonly name = h("input", { class: "input", id: "name", name: "name", autocomplete: "name", maxlength: 80, value: memory.get("massalia.name") ?? "", "aria-describedby": "name-help name-error" });
  private readonly pin = h("input", { class: "input num", id: "pin", name: "pin", inputmode: "numeric", autocomplete: "off", maxlength: 12, "aria-describedby": "pin-help pin-error" });
  private readonly pinField: HTMLElement;
  private readonly title = h("h1", { id: "title" });
  private readonly number = h("p", { class: "muted num" });
  private readonly present = h("span");
  private readonly alert = h("div", { class: "note note-danger", role: "alert", tabindex: -1, hidden: true });
  private readonly enter = h("button", { class: "btn btn-main btn-l btn-wide", type: "submit", "data-action": "join" }, t("join.enter"));
  private readonly micIcon = icon("mic");
  private readonly camIcon = icon("cam");
  private readonly micButton = h("button", { class: "ctl", type: "button", "data-action": "mic", onclick: () => this.devices.setMic(!this.devices.micOn) }, this.micIcon, t("mic.word"));
  private readonly camButton = h("button", { class: "ctl", type: "button", "data-action": "camera", onclick: () => void this.devices.setCamera(!this.devices.cameraOn) }, this.camIcon, t("camera.word"));
  private readonly veil = h("p", { class: "veil" });
  private readonly stop: () => void;
  private countdown = 0;

  /** `invited` is the code that came with the address, if any: then nobody is asked for it unless it is wrong. */
  constructor(private readonly devices: Devices, private readonly invited: string | null, private readonly onenter: (entry: Entry) => void) {
    this.fields = new DeviceFields(devices);
    this.picture.element.classList.add("mirror");
    this.pinField = this.field("pin", t("join.pin"), t("join.pinHelp"), this.pin);
    set(this.pinField, "hidden", true);
    this.pin.value = invited ?? "";
    this.element = h("div", { class: "waiting" }, this.head(), this.body(), this.foot());
    this.stop = devices.on("change", () => this.update());
    this.update();
  }

  facts(facts: RoomFacts | null, fallbackName: string): void {
    const name = facts?.name ?? fallbackName;
    write(this.title, name);
    document.title = t("join.title", { room: name });
    write(this.number, facts ? t("join.number", { number: facts.number }) : "");
    write(this.present, !facts || facts.present === 0 ? t("join.nobody") : t("join.present", { count: facts.present }));
    set(this.pinField, "hidden", this.invited !== null || (facts ? !facts.pin_required : false));
  }

  busy(on: boolean): void {
    set(this.enter, "aria-busy", on ? "true" : null);
    write(this.enter, on ? t("join.entering") : t("join.enter"));
  }

  fail(failure: Failure): void {
    this.busy(false);
    window.clearInterval(this.countdown);
    if (failure.code === "bad_pin" || failure.code === "pin_delay") {
      set(this.pinField, "hidden", false);
      set(this.pin, "aria-invalid", "true");
    }
    if (failure.code === "bad_name") set(this.name, "aria-invalid", "true");
    if (failure.retry_after && failure.retry_after > 0 && failure.code !== "bad_pin") this.count(failure, failure.retry_after);
    else this.show(failure.code, failureText(failure));
  }

  destroy(): void {
    window.clearInterval(this.countdown);
    this.stop();
    this.fields.destroy();
    this.picture.video.srcObject = null;
    this.element.remove();
  }

  private count(failure: Failure, wait: number): void {
    const until = performance.now() + wait;
    const tick = (): void => {
      const left = until - performance.now();
      const text = failure.code === "pin_delay" ? t("error.pin_delay", { wait: waitText(left) }) : failureText(failure);
      if (left > 0) this.show(failure.code, text);
      else {
        this.show(failure.code, t("error.pin_again"));
        window.clearInterval(this.countdown);
      }
    };
    tick();
    this.countdown = window.setInterval(tick, 1_000);
  }

  /** A problem: what happened and what to do, the code in small print for the helper. */
  private show(code: string, text: string): void {
    const first = this.alert.hidden || this.alert.dataset["code"] !== code;
    this.alert.dataset["code"] = code;
    set(this.alert, "hidden", false);
    this.alert.replaceChildren(icon("alert"), h("div", {}, h("p", {}, text), h("p", { class: "small muted" }, t("error.code", { code }))));
    if (first) this.alert.focus();
  }

  private submit(event: Event): void {
    event.preventDefault();
    const name = this.name.value.trim();
    const pin = this.pin.value.replace(/\s/g, "");
    const missing: [HTMLInputElement, string][] = [];
    if (!name) missing.push([this.name, t("join.nameMissing")]);
    if (!this.pinField.hidden && !pin) missing.push([this.pin, t("join.pinMissing")]);
    for (const input of [this.name, this.pin]) {
      const problem = missing.find(([at]) => at === input)?.[1] ?? "";
      set(input, "aria-invalid", problem ? "true" : null);
      const error = this.element.querySelector(`#${input.id}-error`);
      if (error) write(error, problem);
    }
    if (missing.length > 0) {
      missing[0]![0].focus();
      return;
    }
    window.clearInterval(this.countdown);
    set(this.alert, "hidden", true);
    memory.set("massalia.name", name);
    this.busy(true);
    this.onenter({ name, pin: pin || null });
  }

  private update(): void {
    const { devices } = this;
    const track = devices.camera;
    if ((this.picture.video.srcObject as MediaStream | null)?.getVideoTracks()[0] !== (track ?? undefined)) {
      if (!track) this.picture.clear();
      this.picture.attach(track);
    }
    write(this.veil, track ? "" : devices.opening ? t("join.cameraOpening") : devices.cameraOn && devices.cameraTrouble ? t(`trouble.camera.${devices.cameraTrouble}`) : t("join.cameraOff"));
    set(this.veil, "hidden", track !== null);
    set(this.micButton, "data-off", !devices.micOn);
    set(this.micButton, "aria-label", devices.micOn ? t("mic.mute") : t("mic.unmute"));
    setIcon(this.micIcon, devices.micOn ? "mic" : "mic-off");
    set(this.camButton, "data-off", !devices.cameraOn);
    set(this.camButton, "aria-label", devices.cameraOn ? t("camera.off") : t("camera.on"));
    setIcon(this.camIcon, devices.cameraOn ? "cam" : "cam-off");
  }

  private field(id: string, label: string, help: string, input: HTMLInputElement): HTMLElement {
    return h("div", { class: "field" }, h("label", { for: id }, label), input,
      h("p", { class: "help", id: `${id}-help` }, help), h("p", { class: "error", id: `${id}-error` }));
  }

  private head(): HTMLElement {
    const other = language() === "fr" ? "en" : "fr";
    return h("header", { class: "top" }, h("div", { class: "top-in" },
      h("a", { class: "brand", href: "/", "aria-label": t("app.home") }, logo(), h("span", {}, h("b", {}, t("app.city")), h("span", {}, t("app.service")))),
      h("div", { class: "grow" }),
      h("a", { class: "btn btn-quiet", href: `?lang=${other}${location.hash}`, lang: other, hreflang: other }, icon("globe"), h("span", { class: "hide-s" }, t("app.other")), h("span", { class: "vh" }, t("app.otherHint")))));
  }

  private body(): HTMLElement {
    const form = h("form", { class: "stack", novalidate: true, onsubmit: (event: Event) => this.submit(event) },
      this.alert, this.field("name", t("join.name"), t("join.nameHelp"), this.name), this.pinField, h("div", { class: "go" }, this.enter));
    return h("main", { class: "page", id: "content", tabindex: -1 }, h("div", { class: "join" },
      h("section", { class: "see", "aria-label": t("join.picture") },
        h("div", { class: "preview", "data-theme": "dark", "data-self": true }, this.picture.element, this.veil,
          h("p", { class: "tile-flags" }, h("span", { class: "flag" }, t("join.preview"))),
          h("div", { class: "ctls" }, this.micButton, this.camButton))),
      h("section", { class: "stack who", "aria-labelledby": "title" },
        h("div", { class: "stack tight" }, this.title, this.number),
        h("ul", { class: "facts" },
          h("li", {}, icon("people"), this.present),
          h("li", {}, icon("clock"), h("span", {}, t("join.direct")))),
        form),
      h("section", { class: "stack tech", "aria-label": t("join.devices") }, this.fields.element)));
  }

  private foot(): HTMLElement {
    const other = language() === "fr" ? "en" : "fr";
    return h("footer", { class: "foot" }, h("ul", {},
      h("li", {}, h("a", { href: "/" }, t("app.homeLink"))),
      h("li", {}, h("a", { href: `?lang=${other}${location.hash}`, lang: other, hreflang: other }, t("app.other")))));
  }
}
