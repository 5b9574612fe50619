/** The three device choices, the same on the waiting page and in the call. */
import type { Devices, DeviceSort } from "./devices";
import { h, icon, set, write } from "./dom";
import { t } from "./i18n";
import { Meter, playTestSound } from "./meter";

const BARS = 10;

export class DeviceFields {
  private readonly selects = {} as Record<DeviceSort, HTMLSelectElement>;
  private readonly meter = h("div", { class: "meter", "aria-hidden": "true" }, ...Array.from({ length: BARS }, () => h("i")));
  private readonly verdict = h("span", { class: "help", "data-verdict": true });
  private readonly cameraHelp = h("p", { class: "help grow" });
  private readonly micRetry: HTMLElement;
  private readonly cameraRetry: HTMLElement;
  readonly element: HTMLElement;
  private heardAt = -Infinity;
  private readonly startedAt = performance.now();
  private readonly level = new Meter((value) => this.showLevel(value));
  private readonly stop: () => void;

  constructor(private readonly devices: Devices, private readonly onspeaker: (id: string) => void = () => {}) {
    this.micRetry = this.retry("retry-mic", () => void devices.openMic().then(() => devices.refresh()));
    this.cameraRetry = this.retry("retry-camera", () => void devices.openCamera().then(() => devices.refresh()));
    const listen = h("button", {
      class: "btn btn-quiet btn-s", type: "button", "data-action": "test-sound",
      onclick: () => void playTestSound(devices.chosen("audiooutput")).catch(() => undefined),
    }, icon("vol"), t("join.listen"));
    this.element = h("div", { class: "devices" },
      this.field("audioinput", t("join.mic"), h("div", { class: "grow stack tight" }, this.meter, this.verdict), this.micRetry),
      this.field("audiooutput", t("join.speaker"), listen),
      this.field("videoinput", t("join.camera"), this.cameraHelp, this.cameraRetry));
    this.stop = devices.on("change", () => this.update());
    this.update();
  }

  destroy(): void {
    this.stop();
    this.level.stop();
  }

  private retry(action: string, run: () => void): HTMLElement {
    return h("button", { class: "btn btn-s", type: "button", "data-action": action, hidden: true, onclick: run }, t("trouble.retry"));
  }

  private field(sort: DeviceSort, label: string, ...under: Node[]): HTMLElement {
    const id = `device-${sort}`;
    const select = h("select", { class: "input", id, "data-device": sort, "aria-describedby": `${id}-help`, onchange: () => this.choose(sort) });
    this.selects[sort] = select;
    return h("div", { class: "field" }, h("label", { for: id }, label), select, h("div", { class: "under", id: `${id}-help` }, ...under));
  }

  private choose(sort: DeviceSort): void {
    const id = this.selects[sort].value;
    void this.devices.choose(sort, id);
    if (sort === "audiooutput") this.onspeaker(id);
  }

  private update(): void {
    const { devices } = this;
    this.fill("audioinput", t("join.noMic"));
    this.fill("videoinput", t("join.noCamera"));
    this.fill("audiooutput", t("join.defaultSpeaker"));
    write(this.cameraHelp, devices.cameraTrouble ? t(`trouble.camera.${devices.cameraTrouble}`) : t("join.withoutCamera"));
    set(this.cameraRetry, "hidden", !devices.cameraTrouble || devices.cameraTrouble === "missing");
    set(this.micRetry, "hidden", !devices.micTrouble || devices.micTrouble === "missing");
    if (devices.micTrouble) write(this.verdict, t(`trouble.mic.${devices.micTrouble}`));
    this.level.follow(devices.mic);
  }

  private fill(sort: DeviceSort, none: string): void {
    const select = this.selects[sort];
    const found = this.devices.of(sort);
    const options = found.map((device) => ({ id: device.deviceId, label: device.label || none }));
    if (options.length === 0) options.push({ id: "", label: none });
    else if (sort === "audiooutput" && !options.some(({ id }) => id === "default")) options.unshift({ id: "", label: none });
    const text = JSON.stringify(options);
    if (select.dataset["options"] !== text) {
      select.dataset["options"] = text;
      select.replaceChildren(...options.map(({ id, label }) => h("option", { value: id }, label)));
    }
    const current = this.devices.inUse(sort);
    if (options.some(({ id }) => id === current)) select.value = current;
  }

  private showLevel(level: number): void {
    const now = performance.now();
    if (level > -50) this.heardAt = now;
    const lit = Math.round(Math.min(1, Math.max(0, (level + 60) / 48)) * BARS);
    [...this.meter.children].forEach((bar, i) => set(bar, "data-on", i < lit));
    if (this.devices.micTrouble) return;
    if (!this.devices.micOn) write(this.verdict, t("join.micMuted"));
    else if (now - this.heardAt < 4_000) write(this.verdict, t("join.micGood"));
    else if (level > -65) write(this.verdict, t("join.micFaint"));
    else if (now - this.startedAt > 3_000) write(this.verdict, t("join.micSilent"));
  }
}
