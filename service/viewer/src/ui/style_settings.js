// How the selected layer is coloured: colormap, range, spacing, resampling, filter, contours. Changes show at once.

import { REVERSED, TRUE_COLOUR } from "../catalogue/catalogue.js";
import { detailsOf } from "../catalogue/details.js";
import { displayOf } from "../format/units.js";
import { ticksOf } from "../format/numbers.js";
import { RESAMPLINGS } from "../state/resolve.js";
import { rangeOf } from "../tiles/tile_source.js";
import { element, h, select } from "./dom.js";
import { histogram } from "./histogram.js";
import { finiteRange } from "./legend_bar.js";

/** @import {Context, Layer, LayerState, LayerDetails, StyleDetails} from "../types.js" */
/** @import {Legends} from "./legend.js" */

const FILTERS = [
  { id: "", title: "None" },
  { id: "hillshade", title: "Relief, lit from the north-west" },
  { id: "sobel", title: "Gradient" },
  { id: "blur", title: "Smooth" },
];

/** @param {Context} context @param {Legends} legends */
export function showStyleSettings(context, legends) {
  const { store } = context;
  const selected = () => /** @type {LayerState} */ (store.scene.layers.find(({ key }) => key === store.scene.selected));
  const update = (/** @type {Partial<LayerState>} */ fields) => store.updateLayer(selected().key, fields);
  const style = /** @type {HTMLSelectElement} */ (element("style"));
  const more = element("style-more");
  let turn = 0;
  /** @param {string} id */
  const title = (id) => (id === "default" ? "Default" : id.startsWith(TRUE_COLOUR) ? "True colour" : (context.catalogue.colormap(id)?.title ?? id));
  /** @param {string} name */
  const baseOf = (name) => (name.endsWith(REVERSED) ? name.slice(0, -REVERSED.length) : name);
  style.addEventListener("change", () => update({ style: style.value }));

  store.watch(
    (state) => {
      const { layers, selected: key } = state[state.side];
      const { style: name, range, spacing, resampling, filter, contour } = layers.find((each) => each.key === key) ?? layers[0];
      return [key, name, range, spacing, resampling, filter, contour, state.display.celsius, context.catalogue];
    },
    () => show(),
  );

  async function show() {
    const mine = (turn += 1);
    const state = selected();
    const layer = context.catalogue.layerOf(state);
    showChoices(layer, state);
    const time = context.catalogue.timeAt(layer, store.scene.time, 0) ?? undefined;
    const [details, colours] = await Promise.all([
      detailsOf(context, layer, state, time).catch(() => null),
      legends.styleOf({ state, layer, time }).catch(() => null),
    ]);
    if (mine !== turn) return;
    const focused = document.activeElement?.id;
    const isOpen = more.querySelector("details")?.open ?? false;
    more.replaceChildren(gallery(layer, state, isOpen), ...(layer.isClasses || state.style.startsWith(TRUE_COLOUR) ? [] : [...ranges(layer, state, details, colours), switches(layer, state)]));
    element("style-options").replaceChildren(...options(layer, state, details));
    if (focused) document.getElementById(focused)?.focus();
  }

  /** Names of the styles that a layer may have. @param {Layer} layer */
  function choices(layer) {
    const offered = context.catalogue.stylesOf(layer);
    const others = Object.entries(context.catalogue.overview.colormaps)
      .filter(([id, { isClasses }]) => isClasses === layer.isClasses && !offered.includes(id))
      .map(([id]) => id);
    return { offered, others };
  }

  /** @param {Layer} layer @param {LayerState} state */
  function showChoices(layer, state) {
    const { offered, others } = choices(layer);
    const option = (/** @type {string} */ id) => h("option", { value: id }, title(id));
    style.replaceChildren(h("optgroup", { label: "For this layer" }, ...offered.map(option)), h("optgroup", { label: "All colormaps" }, ...others.map(option)));
    style.value = baseOf(state.style);
    style.disabled = offered.length + others.length < 2;
  }

  /** Colormaps with previews. @param {Layer} layer @param {LayerState} state @param {boolean} isOpen */
  function gallery(layer, state, isOpen) {
    const { offered, others } = choices(layer);
    const base = baseOf(state.style);
    const items = [...offered, ...others].map((id) => {
      const colormap = context.catalogue.colormap(id);
      const input = h("input", { type: "radio", name: "colormap", value: id, checked: id === base, id: `colormap-${id}` });
      input.addEventListener("change", () => update({ style: selected().style.endsWith(REVERSED) && id !== "default" ? `${id}${REVERSED}` : id }));
      return h("label", {}, input, h("span", {}, h("i", { class: "preview", style: preview(colormap?.stops, layer.isClasses) }), title(id)));
    });
    return h("details", { class: "gallery", open: isOpen }, h("summary", {}, "Previews of colormaps"), h("div", { role: "radiogroup", "aria-label": "Colormap" }, ...items));
  }

  /** @param {string[] | undefined} stops @param {boolean} isClasses */
  function preview(stops, isClasses) {
    if (!stops?.length) return "";
    if (!isClasses) return `background: linear-gradient(90deg, ${stops.join(", ")})`;
    const share = 100 / stops.length;
    return `background: linear-gradient(90deg, ${stops.map((stop, at) => `${stop} ${at * share}% ${(at + 1) * share}%`).join(", ")})`;
  }

  /** @param {Layer} layer @param {LayerState} state @param {LayerDetails | null} details @param {StyleDetails | null} colours */
  function ranges(layer, state, details, colours) {
    const asked = rangeOf(layer, state)?.split(",").map(Number);
    const range = /** @type {[number, number] | null} */ (asked ?? (colours && finiteRange(colours.entries)));
    if (!details || !range) return [];
    const display = displayOf(layer, store.state.display.celsius);
    const stops = colours?.entries.map(({ colour }) => colour).filter(Boolean) ?? [];
    const set = (/** @type {[number, number]} */ ends) => update({ range: ends.map((end) => Number(end.toPrecision(6))).join() });
    const { percentiles } = details;
    const between = (/** @type {string} */ low, /** @type {string} */ high) => () => percentiles[low] < percentiles[high] && set([percentiles[low], percentiles[high]]);
    const button = (/** @type {string} */ text, /** @type {() => void} */ run, isHere = false) =>
      h("button", { type: "button", class: "plain", id: `range-${text}`, "aria-pressed": String(isHere), on: { click: run } }, text);
    const hasPercentiles = percentiles["2"] !== undefined && percentiles["98"] !== undefined;
    return [
      histogram({ details, range, colours: stops, display, onChange: set }),
      h(
        "div",
        { class: "buttons", role: "group", "aria-label": "Range of the colours" },
        hasPercentiles && button("2–98 %", between("2", "98"), state.range === undefined && layer.stretch !== null),
        hasPercentiles && button("All values", between("0", "100")),
        button("Colormap’s own", () => update({ range: "own" }), state.range === "own" || (state.range === undefined && !layer.stretch)),
        state.range !== undefined && button("Reset", () => update({ range: undefined, spacing: undefined })),
      ),
    ];
  }

  /** @param {Layer} layer @param {LayerState} state */
  function switches(layer, state) {
    const range = rangeOf(layer, state)?.split(",").map(Number);
    const spacing = state.spacing ?? (state.range ? "keep" : layer.spacing);
    const log = h("input", { type: "checkbox", checked: spacing === "log", disabled: !range || !(range[0] > 0) });
    log.addEventListener("change", () => update({ spacing: log.checked ? "log" : "keep", range: selected().range ?? range?.join() }));
    const reverse = h("input", { type: "checkbox", checked: state.style.endsWith(REVERSED) });
    reverse.addEventListener("change", () => update({ style: `${baseOf(selected().style)}${reverse.checked ? REVERSED : ""}` }));
    return h("div", { class: "checks" }, h("label", { class: "check", title: "Needs a range above 0" }, Object.assign(log, { id: "log" }), "Logarithmic"), h("label", { class: "check" }, Object.assign(reverse, { id: "reverse" }), "Reversed"));
  }

  /** @param {Layer} layer @param {LayerState} state @param {LayerDetails | null} details */
  function options(layer, state, details) {
    /** @type {HTMLElement[]} */
    const box = [];
    const add = (/** @type {string} */ id, /** @type {string} */ text, /** @type {HTMLElement} */ control) => {
      control.id = id;
      box.push(h("label", { for: id }, text), control);
    };
    const methods = [{ id: "", title: "Suited to the layer" }, ...RESAMPLINGS.map((id) => ({ id, title: id.charAt(0).toUpperCase() + id.slice(1) }))];
    const resampling = select(methods, state.resampling ?? "", { on: { change: () => update({ resampling: resampling.value || undefined }) } });
    add("resampling", "Resampling", resampling);
    if (layer.isClasses) return box;
    const kind = state.filter?.split(":")[0] ?? "";
    const filter = select(FILTERS, kind, { on: { change: () => update({ filter: filter.value || undefined }) } });
    add("filter-kind", "Filter", filter);
    const percentiles = details?.percentiles ?? {};
    const suggested = ticksOf(percentiles["2"] ?? 0, percentiles["98"] ?? 10, 8).step;
    const contour = h("input", { type: "number", min: "0", step: "any", placeholder: `off; say ${suggested}`, value: state.contour === undefined ? "" : String(state.contour) });
    contour.addEventListener("change", () => update({ contour: contour.valueAsNumber > 0 ? contour.valueAsNumber : undefined }));
    add("contour", "Contours every", contour);
    return box;
  }
}
