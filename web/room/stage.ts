/**
 * The stage: which tiles are on it, where, and which pictures they ask for. Layouts: grid (paged), speaker with filmstrip, and
 * content whenever somebody else shares. Geometry in layout.ts, order in protocol/order.ts, slots in protocol/view.ts.
 */
import type { Client } from "../protocol/client";
import type { Participant, Speakers } from "../protocol/messages";
import { Spotlight, StageOrder } from "../protocol/order";
import type { Wanted } from "../protocol/view";
import { stepHeight } from "../protocol/view";
import { h, icon, set, write } from "./dom";
import { t } from "./i18n";
import type { Rect, Size } from "./layout";
import { content, deviceKind, grid, PAGE, pageSize, phoneGrid, speaker } from "./layout";
import type { Pool } from "./pool";
import { Picture } from "./pool";
import { Tile } from "./tile";

interface Spot {
  person: Participant;
  track: "camera" | "screen";
  rect: Rect;
  self: boolean;
  /** One's own picture over the others on a small screen: it goes to the next corner when touched. */
  floating?: boolean;
}

export interface StageOptions {
  client: Client;
  pool: Pool;
  openPeople: () => void;
}

export class Stage {
  readonly list = h("ul", { class: "grid", "data-placed": true });
  private readonly previous = h("button", { class: "btn btn-icon pager", type: "button", "data-action": "page-previous", hidden: true, onclick: () => this.turn(-1) }, icon("chev-l"));
  private readonly next = h("button", { class: "btn btn-icon pager pager-next", type: "button", "data-action": "page-next", hidden: true, onclick: () => this.turn(1) }, icon("chev-r"));
  private readonly pageLabel = h("p", { class: "page-label num", hidden: true });
  private readonly others = h("button", { class: "btn btn-s others", type: "button", "data-action": "others", hidden: true, onclick: () => this.options.openPeople() });
  private readonly empty = h("div", { class: "alone", hidden: true });
  readonly element = h("main", { class: "stage", id: "scene", tabindex: -1 }, this.list, this.empty, h("div", { class: "corner" }, this.others, this.pageLabel), this.previous, this.next);
  /** One's own camera, mirrored on one's own screen only. */
  readonly selfPicture = new Picture();
  layout: "grid" | "speaker" = "grid";
  hideSelf = false;
  panelOpen = false;
  private corner = 0;
  readonly pinned = new Set<string>();
  private readonly tiles = new Map<string, Tile>();
  private readonly order = new StageOrder();
  private readonly spotlight = new Spotlight();
  private readonly spokeAt = new Map<string, number>();
  private speaking = new Set<string>();
  private dominant: string | null = null;
  private presenter: string | null = null;
  private page = 0;
  private pages = 1;
  private queued = false;
  private readonly observer = new ResizeObserver(() => this.refresh());
  private readonly timer = window.setInterval(() => this.refresh(), 1_000);

  constructor(private readonly options: StageOptions) {
    this.selfPicture.element.classList.add("mirror");
    set(this.element, "aria-label", t("room.stage"));
    set(this.previous, "aria-label", t("page.previous"));
    set(this.next, "aria-label", t("page.next"));
    this.observer.observe(this.element);
    this.list.addEventListener("keydown", (event) => this.moveFocus(event));
    this.list.addEventListener("dblclick", ({ target }) => this.togglePin(target));
    this.swipes();
  }

  /** Lays out again before the next frame; many causes, one pass. */
  refresh(): void {
    if (this.queued) return;
    this.queued = true;
    // A hidden page has no frames, yet its wishes must still follow the roster.
    const later = document.hidden ? (run: () => void) => setTimeout(run, 50) : requestAnimationFrame;
    later(() => {
      this.queued = false;
      this.render();
    });
  }

  heard({ active, dominant }: Speakers): void {
    const now = performance.now();
    this.speaking = new Set(active.map(({ id }) => id));
    this.dominant = dominant;
    for (const { id } of active) this.spokeAt.set(id, now);
    this.refresh();
  }

