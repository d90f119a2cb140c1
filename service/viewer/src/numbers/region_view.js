// The statistics of a region: a table, a histogram, and the mean through time.

import { formatLarge, formatValue } from "../format/numbers.js";
import { displayOf } from "../format/units.js";
import { h } from "../ui/dom.js";
import { csv, download, fileName } from "./csv.js";
import { selectedLayer } from "./points_view.js";
import { Region, SHAPES } from "./region.js";
import { MOST_STEPS, isQuantity, meansOf, statistics, thinned } from "./requests.js";
import { ChartPlace, Latest } from "./section.js";

/** @import {Context, ShownLayer} from "../types.js" */
/** @import {Along} from "./requests.js" */

const BINS = 24;
const KM2 = 1e6;
/** Times of a mean through time, at most. */
const MOST_OF_ALL = 10_000;

export class RegionView {
  #latest = new Latest();
  /** The means go on while the clock changes the statistics. */
  #latestMeans = new Latest();
  /** @type {{shown: ShownLayer, means: Along} | null} */
  #means = null;
  isOpen = false;

  /** @param {Context} context */
  constructor(context) {
    this.context = context;
    this.region = new Region(context, (_, text) => this.#link(text));
    this.shapes = h("div", { class: "buttons" });
    for (const [shape, title] of /** @type {[keyof typeof SHAPES, string][]} */ (Object.entries(SHAPES))) {
      this.shapes.append(h("button", { type: "button", class: "plain", "data-shape": shape, on: { click: () => this.#start(shape) } }, title));
    }
    this.clear = h("button", { type: "button", class: "plain", hidden: true, on: { click: () => this.#link(undefined) } }, "Clear");
    this.shapes.append(this.clear);
    this.status = h("p", { class: "hint", role: "status" }, "Draw a region to get its statistics.");
    this.table = h("dl", { class: "figures" });
    this.bars = h("div", { class: "bars", role: "img", hidden: true });
    this.barEnds = h("div", { class: "bar-ends", hidden: true });
    this.chart = new ChartPlace(h("div", { class: "chart", role: "img", "aria-label": "Mean of the region through time" }));
    this.progress = h("p", { class: "hint", role: "status" });
    this.through = h("button", { type: "button", class: "plain", on: { click: () => this.#throughTime() } }, "Mean through time");
    this.all = h("button", { type: "button", class: "plain", hidden: true, on: { click: () => this.#throughTime(MOST_OF_ALL) } }, "All times");
    this.stop = h("button", { type: "button", class: "plain", hidden: true, on: { click: () => this.#latestMeans.stop() } }, "Stop");
    this.save = h("button", { type: "button", class: "plain", on: { click: () => this.#saveMeans() } }, "CSV");
    this.buttons = h("div", { class: "buttons", hidden: true }, this.through, this.all, this.stop, this.save);
    this.element = h("section", { class: "region" }, h("h3", {}, "Region"), this.shapes, this.status, this.table, this.bars, this.barEnds, this.buttons, this.progress, this.chart.element);
    context.store.watch(({ extra }) => extra.region, (text) => this.#follow(text));
    context.picture.watch(() => this.refresh());
    context.store.watch(({ display }) => display.celsius, () => this.refresh());
  }

  /** @param {keyof typeof SHAPES} shape */
  #start(shape) {
    this.region.start(shape);
    this.status.textContent = shape === "polygon" ? "Click the corners, and double-click the last one." : "Click, move, and click again.";
  }

  /** Makes a region that of the permalink. @param {string | undefined} text */
  #link(text) {
    const extra = { ...this.context.store.state.extra };
    delete extra.region;
    if (text !== undefined) extra.region = text;
    this.context.store.update({ extra });
  }

  /** Shows the region of the permalink. @param {string | undefined} text */
  #follow(text) {
    this.#latest.stop();
    this.region.stop();
    this.region.set(text);
    this.#forgetMeans();
    if (this.region.polygon) {
      this.refresh();
      return;
    }
    this.table.replaceChildren();
    this.bars.hidden = this.barEnds.hidden = true;
    this.buttons.hidden = this.clear.hidden = true;
    this.status.textContent = "Draw a region to get its statistics.";
  }

  /** Asks for the statistics of what the map shows. */
  async refresh() {
    const shown = selectedLayer(this.context);
    const { polygon } = this.region;
    if (!this.isOpen || !polygon || !shown) return;
    if (this.#means && (this.#means.shown.layer.id !== shown.layer.id || this.#means.shown.state.key !== shown.state.key)) {
      this.#forgetMeans();
    }
    this.chart.mark(this.#means?.means.labels.indexOf(shown.time ?? "") ?? -1);
    this.clear.hidden = false;
    this.status.textContent = "Reading values…";
    await this.#latest.run(this.status, async (signal) => {
      const found = await statistics(this.context.server, shown, polygon, { signal, bins: isQuantity(shown.layer) ? BINS : 0 });
      if (!signal.aborted) this.#show(shown, found);
    });
  }

  #forgetMeans() {
    this.#latestMeans.stop();
    this.chart.clear();
    this.#means = null;
    this.all.hidden = this.stop.hidden = true;
    this.progress.textContent = "";
  }

  /** @param {ShownLayer} shown @param {any} found */
  #show(shown, found) {
    const display = displayOf(shown.layer, this.context.store.state.display.celsius);
    const isEmpty = found.valid_cells === 0;
    this.status.textContent = isEmpty ? "No data in this region." : found.level > 0 ? `Of level ${found.level}, whose cells are means of ${2 ** found.level} × ${2 ** found.level}.` : "";
    const spread = { ...display, shift: 0, units: display.units === "°C" ? "K" : display.units };
    /** @type {[string, string][]} */
    const rows = [
      ["Mean", formatValue(found.mean, display)],
      ["Minimum", formatValue(found.min, display)],
      ["Maximum", formatValue(found.max, display)],
      ["Standard deviation", formatValue(found.std, spread)],
      ...Object.entries(found.percentiles).map(([share, value]) => /** @type {[string, string]} */ ([share === "50" ? "Median" : `${share}th percentile`, formatValue(/** @type {number | null} */ (value), display)])),
    ];
    const cells = `${found.valid_cells.toLocaleString("en")} of ${found.cells.toLocaleString("en")}`;
    const area = `${formatLarge(found.valid_area_m2 / KM2)} of ${formatLarge(found.area_m2 / KM2)} km²`;
    const figures = [...(isQuantity(shown.layer) && !isEmpty ? rows : []), ["Cells with data", cells], ["Area with data", area]];
    this.table.replaceChildren(...figures.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
    this.#showBars(found.histogram, display);
    this.buttons.hidden = !isQuantity(shown.layer) || this.context.catalogue.timesOf(shown.layer).length < 2;
    this.save.hidden = this.#means === null;
    this.context.announce(isEmpty ? "No data in this region" : `Mean ${formatValue(found.mean, display)}`);
  }

  /** @param {{edges: number[], counts: number[]} | null} histogram @param {import("../format/units.js").Display} display */
  #showBars(histogram, display) {
    const most = Math.max(1, ...(histogram?.counts ?? []));
    const bars = (histogram?.counts ?? []).map((count, at) => {
      const [low, high] = [histogram?.edges[at] ?? 0, histogram?.edges[at + 1] ?? 0];
      const title = `${formatValue(low, display)} to ${formatValue(high, display)}: ${count} cells`;
      return h("span", { title, style: `height: ${Math.max(count > 0 ? 2 : 0, (100 * count) / most)}%` });
    });
    this.bars.replaceChildren(...bars);
    const [first, last] = [histogram?.edges[0], histogram?.edges.at(-1)];
    this.barEnds.replaceChildren(...[first, last].map((edge) => h("span", {}, formatValue(edge, display))));
    this.bars.hidden = this.barEnds.hidden = bars.length === 0;
    this.bars.setAttribute("aria-label", `Histogram of ${bars.length} bins; the fullest has ${most} cells`);
  }

  /** Reads the mean at so many times at most, evenly chosen; those that are known already are not read again. */
  async #throughTime(most = MOST_STEPS) {
    const shown = selectedLayer(this.context);
    const { polygon } = this.region;
    if (!shown || !polygon) return;
    const { labels: times } = this.context.catalogue.timesOf(shown.layer);
    const wanted = thinned(times, most);
    const known = this.#means?.means;
    this.through.disabled = true;
    this.all.hidden = true;
    this.stop.hidden = false;
    await this.#latestMeans.run(this.progress, async (signal) => {
      const onProgress = (/** @type {number} */ done) => (this.progress.textContent = `${done} of ${wanted.length} times`);
      const means = await meansOf(this.context.server, shown, wanted, polygon, { signal, known, onProgress });
      this.#means = { shown, means };
      this.save.hidden = false;
      this.progress.textContent = wanted.length < times.length ? `${wanted.length} of ${times.length} times, evenly chosen.` : "";
      this.all.textContent = `All ${Math.min(times.length, MOST_OF_ALL)} times`;
      await this.#drawMeans(shown, means);
    });
    this.through.disabled = false;
    this.stop.hidden = true;
    this.all.hidden = this.#means === null || this.#means.means.labels.length >= Math.min(times.length, MOST_OF_ALL);
  }

  /** @param {ShownLayer} shown @param {Along} means */
  #drawMeans(shown, means) {
    return this.chart.draw({
      labels: means.labels,
      lines: [{ title: "mean", colour: "#e69f00", values: means.values }],
      display: displayOf(shown.layer, this.context.store.state.display.celsius),
      marked: means.labels.indexOf(selectedLayer(this.context)?.time ?? ""),
      onPick: (at) => this.context.store.updateScene({ time: means.labels[at] }),
    });
  }

  #saveMeans() {
    if (!this.#means) return;
    const { shown, means } = this.#means;
    const rows = means.labels.map((label, at) => [label, means.values[at]]);
    download(csv(["time", `mean of ${shown.layer.id} (${shown.layer.units})`], rows), "text/csv", `${fileName(shown.layer.id, "mean")}.csv`);
  }
}
