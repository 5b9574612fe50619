/** Loudness of a track, read ten times a second, without ever being heard. Works on a clone, so a muted microphone still moves it. */
export class Meter {
  private context: AudioContext | null = null;
  private clone: MediaStreamTrack | null = null;
  private timer = 0;
  private source: MediaStreamTrack | null = null;

  /** `report` gets the root mean square in dBFS, −100 for silence. */
  constructor(private readonly report: (level: number) => void) {}

  follow(track: MediaStreamTrack | null): void {
    if (track === this.source) return;
    this.stop();
    this.source = track;
    if (!track) return this.report(-100);
    this.context = new AudioContext();
    this.clone = track.clone();
    this.clone.enabled = true;
    // Without a gesture the context may start asleep; an open microphone lets it wake.
    if (this.context.state === "suspended") void this.context.resume();
    const analyser = this.context.createAnalyser();
    analyser.fftSize = 2048;
    this.context.createMediaStreamSource(new MediaStream([this.clone])).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    this.timer = window.setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      let sum = 0;
      for (const sample of samples) sum += sample * sample;
      this.report(Math.max(-100, 10 * Math.log10(sum / samples.length + 1e-10)));
    }, 100);
  }

  stop(): void {
    window.clearInterval(this.timer);
    this.clone?.stop();
    void this.context?.close();
    this.context = this.clone = this.source = null;
  }
}

/** A short two-note sound on the chosen speaker. */
export async function playTestSound(speaker: string): Promise<void> {
  const context = new AudioContext();
  const target = context.createMediaStreamDestination();
  const gain = context.createGain();
  gain.gain.value = 0.15;
  gain.connect(target);
  const element = new Audio();
  element.srcObject = target.stream;
  if (speaker && "setSinkId" in element) await element.setSinkId(speaker).catch(() => undefined);
  await element.play();
  const note = (frequency: number, from: number, to: number): OscillatorNode => {
    const tone = context.createOscillator();
    tone.frequency.value = frequency;
    tone.connect(gain);
    tone.start(context.currentTime + from);
    tone.stop(context.currentTime + to);
    return tone;
  };
  note(523, 0.05, 0.4);
  await new Promise((done) => {
    note(659, 0.4, 0.9).onended = done;
  });
  element.srcObject = null;
  await context.close();
}
