/**
 * One's own microphone, camera and screen (W3C mediacapture-main, screen-capture): opened apart from each other so that
 * the failure of one never costs the other, chosen device remembered, reopened when it is unplugged.
 */
import { Emitter } from "../protocol/emitter";

export type Trouble = "denied" | "missing" | "busy" | "failed";
export type DeviceSort = "audioinput" | "videoinput" | "audiooutput";

export interface DeviceEvents {
  /** Tracks, choices, troubles or the list changed. */
  change: void;
  /** The device in use went away; another was taken when there was one. */
  lost: "mic" | "camera";
}

const STORE: Record<DeviceSort, string> = {
  audioinput: "massalia.mic", videoinput: "massalia.camera", audiooutput: "massalia.speaker",
};

/** Storage may be forbidden (private window): then nothing is remembered. */
export const memory = {
  get(key: string): string | null {
    try {
      return localStorage.getItem(key);
    } catch {
      return null;
    }
  },
  set(key: string, value: string): void {
    try {
      localStorage.setItem(key, value);
    } catch {
      // Not remembered: the choice holds for this visit only.
    }
  },
};

function trouble(error: unknown): Trouble {
  switch ((error as DOMException).name) {
    case "NotAllowedError":
    case "SecurityError": return "denied";
    case "NotFoundError":
    case "OverconstrainedError": return "missing";
    case "NotReadableError":
    case "AbortError": return "busy";
    default: return "failed";
  }
}

export class Devices extends Emitter<DeviceEvents> {
  mic: MediaStreamTrack | null = null;
  camera: MediaStreamTrack | null = null;
  micTrouble: Trouble | null = null;
  cameraTrouble: Trouble | null = null;
  micOn = memory.get("massalia.mic-on") !== "no";
  cameraOn = memory.get("massalia.camera-on") !== "no";
  opening = false;
  list: MediaDeviceInfo[] = [];

  constructor() {
    super();
    navigator.mediaDevices?.addEventListener("devicechange", () => void this.refresh());
  }

  chosen(sort: DeviceSort): string {
    return memory.get(STORE[sort]) ?? "";
  }

  /** The id of the device in use. */
  inUse(sort: DeviceSort): string {
    const track = sort === "audioinput" ? this.mic : sort === "videoinput" ? this.camera : null;
    return track?.getSettings().deviceId ?? this.chosen(sort);
  }

  /** Opens what is wanted: one question for both when possible, then each alone. */
  async open(): Promise<void> {
    this.opening = true;
    this.emit("change", undefined);
    const media = navigator.mediaDevices;
    if (!media) {
      this.micTrouble = this.cameraTrouble = "failed";
    } else if (this.cameraOn) {
      try {
        const stream = await media.getUserMedia({ audio: this.audio(), video: this.video() });
        this.adopt("mic", stream.getAudioTracks()[0] ?? null);
        this.adopt("camera", stream.getVideoTracks()[0] ?? null);
        this.micTrouble = this.cameraTrouble = null;
      } catch {
        await this.openMic();
        await this.openCamera();
      }
    } else {
      await this.openMic();
    }
    this.opening = false;
    await this.refresh();
  }

  async openMic(): Promise<void> {
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ audio: this.audio() });
      this.adopt("mic", stream.getAudioTracks()[0] ?? null);
      this.micTrouble = null;
    } catch (error) {
      this.adopt("mic", null);
      this.micTrouble = trouble(error);
    }
    this.emit("change", undefined);
  }

  async openCamera(): Promise<void> {
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ video: this.video() });
      this.adopt("camera", stream.getVideoTracks()[0] ?? null);
      this.cameraTrouble = null;
    } catch (error) {
      this.adopt("camera", null);
      this.cameraTrouble = trouble(error);
    }
    this.emit("change", undefined);
  }

  /** The microphone stays open when muted, so that unmuting is immediate; the track sends silence meanwhile. */
  setMic(on: boolean): void {
    this.micOn = on;
    memory.set("massalia.mic-on", on ? "yes" : "no");
    if (this.mic) this.mic.enabled = on;
    this.emit("change", undefined);
  }

  /** The camera is really closed when off: its light goes out. */
  async setCamera(on: boolean): Promise<void> {
    this.cameraOn = on;
    memory.set("massalia.camera-on", on ? "yes" : "no");
    if (!on) this.adopt("camera", null);
    else if (!this.camera) await this.openCamera();
    this.emit("change", undefined);
  }

  async choose(sort: DeviceSort, id: string): Promise<void> {
    memory.set(STORE[sort], id);
    if (sort === "audioinput") await this.openMic();
    else if (sort === "videoinput" && this.cameraOn) await this.openCamera();
    this.emit("change", undefined);
  }

  async refresh(): Promise<void> {
    try {
      this.list = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
    } catch {
      this.list = [];
    }
    this.emit("change", undefined);
  }

  of(sort: DeviceSort): MediaDeviceInfo[] {
    return this.list.filter((device) => device.kind === sort && device.deviceId !== "");
  }

  close(): void {
    this.adopt("mic", null);
    this.adopt("camera", null);
  }

  private audio(): MediaTrackConstraints {
    const id = this.chosen("audioinput");
    return { echoCancellation: true, noiseSuppression: true, autoGainControl: true, ...(id ? { deviceId: { ideal: id } } : {}) };
  }

  private video(): MediaTrackConstraints {
    const id = this.chosen("videoinput");
    return {
      width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30, max: 30 }, ...(id ? { deviceId: { ideal: id } } : {}),
    };
  }

  private adopt(name: "mic" | "camera", track: MediaStreamTrack | null): void {
    const before = this[name];
    if (before && before !== track) {
      before.onended = null;
      before.stop();
    }
    this[name] = track;
    if (!track) return;
    if (name === "mic") track.enabled = this.micOn;
    track.onended = () => void this.replace(name);
  }

  private async replace(name: "mic" | "camera"): Promise<void> {
    this[name] = null;
    if (name === "mic") await this.openMic();
    else await this.openCamera();
    await this.refresh();
    this.emit("lost", name);
  }
}

/** The screen, with its sound where the browser can. Null when the person changed his mind. */
export async function openScreen(): Promise<MediaStream | null> {
  try {
    return await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { ideal: 15, max: 30 } }, audio: true });
  } catch (error) {
    if ((error as DOMException).name === "NotAllowedError") return null;
    throw error;
  }
}
