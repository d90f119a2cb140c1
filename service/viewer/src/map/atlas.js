// Natural Earth's coastlines, borders and countries, loaded after the first picture.

import { feature, mesh } from "topojson-client";

/** @import {LonLat} from "../types.js" */

/**
 * Lines as runs of longitude and latitude, and areas with names.
 * @typedef {LonLat[]} Line
 * @typedef {{name: string, box: [number, number, number, number], rings: LonLat[][]}} Area
 * @typedef {{coast: Line[], borders: Line[], lakes: Line[], areas: Area[]}} Atlas
 */

/** Where Natural Earth cuts areas at 180 degrees and at the pole there is no coast. @param {number[]} from @param {number[]} to */
const isCut = (from, to) => (Math.abs(from[0]) > 179.99 && Math.abs(to[0]) > 179.99) || (from[1] < -89.9 && to[1] < -89.9);

/** @param {Line[]} lines */
function withoutCuts(lines) {
  /** @type {Line[]} */
  const result = [];
  for (const line of lines) {
    /** @type {Line} */
    let run = [];
    line.forEach((point, at) => {
      if (at > 0 && isCut(line[at - 1], point)) {
        if (run.length > 1) result.push(run);
        run = [];
      }
      run.push(point);
    });
    if (run.length > 1) result.push(run);
  }
  return result;
}

/** @param {LonLat[][]} rings @returns {[number, number, number, number]} */
function boxOf(rings) {
  const points = rings.flat();
  return [
    Math.min(...points.map(([x]) => x)),
    Math.min(...points.map(([, y]) => y)),
    Math.max(...points.map(([x]) => x)),
    Math.max(...points.map(([, y]) => y)),
  ];
}

/** @param {any} topology @returns {Atlas} */
export function readAtlas(topology) {
  const { countries } = topology.objects;
  const lines = (/** @type {(a: any, b: any) => boolean} */ kind) => /** @type {Line[]} */ (mesh(topology, countries, kind).coordinates);
  const areas = /** @type {any} */ (feature(topology, countries)).features.flatMap((/** @type {any} */ { properties, geometry }) => {
    if (!geometry) return [];
    const polygons = geometry.type === "Polygon" ? [geometry.coordinates] : geometry.coordinates;
    return polygons.map((/** @type {LonLat[][]} */ rings) => ({ name: properties.name, rings, box: boxOf(rings) }));
  });
  return { coast: withoutCuts(lines((a, b) => a === b)), borders: withoutCuts(lines((a, b) => a !== b)), lakes: topology.lakes ?? [], areas };
}

/** @param {LonLat[]} ring @param {number} x @param {number} y */
function crosses(ring, x, y) {
  let inside = false;
  for (let at = 0, before = ring.length - 1; at < ring.length; before = at, at += 1) {
    const [x1, y1] = ring[at];
    const [x2, y2] = ring[before];
    if (y1 > y !== y2 > y && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) inside = !inside;
  }
  return inside;
}

/** Name of the country at a place, "" at sea. @param {Atlas | null} atlas @param {LonLat} lonLat */
export function countryAt(atlas, [longitude, latitude]) {
  const x = ((((longitude + 180) % 360) + 360) % 360) - 180;
  const found = atlas?.areas.find(
    ({ box: [west, south, east, north], rings }) =>
      x >= west && x <= east && latitude >= south && latitude <= north && rings.reduce((inside, ring) => inside !== crosses(ring, x, latitude), false),
  );
  return found?.name ?? "";
}
