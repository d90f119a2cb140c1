// Lines of longitudes and latitudes as lines of a map.

import { fromLonLat } from "ol/proj.js";

import { LATITUDES } from "../catalogue/projections.js";

/** @import {LonLat} from "../types.js" */
/** @import {Line} from "./atlas.js" */

/** The parts of a line between two latitudes, in coordinates of the map. @param {Line} line @param {string} code */
function project(line, code) {
  const [south, north] = LATITUDES[code] ?? [-90, 90];
  const parts = [];
  /** @type {number[][]} */
  let part = [];
  for (const [longitude, latitude] of line) {
    const point = latitude >= south && latitude <= north ? fromLonLat([longitude, latitude], code) : null;
    if (point && point.every(Number.isFinite)) part.push(point);
    else {
      if (part.length > 1) parts.push(part);
      part = [];
    }
  }
  if (part.length > 1) parts.push(part);
  return parts;
}

/** Parts that jump across the map, as a line does at the seam of a projection, are cut there. @param {number[][][]} parts @param {number} width */
function cutJumps(parts, width) {
  return parts.flatMap((part) => {
    const result = [];
    let run = [part[0]];
    for (let at = 1; at < part.length; at += 1) {
      if (Math.hypot(part[at][0] - part[at - 1][0], part[at][1] - part[at - 1][1]) > width) {
        if (run.length > 1) result.push(run);
        run = [];
      }
      run.push(part[at]);
    }
    if (run.length > 1) result.push(run);
    return result;
  });
}

/** Meridians and parallels where OpenLayers' graticule does not know the projection. @param {string} code @returns {Line[]} */
export function gridLines(code) {
  const [south, north] = LATITUDES[code] ?? [-80, 80];
  const range = (/** @type {number} */ from, /** @type {number} */ to, /** @type {number} */ step) =>
    Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, at) => from + at * step);
  const meridians = range(-180, 150, 30).map((longitude) => range(south, north, 2).map((latitude) => /** @type {LonLat} */ ([longitude, latitude])));
  const parallels = range(Math.ceil(south / 10) * 10, Math.min(north, 80), 10).map((latitude) =>
    range(-180, 180, 2).map((longitude) => /** @type {LonLat} */ ([longitude, latitude])),
  );
  return [...meridians, ...parallels];
}

/** Lines in coordinates of a map. @param {Line[]} lines @param {string} code @param {number} width Of the map. */
export const partsOf = (lines, code, width) => cutJumps(lines.flatMap((line) => project(line, code)), width / 4);
