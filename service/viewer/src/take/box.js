// A box of longitude and latitude: as text, around what is drawn, and around what the map shows.

import { WORLD } from "../catalogue/projections.js";
import { unturned } from "../numbers/region_text.js";

/** @import {Extent, LonLat} from "../types.js" */
/** @import {MapView} from "../map/map_view.js" */

const SAMPLES = 24;

/** @param {Extent} box */
export const textOfBox = (box) => box.map((each) => String(Number(each.toFixed(3)))).join(", ");

/** The box of a text, null where it is none. @param {string} text @returns {Extent | null} */
export function boxOfText(text) {
  const parts = text.split(",").map((part) => (part.trim() ? Number(part) : NaN));
  const [west, south, east, north] = parts;
  const isBox = parts.length === 4 && parts.every(Number.isFinite) && south < north && south >= -90 && north <= 90 && west !== east;
  return isBox ? [west, south, east, north] : null;
}

/** West between -180 and 180 degrees, the width kept, 360 degrees at most. @param {Extent} box @returns {Extent} */
export function normalised([west, south, east, north]) {
  const latitudes = [Math.max(-90, south), Math.min(90, north)];
  if (east - west >= 360) return [-180, latitudes[0], 180, latitudes[1]];
  const turn = -360 * Math.floor((west + 180) / 360);
  return [west + turn, latitudes[0], east + turn, latitudes[1]];
}

/** The box around places that follow each other. @param {number[][]} places @returns {Extent} */
export function boxAround(places) {
  const line = unturned(places);
  const [xs, ys] = [line.map(([x]) => x), line.map(([, y]) => y)];
  return normalised([Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)]);
}

/** The box around what the map shows; of a polar view that holds the pole, all longitudes. @param {MapView} map @returns {Extent} */
export function visibleBox(map) {
  const [left, bottom, right, top] = map.view.calculateExtent(map.ol().getSize());
  const [, south] = map.lonLat([left, bottom]);
  const [, north] = map.lonLat([left, top]);
  if (WORLD.includes(map.projection)) {
    const world = map.view.getProjection().getExtent();
    const degrees = 360 / (world[2] - world[0]);
    return normalised([left * degrees, south, right * degrees, north]);
  }
  const [middle] = map.lonLat([(left + right) / 2, (bottom + top) / 2]);
  /** @type {LonLat[]} */
  const places = [];
  for (let row = 0; row <= SAMPLES; row += 1) {
    for (let col = 0; col <= SAMPLES; col += 1) {
      places.push(map.lonLat([left + ((right - left) * col) / SAMPLES, bottom + ((top - bottom) * row) / SAMPLES]));
    }
  }
  const onEarth = places.filter((place) => place.every(Number.isFinite));
  const near = onEarth.map(([x, y]) => [x - 360 * Math.round((x - middle) / 360), y]);
  const [xs, ys] = [near.map(([x]) => x), near.map(([, y]) => y)];
  const poles = [-90, 90].filter((latitude) => {
    const [x, y] = map.coordinate([middle, latitude]);
    return x >= left && x <= right && y >= bottom && y <= top;
  });
  if (poles.length > 0) return [-180, Math.min(...ys, ...poles), 180, Math.max(...ys, ...poles)];
  return normalised([Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)]);
}
