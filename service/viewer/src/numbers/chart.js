// A line chart of values along times or another dimension. Loaded with uPlot when it is first needed.

import uPlot from "uplot";

import { formatNumber, formatTick } from "../format/numbers.js";
import { short, tickLabels } from "./tick_labels.js";

/** @import {Display} from "../format/units.js" */

/**
 * One line: a value for each label, null where there is no data.
 * @typedef {{title: string, colour: string, values: (number | null)[]}} Line
 */

const HEIGHT = 190;
const TICK_SPACE_PX = 70;

export class Chart {
  /** @type {uPlot | null} */
  #plot = null;
  #resized;

  /**
   * @param {HTMLElement} parent
   * @param {{labels: string[], lines: Line[], display: Display, marked: number, onPick: (at: number) => void}} what
   *   `marked`: number of the label that the map shows, -1 for none; `onPick` is called with the label that is clicked.
   */
  constructor(parent, { labels, lines, display, marked, onPick }) {
    const style = getComputedStyle(document.documentElement);
    const soft = style.getPropertyValue("--soft");
    const grid = { stroke: style.getPropertyValue("--line"), width: 1 };
    const axis = { stroke: soft, grid, ticks: grid, font: "11px system-ui" };
    this.marked = marked;
    this.#plot = new uPlot(
      {
        width: parent.clientWidth || 320,
        height: HEIGHT,
        padding: [10, 36, 0, 0],
        scales: { x: { time: false } },
        cursor: { drag: { x: true, y: false }, points: { size: 7 } },
        legend: { live: true },
        series: [
          { label: "At", value: (_, at) => (at === null ? "" : short(labels[at] ?? "")) },
          ...lines.map(({ title, colour }) => ({
            label: title,
            stroke: colour,
            width: 1.5,
            points: { show: labels.length < 60, size: 4 },
            value: (/** @type {uPlot} */ _, /** @type {number | null} */ value) => (value === null ? "–" : formatNumber(value)),
          })),
        ],
        axes: [
          { ...axis, space: TICK_SPACE_PX, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000], values: (_, splits) => tickLabels(splits.map((at) => labels[at] ?? "")) },
          { ...axis, size: 52, values: (_, splits) => splits.map((value) => formatTick(value, splits[1] - splits[0] || 1)), label: display.units, labelSize: display.units ? 18 : 0, labelFont: "11px system-ui" },
        ],
        hooks: { ready: [() => this.#tellMarked()], draw: [(plot) => this.#mark(plot, style.getPropertyValue("--accent"))] },
      },
      [labels.map((_, at) => at), ...lines.map(({ values }) => values.map((value) => (value === null ? null : value + display.shift)))],
      parent,
    );
    const { over } = this.#plot;
    over.addEventListener("pointerleave", () => this.#tellMarked());
    this.#tellMarked();
    over.addEventListener("click", () => {
      const at = this.#plot?.cursor.idx;
      if (typeof at === "number") onPick(at);
    });
    this.#resized = new ResizeObserver(() => {
      if (parent.clientWidth > 0 && parent.clientWidth !== this.#plot?.width) this.#plot?.setSize({ width: parent.clientWidth, height: HEIGHT });
    });
    this.#resized.observe(parent);
  }

  /** Moves the mark of the label that the map shows. @param {number} at */
  mark(at) {
    this.marked = at;
    this.#plot?.redraw(false, false);
    if (!this.#plot?.over.matches(":hover")) this.#tellMarked();
  }

  /** Without a pointer the values are those of the label that the map shows. */
  #tellMarked() {
    if (this.marked >= 0) this.#plot?.setLegend({ idx: this.marked }, false);
  }

  /** @param {uPlot} plot @param {string} colour */
  #mark(plot, colour) {
    if (this.marked < 0) return;
    const x = Math.round(plot.valToPos(this.marked, "x", true));
    plot.ctx.save();
    plot.ctx.strokeStyle = colour;
    plot.ctx.lineWidth = 1.5 * devicePixelRatio;
    plot.ctx.beginPath();
    plot.ctx.moveTo(x, plot.bbox.top);
    plot.ctx.lineTo(x, plot.bbox.top + plot.bbox.height);
    plot.ctx.stroke();
    plot.ctx.restore();
  }

  /** The picture of the chart, with the ground of the page. @returns {Promise<Blob | null>} */
  png() {
    const drawn = /** @type {HTMLCanvasElement} */ (this.#plot?.ctx.canvas);
    const canvas = document.createElement("canvas");
    canvas.width = drawn.width;
    canvas.height = drawn.height;
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    context.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--solid");
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(drawn, 0, 0);
    return new Promise((resolve) => canvas.toBlob(resolve));
  }

  remove() {
    this.#resized.disconnect();
    this.#plot?.destroy();
    this.#plot = null;
  }
}
