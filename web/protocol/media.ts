/**
 * The peer connection (W3C webrtc-pc): one offer each, everything in one BUNDLE, slots negotiated once.
 *
 * M-lines in the agreed order: mic, camera, screen-audio, screen (sendonly), then the receive slots (recvonly): speakers' voices,
 * pictures, content sound, content picture. The engine remaps slots without SDP, so a receive track belongs to a slot for the
 * life of the peer connection. A connection that fails is replaced, never repaired (field case W11): the old one closes, the
 * tracks and the wishes carry over, nobody clicks. No trickle: the engine is ICE-lite and learns our address from our checks.
 */
import type { Clock } from "./clock";
import type { Codec, VideoCodec } from "./codecs";
import { audioPreferences, trimOffer, tuneAnswer, videoPreferences } from "./codecs";
import { Emitter } from "./emitter";
import type { IceServer, Offer, OfferSlot, SlotPlan, TrackName } from "./messages";
import { Pulse } from "./pulse";

/** How long `disconnected` may last before the connection is replaced. */
export const DISCONNECTED_LIMIT = 3_000;
/** How long an offer may take to become a live connection. */
export const CONNECT_LIMIT = 10_000;
const RETRY_MOST = 8_000;
const STATS_EVERY = 1_000;

export type MediaState = "none" | "connecting" | "live" | "lost";

/** One receive slot and the track that it shows for the life of the peer connection. */
export interface ReceiveSlot extends OfferSlot {
  content: boolean;
  track: MediaStreamTrack;
  receiver: RTCRtpReceiver;
}

export interface MediaEvents {
  state: MediaState;
  /** A new connection's receive slots, before anything arrives on them. */
  slots: readonly ReceiveSlot[];
  offer: Offer;
  /** The live connection's statistics, once a second. */
  stats: RTCStatsReport;
  /** The connection is lost: ask for a new one (`restart`), when the signalling line allows. */
  broken: { delay: number };
}

export interface MediaOptions {
  createPeer: (config: RTCConfiguration) => RTCPeerConnection;
  capabilities: (kind: "audio" | "video") => readonly Codec[];
  /** Send this video codec only; null leaves the choice to the room. Slots take both in any case. */
  codec: VideoCodec | null;
  clock: Clock;
}

const OWN: readonly { track: TrackName; kind: "audio" | "video"; encoding: RTCRtpEncodingParameters }[] = [
  { track: "mic", kind: "audio", encoding: { maxBitrate: 40_000, priority: "high", networkPriority: "high" } },
  { track: "camera", kind: "video", encoding: { maxBitrate: 1_500_000, maxFramerate: 30 } },
  { track: "screen-audio", kind: "audio", encoding: { maxBitrate: 96_000 } },
  { track: "screen", kind: "video", encoding: { maxBitrate: 2_500_000, maxFramerate: 30 } },
];

const BOTH: readonly VideoCodec[] = ["vp8", "h264"];

/** What the server asked of a video track: whether anybody watches, and how high the largest tile is (0: not said). */
interface Wish {
  active: boolean;
  height: number;
}

/** Bits per second that a camera picture of this height is worth. */
export function cameraBitrate(height: number): number {
  if (height <= 180) return 200_000;
  if (height <= 360) return 700_000;
  return 1_800_000;
}

export class Media extends Emitter<MediaEvents> {
  private peer: RTCPeerConnection | null = null;
  private readonly senders = new Map<TrackName, RTCRtpSender>();
  private readonly own = new Map<TrackName, MediaStreamTrack>();
  private readonly wishes = new Map<TrackName, Wish>();
  private changes: Promise<void> = Promise.resolve();
  private slots: ReceiveSlot[] = [];
  private current: MediaState = "none";
  private attempts = 0;
  private unanswered = 0;
  private audience = true;
  private cancelWatch: () => void = () => {};
  private cancelPoll: () => void = () => {};

  constructor(private readonly options: MediaOptions) {
    super();
  }

  get state(): MediaState {
    return this.current;
  }

  get receiveSlots(): readonly ReceiveSlot[] {
    return this.slots;
  }

  /** Whether media flows, as far as the browser knows. */
  get alive(): boolean {
    return this.peer?.connectionState === "connected";
  }

