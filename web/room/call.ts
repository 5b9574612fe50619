/** The room: head, stage, panel, bar; wires the client's events to them. Nothing here waits for a click after a lost line. */
import type { Client } from "../protocol/client";
import type { Muted, Participant } from "../protocol/messages";
import { Controls } from "./controls";
import type { Devices } from "./devices";
import { openScreen } from "./devices";
import { h, icon, logo, set, setIcon, write } from "./dom";
import { clockTime, t } from "./i18n";
import { Meter } from "./meter";
import { Notices } from "./notices";
import type { PanelCommand, PanelName } from "./panels";
import { keysBody, PeoplePanel, preferences, settingsBody } from "./panels";
import { Pool } from "./pool";
import type { Command } from "./shortcuts";
import { listenKeys } from "./shortcuts";
import { Stage } from "./stage";
import { failureText } from "./waiting";

/** After this long without a line, the person is told that the network is the matter. */
const LONG_AWAY = 30_000;

export class CallPage {
  readonly element: HTMLElement;
  private readonly pool = new Pool();
  private readonly notices = new Notices();
  private readonly stage: Stage;
  private readonly controls: Controls;
  private readonly room: HTMLElement;
  private readonly title = h("h1");
  private readonly layoutIcon = icon("grid");
  private readonly layoutWord = h("span", { class: "wide" });
  private readonly layoutButton = h("button", { class: "btn btn-quiet btn-s", type: "button", "data-action": "layout", onclick: () => this.switchLayout() }, this.layoutIcon, this.layoutWord);
  private readonly sharing = h("p", { class: "sharing", hidden: true }, h("span", {}, t("share.mine")), h("button", { class: "btn btn-s", type: "button", "data-action": "share-stop", onclick: () => void this.stopShare() }, t("share.stopWord")));
  private panel: { name: PanelName; element: HTMLElement; people?: PeoplePanel; destroy: () => void; back: HTMLElement } | null = null;
  private screen: MediaStream | null = null;
  private readonly stops: (() => void)[] = [];
  private readonly clock = window.setInterval(() => this.update(), 5_000);
  private longAway = 0;
  private talkingSince = 0;
  private hinted = false;
  private readonly voice = new Meter((level) => this.ownVoice(level));
  private arrivals = { came: [] as string[], went: [] as string[], timer: 0 };

  constructor(private readonly client: Client, private readonly devices: Devices) {
    this.stage = new Stage({ client, pool: this.pool, openPeople: () => this.toggle("people") });
    this.controls = new Controls({
      mic: () => this.switchMic(), camera: () => void this.switchCamera(), share: () => void this.switchShare(),
      more: () => this.toggle("settings"), people: () => this.toggle("people"), leave: () => client.session.leave(),
    });
    this.room = h("div", { class: "room" }, this.head(), this.stage.element, this.controls.element);
    this.element = h("div", {}, this.room);
    this.stage.element.prepend(this.sharing);
    this.pool.onblocked = () => this.askForSound();
    this.listen();
    void this.pool.useSpeaker(devices.chosen("audiooutput"));
  }

  /** Sends what the waiting page had open. */
  async start(): Promise<void> {
    this.update();
    await this.follow();
    this.stage.refresh();
  }

  destroy(): void {
    window.clearInterval(this.clock);
    window.clearTimeout(this.longAway);
    window.clearTimeout(this.arrivals.timer);
    for (const stop of this.stops) stop();
    for (const track of this.screen?.getTracks() ?? []) track.stop();
    this.panel?.destroy();
    this.voice.stop();
    this.stage.destroy();
    this.pool.destroy();
    this.notices.destroy();
    this.element.remove();
  }

