// Layers that are drawn again only when they or the view have changed, not with every picture of the data.

/** @import VectorLayer from "ol/layer/Vector.js" */
/** @import {FrameState} from "ol/Map.js" */

/** What the drawing of a layer depends on. @param {VectorLayer<any>} layer @param {FrameState} frame */
function dependencies(layer, frame) {
  const { center, resolution, rotation, projection } = frame.viewState;
  const state = frame.layerStatesArray[frame.layerIndex];
  const revisions = [layer.getRevision(), layer.getSource().getRevision()];
  // OpenLayers draws lines between pixels while the view moves.
  return [...revisions, ...center, resolution, rotation, projection.getCode(), ...frame.size, frame.pixelRatio, ...frame.viewHints, state.opacity].join(" ");
}

/**
 * Keeps the drawing of a layer on a canvas of its own. Without a GPU a browser draws coastlines in 10 to 40 ms, and
 * they need not be drawn for each step of the clock.
 * @template {VectorLayer<any>} Layer @param {Layer} layer @returns {Layer}
 */
export function keepStill(layer) {
  const draw = layer.render.bind(layer);
  /** @type {HTMLElement | null} */
  let drawn = null;
  let drawnOf = "";
  layer.render = (frame, target) => {
    const wanted = frame ? dependencies(layer, frame) : "";
    if (drawn === null || wanted !== drawnOf || target === drawn) drawn = draw(frame, /** @type {any} */ (null));
    drawnOf = wanted;
    return drawn;
  };
  return layer;
}
