// A region as the permalink holds it: the projection in which its sides are straight, and its corners.

import { LineString } from "ol/geom.js";
import { fromLonLat, get as getProjection, toLonLat } from "ol/proj.js";

/** @typedef {{type: "Polygon", coordinates: number[][][]}} GeoPolygon */

/** A link is no place for more. */
const MOST_CORNERS = 200;
/** With so many corners a region is a circle, whose sides are short. */
export const CIRCLE_SIDES = 64;
/** Points along each side: a straight line on the map is none on the globe. */
const SIDE_POINTS = 16;
/** A metre. */
const DIGITS = 5;

/**
 * Returns a ring with more points along its sides.
 * @param {number[][]} ring Closed. @param {number} points Along each side.
 */
export function densified(ring, points) {
  const result = [];
  for (let at = 0; at + 1 < ring.length; at += 1) {
    const side = new LineString([ring[at], ring[at + 1]]);
    for (let step = 0; step < points; step += 1) result.push(side.getCoordinateAt(step / points));
  }
  return [...result, ring[ring.length - 1]];
}

/** Longitudes without a jump of 360 degrees between neighbours. @param {number[][]} ring */
export function unturned(ring) {
  let [last] = ring[0];
  return ring.map(([longitude, latitude]) => {
    last = longitude - 360 * Math.round((longitude - last) / 360);
    return [last, Math.max(-90, Math.min(90, latitude))];
  });
}

/** The sides of a closed ring with points along them, in longitudes and latitudes. @param {number[][]} ring @param {string} code */
const along = (ring, code) => unturned((ring.length > CIRCLE_SIDES ? ring : densified(ring, SIDE_POINTS)).map((each) => toLonLat(each, code)));

/** The text of a region. @param {number[][]} ring Closed, in coordinates of the map. @param {string} code Projection of the map. */
export function textOfRegion(ring, code) {
  const stride = ring.length > CIRCLE_SIDES ? 1 : SIDE_POINTS;
  const corners = along(ring, code).filter((_, at, { length }) => at % stride === 0 && at < length - 1);
  return [code, ...corners.map((each) => each.map((degrees) => Number(degrees.toFixed(DIGITS))).join())].join(";");
}

/** The region of a text; null if it describes none. @param {string | undefined} text @returns {GeoPolygon | null} */
export function regionOf(text) {
  const [code, ...pairs] = (text ?? "").split(";");
  const corners = pairs.map((pair) => pair.split(",").map(Number));
  const isValid = corners.every((pair) => pair.length === 2 && pair.every(Number.isFinite) && Math.abs(pair[1]) <= 90);
  if (!getProjection(code) || !isValid || corners.length < 3 || corners.length > MOST_CORNERS) return null;
  const ring = [...corners, corners[0]].map((each) => fromLonLat(each, code));
  if (!ring.every((each) => each.every(Number.isFinite))) return null;
  const lonLats = along(ring, code);
  return lonLats.every((each) => each.every(Number.isFinite)) ? { type: "Polygon", coordinates: [lonLats] } : null;
}
