/** As much of RTCPeerConnection as the client uses, for tests: transceivers, one offer, states moved by hand. */
export class FakeTrack {
  readyState = "live";
  constructor(readonly kind: string, readonly id: string, private readonly height = 720) {}

  getSettings(): { height: number } {
    return { height: this.height };
  }
}

export class FakeSender {
  parameters: { encodings: RTCRtpEncodingParameters[] };
  constructor(public track: unknown, encodings: RTCRtpEncodingParameters[]) {
    this.parameters = { encodings };
  }

  getParameters() {
    return structuredClone(this.parameters);
  }

  private changing = false;

  /** Like browsers: takes a moment, and a second call meanwhile is refused. */
  async setParameters(parameters: { encodings: RTCRtpEncodingParameters[] }): Promise<void> {
    if (this.changing) throw new DOMException("a change is under way", "InvalidStateError");
    this.changing = true;
    await new Promise((resolve) => queueMicrotask(() => resolve(undefined)));
    this.parameters = parameters;
    this.changing = false;
  }

  async replaceTrack(track: unknown): Promise<void> {
    this.track = track;
  }
}

export interface FakeTransceiver {
  kind: string;
  direction: string;
  mid: string | null;
  codecs: string[];
  sender: FakeSender;
  receiver: { track: FakeTrack };
  setCodecPreferences(codecs: { mimeType: string }[]): void;
}

export class FakePeer {
  transceivers: FakeTransceiver[] = [];
  connectionState = "new";
  signalingState = "stable";
  localDescription: { sdp: string } | null = null;
  remote: string | null = null;
  onconnectionstatechange: (() => void) | null = null;
  constructor(readonly config: RTCConfiguration) {}

  addTransceiver(given: string | { kind: string }, init: { direction: string; sendEncodings?: RTCRtpEncodingParameters[] }): FakeTransceiver {
    const kind = typeof given === "string" ? given : given.kind;
    const transceiver: FakeTransceiver = {
      kind, direction: init.direction, mid: null, codecs: [],
      sender: new FakeSender(typeof given === "string" ? null : given, init.sendEncodings ?? [{}]),
      receiver: { track: new FakeTrack(kind, `r${this.transceivers.length}`) },
      setCodecPreferences(codecs) {
        this.codecs = codecs.map(({ mimeType }) => mimeType);
      },
    };
    this.transceivers.push(transceiver);
    return transceiver;
  }

  async createOffer(): Promise<{ type: string; sdp: string }> {
    return { type: "offer", sdp: `v=0\r\n${this.transceivers.map(({ kind }) => `m=${kind} 9 x 96\r\n`).join("")}` };
  }

  async setLocalDescription(offer: { sdp: string }): Promise<void> {
    if (this.signalingState === "closed") throw new DOMException("closed", "InvalidStateError");
    this.transceivers.forEach((transceiver, i) => {
      transceiver.mid = String(i);
    });
    this.localDescription = offer;
    this.signalingState = "have-local-offer";
  }

  async setRemoteDescription({ sdp }: { sdp: string }): Promise<void> {
    this.remote = sdp;
    this.signalingState = "stable";
  }

  async getStats(): Promise<Map<string, unknown>> {
    return new Map();
  }

  close(): void {
    this.connectionState = "closed";
    this.signalingState = "closed";
  }

  become(state: string): void {
    this.connectionState = state;
    this.onconnectionstatechange?.();
  }
}
