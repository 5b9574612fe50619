/**
 * One WebSocket that comes back by itself (RFC 6455, sub-protocol massalia.v1).
 *
 * It knows when the line is dead (a ping every 4 s, silence of 10 s), and tries again with exponential back-off and jitter:
 * at once the first time, then about 0.5 s, 1 s, 2 s, 4 s, at most 5 s; a browser that says "online" cuts the wait short. What
 * is said on a new line (join or resume) is the session's business. Nothing is queued here while the line is down.
 */
import type { Clock } from "./clock";
import { Emitter } from "./emitter";
import type { ClientMessage, ServerMessage } from "./messages";
import { decodeServer, encodeClient, MAX_MESSAGE } from "./messages";

const PING_EVERY = 4_000;
const SILENCE = 10_000;
const OPEN_TIMEOUT = 8_000;
const BACKOFF_FIRST = 500;
const BACKOFF_MOST = 5_000;

/** The part of the DOM's WebSocket that is used. */
export interface Socket {
  readonly readyState: number;
  send(data: string): void;
  close(code?: number): void;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number }) => void) | null;
}

export interface ConnectionEvents {
  /** A fresh line: say who you are. */
  open: void;
  message: ServerMessage;
  /** The line is lost; another attempt follows unless `stop` is called. */
  lost: { code: number };
  /** A frame outside the contract was dropped. */
  invalid: Error;
}

export interface ConnectionOptions {
  openSocket: () => Socket;
  clock: Clock;
}

export class Connection extends Emitter<ConnectionEvents> {
  private socket: Socket | null = null;
  private attempt = 0;
  private heardAt = 0;
  private running = false;
  private open = false;
  private notBefore = 0;
  private cancelTimer: () => void = () => {};
  private cancelPing: () => void = () => {};

  constructor(private readonly options: ConnectionOptions) {
    super();
  }

  get isOpen(): boolean {
    return this.open;
  }

  start(): void {
    if (this.running) return;
    this.running = true;
    this.attempt = 0;
    this.connect();
  }

  /** Closes for good; `start` may be called again. */
  stop(): void {
    this.running = false;
    this.cancelTimer();
    this.drop(1000);
  }

  /** Sends at once, or returns false when the line is down or the message is too large. */
  send(message: ClientMessage): boolean {
    if (!this.open || !this.socket) return false;
    const frame = encodeClient(message);
    if (new TextEncoder().encode(frame).length > MAX_MESSAGE) {
      this.emit("invalid", new Error(`message ${message.type} is above the limit of ${MAX_MESSAGE} bytes`));
      return false;
    }
    this.socket.send(frame);
    return true;
  }

  /** The server asked for patience: no new attempt before `delay` ms. */
  holdOff(delay: number): void {
    this.notBefore = this.options.clock.now() + delay;
  }

  /** The browser says that the network is back: try now. */
  networkUp(): void {
    if (!this.running || this.open) return;
    this.cancelTimer();
    this.drop(4000);
    this.attempt = 0;
    this.connect();
  }

  /** The browser says that the network is gone, or the session wants a fresh line. */
  reset(): void {
    if (this.running && this.socket) this.down(4000);
  }

  private connect(): void {
    const socket = this.options.openSocket();
    this.socket = socket;
    this.cancelTimer = this.options.clock.after(OPEN_TIMEOUT, () => this.down(4001));
    socket.onopen = () => {
      if (socket !== this.socket) return;
      this.cancelTimer();
      this.open = true;
      this.heardAt = this.options.clock.now();
      this.schedulePing();
      this.emit("open", undefined);
    };
    socket.onmessage = ({ data }) => {
      if (socket === this.socket) this.receive(data);
    };
    socket.onclose = ({ code }) => {
      if (socket === this.socket) this.down(code);
    };
  }

  private receive(data: unknown): void {
    this.heardAt = this.options.clock.now();
    if (typeof data !== "string") return;
    let message: ServerMessage;
    try {
      message = decodeServer(data);
    } catch (error) {
      this.emit("invalid", error as Error);
      return;
    }
    // A line that opens and is refused at once is no success: only a taken seat ends the back-off.
    if (message.type === "joined") this.attempt = 0;
    if (message.type !== "pong") this.emit("message", message);
  }

  private schedulePing(): void {
    this.cancelPing = this.options.clock.after(PING_EVERY, () => {
      const now = this.options.clock.now();
      if (now - this.heardAt >= SILENCE) return this.down(4002);
      this.send({ type: "ping", t: Math.round(now) });
      this.schedulePing();
    });
  }

  private drop(code: number): void {
    this.cancelPing();
    const socket = this.socket;
    this.socket = null;
    this.open = false;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close(code);
  }

  private down(code: number): void {
    this.cancelTimer();
    this.drop(4000);
    this.emit("lost", { code });
    if (!this.running) return;
    const { clock } = this.options;
    const base = this.attempt === 0 ? 0 : Math.min(BACKOFF_MOST, BACKOFF_FIRST * 2 ** (this.attempt - 1));
    const delay = Math.max(base * (0.5 + clock.random()), this.notBefore - clock.now());
    this.attempt += 1;
    this.cancelTimer = clock.after(Math.max(0, delay), () => this.connect());
  }
}
