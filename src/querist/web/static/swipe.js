import { byId, make } from "./say.js";

const LEAST = 70;
const SHARE = 0.22;
const STEEP = 1.5;

/** Labels given by a finger that draws the item aside; a mouse, a scroll and two fingers do nothing of the kind. */
export class Swipe {
  #item = byId("item");
  #labels;
  #signs = {};
  #from = null;
  #fingers = new Set();
  #drawing = false;
  onswipe = () => {};

  /** `labels` are those of the sides: {left, right}, both or one of them. */
  constructor({ labels, say }) {
    this.#labels = labels;
    const place = byId("swipe");
    place.hidden = !Object.keys(labels).length;
    if (place.hidden) return;
    for (const side of ["left", "right"].filter((name) => labels[name] !== undefined)) {
      const arrow = make("span", { "aria-hidden": "true" }, side === "left" ? "←" : "→");
      const spoken = make("span", { class: "spoken" }, say(`swipe_${side}`), " ");
      const label = make("bdi", {}, labels[side]);
      const parts = side === "left" ? [arrow, " ", label] : [label, " ", arrow];
      this.#signs[side] = make("span", { class: side }, spoken, ...parts);
    }
    place.replaceChildren(...Object.values(this.#signs));
    const stage = this.#item.parentElement;
    stage.classList.add("swipes");
    stage.addEventListener("pointerdown", (event) => this.#down(event));
    stage.addEventListener("pointermove", (event) => this.#move(event));
    // Without this a slanting swipe ends as a fling of the page, which swallows a tap that follows at once.
    stage.addEventListener("touchmove", (event) => this.#drawing && event.preventDefault(), { passive: false });
    stage.addEventListener("pointerup", (event) => this.#up(event));
    stage.addEventListener("pointercancel", (event) => this.#end(event)); // the browser scrolls instead
  }

  #down(event) {
    if (event.pointerType !== "touch") return;
    this.#fingers.add(event.pointerId);
    const moves = event.target.closest(".frame.zoomed"); // there a finger moves the image
    this.#from = this.#fingers.size > 1 || moves ? null : { id: event.pointerId, x: event.clientX, y: event.clientY };
    if (!this.#from) this.#show(0);
  }

  #move(event) {
    if (event.pointerId === this.#from?.id) this.#show(this.#drawn(event));
  }

  #up(event) {
    const drawn = event.pointerId === this.#from?.id ? this.#drawn(event) : 0;
    this.#end(event);
    const side = this.#side(drawn);
    if (side) this.onswipe(this.#labels[side]);
  }

  #end(event) {
    this.#fingers.delete(event.pointerId);
    if (event.pointerId !== this.#from?.id) return;
    this.#from = null;
    this.#show(0);
  }

  /** Pixels to the right; 0 as long as the finger moves up or down rather than aside. */
  #drawn(event) {
    const [across, down] = [event.clientX - this.#from.x, event.clientY - this.#from.y];
    return Math.abs(across) > STEEP * Math.abs(down) ? across : 0;
  }

  /** The side whose label letting go would give; null while that gives none. */
  #side(drawn) {
    const side = drawn < 0 ? "left" : "right";
    const far = Math.abs(drawn) >= Math.max(LEAST, SHARE * this.#item.clientWidth);
    return far && this.#signs[side] ? side : null;
  }

  #show(drawn) {
    this.#drawing = drawn !== 0;
    this.#item.style.transform = drawn ? `translateX(${drawn}px)` : "";
    const chosen = this.#side(drawn);
    for (const [side, sign] of Object.entries(this.#signs)) sign.classList.toggle("chosen", side === chosen);
  }
}
