// The pinned points: their values, and what they do through time or along another dimension, as lines of one chart.

import { layerTitle } from "../format/titles.js";
import { displayOf } from "../format/units.js";
import { formatPlace, formatValue } from "../format/numbers.js";
import { h, iconButton, ICONS, select } from "../ui/dom.js";
import { csv, download, fileName } from "./csv.js";
import { KnownValues } from "./known_values.js";
import { COLOURS, Pins } from "./pins.js";
import { profile, series } from "./requests.js";
import { ChartPlace, Latest } from "./section.js";

/** @import {Context, LonLat, ShownLayer} from "../types.js" */
/** @import {Along} from "./requests.js" */

const TIME = "time";

/** The layer that the controls change, as the map shows it. @param {Context} context @returns {ShownLayer | undefined} */
export function selectedLayer({ store, picture }) {
  const shown = picture.shown[store.state.side];
  return shown?.layers.find(({ state }) => state.key === store.scene.selected) ?? shown?.layers.at(-1);
}

/** What a series depends on besides the place. @param {ShownLayer | undefined} shown */
const identity = (shown) => shown && JSON.stringify([shown.layer.id, shown.layer.generation, shown.state.dimensions]);

export class PointsView {
  #latest = new Latest();
  /** @type {{shown: ShownLayer, pins: LonLat[], lines: Along[], labels: string[]} | null} */
  #drawn = null;
  #along = TIME;
  isOpen = false;

  /** @param {Context} context */
  constructor(context) {
    this.context = context;
    this.pins = new Pins(context);
    this.known = new KnownValues(context.server);
    this.list = h("div", { class: "pins" });
    this.axis = h("div", { class: "fields" });
    this.chart = new ChartPlace(h("div", { class: "chart", role: "img", "aria-label": "Chart of the values at the pinned points" }));
    this.status = h("p", { class: "hint", role: "status" });
    const table = h("button", { type: "button", class: "plain", on: { click: () => this.#saveTable() } }, "CSV");
    const picture = h("button", { type: "button", class: "plain", on: { click: () => this.#savePicture() } }, "PNG");
    this.buttons = h("div", { class: "buttons" }, table, picture);
    this.element = h("section", { class: "points" }, h("h3", {}, "Points"), this.list, this.axis, this.chart.element, this.status, this.buttons);
    context.picture.watch(() => this.refresh());
    context.store.watch(({ extra, display }) => [extra.pins, display.celsius], () => this.refresh(true));
  }

  /** Asks for what is not shown yet. @param {boolean} [isForced] */
  async refresh(isForced = false) {
    if (!this.isOpen) return;
    const shown = selectedLayer(this.context);
    const { all: pins } = this.pins;
    const isSame = !isForced && this.#drawn && identity(shown) === identity(this.#drawn.shown);
    const isKept = isSame && this.#along === TIME;
    if (isKept) this.chart.mark(this.#drawn?.labels.indexOf(shown?.time ?? "") ?? -1);
    await this.#latest.run(this.status, (signal) => Promise.all([this.#showValues(pins, signal), isKept ? null : this.#showChart(shown, pins, signal)]));
  }

  /** @param {LonLat[]} pins @param {AbortSignal} signal */
  async #showValues(pins, signal) {
    const { picture, store } = this.context;
    const layers = picture.shown[store.state.side]?.layers.toReversed() ?? [];
    const rows = await Promise.all(pins.map((pin) => Promise.all(layers.map((shown) => this.known.value(shown, pin, signal)))));
    if (signal.aborted) return;
    this.list.replaceChildren(
      ...pins.map((pin, number) => {
        const remove = iconButton(ICONS.close, `Remove the point at ${formatPlace(pin, 2)}`, { on: { click: () => this.pins.set(this.pins.all.toSpliced(number, 1)) } });
        const dot = h("span", { class: "dot", style: `background: ${COLOURS[number]}` });
        const values = layers.map((shown, at) => {
          const display = displayOf(shown.layer, store.state.display.celsius);
          const title = layerTitle(shown.layer, this.context.catalogue.datasets[shown.layer.dataset]);
          return h("div", { class: "value" }, h("span", { title: shown.layer.id }, title), h("b", {}, formatValue(rows[number][at], display)));
        });
        return h("div", { class: "pin" }, h("header", {}, dot, h("span", {}, formatPlace(pin, 2)), remove), ...values);
      }),
    );
    if (pins.length === 0) this.list.replaceChildren(h("p", { class: "hint" }, "Click the map to pin a point, up to six. Click a point again to remove it."));
  }

  /** @param {ShownLayer | undefined} shown @param {LonLat[]} pins @param {AbortSignal} signal */
  async #showChart(shown, pins, signal) {
    const axes = shown ? [...(shown.layer.times === null ? [] : [{ id: TIME, title: "Time" }]), ...shown.layer.dimensions.map(({ name, title }) => ({ id: name, title }))] : [];
    if (!axes.some(({ id }) => id === this.#along)) this.#along = axes[0]?.id ?? TIME;
    const choice = select(axes, this.#along, { id: "numbers-along", on: { change: (/** @type {Event} */ event) => ((this.#along = /** @type {HTMLSelectElement} */ (event.target).value), this.refresh(true)) } });
    this.axis.replaceChildren(h("label", { for: "numbers-along" }, "Along"), choice);
    this.axis.hidden = axes.length < 2 || pins.length === 0;
    const isEmpty = !shown || pins.length === 0 || axes.length === 0;
    this.buttons.hidden = isEmpty;
    this.status.textContent = isEmpty ? "" : "Reading values…";
    if (isEmpty) return this.#draw(null);
    const { server } = this.context;
    const along = this.#along;
    const lines = await Promise.all(pins.map((pin) => (along === TIME ? series(server, shown, pin, signal) : profile(server, shown, along, pin, signal))));
    if (signal.aborted) return;
    if (along === TIME) lines.forEach((line, number) => this.known.learn(shown, pins[number], line));
    this.status.textContent = "";
    await this.#draw({ shown, pins, lines, labels: lines[0].labels });
  }

  /** @param {{shown: ShownLayer, pins: LonLat[], lines: Along[], labels: string[]} | null} drawn */
  async #draw(drawn) {
    this.#drawn = drawn;
    if (!drawn) return this.chart.clear();
    const { store } = this.context;
    const { labels, lines, pins, shown } = drawn;
    const along = this.#along;
    await this.chart.draw({
      labels,
      lines: lines.map(({ values }, number) => ({ title: formatPlace(pins[number], 2), colour: COLOURS[number], values })),
      display: displayOf(shown.layer, store.state.display.celsius),
      marked: labels.indexOf((along === TIME ? shown.time : shown.state.dimensions[along]) ?? ""),
      onPick: (at) => (along === TIME ? store.updateScene({ time: labels[at] }) : store.updateLayer(shown.state.key, { dimensions: { ...shown.state.dimensions, [along]: labels[at] } })),
    });
  }

  #saveTable() {
    if (!this.#drawn) return;
    const { shown, pins, lines, labels } = this.#drawn;
    const names = [this.#along, ...pins.map((pin) => `${shown.layer.id} (${shown.layer.units}) at ${pin[1].toFixed(4)} ${pin[0].toFixed(4)}`)];
    const rows = labels.map((label, at) => [label, ...lines.map(({ values }) => values[at])]);
    download(csv(names, rows), "text/csv", `${fileName(shown.layer.id, this.#along)}.csv`);
  }

  async #savePicture() {
    const picture = await this.chart.png();
    if (picture && this.#drawn) download(picture, "image/png", `${fileName(this.#drawn.shown.layer.id, this.#along)}.png`);
  }
}
