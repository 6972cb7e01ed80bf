import { Picture } from "./image.js";
import { byId, make } from "./say.js";

const LONG_TEXT = 400;

/** Shows one item, its context, and what the model thinks of it where that may be seen before the answer. */
export class ItemView {
  #say;
  #percent;
  #number;
  #shown;
  #sets;
  picture = null;

  constructor({ say, language, shown, sets }) {
    this.#say = say;
    this.#shown = shown;
    this.#sets = sets;
    this.#percent = new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 0 });
    this.#number = new Intl.NumberFormat(language, { maximumSignificantDigits: 3 });
  }

  show(task, pictureOf) {
    const parts = [];
    this.picture = null;
    if (task.text !== null) {
      const long = task.text.length > LONG_TEXT ? " long" : "";
      parts.push(make("div", { class: `text${long}`, dir: "auto" }, task.text));
    }
    if (task.image !== null) parts.push(this.#image(task, pictureOf(task)));
    if (Object.keys(task.columns).length) parts.push(this.#table(task.columns));
    byId("item").replaceChildren(...parts);
    byId("item").scrollTop = 0;
    byId("item").classList.remove("empty");
    this.#context(task.context);
    this.#hint(task);
  }

  showEmpty(title, more) {
    this.picture = null;
    const said = [make("p", { class: "headline" }, title), make("p", {}, more)];
    // What is said already is left alone: a screen reader would say it again.
    if (!said.every((part, at) => byId("item").children[at]?.isEqualNode(part))) byId("item").replaceChildren(...said);
    byId("item").classList.add("empty");
    this.#context({});
    byId("hint").hidden = true;
  }

  /** The label the model holds most likely, as {label, percent}; null without a prediction. */
  favourite(task) {
    if (!task.prediction) return null;
    if (this.#sets) {
      const { label, chance } = this.#sets.favourite(task.prediction);
      return { label, percent: this.#percent.format(chance) };
    }
    const [label, chance] = Object.entries(task.prediction).reduce((a, b) => (b[1] > a[1] ? b : a));
    return { label, percent: this.#percent.format(chance) };
  }

  #image(task, picture) {
    picture.alt = this.#say("image_of", { item: task.item });
    const frame = make("div", { class: "frame" });
    const missing = () => frame.replaceChildren(make("p", { class: "missing" }, this.#say("image_missing")));
    this.picture = new Picture(frame, picture);
    if (picture.complete && !picture.naturalWidth) missing();
    else picture.addEventListener("error", missing, { once: true });
    const button = (command, sign) =>
      make("button", { type: "button", class: "round", "data-command": command, "aria-label": this.#say(command) }, sign);
    const tools = make("div", { class: "tools" });
    tools.append(button("zoomOut", "−"), button("zoomFit", "⤢"), button("zoomIn", "+"));
    return make("div", { class: "viewer" }, frame, tools);
  }

  #table(columns) {
    const rows = Object.entries(columns).map(([name, value]) =>
      make("tr", {}, make("th", { scope: "row", dir: "auto" }, name), make("td", { dir: "auto" }, written(value))),
    );
    return make("table", { class: "columns" }, make("tbody", {}, ...rows));
  }

  #context(context) {
    const rows = Object.entries(context).flatMap(([name, value]) => [
      make("dt", { dir: "auto" }, name),
      make("dd", { dir: "auto" }, written(value)),
    ]);
    byId("context").replaceChildren(...rows);
    byId("context-box").hidden = !rows.length;
  }

  #hint(task) {
    const parts = [];
    if (this.#shown === "before") {
      if (task.prediction) parts.push(this.#prediction(task.prediction));
      parts.push(this.why(task));
    }
    byId("hint").replaceChildren(...parts.filter(Boolean));
    byId("hint").hidden = !byId("hint").childElementCount;
  }

  #prediction(prediction) {
    const best = Object.entries(prediction)
      .sort((a, b) => b[1] - a[1])
      .filter(([, chance], at) => at < 3 || (this.#sets && chance > 0.5))
      .map(([label, chance]) => {
        const percent = this.#percent.format(chance);
        const meter = make("meter", { min: 0, max: 1, value: chance, "aria-hidden": "true" });
        return make("li", {}, make("bdi", {}, label), " ", meter, " ", percent);
      });
    return make("div", { class: "model" }, make("h2", {}, this.#say("prediction")), make("ol", {}, ...best));
  }

  /** Why the item was asked, in words; null where nothing is known. */
  why(task) {
    const score = task.score === null ? "" : this.#say("score", { score: this.#number.format(task.score) });
    const words = [task.reason, score].filter(Boolean).join(" · ");
    if (!words) return null;
    return make("p", { class: "why" }, make("strong", {}, this.#say("asked_because")), " ", make("bdi", {}, words));
  }
}

function written(value) {
  if (value === null) return "–";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
