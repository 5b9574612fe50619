/** The session: its table, the roster, and a whole stay against the fake control plane over a real WebSocket. */
import { afterEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { systemClock } from "../protocol/clock";
import type { Socket } from "../protocol/connection";
import { Connection } from "../protocol/connection";
import type { Participant, ServerMessage } from "../protocol/messages";
import { encodeServer, SUBPROTOCOL } from "../protocol/messages";
import type { SessionEvent, State } from "../protocol/session";
import { NEXT, Session } from "../protocol/session";
import { TestClock } from "./clock";
import { FakeSocket } from "./connection.test";
import { startFake } from "./fake-server.mjs";

const STATES: State[] = ["idle", "connecting", "joined", "reconnecting", "left"];
const EVENTS: SessionEvent[] = ["join", "joined", "lost", "refused", "leave", "ended"];
const request = { room: "essai", name: "Clara", pin: null, device: "desktop", language: "fr" } as const;

function person(id: string, more: Partial<Participant> = {}): Participant {
  return { id, name: id, role: "participant", kind: "browser", guest: true, tracks: [], connected: true, joined_at: 0, ...more };
}

function joined(more: object = {}): ServerMessage {
  return {
    type: "joined", version: 1, you: "me", role: "participant", token: "t1", roster: [person("me"), person("a")],
    room: { slug: "essai", name: "Essai", number: "1", seats: 100, mode: "meeting", language: "fr", may_share: true, layouts: ["grid"] },
    plan: { audio: 3, video: 25, content_audio: 1, content_video: 1 }, ice_servers: [], resumed: false, need_offer: true, ...more,
  } as ServerMessage;
}

function setup(mediaAlive = true) {
  const clock = new TestClock();
  const sockets: FakeSocket[] = [];
  const connection = new Connection({
    clock,
    openSocket: () => {
      sockets.push(new FakeSocket());
      return sockets.at(-1)!;
    },
  });
  const session = new Session({ connection, clock, mediaAlive: () => mediaAlive });
  const states: State[] = [];
  session.on("state", ({ state }) => states.push(state));
  const hear = (message: ServerMessage): void => sockets.at(-1)!.onmessage?.({ data: encodeServer(message) });
  const said = (): { type: string; token?: string }[] => sockets.at(-1)!.sent.map((frame) => JSON.parse(frame) as { type: string });
  const enter = (): void => {
    session.join(request);
    sockets.at(-1)!.open();
    hear(joined());
  };
  return { clock, sockets, session, states, hear, said, enter };
}

/** Brings a session into a state by what really happens on the line. */
function into(state: State) {
  const all = setup();
  const { session, sockets, enter } = all;
  if (state === "connecting") {
    session.join(request);
    sockets[0]!.open();
  } else if (state !== "idle") enter();
  if (state === "reconnecting") sockets[0]!.onclose?.({ code: 1006 });
  if (state === "left") session.leave();
  return all;
}

describe("the table", () => {
  const cause: Record<SessionEvent, (all: ReturnType<typeof setup>) => void> = {
    join: ({ session }) => session.join(request),
    joined: ({ hear, clock, sockets, session }) => {
      if (session.state === "idle" || session.state === "left") return;
      clock.advance(0);
      if (session.state === "reconnecting") sockets.at(-1)!.open();
      hear(joined());
    },
    lost: ({ sockets }) => sockets.at(-1)?.onclose?.({ code: 1006 }),
    refused: ({ hear, clock, sockets, session }) => {
      if (session.state === "idle" || session.state === "left") return;
      clock.advance(0);
      if (session.state === "reconnecting") sockets.at(-1)!.open();
      hear({ type: "error", code: "full", message: "", fatal: false, retry_after: null, field: null });
    },
    leave: ({ session }) => session.leave(),
    ended: ({ hear, clock, sockets, session }) => {
      if (session.state === "idle" || session.state === "left") return;
      clock.advance(0);
      if (session.state === "reconnecting") sockets.at(-1)!.open();
      hear({ type: "bye", reason: "kicked" });
    },
  };

  for (const state of STATES) {
    for (const event of EVENTS) {
      it(`${state} + ${event}`, () => {
        const all = into(state);
        expect(all.session.state).toBe(state);
        cause[event](all);
        expect(all.session.state).toBe(NEXT[state][event] ?? state);
      });
    }
  }
});

describe("a stay", () => {
  it("joins, and takes the same seat again by the token after the line was lost", () => {
    const { clock, sockets, session, states, said, hear, enter } = setup();
    enter();
    expect(said()[0]).toEqual({ type: "join", version: 1, room: "essai", name: "Clara" });
    sockets[0]!.onclose?.({ code: 1006 });
    clock.advance(0);
    sockets[1]!.open();
    expect(said()).toEqual([{ type: "resume", version: 1, token: "t1", media_alive: true }]);
    hear(joined({ token: "t2", resumed: true, need_offer: false }));
    expect(states).toEqual(["connecting", "joined", "reconnecting", "joined"]);
    expect(session.info?.token).toBe("t2");
    sockets[1]!.onclose?.({ code: 1006 });
    clock.advance(0);
    sockets[2]!.open();
    expect(said()[0]?.token).toBe("t2");
  });

  it("enters anew by itself when the seat was given up", () => {
    const { clock, sockets, said, hear, enter, session } = setup();
    enter();
    sockets[0]!.onclose?.({ code: 1006 });
    clock.advance(0);
    sockets[1]!.open();
    hear({ type: "error", code: "bad_token", message: "", fatal: false, retry_after: null, field: null });
    expect(said().map(({ type }) => type)).toEqual(["resume", "join"]);
    hear(joined());
    expect(session.state).toBe("joined");
  });

  it("asks again when the server is not ready yet", () => {
    const { clock, sockets, said, hear, session } = setup();
    session.join(request);
    sockets[0]!.open();
    hear({ type: "error", code: "unavailable", message: "", fatal: false, retry_after: 700, field: null });
    expect(session.state).toBe("connecting");
    clock.advance(699);
    expect(said()).toHaveLength(1);
    clock.advance(1);
    expect(said().map(({ type }) => type)).toEqual(["join", "join"]);
  });

  it("does not hammer a server that refuses every line", () => {
    const { clock, sockets, session } = setup();
    session.join(request);
    for (let i = 0; i < 1000 && clock.now() < 30_000; i++) {
      sockets.at(-1)!.open();
      sockets.at(-1)!.onmessage?.({ data: encodeServer({ type: "error", code: "internal", message: "", fatal: true, retry_after: null, field: null }) });
      sockets.at(-1)!.onclose?.({ code: 1011 });
      clock.advance(100);
    }
    expect(sockets.length).toBeLessThan(14);
  });

  it("keeps the roster from deltas, and a gap makes it take the seat on a fresh line", () => {
    const { clock, sockets, session, said, hear, enter } = setup();
    enter();
    hear({ type: "roster", seq: 41, put: [person("b"), person("a", { tracks: ["mic"] })], gone: [], total: 3 });
    expect([...session.roster.keys()]).toEqual(["me", "a", "b"]);
    expect(session.roster.get("a")?.tracks).toEqual(["mic"]);
    const went: string[] = [];
    session.on("roster", ({ gone }) => went.push(...gone.map(({ id }) => id)));
    hear({ type: "roster", seq: 42, put: [], gone: ["b", "nobody"], total: 2 });
    expect(went).toEqual(["b"]);
    hear({ type: "roster", seq: 44, put: [person("d")], gone: [], total: 3 });
    expect(session.roster.has("d")).toBe(false);
    expect(session.state).toBe("reconnecting");
    clock.advance(0);
    sockets[1]!.open();
    expect(said()[0]?.type).toBe("resume");
    hear(joined({ resumed: true, need_offer: false, roster: [person("me"), person("c"), person("d")] }));
    expect([...session.roster.keys()]).toEqual(["me", "c", "d"]);
    expect(went).toEqual(["b", "a"]);
  });

  it("tells why it was refused and is ready for another try", () => {
    const { sockets, session, hear } = setup();
    const failures: [string, boolean][] = [];
    session.on("failure", ({ failure, refused }) => failures.push([failure.code, refused]));
    session.join({ ...request, pin: "0000" });
    sockets[0]!.open();
    hear({ type: "error", code: "bad_pin", message: "", fatal: false, retry_after: null, field: "pin" });
    expect(failures).toEqual([["bad_pin", true]]);
    expect(session.state).toBe("idle");
    session.join(request);
    expect(session.state).toBe("connecting");
  });

  it("a refused command does not end the stay", () => {
    const { session, hear, enter } = setup();
    enter();
    hear({ type: "error", code: "forbidden", message: "", fatal: false, retry_after: null, field: null });
    expect(session.state).toBe("joined");
  });
});

describe("against the fake control plane", () => {
  let stop: () => Promise<unknown> = async () => undefined;
  afterEach(() => stop());

  it("joins over a real WebSocket, survives a cut line and leaves", async () => {
    const heard: string[] = [];
    const fake = await startFake({ others: 2, pin: "1234", onmessage: ({ type }: { type: string }) => heard.push(type) });
    const connection = new Connection({ clock: systemClock, openSocket: () => new WebSocket(`ws://127.0.0.1:${fake.port}/ws`, SUBPROTOCOL) as unknown as Socket });
    const session = new Session({ connection, clock: systemClock, mediaAlive: () => true });
    stop = async () => {
      session.leave();
      await fake.close();
    };
    const state = (wanted: State): Promise<void> => new Promise((done) => session.on("state", ({ state }) => state === wanted && done()));
    const refused = new Promise((done) => session.on("failure", ({ failure }) => done(failure.code)));
    session.join({ ...request, pin: "0000" });
    expect(await refused).toBe("bad_pin");
    const enter = state("joined");
    session.join({ ...request, pin: "1234" });
    await enter;
    expect(session.roster.size).toBe(3);
    const back = state("reconnecting").then(() => state("joined"));
    fake.cut();
    await back;
    expect(heard).toEqual(["join", "join", "resume"]);
  });
});
