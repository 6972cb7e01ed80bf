const MOST = 50;

/** What can be taken back: this tab's last answers with their items, newest last; a reload keeps them. */
export class History {
  #prefix;
  #storage;
  #numbers;

  constructor({ place, person, storage = sessionStorage }) {
    this.#prefix = `querist/history/${place}/${encodeURIComponent(person)}/`;
    this.#storage = storage;
    this.#numbers = Object.keys(storage)
      .filter((key) => key.startsWith(this.#prefix))
      .map((key) => Number(key.slice(this.#prefix.length)))
      .sort((a, b) => a - b);
  }

  push(act) {
    const number = (this.#numbers.at(-1) ?? 0) + 1;
    const text = JSON.stringify(act);
    while (true) {
      try {
        this.#storage.setItem(this.#prefix + number, text);
        break;
      } catch {
        if (!this.#numbers.length) return; // the answer itself is safe in the outbox; only its undo is not
        this.#dropOldest();
      }
    }
    this.#numbers.push(number);
    if (this.#numbers.length > MOST) this.#dropOldest();
  }

  pop() {
    const last = this.last;
    if (last) this.#storage.removeItem(this.#prefix + this.#numbers.pop());
    return last;
  }

  get last() {
    if (!this.#numbers.length) return null;
    return JSON.parse(this.#storage.getItem(this.#prefix + this.#numbers.at(-1)));
  }

  clear() {
    while (this.#numbers.length) this.#dropOldest();
  }

  #dropOldest() {
    this.#storage.removeItem(this.#prefix + this.#numbers.shift());
  }
}
