/**
 * Session and media bound together: what a page (or a robot) needs to be in a room. Still no DOM.
 *
 * It carries offers and answers between the two, tells the server again what is published and watched after each new
 * connection, and replaces a lost connection as soon as the signalling line allows.
 */
import type { Clock } from "./clock";
import { Emitter } from "./emitter";
import type { Media } from "./media";
import type { TrackName } from "./messages";
import type { Session } from "./session";
import type { Wanted } from "./view";
import { assign, changes } from "./view";

/** Failures that may stand in the place of an answer. */
const NO_ANSWER = new Set(["bad_offer", "unavailable", "internal", "too_fast"]);

export interface ClientEvents {
  /** Which picture each view slot shows changed. */
  view: ReadonlyMap<number, Wanted>;
}

export class Client extends Emitter<ClientEvents> {
  private readonly published = new Map<TrackName, boolean>();
  private shown: Map<number, Wanted> = new Map();
  private ready = false;
  private cancelRetry: () => void = () => {};

  constructor(readonly session: Session, readonly media: Media, private readonly clock: Clock) {
    super();
    session.on("joined", ({ need_offer }) => {
      media.forgetOffers();
      if (need_offer || !media.alive) this.renew();
      else this.tellAll();
    });
    session.on("restart", () => this.renew());
    session.on("send", ({ track, active, height }) => void media.wish(track, active, height));
    session.on("answer", ({ sdp }) => void this.answered(sdp));
    session.on("failure", ({ failure }) => {
      if (NO_ANSWER.has(failure.code)) media.forgetOffers(1);
      // The engine is not there yet: offer again soon.
      const waiting = media.state === "connecting" && session.state === "joined";
      if (waiting && (failure.code === "unavailable" || failure.code === "internal")) this.retry(failure.retry_after ?? 1_000);
    });
    session.on("roster", () => void media.setAudience(session.roster.size > 1));
    session.on("state", ({ state }) => {
      if (state === "reconnecting") this.ready = false;
      if (state === "left" || state === "idle") this.end();
    });
    media.on("offer", (offer) => session.send(offer));
    media.on("broken", ({ delay }) => this.retry(delay));
  }

  /** One's own track is on or off; told again after each new connection. */
  publish(track: TrackName, on: boolean): void {
    this.published.set(track, on);
    this.session.publish(track, on);
  }

  isPublished(track: TrackName): boolean {
    return this.published.get(track) ?? false;
  }

  get view(): ReadonlyMap<number, Wanted> {
    return this.shown;
  }

  /** What the page wants to see, most important first. Slots that already show something keep it. */
  watch(wanted: readonly Wanted[]): void {
    const slots = this.media.receiveSlots.filter(({ role }) => role === "view");
    const next = assign(this.shown, slots, wanted);
    const changed = changes(this.shown, next);
    if (changed.length === 0) return;
    this.shown = next;
    // Before the answer the server knows no slots; `tellAll` says everything then.
    if (this.ready) this.session.send({ type: "view", slots: changed });
    this.emit("view", this.shown);
  }

  private retry(delay: number): void {
    this.cancelRetry();
    this.cancelRetry = this.clock.after(delay, () => {
      // With the line down the server will ask for an offer itself when the seat is taken again.
      if (this.session.state === "joined") this.renew();
    });
  }

  private renew(): void {
    this.cancelRetry();
    this.ready = false;
    const info = this.session.info;
    if (info) void this.media.restart(info.plan, info.ice_servers);
  }

  private async answered(sdp: string): Promise<void> {
    try {
      if (await this.media.answer(sdp)) this.tellAll();
    } catch (error) {
      console.error("the answer was not accepted", error);
    }
  }

  private tellAll(): void {
    this.ready = true;
    for (const [track, on] of this.published) this.session.publish(track, on);
    const all = changes(new Map(), this.shown);
    if (all.length > 0) this.session.send({ type: "view", slots: all });
  }

  private end(): void {
    this.cancelRetry();
    this.ready = false;
    this.media.close();
    this.published.clear();
    this.shown = new Map();
  }
}
