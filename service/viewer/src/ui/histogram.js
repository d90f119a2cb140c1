// The range of a layer's colours on the histogram of its values.

import { formatNumber } from "../format/numbers.js";
import { h } from "./dom.js";

/** @import {LayerDetails} from "../types.js" */
/** @import {Display} from "../format/units.js" */

const WIDTH = 280;
const HEIGHT = 54;
const STEPS = 400;

/**
 * Returns an element that shows and changes a range in the units of the layer.
 * @param {{details: LayerDetails, range: [number, number], colours: string[], display: Display,
 *   onChange: (range: [number, number]) => void}} what `colours`: of the colormap, the lowest first.
 */
export function histogram({ details, range, colours, display, onChange }) {
  const [low, high] = axis(details, range);
  const toShare = (/** @type {number} */ value) => (value - low) / (high - low);
  const canvas = h("canvas", { width: WIDTH * 2, height: HEIGHT * 2, "aria-hidden": "true" });
  /** @type {[number, number]} */
  const current = [...range];

  /** @param {number} at @param {string} name */
  function handle(at, name) {
    const input = h("input", { type: "range", min: "0", max: String(STEPS), step: "1", value: String(Math.round(STEPS * toShare(range[at]))), "aria-label": `${name} end of the colours` });
    input.setAttribute("aria-valuetext", formatNumber(range[at] + display.shift));
    input.addEventListener("input", () => {
      const value = low + (input.valueAsNumber / STEPS) * (high - low);
      const limit = (high - low) / STEPS;
      current[at] = at === 0 ? Math.min(value, current[1] - limit) : Math.max(value, current[0] + limit);
      input.setAttribute("aria-valuetext", formatNumber(current[at] + display.shift));
      draw();
      show();
    });
    input.addEventListener("change", () => onChange(current));
    return input;
  }

  /** @param {number} at @param {string} name */
  function field(at, name) {
    const input = h("input", { type: "number", step: "any", "aria-label": name, value: short(range[at] + display.shift) });
    input.addEventListener("change", () => {
      const value = input.valueAsNumber - display.shift;
      const next = /** @type {[number, number]} */ (current.map((each, index) => (index === at ? value : each)));
      if (Number.isFinite(value) && next[0] < next[1]) onChange(next);
      else input.value = short(current[at] + display.shift);
    });
    return input;
  }

  const fields = [field(0, "Lowest value of the colours"), field(1, "Highest value of the colours")];
  const show = () => fields.forEach((input, at) => (input.value = short(current[at] + display.shift)));

  function draw() {
    const context = canvas.getContext("2d");
    if (!context) return;
    context.clearRect(0, 0, canvas.width, canvas.height);
    const bars = barsOf(details, low, high, canvas.width / 4);
    // One value that is everywhere must not flatten the others.
    const most = [...bars].sort((a, b) => b - a)[Math.floor(bars.length / 40)] || Math.max(...bars, 1);
    bars.forEach((count, at) => {
      if (!count) return;
      const value = low + ((at + 0.5) / bars.length) * (high - low);
      const share = Math.min(1, Math.max(0, (value - current[0]) / (current[1] - current[0])));
      context.fillStyle = colours[Math.round(share * (colours.length - 1))] ?? "#888";
      // A root shows rare values too.
      const height = Math.max(2, Math.min(1, Math.sqrt(count / most)) * (canvas.height - 6));
      context.fillRect(at * 4, canvas.height - height, 3, height);
    });
    context.strokeStyle = getComputedStyle(document.documentElement).getPropertyValue("--text") || "#fff";
    context.lineWidth = 2;
    for (const end of current) {
      const x = Math.min(canvas.width - 1, Math.max(1, toShare(end) * canvas.width));
      context.beginPath();
      context.moveTo(x, 0);
      context.lineTo(x, canvas.height);
      context.stroke();
    }
  }
  draw();
  const box = h("div", { class: "histogram" }, canvas, handle(0, "Lower"), handle(1, "Upper"));
  return h("div", { class: "range" }, box, h("div", { class: "ends-of-range" }, fields[0], h("span", { class: "units" }, display.units), fields[1]));
}

/** @param {number} value */
const short = (value) => String(Number(value.toPrecision(6)));

/** The axis: all values but the rarest, and the range. @param {LayerDetails} details @param {[number, number]} range */
function axis(details, range) {
  const { percentiles } = details;
  const least = Math.min(percentiles["0"] ?? details.min ?? range[0], range[0]);
  const most = Math.max(percentiles["100"] ?? details.max ?? range[1], range[1]);
  return most > least ? [least, most] : [least, least + 1];
}

/** Counts in equally wide bars of an axis. @param {LayerDetails} details @param {number} low @param {number} high @param {number} count */
export function barsOf({ histogram: bins }, low, high, count) {
  const bars = new Array(count).fill(0);
  if (!bins) return bars;
  bins.counts.forEach((cells, at) => {
    const from = ((bins.firstEdge + at * bins.width - low) / (high - low)) * count;
    const to = ((bins.firstEdge + (at + 1) * bins.width - low) / (high - low)) * count;
    const first = Math.max(0, Math.floor(from));
    const last = Math.min(count - 1, Math.max(first, Math.ceil(to) - 1));
    for (let bar = first; bar <= last; bar += 1) bars[bar] += cells / (last - first + 1);
  });
  return bars;
}
