/** The peer connection: order of m-lines, tracks that survive a new connection, when a connection is replaced. */
import { describe, expect, it } from "vitest";
import { Client } from "../protocol/client";
import { Connection } from "../protocol/connection";
import { CONNECT_LIMIT, DISCONNECTED_LIMIT, Media } from "../protocol/media";
import type { Offer, ServerMessage } from "../protocol/messages";
import { encodeServer } from "../protocol/messages";
import { Session } from "../protocol/session";
import { TestClock } from "./clock";
import { FakeSocket } from "./connection.test";
import { FakePeer, FakeTrack } from "./peer";

const PLAN = { audio: 3, video: 4, content_audio: 1, content_video: 1 };
const CODECS = [{ mimeType: "video/VP8" }, { mimeType: "video/H264", sdpFmtpLine: "packetization-mode=1;profile-level-id=42e01f" }, { mimeType: "video/rtx" }, { mimeType: "video/VP9" }];
const settle = async (): Promise<void> => {
  for (let i = 0; i < 100; i++) await Promise.resolve();
};

function setup(codec: "vp8" | "h264" | null = null) {
  const clock = new TestClock();
  const peers: FakePeer[] = [];
  const media = new Media({
    clock, codec,
    createPeer: (config) => {
      peers.push(new FakePeer(config));
      return peers.at(-1) as unknown as RTCPeerConnection;
    },
    capabilities: (kind) => (kind === "video" ? CODECS : [{ mimeType: "audio/opus" }, { mimeType: "audio/PCMU" }]),
  });
  const offers: Offer[] = [];
  const broken: number[] = [];
  media.on("offer", (offer) => offers.push(offer));
  media.on("broken", ({ delay }) => broken.push(delay));
  return { clock, peers, media, offers, broken };
}

const track = (kind: string, height = 720): MediaStreamTrack => new FakeTrack(kind, kind, height) as unknown as MediaStreamTrack;
const camera = (peer: FakePeer): RTCRtpEncodingParameters & { active?: boolean } => peer.transceivers[1]!.sender.parameters.encodings[0]!;

describe("the offer", () => {
  it("has the m-lines in the agreed order, with slots numbered from 0", async () => {
    const { media, peers, offers } = setup();
    await media.restart(PLAN, [{ urls: ["turn:t"], username: "u", credential: null }]);
    expect(peers[0]!.transceivers.map(({ kind, direction }) => `${kind} ${direction}`)).toEqual([
      "audio sendonly", "video sendonly", "audio sendonly", "video sendonly",
      "audio recvonly", "audio recvonly", "audio recvonly",
      "video recvonly", "video recvonly", "video recvonly", "video recvonly", "audio recvonly", "video recvonly",
    ]);
    const [offer] = offers;
    expect(offer!.tracks).toEqual([{ mid: "0", track: "mic" }, { mid: "1", track: "camera" }, { mid: "2", track: "screen-audio" }, { mid: "3", track: "screen" }]);
    expect(offer!.slots.map(({ mid, slot, kind, role }) => `${mid} ${slot} ${kind} ${role}`)).toEqual([
      "4 0 audio speaker", "5 1 audio speaker", "6 2 audio speaker", "7 3 video view", "8 4 video view", "9 5 video view", "10 6 video view", "11 7 audio view", "12 8 video view",
    ]);
    expect(peers[0]!.config).toMatchObject({ bundlePolicy: "max-bundle", rtcpMuxPolicy: "require", iceServers: [{ urls: ["turn:t"], username: "u" }] });
  });

  it.each([
    [null, ["video/VP8", "video/H264", "video/rtx"]], ["vp8", ["video/VP8", "video/rtx"]], ["h264", ["video/H264", "video/rtx"]],
  ] as const)("sends the codec asked for (%s), receives both", async (codec, sent) => {
    const { media, peers } = setup(codec);
    await media.restart(PLAN, []);
    for (const { kind, direction, codecs } of peers[0]!.transceivers) {
      const video = direction === "sendonly" ? sent : ["video/VP8", "video/H264", "video/rtx"];
      expect(codecs).toEqual(kind === "video" ? video : ["audio/opus"]);
    }
  });

  it("is not made for a connection that was replaced meanwhile", async () => {
    const { media, offers, peers } = setup();
    await Promise.all([media.restart(PLAN, []), media.restart(PLAN, [])]);
    expect(offers).toHaveLength(1);
    expect(peers[0]!.connectionState).toBe("closed");
  });

  it("an answer to an older offer is ignored", async () => {
    const { media, peers } = setup();
    await media.restart(PLAN, []);
    await media.restart(PLAN, []);
    expect(await media.answer("old")).toBe(false);
    expect(await media.answer("new")).toBe(true);
    expect(peers[1]!.remote).toBe("new");
  });
});

