/** Typed events, the smallest thing that works: a handler that throws is reported and does not stop the others. */
export class Emitter<Events extends object> {
  private readonly handlers = new Map<keyof Events, Set<(value: never) => void>>();

  /** Calls `handler` at each `name`; returns the function that stops it. */
  on<K extends keyof Events>(name: K, handler: (value: Events[K]) => void): () => void {
    const set = this.handlers.get(name) ?? new Set();
    this.handlers.set(name, set);
    set.add(handler);
    return () => set.delete(handler);
  }

  protected emit<K extends keyof Events>(name: K, value: Events[K]): void {
    for (const handler of [...(this.handlers.get(name) ?? [])]) {
      try {
        (handler as (value: Events[K]) => void)(value);
      } catch (error) {
        console.error(`handler of ${String(name)} failed`, error);
      }
    }
  }
}
