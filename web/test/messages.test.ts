/** The contract samples, shared with the Python side, and the refusals. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { ClientMessage, ServerMessage } from "../protocol/messages";
import { decodeClient, decodeServer, encodeClient, encodeServer, MAX_MESSAGE, SUBPROTOCOL, VERSION } from "../protocol/messages";
import { InvalidMessage } from "../protocol/validate";

const SAMPLES = new URL("../../tests/contract/websocket/", import.meta.url);
const PYTHON = readFileSync(new URL("../../signalling/webrtc/messages.py", import.meta.url), "utf8");
const names = readdirSync(SAMPLES).filter((name) => name.endsWith(".json"));
const sides = {
  client: { decode: decodeClient, encode: (message: unknown) => encodeClient(message as ClientMessage) },
  server: { decode: decodeServer, encode: (message: unknown) => encodeServer(message as ServerMessage) },
};
const sideOf = (name: string) => sides[name.split(".")[0] as keyof typeof sides];

describe("contract samples", () => {
  it("are there, for every type of both directions", () => {
    const types = new Set(names.map((name) => (JSON.parse(readFileSync(new URL(name, SAMPLES), "utf8")) as { type: string }).type));
    const tags = [...PYTHON.matchAll(/\(Message, tag="([\w.]+)"\)/g)].map((match) => match[1]);
    expect(tags.length).toBeGreaterThanOrEqual(18);
    expect([...types].sort()).toEqual([...new Set(tags)].sort());
  });

  it.each(names)("%s is parsed and written back equal", (name) => {
    const { decode, encode } = sideOf(name);
    const written = readFileSync(new URL(name, SAMPLES), "utf8");
    expect(JSON.parse(encode(decode(written)))).toEqual(JSON.parse(written));
  });

  it.each(names)("%s is refused with an unknown field, without a required one, and cut short", (name) => {
    const { decode } = sideOf(name);
    const written = readFileSync(new URL(name, SAMPLES), "utf8");
    const value = JSON.parse(written) as Record<string, unknown>;
    expect(() => decode(JSON.stringify({ ...value, surprise: 1 }))).toThrow(InvalidMessage);
    const { type: _type, ...untyped } = value;
    expect(() => decode(JSON.stringify(untyped))).toThrow(InvalidMessage);
    for (let length = 0; length < written.trimEnd().length; length += 7) expect(() => decode(written.slice(0, length))).toThrow(InvalidMessage);
  });
});

describe("constants", () => {
  it("are those of the Python side", () => {
    expect(PYTHON).toContain(`VERSION = ${VERSION}\n`);
    expect(PYTHON).toContain(`SUBPROTOCOL = "${SUBPROTOCOL}"`);
    expect(PYTHON).toContain(`MAX_MESSAGE = ${MAX_MESSAGE / 1024} * 1024`);
  });
});

describe("refusals name the field", () => {
  it.each([
    ['{"type":"roster","seq":"1"}', "$.seq"],
    ['{"type":"roster","seq":1.5}', "$.seq"],
    ['{"type":"roster","seq":1,"put":[{"id":"a","name":"A","role":"king"}]}', "$.put[0].role"],
    ['{"type":"send","track":"nose","active":true}', "$.track"],
    ['{"type":"send","track":"camera","active":1}', "$.active"],
    ['{"type":"nothing"}', "$.type"],
    ['{"type":5}', "$.type"],
    ["[]", "$"],
    ["null", "$"],
    ["\u0000", "$"],
  ])("%s", (frame, path) => {
    try {
      decodeServer(frame);
      expect.unreachable();
    } catch (error) {
      expect((error as InvalidMessage).path).toBe(path);
    }
  });

  it("takes defaults for absent fields and leaves them out again", () => {
    const message = decodeServer('{"type":"speakers"}');
    expect(message).toEqual({ type: "speakers", dominant: null, active: [] });
    expect(encodeServer(message)).toBe('{"type":"speakers"}');
  });
});
