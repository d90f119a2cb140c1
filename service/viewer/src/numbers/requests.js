// What the panel of numbers asks the service.

import { numbersPath } from "../map/pointer_values.js";

/** @import {Server} from "../tiles/server.js" */
/** @import {LonLat, ShownLayer, Layer} from "../types.js" */
/** @import {GeoPolygon} from "./region_text.js" */

/** Values along one axis at a place. @typedef {{labels: string[], values: (number | null)[]}} Along */

/** Steps that are asked for one by one, at most; of more every so many. */
export const MOST_STEPS = 120;
const AT_A_TIME = 3;
/** Cells of a region for its mean at each of many times; coarser levels are used for larger regions. */
const CELLS_OF_MANY = 65536;

/**
 * Does work for each item, a few at a time, and returns the results in order.
 * @template Item, Result
 * @param {Item[]} items @param {(item: Item) => Promise<Result>} work @returns {Promise<Result[]>}
 */
export async function each(items, work) {
  /** @type {Result[]} */
  const results = Array(items.length);
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const at = next;
      next += 1;
      results[at] = await work(items[at]);
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, worker));
  return results;
}

/** Every so many of the labels, so that there are at most so many; the last one is always among them. @param {readonly string[]} labels @param {number} most */
export function thinned(labels, most = MOST_STEPS) {
  const step = Math.ceil(labels.length / most);
  return labels.filter((_, at) => (labels.length - 1 - at) % step === 0);
}

/** The time series of a layer at a place. @param {Server} server @param {ShownLayer} shown @param {LonLat} place @param {AbortSignal} signal @returns {Promise<Along>} */
export async function series(server, shown, place, signal) {
  const found = await server.json(numbersPath(shown, place, "series"), { signal });
  return { labels: found.times, values: found.values };
}

/**
 * The values along another dimension at a place and time.
 * @param {Server} server @param {ShownLayer} shown @param {string} dimension @param {LonLat} place @param {AbortSignal} signal
 * @returns {Promise<Along>}
 */
export async function profile(server, shown, dimension, place, signal) {
  const labels = thinned(shown.layer.dimensions.find(({ name }) => name === dimension)?.values ?? []);
  const values = await each(labels, async (label) => {
    const state = { ...shown.state, dimensions: { ...shown.state.dimensions, [dimension]: label } };
    return (await server.json(numbersPath({ ...shown, state }, place), { signal })).value;
  });
  return { labels, values };
}

/**
 * The statistics of a region.
 * @param {Server} server @param {ShownLayer} shown @param {GeoPolygon} polygon
 * @param {{signal: AbortSignal, bins?: number, isCoarse?: boolean}} options
 */
export function statistics(server, { layer, state, time }, polygon, { signal, bins = 0, isCoarse = false }) {
  const query = new URLSearchParams({ percentiles: "5,50,95", ...state.dimensions });
  if (time !== undefined) query.set("datetime", time);
  if (bins) query.set("histogram", String(bins));
  if (isCoarse) query.set("budget", String(CELLS_OF_MANY));
  const path = `numbers/${encodeURIComponent(layer.id)}/statistics?${query}`;
  return server.json(path, { method: "POST", body: JSON.stringify(polygon), headers: { "Content-Type": "application/geo+json" }, signal });
}

/**
 * The mean of a region at each of these times.
 * @param {Server} server @param {ShownLayer} shown @param {string[]} labels @param {GeoPolygon} polygon
 * @param {{signal: AbortSignal, known?: Along, onProgress: (done: number) => void}} options `known`: means that are not
 * asked for again. @returns {Promise<Along>}
 */
export async function meansOf(server, shown, labels, polygon, { signal, known, onProgress }) {
  const before = new Map(known?.labels.map((label, at) => [label, known.values[at]]));
  let done = 0;
  const values = await each(labels, async (time) => {
    signal.throwIfAborted();
    const value = before.get(time) ?? (await statistics(server, { ...shown, time }, polygon, { signal, isCoarse: true })).mean;
    done += 1;
    onProgress(done);
    return value;
  });
  return { labels, values };
}

/** Whether values can be averaged and drawn as a line. @param {Layer} layer */
export const isQuantity = (layer) => !layer.isClasses;
