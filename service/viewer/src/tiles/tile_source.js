// The tiles of one layer in one style at one time, as OpenLayers asks for them.

import TileState from "ol/TileState.js";
import { get as getProjection } from "ol/proj.js";
import TileImage from "ol/source/TileImage.js";
import TileGrid from "ol/tilegrid/TileGrid.js";

import { TRUE_COLOUR } from "../catalogue/catalogue.js";
import { isRetina } from "../ui/screen.js";

/** @import {Layer, LayerState, TileSet, Matrix} from "../types.js" */
/** @import {TileCache} from "./tile_cache.js" */
/** @import ImageTile from "ol/ImageTile.js" */

/** Share of a tile by which data may miss its edge: an edge on a border must not add an empty row. */
const TOLERANCE = 1e-6;

/** Whether the tiles of the first matrix span exactly the world, so that columns may repeat. @param {TileSet} set */
function spansWorld(set) {
  const [{ cell, tile, size }] = set.matrices;
  const world = getProjection(set.crs)?.getExtent();
  if (!world || !["EPSG:4326", "EPSG:3857"].includes(set.crs)) return false;
  const width = cell * tile[0] * size[0];
  return Math.abs(width - (world[2] - world[0])) < 1e-6 * width;
}

/** Whether a tile meets the data. @param {Layer} layer @param {TileSet} set @param {Matrix} matrix @param {number} col @param {number} row */
function holdsData(layer, set, matrix, col, row) {
  if (col < 0 || row < 0 || col >= matrix.size[0] || row >= matrix.size[1]) return false;
  const box = layer.extents[set.id] ?? layer.extents[set.crs];
  if (!box) return true;
  const width = matrix.cell * matrix.tile[0];
  const height = matrix.cell * matrix.tile[1];
  const first = (/** @type {number} */ start, /** @type {number} */ count) => Math.min(Math.max(Math.floor(start + TOLERANCE), 0), count - 1);
  const last = (/** @type {number} */ end, /** @type {number} */ from, /** @type {number} */ count) =>
    Math.min(Math.max(Math.ceil(end - TOLERANCE) - 1, from), count - 1);
  const west = first((box[0] - matrix.origin[0]) / width, matrix.size[0]);
  const north = first((matrix.origin[1] - box[3]) / height, matrix.size[1]);
  return (
    col >= west &&
    row >= north &&
    col <= last((box[2] - matrix.origin[0]) / width, west, matrix.size[0]) &&
    row <= last((matrix.origin[1] - box[1]) / height, north, matrix.size[1])
  );
}

/** What the tiles of a layer are asked for besides their address. @param {Layer} layer @param {LayerState} state */
export function tileOptions(layer, state) {
  const options = new URLSearchParams();
  if (state.style.startsWith(TRUE_COLOUR)) options.set("rgb", state.style.slice(TRUE_COLOUR.length));
  const range = rangeOf(layer, state);
  if (range) {
    options.set("rescale", range);
    const spacing = state.spacing ?? (state.range ? "keep" : layer.spacing);
    if (spacing !== "keep") options.set("spacing", spacing);
  }
  if (state.resampling) options.set("resampling", state.resampling);
  if (state.filter) options.set("filter", state.filter);
  return options;
}

/** The range of a layer's colours as `MIN,MAX`; undefined: that of its colormap. @param {Layer} layer @param {LayerState} state */
export function rangeOf(layer, state) {
  if (layer.isClasses || state.range === "own" || state.style.startsWith(TRUE_COLOUR)) return undefined;
  return state.range ?? layer.stretch?.join(",");
}

/**
 * The address of a layer's tiles below the page's folder, up to the tile matrix set.
 * @param {Layer} layer @param {LayerState} state @param {string | null | undefined} time
 */
export function layerPath(layer, state, time) {
  const values = layer.path.map((name) => (name === "Time" ? time ?? "default" : state.dimensions[name]));
  const style = state.style.startsWith(TRUE_COLOUR) ? "default" : state.style;
  return ["wmts", layer.id, style, ...values].map(encodeURIComponent).join("/");
}

/**
 * Where the tiles of a layer are; equal keys are equal tiles.
 * @typedef {{key: string, url: (coordinates: number[] | null) => string | undefined}} Addresses
 */

/**
 * Returns the addresses of a layer's tiles; those of tiles without data are undefined.
 * @param {{base: string, layer: Layer, set: TileSet, state: LayerState, time: string | null | undefined, overlay?: URLSearchParams}} what
 * `overlay`: options instead of the layer's own. @returns {Addresses}
 */
export function tileAddresses({ base, layer, set, state, time, overlay }) {
  const options = (overlay ?? tileOptions(layer, state)).toString().replaceAll("%2C", ",").replaceAll("%3A", ":");
  const start = `${base}${layerPath(layer, state, time)}/${encodeURIComponent(set.id)}`;
  const end = `${isRetina() ? "@2x" : ""}.png${options ? `?${options}` : ""}`;
  const url = (/** @type {number[] | null} */ coordinates) => {
    if (!coordinates) return undefined;
    const [z, col, row] = coordinates;
    const matrix = set.matrices[z];
    return holdsData(layer, set, matrix, col, row) ? `${start}/${encodeURIComponent(matrix.id)}/${row}/${col}${end}` : undefined;
  };
  return { key: `${start}${end}#${layer.generation}`, url };
}

/** @param {TileSet} set */
function tileGrid(set) {
  return new TileGrid({
    extent: set.extent,
    origins: set.matrices.map(({ origin }) => origin),
    resolutions: set.matrices.map(({ cell }) => cell),
    tileSizes: set.matrices.map(({ tile }) => tile),
    sizes: set.matrices.map(({ size }) => size),
  });
}

/** A source of OpenLayers whose tiles come from the cache. */
export class TileSource extends TileImage {
  /**
   * @param {TileSet} set @param {TileCache} cache @param {AbortSignal} signal Ends the requests of tiles that are no
   * longer on the page, so that the server can cancel their work. @param {(error: Error) => void} onError
   */
  constructor(set, cache, signal, onError) {
    super({
      projection: set.crs,
      tileGrid: tileGrid(set),
      wrapX: spansWorld(set),
      interpolate: false, // a pixel is the colour of a value; interpolated colours would be wrong
      transition: 0,
      tilePixelRatio: isRetina() ? 2 : 1,
      tileLoadFunction: (tile, url) => load(/** @type {ImageTile} */ (tile), url),
    });
    this.set_ = set;
    const load = (/** @type {ImageTile} */ tile, /** @type {string} */ url) => {
      // Even a tile that is here must come after OpenLayers has begun to wait for it.
      cache.load(url, { signal }).then(
        (loaded) => tile.setImage(/** @type {any} */ (loaded)),
        (error) => {
          if (!signal.aborted) onError(error);
          tile.setState(TileState.ERROR);
        },
      );
    };
  }

  /** Shows other tiles; the old ones stay until these are there. @param {Addresses} addresses */
  show(addresses) {
    this.setTileUrlFunction(addresses.url, addresses.key);
  }
}
