import { Refused, SignedOut } from "./api.js";

/** The browser did not keep an answer: it is full, or storage is switched off. */
export class StorageFull extends Error {}

const MOST = 50;
const ORPHAN_MS = 10_000;
const WAIT_MS = 500;
const LONGEST_WAIT_MS = 30_000;

/**
 * Answers on their way: each is in localStorage, under a key of its own, before `add` returns, and stays there until
 * the server has acknowledged its id. To send one twice is harmless, so that every tab may send what any tab left.
 * An entry is {order, tab, refused: null | why, annotation}.
 */
export class Outbox {
  #api;
  #tab;
  #prefix;
  #storage;
  #entries = new Map();
  #state = "online";
  #busy = false;
  #timer = 0;
  #failures = 0;
  #most = MOST;
  #lastOrder = 0;
  #openedAt = Date.now();
  onchange = () => {};
  onrefused = () => {};

  constructor({ api, tab, place, person, storage = localStorage }) {
    this.#api = api;
    this.#tab = tab;
    this.#prefix = `querist/outbox/${place}/${encodeURIComponent(person)}/`;
    this.#storage = storage;
  }

  /** Takes up what earlier pages left, and sends it. */
  start() {
    for (let i = 0; i < this.#storage.length; i += 1) this.#read(this.#storage.key(i));
    addEventListener("storage", (event) => {
      if (event.key === null) this.#entries.clear();
      else this.#read(event.key);
      this.onchange();
    });
    addEventListener("online", () => this.hurry());
    addEventListener("focus", () => this.hurry());
    setInterval(() => this.#due().length && this.#schedule(), ORPHAN_MS / 2);
    this.hurry();
  }

  /** Raises StorageFull, and then nothing was kept. */
  add(annotation) {
    this.#lastOrder = Math.max(Date.now(), this.#lastOrder + 1);
    const entry = { order: this.#lastOrder, tab: this.#tab, refused: null, annotation };
    this.#write(entry);
    this.#schedule();
    this.onchange();
  }

  /** Sends as the page goes; whether it arrived shows when a page is opened again. */
  leave() {
    const batch = this.#due().slice(0, MOST);
    if (batch.length) this.#api.postAndLeave("/api/v1/annotations", this.#body(batch));
  }

  /** Tries at once instead of waiting for the next turn. */
  hurry() {
    this.#failures = 0;
    this.#schedule();
  }

  /** "online", "offline" or "signed-out". */
  get state() {
    return this.#state;
  }

  get waiting() {
    return this.#sorted().filter((entry) => entry.refused === null);
  }

  /** The items whose answer the server does not know yet. */
  get items() {
    const items = new Set();
    for (const { annotation } of this.waiting) {
      if (annotation.undo) items.delete(annotation.item);
      else items.add(annotation.item);
    }
    return items;
  }

  get refused() {
    return this.#sorted().filter((entry) => entry.refused !== null);
  }

  retry(id) {
    const entry = this.#entries.get(id);
    if (entry) this.#write({ ...entry, refused: null });
    this.hurry();
    this.onchange();
  }

  /** Only ever on somebody's word. */
  discard(id) {
    this.#forget(id);
    this.onchange();
  }

  #read(key) {
    if (!key?.startsWith(this.#prefix)) return;
    const text = this.#storage.getItem(key);
    if (text === null) this.#entries.delete(key.slice(this.#prefix.length));
    else {
      const entry = JSON.parse(text);
      this.#entries.set(entry.annotation.id, entry);
      this.#lastOrder = Math.max(this.#lastOrder, entry.order);
    }
  }

  #write(entry) {
    try {
      this.#storage.setItem(this.#prefix + entry.annotation.id, JSON.stringify(entry));
    } catch (error) {
      throw new StorageFull(error.name);
    }
    this.#entries.set(entry.annotation.id, entry);
  }

  #forget(id) {
    this.#storage.removeItem(this.#prefix + id);
    this.#entries.delete(id);
  }

  #sorted() {
    return [...this.#entries.values()].sort((a, b) => a.order - b.order);
  }

  /** Our own, and those of other tabs that were here before us or have had the time to send them. */
  #due() {
    const old = Math.max(Date.now() - ORPHAN_MS, this.#openedAt);
    return this.waiting.filter((entry) => entry.tab === this.#tab || entry.order < old);
  }

  #body(batch) {
    return { tab: this.#tab, annotations: batch.map((entry) => entry.annotation) };
  }

  #schedule() {
    if (this.#busy || (this.#timer && this.#failures)) return;
    clearTimeout(this.#timer);
    const wait = this.#failures ? Math.min(WAIT_MS * 2 ** (this.#failures - 1), LONGEST_WAIT_MS) : 0;
    this.#timer = setTimeout(() => this.#send(), wait * (0.5 + Math.random() / 2));
  }

  async #send() {
    this.#timer = 0;
    const batch = this.#due().slice(0, this.#most);
    if (!batch.length || this.#busy) return;
    this.#busy = true;
    try {
      const answer = await this.#api.post("/api/v1/annotations", this.#body(batch));
      this.#state = "online";
      this.#failures = this.#take(answer.results) ? 0 : this.#failures + 1;
      this.#most = MOST;
    } catch (error) {
      if (error instanceof Refused) this.#blame(batch, error.message);
      else {
        this.#state = error instanceof SignedOut ? "signed-out" : "offline";
        this.#failures += 1;
      }
    }
    this.#busy = false;
    this.onchange();
    if (this.#due().length) this.#schedule();
  }

  #take(results) {
    for (const { id, status, why } of results) {
      if (status === "refused") this.#refuse(id, why);
      else this.#forget(id);
    }
    return results.length;
  }

  /** One bad answer must not keep the others from arriving: halve the batch until it stands alone. */
  #blame(batch, why) {
    if (batch.length === 1) this.#refuse(batch[0].annotation.id, why);
    this.#most = batch.length === 1 ? MOST : Math.ceil(batch.length / 2);
  }

  #refuse(id, why) {
    const entry = this.#entries.get(id);
    if (!entry) return;
    const refused = { ...entry, refused: why || "?" };
    this.#entries.set(id, refused);
    try {
      this.#write(refused);
    } catch {
      // It is kept as it was, and will be refused again after a reload.
    }
    this.onrefused(entry.annotation);
  }
}
