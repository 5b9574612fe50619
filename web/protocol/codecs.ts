/**
 * Which codecs the browser offers, in which order, and the trimming of its offer.
 *
 * The forward engine carries Opus (RFC 7587), VP8 (RFC 7741) and H.264 constrained baseline, packetization-mode 1 (RFC 6184,
 * RFC 7742 §6.2), with RTX (RFC 4588). Everything else is left out before it is offered: with some thirty m-lines an
 * unfiltered offer is larger than one message may be.
 */
export type VideoCodec = "vp8" | "h264";

/** The fields of RTCRtpCodec (W3C webrtc-pc §5.3.3) that matter here. */
export interface Codec {
  mimeType: string;
  sdpFmtpLine?: string;
}

/** Header extensions that the engine answers; see docs/protocol.md. Others are dropped from the offer. */
const EXTENSIONS = new Set([
  "urn:ietf:params:rtp-hdrext:sdes:mid",
  "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
  "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
  "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
  "urn:3gpp:video-orientation",
  "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
]);
const FEEDBACK = new Set(["nack", "nack pli", "ccm fir", "transport-cc"]);

const parameter = (codec: Codec, name: string): string | undefined =>
  codec.sdpFmtpLine?.split(";").map((part) => part.trim().split("=")).find(([key]) => key?.toLowerCase() === name)?.[1]?.toLowerCase();

/** Constrained baseline with several NAL units a packet: 42e0xx, or 42xxxx as a weaker match (field case: Safari, Firefox). */
function h264Rank(codec: Codec): number {
  if (parameter(codec, "packetization-mode") !== "1") return -1;
  const profile = parameter(codec, "profile-level-id") ?? "";
  return profile.startsWith("42e0") ? 2 : profile.startsWith("42") ? 1 : -1;
}

/**
 * The wanted of VP8 and the best H.264, in this order, and RTX. Empty when the browser told nothing usable: then leave its own
 * order. Between several, the answer follows the room's order.
 */
export function videoPreferences<C extends Codec>(capabilities: readonly C[], wanted: readonly VideoCodec[]): C[] {
  const of = (name: string): C[] => capabilities.filter((codec) => codec.mimeType.toLowerCase() === `video/${name}`);
  const vp8 = of("vp8");
  const best = Math.max(-1, ...of("h264").map(h264Rank));
  const h264 = best < 0 ? [] : of("h264").filter((codec) => h264Rank(codec) === best).slice(0, 1);
  const media = wanted.flatMap((codec) => (codec === "h264" ? h264 : vp8));
  return media.length === 0 ? [] : [...media, ...of("rtx").slice(0, 1)];
}

export function audioPreferences<C extends Codec>(capabilities: readonly C[]): C[] {
  return capabilities.filter((codec) => codec.mimeType.toLowerCase() === "audio/opus");
}

/** Opus with in-band FEC and DTX in the local description's fmtp lines (RFC 7587 §6.1). */
function opusParameters(line: string): string {
  const [head, ...rest] = line.split(" ");
  const kept = rest.join(" ").split(";").filter((part) => part && !/^(useinbandfec|usedtx)=/.test(part.trim()));
  return `${head} ${[...kept, "useinbandfec=1", "usedtx=1"].join(";")}`;
}

/**
 * What goes on the wire of the local description: without the lines that the engine never answers. Removing an offered option
 * from the copy is the same as the other side refusing it (RFC 3264 §6), so the local description needs no change.
 */
export function trimOffer(sdp: string): string {
  const opus = new Set([...sdp.matchAll(/^a=rtpmap:(\d+) opus\//gim)].map((match) => match[1]));
  const out: string[] = [];
  for (const line of sdp.split(/\r?\n/)) {
    if (line === "") continue;
    const extension = /^a=extmap:\d+(?:\/\w+)? (\S+)/.exec(line);
    if (extension && !EXTENSIONS.has(extension[1] ?? "")) continue;
    const feedback = /^a=rtcp-fb:\S+ (.+)$/.exec(line);
    if (feedback && !FEEDBACK.has((feedback[1] ?? "").trim())) continue;
    if (/^a=(rtcp:|candidate:|extmap-allow-mixed|ice-options:)/.test(line)) continue;
    const fmtp = /^a=fmtp:(\d+) /.exec(line);
    out.push(fmtp && opus.has(fmtp[1] ?? "") ? opusParameters(line) : line);
  }
  return `${out.join("\r\n")}\r\n`;
}

/** Kilobits per second that a picture starts with; without it Chromium starts at 300 and halves the picture's size at first. */
const START_KBPS = 800;

/**
 * The answer as the browser shall apply it: our Opus encoder is asked for FEC and DTX even if the answer is silent on them, and our
 * video encoders (the lines on which the other side only receives) start at a rate fit for 640×360.
 */
export function tuneAnswer(sdp: string): string {
  const sections = sdp.split(/(?=^m=)/m);
  return sections.map((section) => {
    if (section.startsWith("m=audio")) return eachFmtp(section, "opus", opusParameters);
    if (!section.startsWith("m=video") || !/^a=recvonly\r?$/m.test(section)) return section;
    const start = `x-google-start-bitrate=${START_KBPS}`;
    return ["VP8", "H264"].reduce((text, codec) => eachFmtp(text, codec, (line) => `${line};${start}`, start), section);
  }).join("");
}

/** Changes the fmtp line of each payload type of `codec`; adds one after its rtpmap when there is none and `otherwise` is given. */
function eachFmtp(section: string, codec: string, change: (line: string) => string, otherwise?: string): string {
  const types = [...section.matchAll(new RegExp(`^a=rtpmap:(\\d+) ${codec}/`, "gim"))].map((match) => match[1]!);
  return types.reduce((text, type) => {
    const fmtp = new RegExp(`^a=fmtp:${type} [^\\r\\n]*`, "m");
    if (fmtp.test(text)) return text.replace(fmtp, change);
    return otherwise ? text.replace(new RegExp(`^(a=rtpmap:${type} [^\\r\\n]*)(\\r?\\n)`, "m"), `$1$2a=fmtp:${type} ${otherwise}$2`) : text;
  }, section);
}
