// What the server offers: its overview, and what follows from it.

import { get as getProjection } from "ol/proj.js";

import { Times, expandPeriods, orderOf } from "../time/times.js";
import { TITLES, WORLD, defineProjection, isDisplayable } from "./projections.js";

/** @import {Overview, Layer, LayerState, TileSet, Colormap} from "../types.js" */

const NONE = new Times([]);
/** Of several sets in a projection: those that cover the world in whole tiles, so that the map can repeat. */
const PREFERRED = ["WebMercatorQuad", "WorldCRS84Quad"];
/** Sets of one family with the map's polar views: their pixels are those of the screen. */
const POLAR_FAMILY = /_(1km|500m|250m|31\.25m)$/;
export const REVERSED = "_r";
/** Begins the name of a style that shows three variables of a dataset as one picture. */
export const TRUE_COLOUR = "rgb:";

/**
 * The style that shows a dataset's red, green and blue, or the first three bands of a picture; undefined without them.
 * @param {Layer[]} layers Of one dataset.
 */
export function trueColour(layers) {
  const named = [/^(red|r)$/i, /^(green|g)$/i, /^(blue|b)$/i].map((name) => layers.find(({ variable }) => name.test(variable)));
  const bands = [1, 2, 3].map((number) => layers.find(({ variable }) => variable === `band_${number}`));
  const isPicture = layers.length >= 3 && layers.length <= 4;
  const found = named.every(Boolean) ? named : isPicture && bands.every(Boolean) ? bands : [];
  const [first] = found;
  if (!first || found.some((each) => each?.path.join() !== first.path.join() || each?.times !== first.times)) return undefined;
  return `${TRUE_COLOUR}${found.map((each) => each?.variable).join()}`;
}

export class Catalogue {
  /** @type {Map<string, Layer>} */
  #layers;
  /** @type {Map<number, Times>} */
  #times = new Map();
  /** @type {[string, Times] | undefined} */
  #clock;

  /** @param {Overview} overview @param {string} [digest] Changes with the overview. */
  constructor(overview, digest = "") {
    this.overview = overview;
    this.digest = digest;
    this.layers = overview.layers;
    this.datasets = overview.datasets;
    this.#layers = new Map(overview.layers.map((layer) => [layer.id, layer]));
    /** @type {Map<string, TileSet>} */
    this.sets = new Map(Object.entries(overview.sets).map(([id, set]) => [id, { id, ...set }]));
    for (const set of this.sets.values()) defineProjection(set);
  }

  /** @param {string} id */
  layer(id) {
    return this.#layers.get(id);
  }

  /** The layer of a state, which is known to exist. @param {{id: string}} state @returns {Layer} */
  layerOf(state) {
    return /** @type {Layer} */ (this.#layers.get(state.id));
  }

  /** Names of the styles that are offered for a layer; its picture in true colour is one where there is one. @param {Layer} layer */
  stylesOf(layer) {
    const offered = this.overview.styles[layer.styles];
    const picture = trueColour(this.layers.filter(({ dataset }) => dataset === layer.dataset));
    return picture ? [...offered, picture] : offered;
  }

  /** @param {string} name @returns {Colormap | undefined} */
  colormap(name) {
    const known = this.overview.colormaps;
    if (Object.hasOwn(known, name)) return known[name];
    const base = name.slice(0, -REVERSED.length);
    if (!name.endsWith(REVERSED) || !Object.hasOwn(known, base)) return undefined;
    return { ...known[base], stops: known[base].stops.toReversed() };
  }

  /** @param {Layer} layer @param {string} style */
  isStyle(layer, style) {
    if (style === "default" || this.stylesOf(layer).includes(style)) return true;
    if (!layer.isClasses && style === `default${REVERSED}`) return true;
    const colormap = this.colormap(style);
    return colormap !== undefined && colormap.isClasses === layer.isClasses;
  }

  // --- time ---

  /** @param {Layer} layer */
  timesOf(layer) {
    if (layer.times === null) return NONE;
    let found = this.#times.get(layer.times);
    if (!found) {
      found = new Times(expandPeriods(this.overview.times[layer.times]));
      this.#times.set(layer.times, found);
    }
    return found;
  }

  /** The times of several layers, which one clock runs through. @param {LayerState[]} layers */
  clockOf(layers) {
    const axes = new Set(layers.map((each) => this.layerOf(each).times).filter((at) => at !== null));
    const key = [...axes].join();
    if (this.#clock?.[0] !== key) {
      const times = layers.map((each) => this.timesOf(this.layerOf(each))).filter(({ length }) => length > 0);
      this.#clock = [key, times.length > 0 ? Times.merged([...new Set(times)]) : NONE];
    }
    return this.#clock[1];
  }

  /** @param {LayerState} layer */
  latestTime(layer) {
    return this.timesOf(this.layerOf(layer)).labels.at(-1);
  }

  /** The time of these layers that is in force at an instant. @param {LayerState[]} layers @param {string} time */
  nearestTime(layers, time) {
    const clock = this.clockOf(layers);
    return Number.isNaN(orderOf(time)) ? undefined : clock.at(time, 0);
  }

  /**
   * What a layer shows when the clock is at an instant: null for a layer without times, undefined if it has no data.
   * @param {Layer} layer @param {string | undefined} clock @param {number} clockStep
   */
  timeAt(layer, clock, clockStep) {
    if (layer.times === null) return null;
    const times = this.timesOf(layer);
    return clock === undefined ? times.labels.at(-1) : times.at(clock, clockStep);
  }

  // --- projections and tile matrix sets ---

  /** @param {string} code */
  hasProjection(code) {
    return isDisplayable(code) && [...this.sets.values()].some((set) => set.crs === code);
  }

  /** The projections in which a layer can be shown, the preferred one first. @param {{id: string}} state */
  projectionsOf(state) {
    const codes = new Set(this.layerOf(state).sets.map((id) => this.sets.get(id)?.crs ?? ""));
    const order = [...Object.keys(TITLES), ...codes];
    return [...new Set(order)].filter((code) => codes.has(code) && isDisplayable(code));
  }

  /** Name of a projection for people. @param {string} code */
  projectionTitle(code) {
    return /** @type {Record<string, string>} */ (TITLES)[code] ?? "Layer’s own";
  }

  /**
   * The sets of a layer in a projection, the preferred ones first; none where it cannot be shown without the browser
   * reprojecting it. @param {Layer} layer @param {string} code
   */
  setsIn(layer, code) {
    const sets = /** @type {TileSet[]} */ (layer.sets.map((id) => this.sets.get(id)).filter((set) => set?.crs === code));
    const finest = (/** @type {TileSet} */ set) => set.matrices[set.matrices.length - 1].cell;
    const rank = (/** @type {TileSet} */ set) => {
      if (PREFERRED.includes(set.id)) return 0;
      return POLAR_FAMILY.test(set.id) ? 1 : 2;
    };
    return sets.toSorted((a, b) => rank(a) - rank(b) || (rank(a) === 1 ? finest(a) - finest(b) : 0));
  }

  /** The set that shows a layer; undefined where the projection has none. @param {LayerState} state @param {string} code */
  setOf(state, code) {
    const layer = this.layerOf(state);
    const sets = this.setsIn(layer, code);
    return sets.find(({ id }) => id === state.set) ?? sets[0];
  }

  /** A set from which the browser reprojects a layer that has none in a projection. @param {Layer} layer @param {string} code */
  fallbackSet(layer, code) {
    if (!getProjection(code)) return undefined;
    return WORLD.map((world) => this.setsIn(layer, world)[0]).find(Boolean);
  }
}
