import { byId } from "./say.js";

/** A prediction names the labels that are likelier than this. */
const LIKELY = 0.5;

/** Items with several labels: how a set is written, and what the page says of it. */
export class Sets {
  #separator;
  #none;
  #say;

  constructor({ separator, none }, say) {
    this.#separator = separator;
    this.#none = none;
    this.#say = say;
  }

  /** The one string of a set, whatever the order of its names. */
  join(names) {
    return [...names].sort().join(this.#separator) || this.#none;
  }

  names(label) {
    return label === this.#none ? [] : label.split(this.#separator);
  }

  words(label) {
    return this.names(label).join(", ") || this.#say("no_label");
  }

  /** What a prediction comes to: its set, and how sure the model is of the label it is least sure about. */
  favourite(prediction) {
    const chances = Object.entries(prediction);
    const label = this.join(chances.filter(([, chance]) => chance > LIKELY).map(([name]) => name));
    return { label, chance: Math.min(...chances.map(([, chance]) => Math.max(chance, 1 - chance))) };
  }
}

/** Asks whether no label fits; `answer()` is called if so. */
export function askNone(answer) {
  const box = byId("none-box");
  box.returnValue = "";
  box.onclose = () => box.returnValue === "none" && answer();
  box.showModal();
}
