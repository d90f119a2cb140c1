// The legends of the layers on the map.

import { TRUE_COLOUR } from "../catalogue/catalogue.js";
import { detailsOf } from "../catalogue/details.js";
import { layerTitle } from "../format/titles.js";
import { rangeOf } from "../tiles/tile_source.js";
import { displayOf } from "../format/units.js";
import { element, h } from "./dom.js";
import { drawLegend, shareOf } from "./legend_bar.js";

/** @import {Context, ShownLayer, StyleDetails} from "../types.js" */

const KEPT = 200;

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
    context.store.watch(({ display, side }) => [display.celsius, side], () => this.#draw());
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
      const value = values.find(({ key }) => key === figure.dataset.key)?.value ?? null;
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
    const shown = picture.shown[store.state.side]?.layers.toReversed() ?? [];
    // Another time changes no legend: a playing clock leaves them alone.
    const content = JSON.stringify([catalogue.digest, store.state.display.celsius, ...shown.map(({ state }) => [state.key, state.id, state.style, state.range, state.spacing])]);
    if (content === this.#content) return;
    this.#content = content;
    const turn = (this.#drawn += 1);
    const cards = await Promise.all(
      shown.map(async (each) => {
        const style = await this.styleOf(each).catch(() => ((this.#content = ""), null));
        this.#colours.set(each.state.key, style);
        const details = each.layer.isClasses ? detailsOf(this.context, each.layer, each.state, each.time) : null;
        const codes = (await details?.catch(() => null))?.codes ?? null;
        const display = displayOf(each.layer, store.state.display.celsius);
        const title = layerTitle(each.layer, catalogue.datasets[each.layer.dataset]);
        return h(
          "figure",
          { "data-key": each.state.key, "data-layer": each.layer.id },
          h("figcaption", {}, h("b", {}, title), display.units && h("span", { class: "units" }, display.units)),
          style && drawLegend(style, display, codes),
        );
      }),
    );
    if (turn !== this.#drawn) return;
    this.box.replaceChildren(...cards);
    this.box.hidden = cards.length === 0;
  }
}
