// How the selected layer is coloured.

import { REVERSED } from "../catalogue/catalogue.js";
import { element, h } from "./dom.js";

/** @import {Context, LayerState} from "../types.js" */

/** @param {Context} context */
export function showStyleSettings(context) {
  const { store } = context;
  const selected = () => /** @type {LayerState} */ (store.scene.layers.find(({ key }) => key === store.scene.selected));
  const style = /** @type {HTMLSelectElement} */ (element("style"));
  style.addEventListener("change", () => store.updateLayer(selected().key, { style: style.value }));

  store.watch(
    (state) => [state[state.side].layers.find(({ key }) => key === state[state.side].selected)?.style, state[state.side].selected, context.catalogue],
    () => {
      const state = selected();
      const layer = context.catalogue.layerOf(state);
      const offered = context.catalogue.stylesOf(layer);
      const others = Object.entries(context.catalogue.overview.colormaps)
        .filter(([id, { isClasses }]) => isClasses === layer.isClasses && !offered.includes(id))
        .map(([id]) => id);
      const title = (/** @type {string} */ id) => (id === "default" ? "Default" : (context.catalogue.colormap(id)?.title ?? id));
      const option = (/** @type {string} */ id) => h("option", { value: id, selected: id === state.style }, title(id));
      const base = state.style.endsWith(REVERSED) && !offered.includes(state.style) && !others.includes(state.style);
      style.replaceChildren(
        h("optgroup", { label: "For this layer" }, ...offered.map(option)),
        h("optgroup", { label: "All colormaps" }, ...others.map(option)),
      );
      if (base) style.append(option(state.style));
      style.value = state.style;
    },
  );
}
