/** Time and chance as arguments, so that tests drive them. `now` is monotonic, in milliseconds. */
export interface Clock {
  now(): number;
  /** Runs `action` once after `delay` ms; the returned function cancels it. */
  after(delay: number, action: () => void): () => void;
  /** A number in [0, 1). */
  random(): number;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  after(delay, action) {
    const timer = setTimeout(action, delay);
    return () => clearTimeout(timer);
  },
  random: () => Math.random(),
};
