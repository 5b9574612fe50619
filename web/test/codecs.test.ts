/** Codec order and the trimming of offers, with offers recorded from real browsers. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { trimOffer, tuneAnswer, videoPreferences } from "../protocol/codecs";

const capture = (browser: string): string => readFileSync(new URL(`../../tests/data/sdp/${browser}.sdp`, import.meta.url), "utf8");
const h264 = (profile: string, mode = "1") => ({ mimeType: "video/H264", sdpFmtpLine: `level-asymmetry-allowed=1;packetization-mode=${mode};profile-level-id=${profile}` });
const vp8 = { mimeType: "video/VP8" };
const rtx = { mimeType: "video/rtx" };
const all = [vp8, rtx, { mimeType: "video/VP9" }, h264("42001f"), h264("42e01f", "0"), h264("42e01f"), h264("640c34"), { mimeType: "video/AV1" }, { mimeType: "video/red" }];

describe("video preferences", () => {
  it("keeps VP8, one constrained baseline and RTX, in the asked order", () => {
    expect(videoPreferences(all, ["vp8", "h264"])).toEqual([vp8, h264("42e01f"), rtx]);
    expect(videoPreferences(all, ["h264", "vp8"])).toEqual([h264("42e01f"), vp8, rtx]);
    expect(videoPreferences(all, ["h264"])).toEqual([h264("42e01f"), rtx]);
  });

  it.each([
    ["only levels of Safari", [h264("640c34"), h264("42e034")], [h264("42e034")]],
    ["plain baseline when there is no constrained one", [h264("640c1f"), h264("42001f")], [h264("42001f")]],
    ["no mode 0", [h264("42e01f", "0"), vp8], [vp8]],
    ["nothing usable leaves the browser's own order", [{ mimeType: "video/VP9" }, rtx], []],
  ])("%s", (_, given, wanted) => {
    expect(videoPreferences(given, ["vp8", "h264"])).toEqual(wanted);
  });
});

describe.each(["chromium", "firefox"])("the offer of %s", (browser) => {
  const before = capture(browser);
  const after = trimOffer(before);
  const lines = after.split("\r\n");

  it("keeps every m-line with its mid, its codecs, its keys and its direction", () => {
    for (const kind of [/^m=/, /^a=mid:/, /^a=rtpmap:/, /^a=fingerprint:/, /^a=ice-ufrag:/, /^a=setup:/, /^a=(sendonly|recvonly)/, /^a=ssrc:/, /^a=group:BUNDLE/]) {
      const count = (text: string): number => text.split(/\r?\n/).filter((line) => kind.test(line)).length;
      expect(count(after), String(kind)).toBe(count(before));
    }
    expect(after.endsWith("\r\n")).toBe(true);
  });

  it("asks Opus for FEC and DTX, once each", () => {
    const opus = lines.filter((line) => line.startsWith("a=fmtp:") && line.includes("useinbandfec"));
    expect(opus.length).toBeGreaterThan(0);
    for (const line of opus) {
      expect(line.match(/useinbandfec=1/g)).toHaveLength(1);
      expect(line.match(/usedtx=1/g)).toHaveLength(1);
      expect(line).toMatch(/^a=fmtp:\d+ \S/);
    }
  });

  it("offers only the extensions and the feedback that the engine answers", () => {
    const extensions = new Set(lines.filter((line) => line.startsWith("a=extmap:")).map((line) => line.split(" ")[1]));
    expect(extensions.size).toBeGreaterThan(2);
    for (const uri of extensions) expect(uri).not.toMatch(/playout-delay|color-space|toffset|csrc-audio-level/);
    expect([...extensions].some((uri) => uri?.includes("transport-wide-cc"))).toBe(true);
    expect(lines.some((line) => /^a=rtcp-fb:\S+ goog-remb/.test(line))).toBe(false);
    expect(lines.some((line) => /^a=rtcp-fb:\S+ transport-cc$/.test(line))).toBe(true);
    expect(lines.some((line) => /^a=rtcp-fb:\S+ nack pli$/.test(line))).toBe(true);
  });
});

describe("the answer", () => {
  const audio = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10\r\n";
  const video = (direction: string): string => `m=video 9 x 96 97 98\r\na=${direction}\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=rtpmap:98 H264/90000\r\na=fmtp:98 packetization-mode=1\r\n`;

  it("gets FEC and DTX on Opus lines and keeps its line ends", () => {
    expect(tuneAnswer(audio)).toBe(audio.replace("minptime=10", "minptime=10;useinbandfec=1;usedtx=1"));
  });

  it("gets a starting rate for what we send, not for what we receive", () => {
    expect(tuneAnswer(audio + video("sendonly")).endsWith(video("sendonly"))).toBe(true);
    const tuned = tuneAnswer(audio + video("recvonly"));
    expect(tuned).toContain("a=rtpmap:96 VP8/90000\r\na=fmtp:96 x-google-start-bitrate=800\r\n");
    expect(tuned).toContain("a=fmtp:98 packetization-mode=1;x-google-start-bitrate=800\r\n");
    expect(tuned).toContain("a=fmtp:97 apt=96\r\n");
  });
});
