/**
 * The page of a room, `/r/<slug>`: waiting page → room → after the call, same address, no reload.
 *
 * Options of the address: `?lang=fr|en`; `#code=…` carries the room's code, so that an invitation is one link (a fragment
 * never reaches a server or its logs); for developers `?codec=vp8|h264` (the only video codec to send; otherwise the room's order holds).
 */
import "../ui/tokens.css";
import "../ui/components.css";
import "./room.css";
import { Client } from "../protocol/client";
import { systemClock } from "../protocol/clock";
import type { VideoCodec } from "../protocol/codecs";
import type { Socket } from "../protocol/connection";
import { Connection } from "../protocol/connection";
import { Media } from "../protocol/media";
import type { Bye } from "../protocol/messages";
import { SUBPROTOCOL } from "../protocol/messages";
import { Session } from "../protocol/session";
import { LipSync } from "../protocol/sync";
import type { Ending } from "./after";
import { afterPage } from "./after";
import { CallPage } from "./call";
import { Devices } from "./devices";
import { h, installIcons } from "./dom";
import { chooseLanguage, language, t, useLanguage } from "./i18n";
import { invitedCode } from "./invitation";
import { deviceKind } from "./layout";
import type { Entry, RoomFacts } from "./waiting";
import { WaitingPage } from "./waiting";

type PageState = "waiting" | "joining" | "joined" | "reconnecting" | "left";

const ENDINGS: Record<Bye["reason"], Ending> = {
  left: "left", room_closed: "closed", replaced: "replaced", kicked: "kicked", timeout: "timeout",
};

class App {
  private readonly slug = decodeURIComponent(location.pathname.split("/").filter(Boolean)[1] ?? "");
  private readonly devices = new Devices();
  private readonly connection = new Connection({ clock: systemClock, openSocket: () => this.openSocket() });
  private readonly media: Media;
  private readonly session: Session;
  private readonly client: Client;
  private waiting: WaitingPage | null = null;
  private call: CallPage | null = null;
  private after: HTMLElement | null = null;
  private ending: Ending = "left";
  private readonly skip = h("a", { class: "skip" });
  private readonly offline = h("div", { class: "offline note note-warn", role: "alert", "data-code": "offline", hidden: true });

  constructor() {
    const asked = new URLSearchParams(location.search).get("codec");
    const codec: VideoCodec | null = asked === "h264" || asked === "vp8" ? asked : null;
    this.media = new Media({
      clock: systemClock, codec, createPeer: (config) => new RTCPeerConnection(config),
      capabilities: (kind) => RTCRtpReceiver.getCapabilities?.(kind)?.codecs ?? [],
    });
    this.session = new Session({ connection: this.connection, clock: systemClock, mediaAlive: () => this.media.alive });
    this.client = new Client(this.session, this.media, systemClock);
    new LipSync(this.client);
    document.body.append(this.skip, this.offline);
    this.listen();
    this.showWaiting();
  }

  private openSocket(): Socket {
    const address = new URL("/ws", location.href);
    address.protocol = location.protocol === "http:" ? "ws:" : "wss:";
    return new WebSocket(address, SUBPROTOCOL) as Socket;
  }

  private listen(): void {
    const { session, connection } = this;
    session.on("state", ({ state }) => {
      if (state === "connecting") this.mark("joining");
      else if (state === "joined" || state === "reconnecting") this.mark(state);
      // A `bye` names the reason right after the state: wait for it.
      else if (state === "left") queueMicrotask(() => this.showAfter());
    });
    session.on("joined", () => {
      if (!this.call) this.showCall();
    });
    session.on("failure", ({ failure, refused }) => {
      if (session.state === "left") return;
      if (this.waiting) this.waiting.fail(failure);
      if (refused) this.mark("waiting");
    });
    session.on("bye", ({ reason }) => {
      this.ending = ENDINGS[reason];
    });
    connection.on("lost", () => this.online(navigator.onLine));
    connection.on("invalid", (error) => console.warn(error.message));
    window.addEventListener("online", () => {
      this.online(true);
      connection.networkUp();
    });
    window.addEventListener("offline", () => {
      this.online(false);
      connection.reset();
    });
    window.addEventListener("pagehide", (event) => {
      if (!event.persisted) session.leave();
    });
  }

  private online(yes: boolean): void {
    this.offline.hidden = yes || this.call !== null;
    this.offline.textContent = yes ? "" : t("net.offline");
  }

  private mark(state: PageState): void {
    document.body.dataset["state"] = state;
    document.documentElement.dataset["theme"] = state === "joined" || state === "reconnecting" ? "dark" : "light";
  }

  private skipTo(id: string, label: string): void {
    this.skip.href = `#${id}`;
    this.skip.textContent = label;
    this.skip.onclick = (event) => {
      event.preventDefault();
      document.getElementById(id)?.focus();
    };
  }

  private showWaiting(): void {
    this.after?.remove();
    this.after = null;
    this.mark("waiting");
    this.skipTo("content", t("app.skipContent"));
    const page = new WaitingPage(this.devices, invitedCode(location.hash), (entry) => this.join(entry));
    this.waiting = page;
    document.body.append(page.element);
    page.facts(null, this.slug);
    void this.loadFacts(page);
    void this.devices.open();
  }

  /** The room's public facts; without them one may still try to enter. */
  private async loadFacts(page: WaitingPage): Promise<void> {
    try {
      const response = await fetch(`/api/rooms/${encodeURIComponent(this.slug)}`);
      if (response.status === 404) page.fail({ type: "error", code: "unknown_room", message: "", fatal: false, retry_after: null, field: null });
      else if (response.ok) page.facts((await response.json()) as RoomFacts, this.slug);
    } catch {
      this.online(navigator.onLine);
    }
  }

  private join({ name, pin }: Entry): void {
    this.ending = "left";
    const size = { w: screen.width, h: screen.height };
    this.session.join({ room: this.slug, name, pin, device: deviceKind(size, matchMedia("(pointer: coarse)").matches), language: language() });
  }

  private showCall(): void {
    this.waiting?.destroy();
    this.waiting = null;
    this.offline.hidden = true;
    this.skipTo("commands", t("app.skipCommands"));
    this.call = new CallPage(this.client, this.devices);
    document.body.append(this.call.element);
    document.getElementById("scene")?.focus();
    void this.call.start();
  }

  private showAfter(): void {
    this.waiting?.destroy();
    this.waiting = null;
    this.call?.destroy();
    this.call = null;
    this.devices.close();
    this.mark("left");
    this.skipTo("content", t("app.skipContent"));
    this.after = afterPage(this.ending, this.session.info?.room.name ?? this.slug, () => this.showWaiting());
    document.body.append(this.after);
  }
}

useLanguage(chooseLanguage(location.search, navigator.languages));
document.documentElement.lang = language();
installIcons();
if ("RTCPeerConnection" in window && "WebSocket" in window) {
  new App();
} else {
  document.body.append(h("main", { class: "page" }, h("p", { role: "alert", "data-code": "unsupported" }, t("app.unsupported"))));
}