  private nextCorner(): void {
    this.corner = (this.corner + 1) % 4;
    this.refresh();
  }

  turn(by: number): void {
    this.page = Math.min(this.pages - 1, Math.max(0, this.page + by));
    this.refresh();
  }

  destroy(): void {
    window.clearInterval(this.timer);
    this.observer.disconnect();
    this.selfPicture.video.srcObject = null;
  }

  private render(): void {
    const size = { w: this.element.clientWidth, h: this.element.clientHeight };
    if (size.w <= 0 || size.h <= 0) return;
    const { session } = this.options.client;
    const me = session.info?.you ?? "";
    const everyone = [...session.roster.values()];
    const self = session.roster.get(me);
    const people = everyone.filter(({ id }) => id !== me);
    for (const id of this.spokeAt.keys()) if (!session.roster.has(id)) this.spokeAt.delete(id);
    const spots = this.choose(people, self && !(this.hideSelf && people.length > 0) ? self : undefined, size);
    this.place(spots);
    this.wish(spots);
    this.showEmpty(people.length === 0);
  }

  private choose(people: Participant[], self: Participant | undefined, size: Size): Spot[] {
    const device = deviceKind({ w: window.innerWidth, h: window.innerHeight }, matchMedia("(pointer: coarse)").matches || window.innerWidth < 576);
    const small = size.w < 576 && size.h > size.w;
    const floating = small && people.length > 0 ? self : undefined;
    const seated = floating ? undefined : self;
    const now = performance.now();
    const sharers = people.filter(({ tracks }) => tracks.includes("screen"));
    if (!sharers.some(({ id }) => id === this.presenter)) this.presenter = sharers[0]?.id ?? null;
    const presenter = sharers.find(({ id }) => id === this.presenter);
    const facts = { pinned: this.pinned, spokeAt: this.spokeAt };
    // A panel in a small window leaves room for one picture: the content's or the speaker's.
    if (this.panelOpen && people.length > 0 && (window.innerWidth < 576 || window.innerHeight < 576)) {
      return this.featured(speaker(0, size), people, undefined, presenter, facts, now);
    }
    const shown = presenter ? content(people.length + (seated ? 1 : 0), size) : this.layout === "speaker" && people.length > 0 ? speaker(people.length - 1 + (seated ? 1 : 0), size) : null;
    set(this.element, "data-layout", presenter ? "content" : shown ? "speaker" : "grid");
    const spots = shown ? this.featured(shown, people, seated, presenter, facts, now) : this.paged(people, seated, size, PAGE[device], small, facts, now);
    if (floating) {
      const rect = { x: this.corner % 3 === 0 ? size.w - 96 : 8, y: this.corner < 2 ? size.h - 124 : 8, w: 88, h: 116 };
      spots.push({ person: floating, track: "camera", self: true, rect, floating: true });
    }
    return spots;
  }

  private featured(
    { large, strip }: { large: Rect; strip: Rect[] }, people: Participant[], self: Participant | undefined,
    presenter: Participant | undefined, facts: { pinned: ReadonlySet<string>; spokeAt: ReadonlyMap<string, number> }, now: number,
  ): Spot[] {
    this.setPages(1, 0, 0);
    const byId = new Map(people.map((person) => [person.id, person]));
    const places = Math.max(0, strip.length - (self ? 1 : 0));
    const pinned = people.find(({ id }) => this.pinned.has(id));
    const spot = presenter ?? pinned ?? byId.get(this.spotlight.update(this.dominant, new Set(byId.keys()), now) ?? "") ?? people[0]!;
    const order = this.order.update(people, facts, Math.max(1, places), now).map((id) => byId.get(id)!);
    const row = order.filter((person) => presenter !== undefined || person !== spot).slice(0, places);
    const spots: Spot[] = [{ person: spot, track: presenter ? "screen" : "camera", rect: large, self: false }];
    row.forEach((person, i) => spots.push({ person, track: "camera", rect: strip[i]!, self: false }));
    if (self && strip.length > 0) spots.push({ person: self, track: "camera", rect: strip[row.length]!, self: true });
    return spots;
  }

