/** A clock that tests move by hand. */
import type { Clock } from "../protocol/clock";

export class TestClock implements Clock {
  private time = 0;
  private timers: { at: number; action: () => void }[] = [];
  chance = 0.5;

  now(): number {
    return this.time;
  }

  after(delay: number, action: () => void): () => void {
    const timer = { at: this.time + delay, action };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  }

  random(): number {
    return this.chance;
  }

  /** Moves the time on, running what falls due in order. */
  advance(by: number): void {
    const until = this.time + by;
    for (;;) {
      const next = this.timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.timers = this.timers.filter((other) => other !== next);
      this.time = next.at;
      next.action();
    }
    this.time = until;
  }

  get pending(): number {
    return this.timers.length;
  }
}
