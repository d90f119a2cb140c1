// The state of a page that nobody has changed yet.

/** @import {State, LayerState, Layer} from "../types.js" */

let count = 0;

/** A key that no other layer on this page has. */
export const newKey = () => `layer-${(count += 1)}`;

/** @param {Layer} layer @param {Partial<LayerState>} [fields] @returns {LayerState} */
export function layerState(layer, fields = {}) {
  const first = Object.fromEntries(layer.dimensions.map(({ name, values }) => [name, values[0]]));
  return {
    id: layer.id,
    style: "default",
    opacity: 1,
    hidden: false,
    blend: "normal",
    ...fields,
    key: newKey(),
    dimensions: { ...first, ...fields.dimensions },
  };
}

/** @returns {State} */
export function emptyState() {
  return {
    a: { layers: [], selected: "" },
    b: { layers: [], selected: "" },
    side: "a",
    compare: "off",
    divider: 0.5,
    projection: "EPSG:4326",
    clock: { fps: 2, step: 1, loop: true },
    display: { coast: true, grid: true, base: true, celsius: true },
    extra: {},
  };
}
