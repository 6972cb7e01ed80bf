/** Seconds somebody worked on an item: from its first paint on, pauses beyond `idleSeconds` and hidden time cut. */
export class Stopwatch {
  #idleMs;
  #last = null;
  #ms = 0;

  constructor(idleSeconds) {
    this.#idleMs = idleSeconds * 1000;
  }

  start(now = performance.now()) {
    this.#ms = 0;
    this.#last = now;
  }

  /** A key, a touch, a movement: the time since the last one was work, up to the idle time. */
  touch(now = performance.now()) {
    if (this.#last === null) return;
    this.#ms += Math.min(Math.max(now - this.#last, 0), this.#idleMs);
    this.#last = now;
  }

  hide(now = performance.now()) {
    this.touch(now);
    this.#last = null;
  }

  show(now = performance.now()) {
    this.#last ??= now;
  }

  seconds(now = performance.now()) {
    this.touch(now);
    return Math.round(this.#ms) / 1000;
  }
}
