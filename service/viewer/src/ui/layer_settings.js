// The controls of the selected layer: style, dimensions, opacity and how it lies over the others.

import { BLENDS } from "../state/resolve.js";
import { prettyUnits } from "../format/units.js";
import { element, h, select } from "./dom.js";

/** @import {Context, LayerState, Layer} from "../types.js" */

/** @type {Record<string, string>} */
const BLEND_TITLES = { normal: "Normal", multiply: "Multiply", screen: "Screen", darken: "Darken", lighten: "Lighten", difference: "Difference" };

/** @param {Context} context */
export function showLayerSettings(context) {
  const { store } = context;
  const selected = () => /** @type {LayerState} */ (store.scene.layers.find(({ key }) => key === store.scene.selected));
  const update = (/** @type {Partial<LayerState>} */ fields) => store.updateLayer(selected().key, fields);

  const opacity = /** @type {HTMLInputElement} */ (element("opacity"));
  opacity.addEventListener("input", () => update({ opacity: opacity.valueAsNumber }));
  const blend = /** @type {HTMLSelectElement} */ (element("blend"));
  for (const id of BLENDS) blend.append(h("option", { value: id }, BLEND_TITLES[id]));
  blend.addEventListener("change", () => update({ blend: blend.value }));
  const set = /** @type {HTMLSelectElement} */ (element("set"));
  set.addEventListener("change", () => update({ set: set.value }));

  store.watch(
    (state) => [state[state.side].layers.find(({ key }) => key === state[state.side].selected), state.projection, context.catalogue],
    () => {
      const state = selected();
      const layer = context.catalogue.layerOf(state);
      opacity.value = String(state.opacity);
      element("opacity-value").textContent = `${Math.round(100 * state.opacity)} %`;
      blend.value = state.blend;
      showSets(layer, state);
      showDimensions(layer, state);
    },
  );

  /** @param {Layer} layer @param {LayerState} state */
  function showSets(layer, state) {
    const sets = context.catalogue.setsIn(layer, store.state.projection);
    const current = context.catalogue.setOf(state, store.state.projection);
    set.replaceChildren(...sets.map(({ id }) => h("option", { value: id, selected: id === current?.id }, id)));
    set.disabled = sets.length < 2;
  }

  /** @param {Layer} layer @param {LayerState} state */
  function showDimensions(layer, state) {
    const box = element("dimensions");
    const focused = document.activeElement?.id;
    box.hidden = layer.dimensions.length === 0;
    box.replaceChildren(
      ...layer.dimensions.flatMap((dimension) => {
        const id = `dimension-${dimension.name}`;
        const units = prettyUnits(dimension.units);
        const options = dimension.values.map((value) => ({ id: value, title: units ? `${value} ${units}` : value }));
        const control = select(options, state.dimensions[dimension.name], {
          id,
          on: { change: () => update({ dimensions: { ...selected().dimensions, [dimension.name]: control.value } }) },
        });
        const name = dimension.title.charAt(0).toUpperCase() + dimension.title.slice(1);
        return [h("label", { for: id }, name), control];
      }),
    );
    if (focused?.startsWith("dimension-")) document.getElementById(focused)?.focus();
  }
}