describe("sending", () => {
  it("a track is replaced without a new offer and goes over to the next connection", async () => {
    const { media, peers, offers } = setup();
    await media.restart(PLAN, []);
    const first = track("video");
    await media.setTrack("camera", first);
    expect(peers[0]!.transceivers[1]!.sender.track).toBe(first);
    expect(offers).toHaveLength(1);
    await media.restart(PLAN, []);
    expect(peers[1]!.transceivers[1]!.sender.track).toBe(first);
    await media.setTrack("camera", null);
    expect(peers[1]!.transceivers[1]!.sender.track).toBeNull();
  });

  it("the last of several wishes at once holds", async () => {
    const { media, peers } = setup();
    await media.restart(PLAN, []);
    await media.setAudience(true);
    await Promise.all([media.wish("camera", false, 0), media.wish("camera", true, 720), media.wish("screen", false, 0)]);
    expect(camera(peers[0]!).active).toBe(true);
    await Promise.all([media.wish("camera", true, 360), media.wish("camera", false, 0)]);
    expect(camera(peers[0]!).active).toBe(false);
  });

  it("a picture that nobody watches is not encoded, and its size follows the largest tile", async () => {
    const { media, peers } = setup();
    await media.restart(PLAN, []);
    await media.setTrack("camera", track("video", 720));
    expect(camera(peers[0]!)).toMatchObject({ active: true, scaleResolutionDownBy: 2 });
    await media.wish("camera", false, 0);
    expect(camera(peers[0]!).active).toBe(false);
    await media.wish("camera", true, 720);
    expect(camera(peers[0]!)).toMatchObject({ active: true, scaleResolutionDownBy: 1, maxBitrate: 1_800_000 });
    await media.wish("camera", true, 180);
    expect(camera(peers[0]!)).toMatchObject({ scaleResolutionDownBy: 4, maxBitrate: 200_000 });
    await media.setAudience(false);
    expect(camera(peers[0]!).active).toBe(false);
    await media.setAudience(true);
    expect(camera(peers[0]!).active).toBe(true);
  });

  it("a new connection starts by sending until the server says otherwise", async () => {
    const { media, peers } = setup();
    await media.restart(PLAN, []);
    await media.setTrack("camera", track("video"));
    await media.answer("x");
    await media.wish("camera", false, 0);
    await media.restart(PLAN, []);
    await media.answer("y");
    expect(camera(peers[1]!).active).toBe(true);
  });
});

describe("a connection is replaced", () => {
  async function live() {
    const all = setup();
    await all.media.restart(PLAN, []);
    all.peers[0]!.become("connected");
    return all;
  }

  it("at once when it failed, later and later when that does not help", async () => {
    const { media, peers, broken } = await live();
    peers[0]!.become("failed");
    expect(media.state).toBe("lost");
    for (let i = 1; i <= 6; i++) {
      await media.restart(PLAN, []);
      peers[i]!.become("failed");
    }
    expect(broken).toEqual([0, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000]);
    await media.restart(PLAN, []);
    peers.at(-1)!.become("connected");
    peers.at(-1)!.become("failed");
    expect(broken.at(-1)).toBe(0);
  });

  it("after three seconds of silence, not for a short one", async () => {
    const { media, peers, clock, broken } = await live();
    peers[0]!.become("disconnected");
    clock.advance(DISCONNECTED_LIMIT - 1);
    peers[0]!.become("connected");
    clock.advance(60_000);
    expect(broken).toEqual([]);
    peers[0]!.become("disconnected");
    clock.advance(DISCONNECTED_LIMIT);
    expect(broken).toEqual([0]);
    expect(media.alive).toBe(false);
  });

  it("when nothing arrives any more although the browser still calls it connected", async () => {
    const { peers, clock, broken } = await live();
    let packets = 100;
    peers[0]!.getStats = async () => new Map([["in", { type: "inbound-rtp", packetsReceived: packets }]]);
    for (let i = 0; i < 8; i++) {
      packets += 50;
      clock.advance(1_000);
      await settle();
    }
    expect(broken).toEqual([]);
    for (let i = 0; i < 3; i++) {
      clock.advance(1_000);
      await settle();
    }
    expect(broken).toEqual([0]);
    expect(peers[0]!.connectionState).toBe("connected");
  });

  it("when it does not come about, and a closed one says nothing more", async () => {
    const { media, peers, clock, broken } = setup();
    await media.restart(PLAN, []);
    clock.advance(CONNECT_LIMIT);
    expect(broken).toEqual([0]);
    await media.restart(PLAN, []);
    peers[0]!.become("failed");
    media.close();
    peers[1]!.become("failed");
    clock.advance(60_000);
    expect(broken).toEqual([0]);
    expect(media.state).toBe("none");
  });
});

