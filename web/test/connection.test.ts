/** The WebSocket that comes back by itself, with an invented socket and a clock moved by hand. */
import { describe, expect, it } from "vitest";
import type { Socket } from "../protocol/connection";
import { Connection } from "../protocol/connection";
import type { ServerMessage } from "../protocol/messages";
import { TestClock } from "./clock";

export class FakeSocket implements Socket {
  readyState = 0;
  sent: string[] = [];
  closedWith: number | undefined;
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;

  send(data: string): void {
    this.sent.push(data);
  }

  close(code?: number): void {
    this.closedWith = code;
  }

  open(): void {
    this.onopen?.(undefined as never);
  }
}

function setup() {
  const clock = new TestClock();
  const sockets: FakeSocket[] = [];
  const connection = new Connection({
    clock,
    openSocket: () => {
      const socket = new FakeSocket();
      sockets.push(socket);
      return socket;
    },
  });
  const events: string[] = [];
  const messages: ServerMessage[] = [];
  connection.on("open", () => events.push("open"));
  connection.on("lost", ({ code }) => events.push(`lost ${code}`));
  connection.on("invalid", () => events.push("invalid"));
  connection.on("message", (message) => messages.push(message));
  return { clock, sockets, connection, events, messages };
}

describe("connection", () => {
  it("sends nothing before it is open and tells so", () => {
    const { connection, sockets } = setup();
    connection.start();
    expect(connection.send({ type: "leave" })).toBe(false);
    sockets[0]!.open();
    expect(connection.send({ type: "leave" })).toBe(true);
    expect(sockets[0]!.sent).toEqual(['{"type":"leave"}']);
  });

  it("tries again at once, then slower and slower up to five seconds", () => {
    const { clock, connection, sockets } = setup();
    connection.start();
    const waits: number[] = [];
    for (let i = 0; i < 8; i++) {
      const from = clock.now();
      const count = sockets.length;
      sockets.at(-1)!.onclose?.({ code: 1006 });
      while (sockets.length === count) clock.advance(10);
      waits.push(clock.now() - from);
    }
    expect(waits).toEqual([10, 500, 1000, 2000, 4000, 5000, 5000, 5000]);
  });

  it("spreads the attempts of many by chance", () => {
    const { clock, connection, sockets } = setup();
    connection.start();
    sockets[0]!.onclose?.({ code: 1006 });
    clock.advance(0);
    clock.chance = 0;
    sockets[1]!.onclose?.({ code: 1006 });
    clock.advance(249);
    expect(sockets.length).toBe(2);
    clock.advance(1);
    expect(sockets.length).toBe(3);
  });

  it("notices a dead line within ten to fourteen seconds, and answers keep it alive", () => {
    const { clock, connection, sockets, events } = setup();
    connection.start();
    sockets[0]!.open();
    for (let i = 0; i < 10; i++) {
      clock.advance(4_000);
      sockets[0]!.onmessage?.({ data: '{"type":"pong","t":1}' });
    }
    expect(events).toEqual(["open"]);
    clock.advance(14_000);
    expect(events).toEqual(["open", "lost 4002"]);
    expect(sockets[0]!.closedWith).toBe(4000);
    expect(sockets[0]!.sent.filter((frame) => frame.includes('"ping"')).length).toBeGreaterThanOrEqual(10);
  });

  it("gives up on a socket that does not open", () => {
    const { clock, connection, sockets } = setup();
    connection.start();
    clock.advance(8_000);
    expect(sockets.length).toBe(2);
  });

  it("comes back at once when the browser is online again", () => {
    const { clock, connection, sockets } = setup();
    connection.start();
    for (let i = 0; i < 5; i++) {
      sockets.at(-1)!.onclose?.({ code: 1006 });
      clock.advance(6_000);
    }
    sockets.at(-1)!.onclose?.({ code: 1006 });
    const count = sockets.length;
    connection.networkUp();
    expect(sockets.length).toBe(count + 1);
  });

  it("respects the server's wish to wait", () => {
    const { clock, connection, sockets } = setup();
    connection.start();
    sockets[0]!.open();
    connection.holdOff(3_000);
    sockets[0]!.onclose?.({ code: 1013 });
    clock.advance(2_999);
    expect(sockets.length).toBe(1);
    clock.advance(1);
    expect(sockets.length).toBe(2);
  });

  it("drops frames outside the contract and lives on", () => {
    const { connection, sockets, events, messages } = setup();
    connection.start();
    sockets[0]!.open();
    for (const data of ["{", '{"type":"x"}', new ArrayBuffer(3)]) sockets[0]!.onmessage?.({ data });
    sockets[0]!.onmessage?.({ data: '{"type":"speakers"}' });
    expect(events).toEqual(["open", "invalid", "invalid"]);
    expect(messages).toHaveLength(1);
  });

  it("never sends a message above the limit", () => {
    const { connection, sockets, events } = setup();
    connection.start();
    sockets[0]!.open();
    expect(connection.send({ type: "offer", sdp: "é".repeat(140_000), tracks: [], slots: [] })).toBe(false);
    expect(sockets[0]!.sent).toEqual([]);
    expect(events).toEqual(["open", "invalid"]);
  });

  it("stops for good and leaves no timer", () => {
    const { clock, connection, sockets } = setup();
    connection.start();
    sockets[0]!.open();
    connection.stop();
    expect(clock.pending).toBe(0);
    clock.advance(60_000);
    expect(sockets.length).toBe(1);
    expect(sockets[0]!.closedWith).toBe(1000);
  });
});
