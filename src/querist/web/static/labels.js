import { find } from "./search.js";
import { byId, make } from "./say.js";

const MOST_BY_KEY = 9;

/** The labels as buttons; more than nine are found by typing. Of `several` a pick chooses one, or drops it again. */
export class LabelBar {
  #labels;
  #say;
  #buttons;
  #visible;
  #several;
  #chosen = new Set();
  #marked = null;
  searching;
  onpick = () => {};

  constructor({ labels, say, several }) {
    this.#labels = labels;
    this.#say = say;
    this.#several = Boolean(several);
    this.searching = labels.length > MOST_BY_KEY;
    this.#visible = labels.map((_, number) => number);
    this.#buttons = labels.map((label, number) => this.#button(label, number));
    byId("labels").append(...this.#buttons);
    byId("labels").classList.toggle("many", this.searching);
    byId("search").hidden = !this.searching;
    if (!this.searching) return;
    byId("labels").setAttribute("role", "listbox");
    if (this.#several) byId("labels").setAttribute("aria-multiselectable", "true");
    byId("query").addEventListener("input", () => this.filter());
    this.filter();
  }

  /** The names chosen so far, in the order of the labels. */
  get chosen() {
    return this.#labels.filter((_, number) => this.#chosen.has(number)).map((label) => label.name);
  }

  choose(names) {
    this.#chosen = new Set(names.map((name) => this.#labels.findIndex((label) => label.name === name)));
    this.#showChosen();
  }

  get marks() {
    return this.#marked !== null;
  }

  get queryEmpty() {
    return !byId("query").value;
  }

  /** Letters go to the search, unless a phone's keyboard would jump up for it. */
  focus() {
    if (this.searching && !matchMedia("(pointer: coarse)").matches) byId("query").focus({ preventScroll: true });
  }

  reset() {
    if (!this.searching || (this.queryEmpty && this.#marked === null)) return;
    byId("query").value = "";
    this.filter();
  }

  filter() {
    this.#visible = find(this.#labels.map((label) => label.name), byId("query").value);
    const place = new Map(this.#visible.map((number, at) => [number, at]));
    this.#buttons.forEach((button, number) => {
      button.hidden = !place.has(number);
      button.style.order = place.get(number) ?? 0;
    });
    byId("labels").scrollTop = 0;
    byId("found").textContent = this.#visible.length
      ? this.#say("found", { n: this.#visible.length })
      : this.#say("found_none");
    this.#mark(this.queryEmpty ? null : 0);
  }

  /** Moves the mark that Enter takes. */
  move(step) {
    if (!this.#visible.length) return;
    const at = this.#marked === null ? (step > 0 ? 0 : -1) : this.#marked + step;
    this.#mark((at + this.#visible.length) % this.#visible.length);
  }

  takeMarked() {
    if (this.#marked !== null) this.take(this.#visible[this.#marked]);
  }

  take(number) {
    if (!this.#several) return this.onpick(this.#labels[number].name);
    if (!this.#chosen.delete(number)) this.#chosen.add(number);
    this.reset();
    this.#showChosen();
  }

  #showChosen() {
    const pressed = this.searching ? "aria-selected" : "aria-pressed";
    this.#buttons.forEach((button, number) => button.setAttribute(pressed, String(this.#chosen.has(number))));
    const names = this.chosen;
    byId("chosen").textContent = names.length
      ? this.#say("chosen", { labels: names.join(", ") })
      : this.#say("chosen_none");
    byId("submit").lastChild.textContent = this.#say(names.length ? "submit_n" : "submit", { n: names.length });
  }

  #mark(at) {
    this.#marked = at === null || !this.#visible.length ? null : at;
    const chosen = this.#marked === null ? null : this.#buttons[this.#visible[this.#marked]];
    for (const button of this.#buttons) {
      button.classList.toggle("marked", button === chosen);
      if (!this.#several) button.setAttribute("aria-selected", String(button === chosen));
    }
    if (chosen) {
      byId("query").setAttribute("aria-activedescendant", chosen.id);
      chosen.scrollIntoView({ block: "nearest" });
    } else byId("query").removeAttribute("aria-activedescendant");
  }

  #button(label, number) {
    const key = this.searching ? "" : label.key;
    const button = make("button", { type: "button", class: "label", id: `label-${number}` });
    if (key) {
      button.setAttribute("aria-keyshortcuts", key);
      button.append(make("kbd", { "aria-hidden": "true" }, key));
    }
    if (this.searching) {
      button.setAttribute("role", "option");
      button.tabIndex = -1;
    }
    if (this.#several) button.classList.add("toggles");
    button.append(make("bdi", {}, label.name));
    button.addEventListener("click", () => this.take(number));
    return button;
  }
}
