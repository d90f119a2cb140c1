// The legends of the layers on the map.

import { TRUE_COLOUR } from "../catalogue/catalogue.js";
import { detailsOf } from "../catalogue/details.js";
import { layerTitle } from "../format/titles.js";
import { rangeOf } from "../tiles/tile_source.js";
import { displayOf } from "../format/units.js";
import { element, h } from "./dom.js";
import { drawLegend, shareOf } from "./legend_bar.js";

/** @import {Context, Shown, ShownLayer, StyleDetails} from "../types.js" */

const KEPT = 200;

/**
 * The legends that these sides need, the uppermost layer first: one for all layers that look the same. Those of one
 * side of a comparison say of which. @param {(Shown | null)[]} shown
 */
function legendsOf(shown) {
  /** @type {Map<string, {shown: ShownLayer, keys: string, sides: string, content: string}>} */
  const found = new Map();
  const isComparison = shown.length > 1;
  for (const each of shown) {
    for (const layer of each?.layers.toReversed() ?? []) {
      const { id, style, range, spacing } = layer.state;
      const content = JSON.stringify([id, style, range, spacing]);
      const known = found.get(content);
      const side = isComparison && each ? each.side.toUpperCase() : "";
      if (!known) found.set(content, { shown: layer, keys: layer.state.key, sides: side, content });
      else Object.assign(known, { keys: `${known.keys} ${layer.state.key}`, sides: known.sides === side ? side : "" });
    }
  }
  return [...found.values()];
}

export class Legends {
  /** @type {Map<string, Promise<StyleDetails>>} */
  #styles = new Map();
  /** Colours of the layers on the map, by their keys. @type {Map<string, StyleDetails | null>} */
  #colours = new Map();
  #drawn = 0;
  #content = "";

  /** @param {Context} context */
  constructor(context) {
    this.context = context;
    this.box = element("legend");
    context.picture.watch(() => this.#draw());
    context.store.watch(({ display }) => display.celsius, () => this.#draw());
  }

  /** The colours of a layer as it is shown. @param {ShownLayer} shown @returns {Promise<StyleDetails>} */
  styleOf({ state, layer }) {
    if (state.style.startsWith(TRUE_COLOUR)) return Promise.reject(new Error("a picture has no legend"));
    const options = new URLSearchParams();
    const range = rangeOf(layer, state);
    if (range) {
      options.set("rescale", range);
      options.set("spacing", state.spacing ?? (state.range ? "keep" : layer.spacing));
    }
    const path = `catalogue/${encodeURIComponent(layer.id)}/styles/${encodeURIComponent(state.style)}?${options}`;
    const key = `${path}#${layer.generation}#${this.context.catalogue.digest}`;
    let found = this.#styles.get(key);
    if (!found) {
      found = this.context.server.json(path);
      found.catch(() => this.#styles.delete(key));
      this.#styles.set(key, found);
      if (this.#styles.size > KEPT) this.#styles.delete(/** @type {string} */ (this.#styles.keys().next().value));
    }
    return found;
  }

  /** Marks values on the legends. @param {{key: string, value: number | null}[]} values */
  mark(values) {
    for (const figure of /** @type {NodeListOf<HTMLElement>} */ (this.box.querySelectorAll("figure"))) {
      const keys = figure.dataset.key?.split(" ") ?? [];
      const value = values.find(({ key }) => keys.includes(key))?.value ?? null;
      for (const item of /** @type {NodeListOf<HTMLElement>} */ (figure.querySelectorAll("li"))) {
        item.classList.toggle("here", value !== null && Number(item.dataset.code) === value);
      }
      const marker = /** @type {HTMLElement | null} */ (figure.querySelector(".marker"));
      const style = this.#colours.get(figure.dataset.key ?? "");
      if (!marker || !style) continue;
      const share = value === null ? null : shareOf(style.entries, value);
      marker.hidden = share === null;
      marker.style.left = `${100 * (share ?? 0)}%`;
    }
  }

  async #draw() {
    const { store, picture, catalogue } = this.context;
    const wanted = legendsOf(picture.sides.map((side) => picture.shown[side]));
    // Another time changes no legend: a playing clock leaves them alone.
    const content = JSON.stringify([catalogue.digest, store.state.display.celsius, ...wanted.map(({ keys, sides, content }) => [keys, sides, content])]);
    if (content === this.#content) return;
    this.#content = content;
    const turn = (this.#drawn += 1);
    const cards = await Promise.all(
      wanted.map(async ({ shown: each, keys, sides }) => {
        const style = await this.styleOf(each).catch(() => ((this.#content = ""), null));
        this.#colours.set(keys, style);
        const details = each.layer.isClasses ? detailsOf(this.context, each.layer, each.state, each.time) : null;
        const codes = (await details?.catch(() => null))?.codes ?? null;
        const display = displayOf(each.layer, store.state.display.celsius);
        const title = layerTitle(each.layer, catalogue.datasets[each.layer.dataset]);
        return h(
          "figure",
          { "data-key": keys, "data-layer": each.layer.id },
          h("figcaption", {}, h("b", { title }, sides && `${sides} · `, title), display.units && h("span", { class: "units" }, display.units)),
          style && drawLegend(style, display, codes),
        );
      }),
    );
    if (turn !== this.#drawn) return;
    this.box.replaceChildren(...cards);
    this.box.hidden = cards.length === 0;
  }
}
