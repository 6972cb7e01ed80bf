import { SignedOut } from "./api.js";

const AHEAD = 20;
const LOW = 10;
const MOST_AT_ONCE = 100;
const PICTURES = 5;
const WAIT_MS = 1_000;
const QUIET_MS = 5_000;
const LONGEST_WAIT_MS = 15_000;
const EMPTY_MS = 5_000;

/** The items this tab holds, the current one first; filled up in the background. */
export class Tasks {
  #api;
  #tab;
  #leaseMs;
  #underway;
  #list = [];
  #done = new Set();
  #heldAt = 0;
  #quietUntil = 0;
  #busy = false;
  #timer = 0;
  #failures = 0;
  #dry = false;
  #pictures = new Map();
  state = "loading";
  /** What the server said where it had no items. */
  waiting = null;
  onchange = () => {};
  onprogress = () => {};

  /** `underway()` gives the set of items whose answers are still on their way to the server. */
  constructor({ api, tab, leaseMinutes, underway }) {
    this.#api = api;
    this.#tab = tab;
    this.#leaseMs = leaseMinutes * 60_000;
    this.#underway = underway;
  }

  get current() {
    return this.#list[0] ?? null;
  }

  get held() {
    return this.#list.map((task) => task.item);
  }

  /** The picture of the current item, loaded ahead where there was time. */
  picture(task) {
    if (!this.#pictures.has(task.image)) {
      const picture = new Image();
      picture.src = task.image;
      picture.decode().catch(() => {}); // a picture that fails shows so when its turn comes
      this.#pictures.set(task.image, picture);
    }
    return this.#pictures.get(task.image);
  }

  /** Somebody is here: keeps the leases, or asks again for those that have ended meanwhile. */
  touch(now = Date.now()) {
    const since = now - this.#heldAt;
    if (!this.#list.length || this.#busy || this.#timer || now < this.#quietUntil || since < this.#leaseMs / 3) return;
    this.#quietUntil = now + QUIET_MS;
    if (since < this.#leaseMs) this.#renew();
    else this.#fill();
  }

  /** The current item has its answer. */
  next() {
    const task = this.#list.shift();
    this.#done.add(task.item);
    this.#pictures.delete(task.image);
    this.#loadAhead();
    if (this.#list.length < LOW && (!this.#dry || !this.#list.length)) this.#schedule(0);
  }

  /** An answer was taken back: its item comes first again. */
  putBack(task) {
    this.#done.delete(task.item);
    this.#list = [task, ...this.#list.filter((other) => other.item !== task.item)];
  }

  /** The server did not take an answer of this item, so that it may come again. */
  reopen(item) {
    this.#done.delete(item);
  }

  /** Asks at once, for instance after the page was hidden. */
  hurry() {
    if (this.#list.length >= LOW) return;
    this.#failures = 0;
    this.#schedule(0);
  }

  /** Gives back what has no answer; as the page goes, without waiting for the server's word. */
  leave() {
    if (this.#list.length) this.#api.postAndLeave("/api/v1/tasks/release", this.#all());
  }

  async release() {
    if (this.#list.length) await this.#api.post("/api/v1/tasks/release", this.#all());
  }

  #all() {
    return { tab: this.#tab, items: this.held };
  }

  #schedule(wait) {
    if (this.#busy) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#fill(), wait);
  }

  async #renew() {
    this.#busy = true;
    try {
      const { renewed } = await this.#api.post("/api/v1/tasks/renew", { tab: this.#tab });
      if (renewed) this.#heldAt = Date.now();
      else this.#heldAt = 0; // given back or ended: the next touch asks again
    } catch {
      // The next touch tries again; late answers are taken, too.
    }
    this.#busy = false;
    if (this.#list.length < LOW && !this.#dry) this.#schedule(0);
  }

  async #fill() {
    this.#timer = 0;
    this.#busy = true;
    const lapsed = Date.now() - this.#heldAt > this.#leaseMs;
    const first = this.current;
    let wait = 0;
    try {
      const n = Math.min(AHEAD + this.#underway().size, MOST_AT_ONCE); // the server hands those out once more
      const { tasks, progress, waiting } = await this.#api.post("/api/v1/tasks/lease", { tab: this.#tab, n });
      this.#heldAt = Date.now();
      this.#failures = 0;
      if (lapsed) this.#list = this.#list.slice(0, 1); // others may hold the rest by now
      const known = new Set([...this.held, ...this.#done, ...this.#underway()]);
      this.#list.push(...tasks.filter((task) => !known.has(task.item)));
      this.#dry = this.#list.length < LOW;
      this.state = this.#list.length ? "full" : "empty";
      this.waiting = waiting;
      if (!this.#list.length && !document.hidden) wait = EMPTY_MS; // `hurry` goes on once somebody looks
      this.#loadAhead();
      this.onprogress(progress);
    } catch (error) {
      this.#failures += 1;
      this.state = error instanceof SignedOut ? "signed-out" : "offline";
      wait = Math.min(WAIT_MS * 2 ** (this.#failures - 1), LONGEST_WAIT_MS);
    }
    this.#busy = false;
    if (wait) this.#schedule(wait);
    this.onchange(this.current !== first);
  }

  #loadAhead() {
    for (const task of this.#list.slice(0, PICTURES)) if (task.image) this.picture(task);
  }
}