  private paged(
    people: Participant[], self: Participant | undefined, size: Size, most: number, small: boolean,
    facts: { pinned: ReadonlySet<string>; spokeAt: ReadonlyMap<string, number> }, now: number,
  ): Spot[] {
    const perPage = Math.max(1, (small ? most : pageSize(most, size)) - (self ? 1 : 0));
    const byId = new Map(people.map((person) => [person.id, person]));
    const order = this.order.update(people, facts, perPage, now).map((id) => byId.get(id)!);
    this.setPages(Math.max(1, Math.ceil(order.length / perPage)), order.length - perPage, perPage);
    const page = order.slice(this.page * perPage, (this.page + 1) * perPage);
    const count = page.length + (self ? 1 : 0);
    const rects = small ? phoneGrid(count, size) : grid(count, size);
    const spots: Spot[] = page.map((person, i) => ({ person, track: "camera", rect: rects[i]!, self: false }));
    if (self) spots.push({ person: self, track: "camera", rect: rects[count - 1]!, self: true });
    return spots;
  }

  private setPages(pages: number, beyond: number, perPage: number): void {
    this.pages = pages;
    this.page = Math.min(this.page, pages - 1);
    set(this.previous, "hidden", pages < 2);
    set(this.next, "hidden", pages < 2);
    set(this.previous, "aria-disabled", this.page === 0 ? "true" : null);
    set(this.next, "aria-disabled", this.page === pages - 1 ? "true" : null);
    set(this.pageLabel, "hidden", pages < 2);
    write(this.pageLabel, pages < 2 ? "" : t("page.label", { page: this.page + 1, pages }));
    set(this.others, "hidden", beyond <= 0 || perPage === 0);
    if (beyond > 0) write(this.others, t("people.others", { count: beyond }));
  }

  private place(spots: Spot[]): void {
    const keep = new Set(spots.map(({ person, track }) => `${track} ${person.id}`));
    for (const [key, tile] of this.tiles) {
      if (keep.has(key)) continue;
      if (tile.picture && tile.picture !== this.selfPicture) this.options.pool.store(tile.picture);
      tile.element.remove();
      this.tiles.delete(key);
    }
    set(this.list, "data-n", spots.length);
    let focusable = false;
    spots.forEach(({ person, track, rect, self, floating }, i) => {
      const key = `${track} ${person.id}`;
      let tile = this.tiles.get(key);
      if (!tile) {
        tile = new Tile(person, track);
        this.tiles.set(key, tile);
      }
      const speaking = track === "camera" && this.speaking.has(person.id) && person.tracks.includes("mic");
      tile.update(person, { self, speaking, pinned: this.pinned.has(person.id), floating: floating === true, track });
      tile.place(rect);
      tile.movable(floating ? () => this.nextCorner() : null);
      if (this.list.children[i] !== tile.element) this.list.insertBefore(tile.element, this.list.children[i] ?? null);
      if (tile.element.tabIndex === 0) focusable = true;
    });
    const first = this.list.firstElementChild;
    if (!focusable && first) (first as HTMLElement).tabIndex = 0;
  }