  /** A new peer connection in place of the old one; emits `slots` and `offer`. */
  async restart(plan: SlotPlan, iceServers: readonly IceServer[]): Promise<void> {
    this.discard();
    // What was watched over the old connection says nothing about the new one; the server tells again.
    this.wishes.clear();
    this.setState("connecting");
    const peer = this.options.createPeer({
      bundlePolicy: "max-bundle",
      rtcpMuxPolicy: "require",
      iceServers: iceServers.map(({ urls, username, credential }) => ({
        urls, ...(username === null ? {} : { username }), ...(credential === null ? {} : { credential }),
      })),
    });
    this.peer = peer;
    const sending = this.addOwn(peer);
    const receiving = this.addSlots(peer, plan);
    this.watch(peer);
    await this.unlessReplaced(peer.createOffer().then((offer) => peer.setLocalDescription(offer)));
    if (peer !== this.peer || !peer.localDescription) return;
    this.slots = receiving.map(({ transceiver, ...slot }) => ({
      ...slot, mid: transceiver.mid ?? "", track: transceiver.receiver.track, receiver: transceiver.receiver,
    }));
    this.emit("slots", this.slots);
    this.unanswered += 1;
    this.emit("offer", {
      type: "offer",
      sdp: trimOffer(peer.localDescription.sdp),
      tracks: sending.map(({ track, transceiver }) => ({ mid: transceiver.mid ?? "", track })),
      slots: this.slots.map(({ mid, slot, kind, role }) => ({ mid, slot, kind, role })),
    });
  }

  /** The server's answer; one to an older offer is ignored. Resolves true when it was applied. */
  async answer(sdp: string): Promise<boolean> {
    this.unanswered = Math.max(0, this.unanswered - 1);
    const peer = this.peer;
    if (!peer || this.unanswered > 0 || peer.signalingState !== "have-local-offer") return false;
    await peer.setRemoteDescription({ type: "answer", sdp: tuneAnswer(sdp) });
    for (const name of this.senders.keys()) await this.applyWish(name);
    return peer === this.peer;
  }

  /** No answer will come: to one offer that was refused, or to all when the line was lost. */
  forgetOffers(count = Infinity): void {
    this.unanswered = Math.max(0, this.unanswered - count);
  }

  /** Sends this track from now on, here and over later connections; null stops sending. No renegotiation. */
  async setTrack(name: TrackName, track: MediaStreamTrack | null): Promise<void> {
    if (track) this.own.set(name, track);
    else this.own.delete(name);
    await this.unlessReplaced(this.senders.get(name)?.replaceTrack(track));
    await this.applyWish(name);
  }

  /** Nobody watches, or the largest tile that shows it changed: encode accordingly. */
  async wish(name: TrackName, active: boolean, height: number): Promise<void> {
    this.wishes.set(name, { active, height });
    await this.applyWish(name);
  }

  /** Whether anybody else is in the room: alone, no picture is sent even before the server says so. */
  async setAudience(present: boolean): Promise<void> {
    if (present === this.audience) return;
    this.audience = present;
    await Promise.all([this.applyWish("camera"), this.applyWish("screen")]);
  }

  close(): void {
    this.discard();
    this.own.clear();
    this.wishes.clear();
    this.attempts = 0;
    this.setState("none");
  }

  private addOwn(peer: RTCPeerConnection): { track: TrackName; transceiver: RTCRtpTransceiver }[] {
    return OWN.map(({ track, kind, encoding }) => {
      const transceiver = peer.addTransceiver(this.own.get(track) ?? kind, { direction: "sendonly", sendEncodings: [{ ...encoding }] });
      this.prefer(transceiver, kind, this.options.codec ? [this.options.codec] : BOTH);
      this.senders.set(track, transceiver.sender);
      return { track, transceiver };
    });
  }

  private addSlots(peer: RTCPeerConnection, plan: SlotPlan) {
    const sorts = [
      { count: plan.audio, kind: "audio", role: "speaker", content: false },
      { count: plan.video, kind: "video", role: "view", content: false },
      { count: plan.content_audio, kind: "audio", role: "view", content: true },
      { count: plan.content_video, kind: "video", role: "view", content: true },
    ] as const;
    let slot = 0;
    return sorts.flatMap(({ count, kind, role, content }) =>
      Array.from({ length: count }, () => {
        const transceiver = peer.addTransceiver(kind, { direction: "recvonly" });
        this.prefer(transceiver, kind, BOTH);
        return { slot: slot++, kind, role, content, transceiver };
      }),
    );
  }

