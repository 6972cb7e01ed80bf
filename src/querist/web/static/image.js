const STEP = 1.25;
const NOTCH = 100;
const LINE = 33;
const PAN = 80;
const MOST = 20;

/** A picture fitted into its frame, with zoom and pan by wheel, mouse, fingers and keys. */
export class Picture {
  #frame;
  #picture;
  #scale = 1;
  #x = 0;
  #y = 0;
  #fingers = new Map();

  constructor(frame, picture) {
    this.#frame = frame;
    this.#picture = picture;
    frame.replaceChildren(picture);
    picture.classList.add("picture");
    picture.draggable = false;
    frame.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    frame.addEventListener("pointerdown", (event) => this.#down(event));
    frame.addEventListener("pointermove", (event) => this.#move(event));
    for (const end of ["pointerup", "pointercancel"]) {
      frame.addEventListener(end, (event) => this.#fingers.delete(event.pointerId));
    }
    frame.addEventListener("dblclick", () => (this.#scale > 1 ? this.fit() : this.zoom(2)));
    this.fit();
  }

  fit() {
    [this.#scale, this.#x, this.#y] = [1, 0, 0];
    this.#place();
  }

  zoomIn() {
    this.zoom(STEP);
  }

  zoomOut() {
    this.zoom(1 / STEP);
  }

  /** By a factor about a point of the frame, measured from its middle. */
  zoom(factor, x = 0, y = 0) {
    const scale = Math.min(Math.max(this.#scale * factor, 1), MOST);
    const grown = scale / this.#scale;
    this.#x = x - (x - this.#x) * grown;
    this.#y = y - (y - this.#y) * grown;
    this.#scale = scale;
    this.#place();
  }

  pan(right, down) {
    this.#x -= right * PAN;
    this.#y -= down * PAN;
    this.#place();
  }

  #wheel(event) {
    event.preventDefault();
    const notches = (event.deltaMode ? event.deltaY * LINE : event.deltaY) / NOTCH; // touchpads send small parts of one
    this.zoom(STEP ** -Math.min(Math.max(notches, -1), 1), ...this.#fromMiddle(event.clientX, event.clientY));
  }

  #down(event) {
    this.#frame.setPointerCapture(event.pointerId);
    this.#fingers.set(event.pointerId, [event.clientX, event.clientY]);
  }

  #move(event) {
    const before = this.#fingers.get(event.pointerId);
    if (!before) return;
    const here = [event.clientX, event.clientY];
    const other = [...this.#fingers].find(([id]) => id !== event.pointerId)?.[1];
    this.#fingers.set(event.pointerId, here);
    if (other) {
      const apart = (a) => Math.max(Math.hypot(a[0] - other[0], a[1] - other[1]), 1);
      this.zoom(apart(here) / apart(before), ...this.#fromMiddle((here[0] + other[0]) / 2, (here[1] + other[1]) / 2));
    } else {
      this.#x += here[0] - before[0];
      this.#y += here[1] - before[1];
      this.#place();
    }
  }

  #fromMiddle(x, y) {
    const box = this.#frame.getBoundingClientRect();
    return [x - box.left - box.width / 2, y - box.top - box.height / 2];
  }

  #place() {
    const spare = (length) => (length * (this.#scale - 1)) / 2;
    const [wide, high] = [spare(this.#frame.clientWidth), spare(this.#frame.clientHeight)];
    this.#x = Math.min(Math.max(this.#x, -wide), wide);
    this.#y = Math.min(Math.max(this.#y, -high), high);
    this.#picture.style.transform = `translate(${this.#x}px, ${this.#y}px) scale(${this.#scale})`;
    this.#frame.classList.toggle("zoomed", this.#scale > 1);
  }
}
