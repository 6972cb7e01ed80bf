// Charts that answer: what lies nearest to the pointer, or is chosen by the arrow keys, tells its figures, and each
// series can be put away. Without this the same figures are in the titles of the points and in the tables.
const SVG = "http://www.w3.org/2000/svg";
const LARGE = 16; // pixels: what a ring would not go around has an edge instead

for (const chart of document.querySelectorAll("figure > svg")) {
  const points = takeTitles(chart);
  if (points.length) answerTo(chart, points);
  const series = [...new Set([...chart.querySelectorAll("[data-series]")].map((part) => part.dataset.series))];
  if (series.length > 1) chart.before(switches(chart, series));
}

function takeTitles(chart) {
  return [...chart.querySelectorAll("path > title")].map((title) => {
    const point = { mark: title.parentNode, says: title.textContent };
    title.remove();
    return point;
  });
}

function answerTo(chart, points) {
  const tip = document.createElement("p");
  tip.className = "tip";
  tip.setAttribute("role", "status");
  chart.after(tip);
  const ring = document.createElementNS(SVG, "circle");
  ring.setAttribute("r", 7);
  ring.setAttribute("class", "ring");
  chart.append(ring);
  let shown = null;

  const shownOnes = () => points.filter(({ mark }) => !mark.closest("[visibility=hidden]"));
  const hide = () => {
    tip.textContent = "";
    ring.setAttribute("visibility", "hidden");
    shown?.mark.classList.remove("shown");
  };
  const show = (point) => {
    if (!point) return;
    hide();
    shown = point;
    tip.textContent = point.says;
    const box = point.mark.getBoundingClientRect();
    const page = tip.offsetParent.getBoundingClientRect();
    const x = box.left + box.width / 2;
    const at = new DOMPoint(x, box.top + box.height / 2).matrixTransform(chart.getScreenCTM().inverse());
    if (box.width > LARGE) {
      shown.mark.classList.add("shown");
    } else {
      ring.setAttribute("cx", at.x);
      ring.setAttribute("cy", at.y);
      ring.removeAttribute("visibility");
    }
    const left = Math.min(Math.max(x - page.left - tip.offsetWidth / 2, 0), page.width - tip.offsetWidth);
    tip.style.left = `${left}px`;
    tip.style.top = `${Math.max(box.top - page.top - tip.offsetHeight - 12, 0)}px`;
  };
  const away = ({ mark }, x, y) => {
    const box = mark.getBoundingClientRect();
    return Math.hypot(Math.max(box.left - x, 0, x - box.right), Math.max(box.top - y, 0, y - box.bottom));
  };

  chart.tabIndex = 0;
  chart.setAttribute("aria-roledescription", "chart; the arrow keys go from point to point");
  for (const event of ["pointermove", "pointerdown"]) {
    chart.addEventListener(event, ({ clientX, clientY }) => {
      const known = shownOnes().map((point) => [away(point, clientX, clientY), point]);
      if (known.length) show(known.reduce((best, one) => (one[0] < best[0] ? one : best))[1]);
    });
  }
  chart.addEventListener("pointerleave", () => chart.matches(":focus-visible") || hide());
  chart.addEventListener("focus", () => {
    const known = shownOnes();
    if (chart.matches(":focus-visible")) show(known.includes(shown) ? shown : known.at(-1));
  });
  chart.addEventListener("blur", hide);
  chart.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const known = shownOnes();
    const here = known.indexOf(shown);
    const next = { ArrowLeft: here - 1, ArrowRight: here + 1, Home: 0, End: known.length - 1 }[event.key];
    if (event.key === "Escape") hide();
    if (next === undefined) return;
    event.preventDefault();
    show(known[Math.min(Math.max(next, 0), known.length - 1)]);
  });
  chart.hideAnswer = hide;
  hide();
}

function switches(chart, series) {
  const row = document.createElement("div");
  row.className = "series";
  for (const name of series) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.setAttribute("aria-pressed", "true");
    button.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", on);
      for (const part of chart.querySelectorAll(`[data-series="${CSS.escape(name)}"]`)) {
        if (on) part.removeAttribute("visibility");
        else part.setAttribute("visibility", "hidden");
      }
      chart.hideAnswer?.();
    });
    row.append(button);
  }
  return row;
}
