// Histogram, percentiles and classes of a layer, each asked for once.

/** @import {Context, Layer, LayerDetails, LayerState} from "../types.js" */

const KEPT = 100;
const BINS = 120;
/** @type {Map<string, Promise<LayerDetails>>} */
const kept = new Map();

/** @param {Context} context @param {Layer} layer @param {LayerState} state @param {string | undefined} time */
export function detailsOf(context, layer, state, time) {
  const key = `${layer.id} ${layer.generation} ${context.catalogue.digest}`;
  let found = kept.get(key);
  if (!found) {
    found = load(context, layer, state, time);
    found.catch(() => kept.delete(key));
    kept.set(key, found);
    if (kept.size > KEPT) kept.delete(/** @type {string} */ (kept.keys().next().value));
  }
  return found;
}

/** @param {Context} context @param {Layer} layer @param {LayerState} state @param {string | undefined} time @returns {Promise<LayerDetails>} */
async function load({ server }, layer, state, time) {
  const details = await server.json(`catalogue/${encodeURIComponent(layer.id)}`);
  if (details.histogram || layer.isClasses) return details;
  // A dataset that records no histogram: that of the present time, at a level that is quick to read.
  const [west, south, east, north] = layer.bounds;
  const query = new URLSearchParams({ bbox: [west, south, east > 180 ? east - 360 : east, north].join(), histogram: String(BINS), percentiles: "0,2,5,25,50,75,95,98,100", budget: "262144" });
  if (time !== undefined) query.set("datetime", time);
  for (const [name, value] of Object.entries(state.dimensions)) query.set(name, value);
  const found = await server.json(`numbers/${encodeURIComponent(layer.id)}/statistics?${query}`);
  const percentiles = Object.fromEntries(Object.entries(found.percentiles).filter(([, value]) => value !== null));
  const { edges, counts } = found.histogram ?? { edges: [], counts: [] };
  const histogram = counts.length > 0 ? { firstEdge: edges[0], width: edges[1] - edges[0], counts } : null;
  return { ...details, histogram, percentiles, min: found.min, max: found.max, mean: found.mean };
}
