// Which tiles of a layer are in view.

import { equivalent, get as getProjection } from "ol/proj.js";

/** @import {MapView} from "./map_view.js" */
/** @import {Planned} from "./data_layers.js" */

/** More tiles than this are not loaded ahead: the window is larger than any screen. */
const MOST = 400;

/**
 * URLs of a layer's tiles in view, as OpenLayers will ask for them; none while the map has no size, or where it
 * reprojects the layer itself. @param {MapView} map @param {Planned} planned @returns {string[]}
 */
export function visibleTiles(map, { set, addresses }) {
  const size = map.ol().getSize();
  const resolution = map.view.getResolution();
  const projection = getProjection(set.crs);
  if (!size || !resolution || !projection || !equivalent(projection, map.view.getProjection())) return [];
  const cells = set.matrices.map(({ cell }) => cell);
  const z = nearestLevel(cells, resolution);
  const { origin, tile, size: count, cell } = set.matrices[z];
  const [west, south, east, north] = map.view.calculateExtent(size);
  const [width, height] = [cell * tile[0], cell * tile[1]];
  const world = projection.getExtent();
  const columns = Math.round((world[2] - world[0]) / width);
  const wraps = projection.canWrapX() && columns === count[0];
  const urls = new Set();
  for (let row = Math.floor((origin[1] - north) / height); row <= Math.floor((origin[1] - south) / height); row += 1) {
    for (let col = Math.floor((west - origin[0]) / width); col <= Math.floor((east - origin[0]) / width); col += 1) {
      const url = addresses.url([z, wraps ? ((col % columns) + columns) % columns : col, row]);
      if (url) urls.add(url);
      if (urls.size >= MOST) return [...urls];
    }
  }
  return [...urls];
}

/** The level that OpenLayers draws at a resolution: the one nearest to it. @param {number[]} cells Descending. @param {number} resolution */
export function nearestLevel(cells, resolution) {
  let best = 0;
  cells.forEach((cell, at) => {
    if (Math.abs(cell - resolution) <= Math.abs(cells[best] - resolution)) best = at;
  });
  return best;
}