  private listen(): void {
    const { session, media } = this.client;
    const unlock = (): void => {
      this.pool.play();
      this.notices.close("sound");
    };
    document.addEventListener("pointerdown", unlock);
    this.stops.push(
      () => document.removeEventListener("pointerdown", unlock),
      listenKeys(() => preferences.letters, (command) => this.run(command)),
      media.on("slots", (slots) => {
        this.pool.connect(slots);
        this.stage.refresh();
      }),
      media.on("state", (state) => {
        if (state === "lost" || state === "connecting") this.pool.freeze();
        set(this.element, "data-media", state);
      }),
      session.on("state", ({ state, before }) => this.lineChanged(state, before)),
      session.on("joined", () => this.update()),
      session.on("roster", (change) => this.rosterChanged(change)),
      session.on("speakers", (speakers) => this.stage.heard(speakers)),
      session.on("muted", (muted) => void this.muted(muted)),
      session.on("failure", ({ failure, refused }) => {
        if (!refused && failure.code !== "unavailable") this.notices.show({ sort: `error-${failure.code}`, icon: "alert", text: failureText(failure), lasts: 8_000 });
      }),
      this.devices.on("change", () => void this.follow()),
      this.devices.on("lost", (which) => this.notices.show({ sort: `lost-${which}`, icon: which === "mic" ? "mic-off" : "cam-off", text: t(which === "mic" ? "toast.micLost" : "toast.cameraLost") })),
    );
  }

  private head(): HTMLElement {
    set(this.layoutButton, "aria-label", t("layout.toSpeaker"));
    write(this.layoutWord, t("layout.grid"));
    return h("header", { class: "room-head" }, h("span", { class: "wide brand" }, logo()), this.title, h("div", { class: "grow" }),
      h("span", { class: "badge wide" }, icon("lock"), t("room.encrypted")), this.layoutButton,
      h("button", { class: "btn btn-quiet btn-s wide", type: "button", "data-action": "keys", onclick: () => this.toggle("keys") }, icon("help"), t("room.help")));
  }

  private update(): void {
    const { session } = this.client;
    const name = session.info?.room.name ?? "";
    write(this.title, name);
    document.title = t("room.title", { room: name });
    this.controls.update({
      mic: this.devices.micOn && this.devices.mic !== null, camera: this.devices.cameraOn && this.devices.camera !== null,
      sharing: this.screen !== null, mayShare: session.info?.room.may_share ?? false, count: session.roster.size,
      people: this.panel?.name === "people", settings: this.panel?.name === "settings",
    }, clockTime(new Date()));
    set(this.sharing, "hidden", this.screen === null);
    this.panel?.people?.update();
  }

  /** The devices changed: send the tracks that are open now, and say what is on. */
  private async follow(): Promise<void> {
    const { client, devices, stage } = this;
    const shown = (stage.selfPicture.video.srcObject as MediaStream | null)?.getVideoTracks()[0] ?? null;
    if (shown !== devices.camera) {
      if (!devices.camera) stage.selfPicture.clear();
      stage.selfPicture.attach(devices.camera);
    }
    this.voice.follow(devices.mic);
    const mic = devices.micOn && devices.mic !== null;
    const camera = devices.cameraOn && devices.camera !== null;
    if (client.isPublished("mic") !== mic) client.publish("mic", mic);
    if (client.isPublished("camera") !== camera) client.publish("camera", camera);
    this.update();
    await Promise.all([client.media.setTrack("mic", devices.mic), client.media.setTrack("camera", devices.camera)]);
  }

  private switchMic(): void {
    const { devices } = this;
    if (!devices.mic) void devices.openMic().then(() => devices.setMic(true)).then(() => this.trouble("mic"));
    else devices.setMic(!devices.micOn);
    this.hinted = false;
    this.notices.close("muted-mic");
    this.notices.close("talking");
    if (devices.mic) this.notices.say(devices.micOn ? t("mic.nowOn") : t("mic.nowOff"));
  }

  private async switchCamera(): Promise<void> {
    const { devices } = this;
    await devices.setCamera(!(devices.cameraOn && devices.camera !== null));
    if (devices.cameraOn && !devices.camera) this.trouble("camera");
    else this.notices.say(devices.cameraOn ? t("camera.nowOn") : t("camera.nowOff"));
  }

  private trouble(which: "mic" | "camera"): void {
    const trouble = which === "mic" ? this.devices.micTrouble : this.devices.cameraTrouble;
    if (trouble) this.notices.show({ sort: `trouble-${which}`, icon: "alert", text: t(`trouble.${which}.${trouble}`) });
  }

