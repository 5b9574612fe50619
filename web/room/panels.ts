/** The panel at the right (participants, settings, shortcuts): one at a time; opening moves the focus to its title, closing gives it back. */
import type { Client } from "../protocol/client";
import type { Participant } from "../protocol/messages";
import type { Devices } from "./devices";
import { memory } from "./devices";
import { h, icon, set, write } from "./dom";
import { DeviceFields } from "./fields";
import type { Key } from "./i18n";
import { t } from "./i18n";
import { KEYS } from "./shortcuts";
import type { Command } from "./shortcuts";
import type { Stage } from "./stage";
import { avatar, kindKey } from "./tile";

export type PanelName = "people" | "settings" | "keys";

export interface Preferences {
  letters: boolean;
  announce: boolean;
}

export const preferences: Preferences = {
  letters: memory.get("massalia.letters") !== "no",
  announce: memory.get("massalia.announce") !== "no",
};

export class PeoplePanel {
  readonly body: HTMLElement;
  private readonly list = h("ul", { class: "people", "aria-label": t("people.list") });
  private readonly rows = new Map<string, { row: HTMLElement; name: HTMLElement; tag: HTMLElement; mark: SVGSVGElement; state: HTMLElement; mute: HTMLElement; pin: HTMLElement }>();

  constructor(private readonly client: Client, private readonly stage: Stage) {
    this.body = h("div", { class: "panel-body", tabindex: 0 }, this.list);
    this.update();
  }

  update(): void {
    const { roster, info } = this.client.session;
    for (const [id, { row }] of this.rows) {
      if (roster.has(id)) continue;
      row.remove();
      this.rows.delete(id);
    }
    const organiser = info?.role === "organiser";
    const people = [...roster.values()].sort((a, b) => Number(b.id === info?.you) - Number(a.id === info?.you) || a.joined_at - b.joined_at);
    people.forEach((person, i) => {
      const row = this.rows.get(person.id) ?? this.make(person);
      const self = person.id === info?.you;
      const muted = !person.tracks.includes("mic");
      write(row.name, self ? t("people.you", { name: person.name }) : person.name);
      const kind = kindKey(person);
      write(row.tag, !person.connected ? t("tile.away") : kind ? t(kind) : "");
      set(row.mark, "hidden", !muted);
      write(row.state, muted ? t("tile.muted") : "");
      set(row.mute, "hidden", !organiser || self || muted);
      set(row.mute, "aria-label", t("people.mute", { name: person.name }));
      const pinned = this.stage.pinned.has(person.id);
      set(row.pin, "hidden", self);
      set(row.pin, "aria-label", t(pinned ? "people.unpin" : "people.pin", { name: person.name }));
      set(row.pin, "data-on", pinned);
      if (this.list.children[i] !== row.row) this.list.insertBefore(row.row, this.list.children[i] ?? null);
    });
  }

  private make(person: Participant) {
    const name = h("span", { class: "nm" });
    const tag = h("span", { class: "muted small" });
    const state = h("span", { class: "vh" });
    const mark = icon("mic-off", "i off");
    const mute = h("button", { class: "btn btn-s", type: "button", "data-action": "mute-other", onclick: () => this.client.session.mute(person.id, "mic") }, t("people.muteWord"));
    const pin = h("button", {
      class: "btn btn-quiet btn-s btn-icon", type: "button", "data-action": "pin",
      onclick: () => {
        if (!this.stage.pinned.delete(person.id)) this.stage.pinned.add(person.id);
        this.stage.refresh();
        this.update();
      },
    }, icon("pin"));
    const row = h("li", { class: "person", "data-participant": person.id }, avatar(person), h("div", { class: "grow" }, name, state, h("br"), tag), mark, mute, pin);
    const made = { row, name, tag, mark, state, mute, pin };
    this.rows.set(person.id, made);
    return made;
  }
}

/** A check box bound to a value. */
function check(id: string, label: string, checked: boolean, change: (on: boolean) => void): HTMLElement {
  const box = h("input", { type: "checkbox", id, checked, onchange: () => change(box.checked) });
  return h("label", { class: "check", for: id }, box, label);
}

export interface PanelCommand {
  action: string;
  icon: string;
  words: string;
  /** Shown only where the bar has no room for it. */
  narrow?: boolean;
  run: () => void;
}

export function settingsBody(devices: Devices, stage: Stage, onspeaker: (id: string) => void, commands: readonly PanelCommand[]): { body: HTMLElement; destroy: () => void } {
  const fields = new DeviceFields(devices, onspeaker);
  const body = h("div", { class: "panel-body stack", tabindex: 0 },
    h("ul", { class: "commands" }, ...commands.map(({ action, icon: name, words, narrow, run }) =>
      h("li", { class: narrow ? "narrow" : "" }, h("button", { class: "btn btn-wide", type: "button", "data-action": action, onclick: run }, icon(name), words)))),
    fields.element,
    check("hide-self", t("settings.hideSelf"), stage.hideSelf, (on) => {
      stage.hideSelf = on;
      stage.refresh();
    }),
    check("announce", t("settings.announce"), preferences.announce, (on) => {
      preferences.announce = on;
      memory.set("massalia.announce", on ? "yes" : "no");
    }),
    check("letters", t("settings.keys"), preferences.letters, (on) => {
      preferences.letters = on;
      memory.set("massalia.letters", on ? "yes" : "no");
    }));
  return { body, destroy: () => fields.destroy() };
}

const COMMAND_WORDS: Record<Exclude<Command, "previous" | "next">, Key> = {
  mic: "mic.word", camera: "camera.word", share: "share.word", people: "keys.people", layout: "keys.layout", full: "keys.full", keys: "keys.list",
};

export function keysBody(): HTMLElement {
  const rows = KEYS.filter(({ command }) => command !== "next").map(({ command, shown }) =>
    h("li", { class: "row" }, h("kbd", {}, command === "previous" ? "PgUp, PgDn" : shown), h("span", {}, command === "previous" || command === "next" ? t("keys.pages") : t(COMMAND_WORDS[command]))));
  return h("div", { class: "panel-body stack", tabindex: 0 }, h("ul", { class: "keys stack tight" }, ...rows), h("p", { class: "help" }, t("keys.help")));
}
