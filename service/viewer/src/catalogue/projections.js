// The projections of the map: the two of the world, the two poles, and those of layers.

import Projection from "ol/proj/Projection.js";
import { get as getProjection } from "ol/proj.js";
import { addProjection, addCoordinateTransforms } from "ol/proj.js";
import proj4 from "proj4";

/** @import {TileSet, Extent} from "../types.js" */

export const TITLES = {
  "EPSG:4326": "Lon / lat",
  "EPSG:3857": "Mercator",
  "EPSG:3413": "Arctic",
  "EPSG:3031": "Antarctic",
};
export const WORLD = ["EPSG:4326", "EPSG:3857"];
const POLAR_HALF_WIDTH_M = 4194304;
const LONLAT = "+proj=longlat +datum=WGS84 +no_defs";

/** Latitudes between which lines are drawn, by projection; the poles are infinitely far in Mercator. @type {Record<string, [number, number]>} */
export const LATITUDES = {
  "EPSG:4326": [-90, 90],
  "EPSG:3857": [-85, 85],
  "EPSG:3413": [20, 90],
  "EPSG:3031": [-90, -20],
};

/** @type {Record<string, string>} */
const DEFINITIONS = {
  "EPSG:3413": "+proj=stere +lat_0=90 +lat_ts=70 +lon_0=-45 +x_0=0 +y_0=0 +datum=WGS84 +units=m +no_defs",
  "EPSG:3031": "+proj=stere +lat_0=-90 +lat_ts=-71 +lon_0=0 +x_0=0 +y_0=0 +datum=WGS84 +units=m +no_defs",
};

/**
 * Makes a projection known to OpenLayers.
 * @param {string} code @param {string} definition PROJ string. @param {Extent} extent
 */
function define(code, definition, extent) {
  const isRotated = definition.includes("+proj=ob_tran");
  const converter = proj4(LONLAT, definition);
  const unit = /\+units=(\S+)/.exec(definition)?.[1];
  const isDegrees = isRotated || /\+proj=(longlat|latlong)/.test(definition);
  const scale = isDegrees && isRotated ? ROTATED_UNIT : 1;
  const projection = new Projection({
    code,
    units: isDegrees ? "degrees" : unit === "us-ft" ? "us-ft" : "m",
    extent,
    metersPerUnit: isDegrees ? 111319.49 : unit === "km" ? 1000 : undefined,
  });
  addProjection(projection);
  const forward = (/** @type {number[]} */ [longitude, latitude]) => {
    const [x, y] = converter.forward([longitude, latitude]);
    return [x * scale, y * scale];
  };
  const inverse = (/** @type {number[]} */ [x, y]) => converter.inverse([x / scale, y / scale]);
  for (const geographic of ["EPSG:4326", "CRS:84"]) {
    const source = getProjection(geographic);
    if (source) addCoordinateTransforms(source, projection, forward, inverse);
  }
  const mercator = getProjection("EPSG:3857");
  const toMercator = proj4(LONLAT, "EPSG:3857");
  if (mercator) {
    addCoordinateTransforms(
      mercator,
      projection,
      (point) => forward(toMercator.inverse([point[0], point[1]])),
      (point) => toMercator.forward(/** @type {[number, number]} */ (inverse(point))),
    );
  }
}

/** A rotated pole counts in degrees, proj4 may count in radians. */
const ROTATED_UNIT = 1;

/** Makes the projection of a tile matrix set known. @param {TileSet} set */
export function defineProjection(set) {
  if (WORLD.includes(set.crs) || getProjection(set.crs)) return;
  const polar = DEFINITIONS[set.crs];
  const half = POLAR_HALF_WIDTH_M;
  try {
    define(set.crs, polar ?? set.definition, polar ? [-half, -half, half, half] : set.extent);
  } catch {
    // A projection that proj4 does not know is not offered.
  }
}

/** Whether the page can display a projection. @param {string} code */
export function isDisplayable(code) {
  return Boolean(getProjection(code));
}