  private async switchShare(): Promise<void> {
    if (this.screen) return this.stopShare();
    if (!this.client.session.info?.room.may_share) {
      return this.notices.show({ sort: "share", icon: "info", text: t("share.forbidden"), lasts: 6_000 });
    }
    try {
      const screen = await openScreen();
      if (!screen) return;
      this.screen = screen;
      const [video] = screen.getVideoTracks();
      const [audio] = screen.getAudioTracks();
      if (video) {
        video.contentHint = "detail";
        video.onended = () => void this.stopShare();
        await this.client.media.setTrack("screen", video);
        this.client.publish("screen", true);
      }
      if (audio) {
        await this.client.media.setTrack("screen-audio", audio);
        this.client.publish("screen-audio", true);
      }
      this.notices.say(t("share.mine"));
    } catch {
      this.notices.show({ sort: "share", icon: "alert", text: t("share.failed"), lasts: 8_000 });
    }
    this.update();
  }

  private async stopShare(): Promise<void> {
    const { screen, client } = this;
    this.screen = null;
    for (const track of screen?.getTracks() ?? []) track.stop();
    for (const name of ["screen", "screen-audio"] as const) {
      if (client.isPublished(name)) client.publish(name, false);
      await client.media.setTrack(name, null);
    }
    this.update();
  }

  private async muted({ track, by }: Muted): Promise<void> {
    const name = this.client.session.roster.get(by)?.name ?? t("tile.organiser");
    if (track === "mic") {
      this.devices.setMic(false);
      this.notices.show({ sort: "muted-mic", icon: "mic-off", text: t("toast.mutedBy", { name }), action: { label: t("toast.unmute"), name: "unmute", run: () => this.switchMic() } });
    } else if (track === "camera") {
      await this.devices.setCamera(false);
      this.notices.show({ sort: "muted-camera", icon: "cam-off", text: t("toast.mutedCamera", { name }) });
    } else if (this.screen) {
      await this.stopShare();
      this.notices.show({ sort: "muted-share", icon: "share", text: t("toast.mutedShare", { name }) });
    }
  }

  private lineChanged(state: string, before: string): void {
    window.clearTimeout(this.longAway);
    if (state === "reconnecting") {
      this.notices.show({ sort: "line", icon: "net", text: t("toast.reconnecting") });
      this.longAway = window.setTimeout(() => this.notices.show({ sort: "line", icon: "alert", text: t("toast.long") }), LONG_AWAY);
    } else if (state === "joined" && before === "reconnecting") {
      this.notices.show({ sort: "line", icon: "check", text: t("toast.back"), lasts: 4_000 });
    }
  }

  private rosterChanged({ put, gone, first }: { put: Participant[]; gone: Participant[]; first: boolean }): void {
    const me = this.client.session.info?.you;
    this.stage.refresh();
    this.update();
    for (const { id, name, tracks } of put) {
      const shares = tracks.includes("screen");
      if (shares && !this.sharers.has(id) && id !== me) this.notices.say(t("share.other", { name }));
      if (shares) this.sharers.add(id);
      else this.sharers.delete(id);
    }
    for (const { id } of gone) this.sharers.delete(id);
    if (first) return void this.announced(put);
    const fresh = put.filter(({ id }) => id !== me && !this.known.has(id));
    this.announced(put);
    for (const { id } of gone) this.known.delete(id);
    for (const id of this.stage.pinned) if (!this.client.session.roster.has(id)) this.stage.pinned.delete(id);
    if (!preferences.announce) return;
    this.arrivals.came.push(...fresh.map(({ name }) => name));
    this.arrivals.went.push(...gone.map(({ name }) => name));
    if (!this.arrivals.timer) this.arrivals.timer = window.setTimeout(() => this.announce(), 3_000);
  }

  private readonly known = new Set<string>();
  private readonly sharers = new Set<string>();

  private announced(people: Participant[]): void {
    for (const { id } of people) this.known.add(id);
  }

  private announce(): void {
    const { came, went } = this.arrivals;
    this.arrivals = { came: [], went: [], timer: 0 };
    if (came.length > 0) this.notices.say(came.length === 1 ? t("say.joined", { name: came[0]! }) : t("say.joinedMany", { count: came.length }));
    if (went.length > 0) this.notices.say(went.length === 1 ? t("say.left", { name: went[0]! }) : t("say.leftMany", { count: went.length }));
  }

  /** "You are talking, but your mic is off": once a mute, after half a second of clear speech. */
  private ownVoice(level: number): void {
    if (this.devices.micOn || level < -38) {
      this.talkingSince = 0;
      return;
    }
    const now = performance.now();
    this.talkingSince ||= now;
    if (this.hinted || now - this.talkingSince < 500) return;
    this.hinted = true;
    this.notices.show({ sort: "talking", icon: "mic-off", text: t("mic.talking"), lasts: 6_000, action: { label: t("toast.unmute"), name: "unmute", run: () => this.switchMic() } });
  }

