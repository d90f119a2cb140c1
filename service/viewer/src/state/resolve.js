// From what a link asks for to a state in which every name exists.

import { emptyState, layerState } from "./defaults.js";

/** @import {State, Scene, LayerState, Layer} from "../types.js" */
/** @import {Link, LinkedLayer, LinkedScene} from "./permalink.js" */
/** @import {Catalogue} from "../catalogue/catalogue.js" */

export const BLENDS = ["normal", "multiply", "screen", "darken", "lighten", "difference"];
export const RESAMPLINGS = ["nearest", "bilinear", "cubic", "average", "mode"];
export const SPACINGS = ["keep", "even", "log"];
const FILTER = /^(blur|sobel|hillshade(:[0-9.e+-]+)?)$/;
const RANGE = /^(own|-?[0-9.]+(e[+-]?[0-9]+)?,-?[0-9.]+(e[+-]?[0-9]+)?)$/i;

/** @param {string | undefined} value @param {readonly string[]} allowed */
const oneOf = (value, allowed) => (value !== undefined && allowed.includes(value) ? value : undefined);

/** @param {string | undefined} range */
export function isRange(range) {
  if (range === undefined || !RANGE.test(range)) return false;
  const [low, high] = range.split(",").map(Number);
  return range === "own" || low < high;
}

/** @param {Catalogue} catalogue @param {Layer} layer @param {LinkedLayer} asked @param {string[]} problems */
function resolveLayer(catalogue, layer, asked, problems) {
  /** @type {Record<string, string>} */
  const dimensions = {};
  for (const dimension of layer.dimensions) {
    const value = asked.dimensions[dimension.name];
    if (value !== undefined && !dimension.values.includes(value)) problems.push(`${dimension.title} ${value}`);
    else if (value !== undefined) dimensions[dimension.name] = value;
  }
  const style = asked.style ?? "default";
  if (!catalogue.isStyle(layer, style)) problems.push(`style ${style}`);
  if (asked.set !== undefined && !layer.sets.includes(asked.set)) problems.push(`tile matrix set ${asked.set}`);
  return layerState(layer, {
    style: catalogue.isStyle(layer, style) ? style : "default",
    set: oneOf(asked.set, layer.sets),
    dimensions,
    opacity: asked.opacity ?? 1,
    hidden: asked.hidden ?? false,
    blend: oneOf(asked.blend, BLENDS) ?? "normal",
    range: !layer.isClasses && isRange(asked.range) ? asked.range : undefined,
    spacing: oneOf(asked.spacing, SPACINGS),
    resampling: oneOf(asked.resampling, RESAMPLINGS),
    filter: asked.filter && FILTER.test(asked.filter) ? asked.filter : undefined,
    contour: asked.contour,
  });
}

/** @param {Catalogue} catalogue @param {LinkedScene} asked @param {string[]} problems @returns {Scene} */
function resolveScene(catalogue, asked, problems) {
  const layers = asked.layers.flatMap((each) => {
    const layer = catalogue.layer(each.id);
    if (!layer) problems.push(`layer ${each.id}`);
    return layer ? [resolveLayer(catalogue, layer, each, problems)] : [];
  });
  if (layers.length === 0) layers.push(layerState(catalogue.layers[0]));
  const selected = layers[asked.selected ?? layers.length - 1] ?? layers[layers.length - 1];
  const offered = catalogue.clockOf(layers).labels;
  let time = asked.time;
  if (time !== undefined && !offered.includes(time)) {
    const nearest = catalogue.nearestTime(layers, time);
    if (nearest === undefined && offered.length > 0) problems.push(`time ${time}`);
    time = nearest;
  }
  return { layers, selected: selected.key, time: time ?? catalogue.latestTime(selected) };
}

/**
 * Returns the state that a link asks for, with defaults for what it does not say, and the names in it that do not
 * exist. The catalogue has at least one layer.
 * @param {Catalogue} catalogue @param {Link} link @returns {{state: State, problems: string[]}}
 */
export function resolve(catalogue, link) {
  /** @type {string[]} */
  const problems = [];
  const empty = emptyState();
  const a = resolveScene(catalogue, link.a, problems);
  const compare = /** @type {State["compare"]} */ (oneOf(link.compare, ["swipe", "split"]) ?? "off");
  const b = compare === "off" ? empty.b : resolveScene(catalogue, link.b, problems);
  const chosen = /** @type {LayerState} */ (a.layers.find(({ key }) => key === a.selected));
  const offered = catalogue.projectionsOf(chosen);
  if (link.projection !== undefined && !catalogue.hasProjection(link.projection)) problems.push(`projection ${link.projection}`);
  const projection = link.projection !== undefined && catalogue.hasProjection(link.projection) ? link.projection : offered[0];
  const { fps, step, ...clock } = link.clock;
  return {
    problems,
    state: {
      ...empty,
      a,
      b,
      compare,
      side: compare !== "off" && link.side === "b" ? "b" : "a",
      divider: link.divider ?? empty.divider,
      projection,
      position: link.position,
      clock: {
        ...empty.clock,
        ...clock,
        fps: Math.min(30, Math.max(0.1, fps ?? empty.clock.fps)),
        step: Math.min(1000, Math.max(1, Math.round(step ?? empty.clock.step))),
      },
      display: { ...empty.display, ...link.display },
      extra: link.extra,
    },
  };
}

/**
 * Returns a state that fits another catalogue: layers that are gone are left out.
 * @param {Catalogue} catalogue @param {State} state @returns {State}
 */
export function refit(catalogue, state) {
  /** @param {Scene} scene @returns {Scene} */
  const fit = (scene) => {
    const layers = scene.layers.filter(({ id }) => catalogue.layer(id));
    if (layers.length === 0) layers.push(layerState(catalogue.layers[0]));
    const selected = layers.some(({ key }) => key === scene.selected) ? scene.selected : layers[layers.length - 1].key;
    const { labels } = catalogue.clockOf(layers);
    const isKnown = scene.time !== undefined && labels.includes(scene.time);
    return { layers, selected, time: isKnown ? scene.time : labels.at(-1) };
  };
  return { ...state, a: fit(state.a), b: state.compare === "off" ? state.b : fit(state.b) };
}