describe("client", () => {
  function client() {
    const all = setup();
    const sockets: FakeSocket[] = [];
    const connection = new Connection({ clock: all.clock, openSocket: () => (sockets.push(new FakeSocket()), sockets.at(-1)!) });
    const session = new Session({ connection, clock: all.clock, mediaAlive: () => all.media.alive });
    const bound = new Client(session, all.media, all.clock);
    const hear = async (message: object): Promise<void> => {
      sockets.at(-1)!.onmessage?.({ data: encodeServer(message as ServerMessage) });
      await settle();
    };
    const said = (): string[] => sockets.at(-1)!.sent.map((frame) => (JSON.parse(frame) as { type: string }).type);
    const person = (id: string) => ({ id, name: id, role: "participant", kind: "browser", guest: true, tracks: ["mic", "camera"], connected: true, joined_at: 0 });
    const joined = (more: object = {}) => ({
      type: "joined", version: 1, you: "me", role: "participant", token: "t", roster: [person("me"), person("a"), person("b")], plan: PLAN, ice_servers: [], resumed: false, need_offer: true,
      room: { slug: "s", name: "S", number: "1", seats: 2, mode: "meeting", language: "fr", may_share: true, layouts: [] }, ...more,
    });
    const enter = async (): Promise<void> => {
      session.join({ room: "s", name: "N", pin: null, device: "desktop", language: "fr" });
      sockets[0]!.open();
      await hear(joined());
    };
    return { ...all, sockets, session, bound, hear, said, joined, enter };
  }

  it("offers after joining, and tells wishes and tracks only once the server has answered", async () => {
    const { bound, hear, said, enter, peers, sockets } = client();
    await enter();
    expect(said()).toEqual(["join", "offer"]);
    bound.watch([{ participant: "a", track: "camera", height: 360 }]);
    expect(said()).toEqual(["join", "offer"]);
    await hear({ type: "answer", sdp: "x" });
    expect(said()).toEqual(["join", "offer", "view"]);
    expect(JSON.parse(sockets[0]!.sent[2]!)).toEqual({ type: "view", slots: [{ slot: 3, participant: "a", height: 360 }] });
    peers[0]!.become("connected");
    bound.watch([{ participant: "b", track: "camera", height: 360 }, { participant: "a", track: "camera", height: 360 }]);
    expect(JSON.parse(sockets[0]!.sent[3]!)).toEqual({ type: "view", slots: [{ slot: 4, participant: "b", height: 360 }] });
  });

  it("makes a new connection when the server asks, and tells everything again", async () => {
    const { bound, hear, said, enter, peers, sockets } = client();
    await enter();
    bound.publish("mic", true);
    await hear({ type: "answer", sdp: "x" });
    peers[0]!.become("connected");
    bound.watch([{ participant: "a", track: "camera", height: 360 }]);
    sockets[0]!.sent = [];
    await hear({ type: "media.restart", reason: "engine" });
    expect(peers).toHaveLength(2);
    expect(said()).toEqual(["offer"]);
    await hear({ type: "answer", sdp: "y" });
    expect(said()).toEqual(["offer", "publish", "view"]);
    expect([...bound.view.values()].map(({ participant }) => participant)).toEqual(["a"]);
  });

  it("keeps living media over a lost line", async () => {
    const { clock, hear, said, enter, peers, sockets, joined } = client();
    await enter();
    await hear({ type: "answer", sdp: "x" });
    peers[0]!.become("connected");
    sockets[0]!.onclose?.({ code: 1006 });
    clock.advance(0);
    sockets[1]!.open();
    expect(JSON.parse(sockets[1]!.sent[0]!)).toMatchObject({ type: "resume", media_alive: true });
    await hear(joined({ resumed: true, need_offer: false }));
    expect(peers).toHaveLength(1);
    expect(said()).toEqual(["resume"]);
  });

  it("replaces media that died while the line was lost", async () => {
    const { clock, hear, said, enter, peers, sockets, joined } = client();
    await enter();
    await hear({ type: "answer", sdp: "x" });
    peers[0]!.become("connected");
    sockets[0]!.onclose?.({ code: 1006 });
    peers[0]!.become("failed");
    clock.advance(0);
    sockets[1]!.open();
    expect(JSON.parse(sockets[1]!.sent[0]!)).toMatchObject({ media_alive: false });
    await hear(joined({ resumed: true, need_offer: true }));
    expect(peers).toHaveLength(2);
    expect(said()).toEqual(["resume", "offer"]);
  });

  it("offers again when the engine was not there, and closes all when leaving", async () => {
    const { clock, hear, said, enter, peers, session, media } = client();
    await enter();
    await hear({ type: "error", code: "unavailable", message: "", fatal: false, retry_after: 500, field: null });
    clock.advance(500);
    await settle();
    expect(said()).toEqual(["join", "offer", "offer"]);
    await hear({ type: "answer", sdp: "second" });
    expect(peers[1]!.remote).toBe("second");
    session.leave();
    expect(media.state).toBe("none");
    expect(peers[1]!.connectionState).toBe("closed");
    expect(clock.pending).toBe(0);
  });
});
