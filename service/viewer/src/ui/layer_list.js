// The list of all layers, by dataset, with a search.

import { layerTitle, datasetTitle, rawNames } from "../format/titles.js";
import { prettyUnits } from "../format/units.js";
import { element, h, iconButton, ICONS } from "./dom.js";
import { matchesAll } from "./search.js";

/** @import {Context, Layer} from "../types.js" */

/** With fewer layers there is nothing to search. */
const SEARCH_FROM = 7;
/** Datasets with more layers than this are folded at first, where there are several. */
const OPEN_UP_TO = 60;

/** Room above the entry that the list is scrolled to: the title of its dataset. */
const ABOVE_PX = 34;
const FRAMES = 4;

/** @param {Context} context @param {{show: (layer: Layer) => void, add: (layer: Layer) => void}} actions */
export function showLayerList(context, { show, add }) {
  const list = element("layers");
  const search = /** @type {HTMLInputElement} */ (element("filter"));
  const empty = element("no-layers");
  /** @type {{item: HTMLElement, text: string}[]} */
  let items = [];

  /** @param {Layer} layer */
  function row(layer) {
    const dataset = context.catalogue.datasets[layer.dataset];
    const title = layerTitle(layer, dataset);
    const input = h("input", { type: "radio", name: "layer", value: layer.id });
    input.addEventListener("change", () => show(layer));
    const details = [prettyUnits(layer.units), layer.isClasses ? "classes" : ""].filter(Boolean).join(" · ");
    const item = h(
      "div",
      { class: "item" },
      h("label", { title: rawNames(layer) }, input, h("span", {}, h("b", {}, title), h("small", {}, details))),
      iconButton(ICONS.plus, `Add over the others: ${title}`, { class: "add", on: { click: () => add(layer) } }),
    );
    items.push({ item, text: [title, rawNames(layer), layer.title, dataset?.title, dataset?.source, layer.dataset].join(" ") });
    return item;
  }

  function build() {
    items = [];
    /** @type {Map<string, Layer[]>} */
    const groups = new Map();
    for (const layer of context.catalogue.layers) groups.set(layer.dataset, [...(groups.get(layer.dataset) ?? []), layer]);
    const isShort = context.catalogue.layers.length <= OPEN_UP_TO;
    list.replaceChildren(
      ...[...groups].map(([id, layers]) => {
        const dataset = context.catalogue.datasets[id];
        if (layers.length === 1) return h("div", { class: "group single" }, h("div", { class: "of" }, datasetTitle(id, dataset)), row(layers[0]));
        const summary = h("summary", { title: [id, dataset?.source].filter(Boolean).join(" · ") }, datasetTitle(id, dataset), h("small", {}, String(layers.length)));
        return h("details", { class: "group", open: isShort }, summary, ...layers.map(row));
      }),
    );
    search.hidden = context.catalogue.layers.length < SEARCH_FROM;
    filter();
    mark(true);
  }

  function filter() {
    const words = search.value;
    let found = 0;
    for (const { item, text } of items) {
      item.hidden = !matchesAll(text, words);
      if (!item.hidden) found += 1;
    }
    for (const group of /** @type {NodeListOf<HTMLElement>} */ (list.querySelectorAll(".group"))) {
      const any = [...group.querySelectorAll(".item")].some((item) => !(/** @type {HTMLElement} */ (item).hidden));
      group.hidden = !any;
      if (words.trim() && any && group instanceof HTMLDetailsElement) group.open = true;
    }
    empty.hidden = found > 0;
    empty.textContent = found > 0 ? "" : `No layer has “${words.trim()}” in its name.`;
  }

  /** @param {boolean} [isFirst] What is above the list may still grow. */
  function mark(isFirst = false) {
    const { layers, selected } = context.store.scene;
    const shown = new Set(layers.map(({ id }) => id));
    const current = layers.find(({ key }) => key === selected)?.id;
    for (const input of /** @type {NodeListOf<HTMLInputElement>} */ (list.querySelectorAll("input"))) {
      input.checked = input.value === current;
      input.closest(".item")?.classList.toggle("shown", shown.has(input.value));
      if (input.checked) reveal(input, isFirst);
    }
  }

  /** Scrolls the list, and nothing else, until an entry is in view. @param {HTMLElement} input @param {boolean} isAlways */
  function reveal(input, isAlways) {
    const group = input.closest("details");
    if (group) group.open = true;
    const item = /** @type {HTMLElement} */ (input.closest(".item"));
    const top = item.offsetTop - list.offsetTop;
    const below = element("controls").getBoundingClientRect().bottom - list.getBoundingClientRect().top;
    const height = below > 0 ? Math.min(list.clientHeight, below) : list.clientHeight;
    if (isAlways || top < list.scrollTop || top + item.offsetHeight > list.scrollTop + height) scrollTo(item, FRAMES);
  }

  /** Entries get their height when they are first in view, therefore some frames more. @param {HTMLElement} item @param {number} frames */
  function scrollTo(item, frames) {
    list.scrollTop = item.offsetTop - list.offsetTop - ABOVE_PX;
    if (frames > 0) requestAnimationFrame(() => scrollTo(item, frames - 1));
  }

  search.addEventListener("input", filter);
  context.store.watch(() => [context.catalogue], build);
  context.store.watch((state) => [state[state.side].selected, ...state[state.side].layers.map(({ id }) => id)], () => mark());
}
