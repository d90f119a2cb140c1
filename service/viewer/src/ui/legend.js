// The legends of the layers on the map.

import { layerTitle } from "../format/titles.js";
import { rangeOf } from "../tiles/tile_source.js";
import { displayOf } from "../format/units.js";
import { element, h } from "./dom.js";
import { drawLegend } from "./legend_bar.js";

/** @import {Context, ShownLayer, StyleDetails} from "../types.js" */

const KEPT = 200;

export class Legends {
  /** @type {Map<string, Promise<StyleDetails>>} */
  #styles = new Map();
  #drawn = 0;

  /** @param {Context} context */
  constructor(context) {
    this.context = context;
    this.box = element("legend");
    context.picture.watch(() => this.#draw());
    context.store.watch(({ display, side }) => [display.celsius, side], () => this.#draw());
  }

  /** The colours of a layer as it is shown. @param {ShownLayer} shown @returns {Promise<StyleDetails>} */
  styleOf({ state, layer }) {
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

  async #draw() {
    const turn = (this.#drawn += 1);
    const { store, picture, catalogue } = this.context;
    const shown = picture.shown[store.state.side]?.layers.toReversed() ?? [];
    const cards = await Promise.all(
      shown.map(async (each) => {
        const style = await this.styleOf(each).catch(() => null);
        const display = displayOf(each.layer, store.state.display.celsius);
        const title = layerTitle(each.layer, catalogue.datasets[each.layer.dataset]);
        return h(
          "figure",
          { "data-key": each.state.key, "data-layer": each.layer.id },
          h("figcaption", {}, h("b", {}, title), display.units && h("span", { class: "units" }, display.units)),
          style && drawLegend(style, display, null),
        );
      }),
    );
    if (turn !== this.#drawn) return;
    this.box.replaceChildren(...cards);
    this.box.hidden = cards.length === 0;
  }
}