  /** Asks for the pictures of the tiles, and puts the slots' pictures on them. */
  private wish(spots: Spot[]): void {
    const { client, pool } = this.options;
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    const wanted: Wanted[] = [];
    for (const { person, track, rect, self } of spots) {
      if (self || !person.tracks.includes(track)) continue; // his media may flow on though his line is lost
      wanted.push({ participant: person.id, track, height: track === "screen" ? 1080 : stepHeight(rect.h * ratio) });
    }
    const { presenter } = this;
    if (presenter && client.session.roster.get(presenter)?.tracks.includes("screen-audio")) {
      wanted.push({ participant: presenter, track: "screen-audio", height: 0 });
    }
    const before = client.view;
    client.watch(wanted);
    const slotOf = new Map<string, number>();
    for (const [slot, wish] of client.view) {
      const was = before.get(slot);
      if (wish.track !== "screen-audio" && (was?.participant !== wish.participant || was.track !== wish.track)) pool.picture(slot).clear();
      slotOf.set(`${wish.track} ${wish.participant}`, slot);
    }
    for (const [slot] of before) if (!client.view.has(slot)) pool.picture(slot).clear();
    for (const { person, track, self } of spots) this.showOn(person, track, self, slotOf);
  }

  private showOn(person: Participant, track: "camera" | "screen", self: boolean, slotOf: ReadonlyMap<string, number>): void {
    const tile = this.tiles.get(`${track} ${person.id}`);
    const slot = slotOf.get(`${track} ${person.id}`);
    // While somebody reconnects, his last picture stays, dimmed.
    if (!tile || (!self && slot === undefined && !person.connected && tile.picture)) return;
    const picture = self ? this.selfPicture : slot === undefined ? null : this.options.pool.picture(slot);
    if (tile.picture && tile.picture !== picture && tile.picture !== this.selfPicture && tile.picture.element.parentElement === tile.element) {
      this.options.pool.store(tile.picture);
    }
    tile.show(picture);
  }

  private showEmpty(alone: boolean): void {
    set(this.empty, "hidden", !alone);
    if (!alone || this.empty.childElementCount > 0) return;
    const info = this.options.client.session.info;
    const copied = h("span", { class: "small", role: "status" });
    const copy = (): void => {
      const address = `${location.origin}${location.pathname}`;
      void navigator.clipboard?.writeText(address).then(() => write(copied, t("room.copied")));
    };
    this.empty.append(
      h("p", { class: "alone-title" }, t("room.alone")), h("p", { class: "small" }, t("room.aloneHelp")),
      h("p", { class: "num" }, `${location.host}${location.pathname}`, h("br"), t("join.number", { number: info?.room.number ?? "" })),
      h("button", { class: "btn btn-s", type: "button", "data-action": "copy", onclick: copy }, icon("copy"), t("room.copy")), copied);
  }

  /** Pins the person of a tile, or lets him go. */
  private togglePin(tile: EventTarget | null): void {
    const id = (tile as HTMLElement | null)?.closest<HTMLElement>(".tile:not([data-self])")?.dataset["participant"];
    if (!id) return;
    if (!this.pinned.delete(id)) this.pinned.add(id);
    this.refresh();
  }

  private moveFocus(event: KeyboardEvent): void {
    if (event.key === "Enter" && (event.target as HTMLElement).classList.contains("tile")) return this.togglePin(event.target);
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (step === undefined) return;
    const tiles = [...this.list.children] as HTMLElement[];
    const at = tiles.indexOf(document.activeElement as HTMLElement);
    const to = tiles[at + step];
    if (at < 0 || !to) return;
    event.preventDefault();
    tiles[at]!.tabIndex = -1;
    to.tabIndex = 0;
    to.focus();
  }

  private swipes(): void {
    let from: { x: number; y: number } | null = null;
    this.element.addEventListener("touchstart", ({ touches }) => {
      const touch = touches.length === 1 ? touches[0] : undefined;
      from = touch ? { x: touch.clientX, y: touch.clientY } : null;
    }, { passive: true });
    this.element.addEventListener("touchend", ({ changedTouches }) => {
      const touch = changedTouches[0];
      if (!from || !touch || Math.abs(touch.clientX - from.x) < 60 || Math.abs(touch.clientY - from.y) > 60) return;
      this.turn(touch.clientX < from.x ? 1 : -1);
    }, { passive: true });
  }
}
