/**
 * The fixed pool of media elements (field case W13: browsers refuse new players after some tens). One `<video>` a picture slot
 * and one `<audio>` a sound slot, made once; tiles borrow the picture of their slot, `srcObject` changes only with a new peer connection.
 *
 * Each picture has a canvas over it that keeps the last frame while a connection is replaced, and stays transparent until the
 * picture is really the one of its tile.
 */
import type { ReceiveSlot } from "../protocol/media";
import { h } from "./dom";

/** After a slot is given to someone else, frames of the one before may still arrive for a round trip. */
const STALE = 200;

export class Picture {
  readonly video = h("video", { class: "pic", autoplay: true, playsinline: true, tabindex: -1, "aria-hidden": "true", disablepictureinpicture: true });
  private readonly still = h("canvas", { class: "pic still", hidden: true, "aria-hidden": "true" });
  readonly element = h("div", { class: "tile-pic" }, this.video, this.still);
  private notBefore = 0;

  constructor() {
    this.video.muted = true;
    this.video.addEventListener("resize", () => this.element.classList.toggle("upright", this.video.videoHeight > this.video.videoWidth));
    this.eachFrame();
  }

  /** Shows this track; the last picture stays until the first frame of the new one. */
  attach(track: MediaStreamTrack | null): void {
    if (this.element.dataset["fresh"] !== undefined) this.freeze();
    this.video.srcObject = track ? new MediaStream([track]) : null;
    if (track) void this.video.play().catch(() => undefined);
  }

  /** The slot shows someone else from now on: hide the picture until it is his. */
  clear(): void {
    delete this.element.dataset["fresh"];
    this.still.hidden = true;
    this.notBefore = performance.now() + STALE;
  }

  /** Keeps the last picture on show while the connection is replaced. */
  freeze(): void {
    const { videoWidth: width, videoHeight: height } = this.video;
    if (!width || !height || !this.still.hidden) return;
    this.still.width = width;
    this.still.height = height;
    this.still.getContext("2d")?.drawImage(this.video, 0, 0, width, height);
    this.still.hidden = false;
  }

  private eachFrame(): void {
    const seen = (): void => {
      if (performance.now() < this.notBefore || this.video.videoWidth === 0) return;
      const track = (this.video.srcObject as MediaStream | null)?.getVideoTracks()[0];
      if (!track || track.readyState === "ended") return;
      this.element.dataset["fresh"] = "";
      this.still.hidden = true;
    };
    if ("requestVideoFrameCallback" in this.video) {
      const next = (): void => {
        seen();
        this.video.requestVideoFrameCallback(next);
      };
      this.video.requestVideoFrameCallback(next);
    } else {
      (this.video as HTMLVideoElement).addEventListener("timeupdate", seen);
    }
  }
}

export class Pool {
  private readonly pictures = new Map<number, Picture>();
  private readonly voices = new Map<number, HTMLAudioElement>();
  private readonly attic = h("div", { hidden: true });
  private speaker = "";
  /** Called when the browser does not let sound start by itself. */
  onblocked: () => void = () => {};

  constructor() {
    document.body.append(this.attic);
  }

  /** A new peer connection: give its tracks to the elements of the same slots. */
  connect(slots: readonly ReceiveSlot[]): void {
    for (const { slot, kind, track } of slots) {
      if (kind === "video") this.picture(slot).attach(track);
      else this.voice(slot).srcObject = new MediaStream([track]);
    }
    this.play();
  }

  picture(slot: number): Picture {
    let picture = this.pictures.get(slot);
    if (!picture) {
      picture = new Picture();
      this.pictures.set(slot, picture);
      this.attic.append(picture.element);
    }
    return picture;
  }

  /** Takes a picture off its tile; the element is kept. */
  store(picture: Picture): void {
    this.attic.append(picture.element);
  }

  freeze(): void {
    for (const picture of this.pictures.values()) picture.freeze();
  }

  play(): void {
    for (const voice of this.voices.values()) {
      voice.play().catch((error: DOMException) => {
        if (error.name === "NotAllowedError") this.onblocked();
      });
    }
  }

  async useSpeaker(id: string): Promise<void> {
    this.speaker = id;
    for (const voice of this.voices.values()) await this.route(voice);
  }

  destroy(): void {
    for (const picture of this.pictures.values()) picture.video.srcObject = null;
    for (const voice of this.voices.values()) voice.srcObject = null;
    this.attic.remove();
  }

  private voice(slot: number): HTMLAudioElement {
    let voice = this.voices.get(slot);
    if (!voice) {
      voice = h("audio", { autoplay: true, "data-audio-slot": slot });
      this.voices.set(slot, voice);
      this.attic.append(voice);
      void this.route(voice);
    }
    return voice;
  }

  private async route(voice: HTMLAudioElement): Promise<void> {
    if ("setSinkId" in voice) await voice.setSinkId(this.speaker).catch(() => undefined);
  }
}