  private askForSound(): void {
    this.notices.show({ sort: "sound", icon: "vol", text: t("toast.sound"), action: { label: t("toast.soundButton"), name: "sound", run: () => this.pool.play() } });
  }

  private switchLayout(): void {
    const { stage } = this;
    stage.layout = stage.layout === "grid" ? "speaker" : "grid";
    const grid = stage.layout === "grid";
    set(this.layoutButton, "aria-label", grid ? t("layout.toSpeaker") : t("layout.toGrid"));
    write(this.layoutWord, grid ? t("layout.grid") : t("layout.speaker"));
    setIcon(this.layoutIcon, grid ? "grid" : "film");
    stage.refresh();
  }

  private run(command: Command): void {
    switch (command) {
      case "mic": return this.switchMic();
      case "camera": return void this.switchCamera();
      case "share": return void this.switchShare();
      case "people": return this.toggle("people");
      case "layout": return this.switchLayout();
      case "keys": return this.toggle("keys");
      case "full": return this.fullscreen();
      case "previous": return this.stage.turn(-1);
      case "next": return this.stage.turn(1);
    }
  }

  /** What "Plus" offers; the first two only where the bar has no room for them. */
  private commands(): PanelCommand[] {
    const { layout } = this.stage;
    const share = this.screen ? t("share.stop") : t("share.start");
    return [
      { action: "share", icon: "share", words: share, narrow: true, run: () => this.leavePanel(() => void this.switchShare()) },
      { action: "people", icon: "people", words: t("people.name", { count: this.client.session.roster.size }), narrow: true, run: () => this.toggle("people") },
      { action: "layout", icon: layout === "grid" ? "film" : "grid", words: t(layout === "grid" ? "layout.toSpeaker" : "layout.toGrid"), run: () => this.leavePanel(() => this.switchLayout()) },
      { action: "fullscreen", icon: "full", words: t("settings.fullscreen"), run: () => this.leavePanel(() => this.fullscreen()) },
      { action: "keys", icon: "help", words: t("keys.title"), run: () => this.toggle("keys") },
    ];
  }

  private leavePanel(then: () => void): void {
    if (this.panel) this.toggle(this.panel.name);
    then();
  }

  private fullscreen(): void {
    if (document.fullscreenElement) void document.exitFullscreen();
    else void document.documentElement.requestFullscreen?.().catch(() => undefined);
  }

  private toggle(name: PanelName): void {
    const open = this.panel;
    if (open) {
      const hadFocus = open.element.contains(document.activeElement);
      open.destroy();
      open.element.remove();
      this.panel = null;
      if (hadFocus && open.name === name) open.back.focus();
    }
    if (open?.name !== name) this.open(name);
    set(this.room, "data-panel", this.panel?.name ?? null);
    this.stage.panelOpen = this.panel !== null;
    this.stage.refresh();
    this.update();
  }

  private open(name: PanelName): void {
    const settings = name === "settings" ? settingsBody(this.devices, this.stage, (id) => void this.pool.useSpeaker(id), this.commands()) : null;
    const people = name === "people" ? new PeoplePanel(this.client, this.stage) : undefined;
    const titles = { people: [t("people.word"), t("people.close")], settings: [t("settings.title"), t("settings.close")], keys: [t("keys.title"), t("keys.close")] } as const;
    const title = h("h2", { id: "panel-title", tabindex: -1 }, titles[name][0]);
    const element = h("aside", {
      class: "panel", "aria-labelledby": "panel-title", "data-panel-name": name,
      onkeydown: (event: KeyboardEvent) => {
        if (event.key === "Escape") this.toggle(name);
      },
    }, h("div", { class: "panel-head" }, title, h("button", { class: "btn btn-quiet btn-icon", type: "button", "data-action": "panel-close", "aria-label": titles[name][1], onclick: () => this.toggle(name) }, icon("x"))),
    people?.body ?? settings?.body ?? keysBody());
    const back = this.controls.opener(name);
    this.panel = { name, element, destroy: () => settings?.destroy(), back, ...(people ? { people } : {}) };
    this.stage.element.after(element);
    title.focus();
  }
}
