/**
 * One person's stay in one room: joining, the roster, losing the line and taking the seat again, leaving.
 *
 * The machine is the table `NEXT`; everything else only decides which event happened. It never touches the DOM and holds
 * no media; `media.ts` listens to its events and hands it the offer.
 */
import type { Clock } from "./clock";
import type { Connection } from "./connection";
import { Emitter } from "./emitter";
import type {
  Bye, ClientMessage, DeviceKind, Failure, Joined, Language, Muted, Participant, Roster, Send, ServerMessage, Speakers, TrackName,
} from "./messages";
import { VERSION } from "./messages";

export type State = "idle" | "connecting" | "joined" | "reconnecting" | "left";
export type SessionEvent = "join" | "joined" | "lost" | "refused" | "leave" | "ended";

/** What each event does in each state; an event that is absent does nothing there. */
export const NEXT: Readonly<Record<State, Partial<Record<SessionEvent, State>>>> = {
  idle: { join: "connecting" },
  connecting: { joined: "joined", refused: "idle", leave: "left", ended: "left" },
  joined: { lost: "reconnecting", joined: "joined", leave: "left", ended: "left" },
  reconnecting: { joined: "joined", refused: "left", leave: "left", ended: "left" },
  left: { join: "connecting" },
};

/** Error codes that end an attempt to enter: trying the same again would get the same answer. */
const REFUSALS = new Set(["version", "malformed", "unknown_room", "bad_pin", "pin_delay", "full", "bad_name", "forbidden"]);

/** How long to wait before asking again when the server names no time, in ms. */
const RETRY = 1_000;

export interface JoinRequest {
  room: string;
  name: string;
  pin: string | null;
  device: DeviceKind;
  language: Language;
}

export interface SessionEvents {
  state: { state: State; before: State };
  joined: Joined;
  /** The roster changed; `put` and `gone` hold what did. */
  roster: { put: Participant[]; gone: Participant[]; first: boolean };
  speakers: Speakers;
  send: Send;
  muted: Muted;
  answer: { sdp: string };
  restart: { reason: "engine" | "transport" };
  /** The server refused something. `refused` is true when it ended the attempt to enter. */
  failure: { failure: Failure; refused: boolean };
  bye: Bye;
}

export interface SessionOptions {
  connection: Connection;
  clock: Clock;
  /** Whether the peer connection still works (told to the server on resume). */
  mediaAlive: () => boolean;
}

export class Session extends Emitter<SessionEvents> {
  private current: State = "idle";
  private request: JoinRequest | null = null;
  private token: string | null = null;
  private seq: number | null = null;
  private cancelRetry: () => void = () => {};
  private readonly people = new Map<string, Participant>();
  /** The last `joined`; null before the first. */
  info: Joined | null = null;
  lostAt = 0;

  constructor(private readonly options: SessionOptions) {
    super();
    const { connection } = options;
    connection.on("open", () => this.introduce());
    connection.on("message", (message) => this.receive(message));
    connection.on("lost", () => this.lost());
  }

  get state(): State {
    return this.current;
  }

  /** The people in the room by id, oneself included. */
  get roster(): ReadonlyMap<string, Participant> {
    return this.people;
  }

  join(request: JoinRequest): void {
    if (!this.step("join")) return;
    this.request = request;
    this.token = null;
    this.options.connection.start();
  }

  leave(): void {
    if (this.current === "idle" || this.current === "left") return;
    this.send({ type: "leave" });
    this.step("leave");
    this.options.connection.stop();
    this.forget();
  }

  send(message: ClientMessage): boolean {
    return this.options.connection.send(message);
  }

  publish(track: TrackName, on: boolean): void {
    this.send({ type: "publish", track, on });
  }

  mute(participant: string, track: TrackName): void {
    this.send({ type: "mute", participant, track });
  }

  private step(event: SessionEvent): boolean {
    const next = NEXT[this.current][event];
    if (!next) return false;
    const before = this.current;
    this.current = next;
    if (next !== before) this.emit("state", { state: next, before });
    return true;
  }

  private introduce(): void {
    if (this.token) {
      this.send({ type: "resume", version: VERSION, token: this.token, media_alive: this.options.mediaAlive() });
    } else if (this.request) {
      this.send({ type: "join", version: VERSION, ...this.request });
    }
  }

  private lost(): void {
    this.cancelRetry();
    if (this.current === "joined") this.lostAt = this.options.clock.now();
    this.step("lost");
  }

  private receive(message: ServerMessage): void {
    switch (message.type) {
      case "joined": return this.onJoined(message);
      case "roster": return this.onRoster(message);
      case "error": return this.onFailure(message);
      case "bye": return this.onBye(message);
      case "media.restart": return this.emit("restart", { reason: message.reason });
      case "speakers": return this.emit("speakers", message);
      case "send": return this.emit("send", message);
      case "muted": return this.emit("muted", message);
      case "answer": return this.emit("answer", message);
      case "pong": return;
    }
  }

  private onJoined(message: Joined): void {
    this.token = message.token;
    this.info = message;
    this.seq = null;
    const before = new Map(this.people);
    this.people.clear();
    for (const person of message.roster) this.people.set(person.id, person);
    const gone = [...before.values()].filter((person) => !this.people.has(person.id));
    const first = !message.resumed;
    this.step("joined");
    this.emit("joined", message);
    this.emit("roster", { put: [...message.roster], gone, first });
  }

  private onRoster(message: Roster): void {
    // A delta was missed: a fresh line and `resume` bring the whole roster (a joined line takes no second `resume`).
    if (this.seq !== null && message.seq !== this.seq + 1) return this.options.connection.reset();
    this.seq = message.seq;
    const gone: Participant[] = [];
    for (const id of message.gone) {
      const person = this.people.get(id);
      if (person) gone.push(person);
      this.people.delete(id);
    }
    for (const person of message.put) this.people.set(person.id, person);
    this.emit("roster", { put: message.put, gone, first: false });
  }

  /** The server is not ready or asks for patience: say the same again later, on this line if it lives. */
  private introduceLater(delay: number): void {
    this.cancelRetry();
    this.cancelRetry = this.options.clock.after(delay, () => {
      if (this.options.connection.isOpen && this.entering) this.introduce();
    });
  }

  private get entering(): boolean {
    return this.current === "connecting" || this.current === "reconnecting";
  }

  private onFailure(failure: Failure): void {
    const { connection } = this.options;
    if (failure.code === "bad_token") {
      // The seat was given up (more than 30 s away): enter again with the same name, nobody has to click.
      this.token = null;
      if (!failure.fatal) this.introduce();
      return;
    }
    const refused = this.entering && REFUSALS.has(failure.code);
    if (failure.fatal && failure.retry_after) connection.holdOff(failure.retry_after);
    else if (this.entering && !refused) this.introduceLater(failure.retry_after ?? RETRY);
    if (refused) {
      this.step("refused");
      connection.stop();
      this.forget();
    }
    this.emit("failure", { failure, refused });
  }

  private onBye(message: Bye): void {
    this.step("ended");
    this.options.connection.stop();
    this.forget();
    this.emit("bye", message);
  }

  private forget(): void {
    this.cancelRetry();
    this.token = null;
    this.seq = null;
    this.people.clear();
  }
}