  private prefer(transceiver: RTCRtpTransceiver, kind: "audio" | "video", codecs: readonly VideoCodec[]): void {
    const known = this.options.capabilities(kind);
    const wanted = kind === "video" ? videoPreferences(known, codecs) : audioPreferences(known);
    if (wanted.length > 0 && "setCodecPreferences" in transceiver) transceiver.setCodecPreferences(wanted as RTCRtpCodec[]);
  }

  private watch(peer: RTCPeerConnection): void {
    const { clock } = this.options;
    this.cancelWatch = clock.after(CONNECT_LIMIT, () => {
      this.forgetOffers();
      this.fail(peer);
    });
    peer.onconnectionstatechange = () => {
      if (peer !== this.peer) return;
      const state = peer.connectionState;
      if (state === "connected") {
        this.cancelWatch();
        this.attempts = 0;
        this.setState("live");
        this.poll(peer, new Pulse());
      } else if (state === "disconnected") {
        this.cancelWatch();
        this.cancelWatch = clock.after(DISCONNECTED_LIMIT, () => this.fail(peer));
      } else if (state === "failed") {
        this.fail(peer);
      }
    };
  }

  private poll(peer: RTCPeerConnection, pulse: Pulse): void {
    this.cancelPoll();
    this.cancelPoll = this.options.clock.after(STATS_EVERY, () => {
      void peer.getStats().then((report) => {
        if (peer !== this.peer || this.current !== "live") return;
        if (pulse.read(report.entries())) return this.fail(peer);
        this.emit("stats", report);
        this.poll(peer, pulse);
      }, () => undefined);
    });
  }

  private fail(peer: RTCPeerConnection): void {
    if (peer !== this.peer) return;
    this.cancelWatch();
    this.cancelPoll();
    const delay = this.attempts === 0 ? 0 : Math.min(RETRY_MOST, 500 * 2 ** this.attempts);
    this.attempts += 1;
    this.setState("lost");
    this.emit("broken", { delay });
  }

  /** One change after the other: of two calls of setParameters under way one is refused, and not always the older. */
  private applyWish(name: TrackName): Promise<void> {
    const change = this.changes.then(() => this.applyNow(name));
    this.changes = change.catch(() => undefined);
    return change;
  }

  private async applyNow(name: TrackName): Promise<void> {
    const sender = this.senders.get(name);
    if (!sender || (name !== "camera" && name !== "screen")) return;
    const wish = this.wishes.get(name) ?? { active: true, height: 0 };
    const active = wish.active && this.audience;
    const parameters = sender.getParameters();
    const encoding = parameters.encodings?.[0];
    if (!encoding) return;
    encoding.active = active;
    if (name === "camera") {
      const full = this.own.get(name)?.getSettings().height ?? 0;
      const height = wish.height > 0 ? wish.height : 360;
      encoding.scaleResolutionDownBy = full > 0 ? Math.max(1, full / height) : 1;
      encoding.maxBitrate = cameraBitrate(full > 0 ? Math.min(full, height) : height);
    }
    await this.unlessReplaced(sender.setParameters(parameters));
  }

  /** Waits; InvalidStateError means that the connection closed meanwhile: the next one is told anew. */
  private async unlessReplaced(change: Promise<void> | undefined): Promise<void> {
    try {
      await change;
    } catch (error) {
      if ((error as DOMException).name !== "InvalidStateError") throw error;
    }
  }

  private discard(): void {
    this.cancelWatch();
    this.cancelPoll();
    const peer = this.peer;
    this.peer = null;
    this.senders.clear();
    this.changes = Promise.resolve(); // a closed connection may never settle what is under way
    if (!peer) return;
    peer.onconnectionstatechange = null;
    peer.close();
  }

  private setState(state: MediaState): void {
    if (state === this.current) return;
    this.current = state;
    this.emit("state", state);
  }
}
