// The data layers of one scene on one map: an OpenLayers layer for each entry, and one more for its contour lines.

import TileLayer from "ol/layer/Tile.js";

import { TileSource, tileAddresses } from "../tiles/tile_source.js";

/** @import LayerGroup from "ol/layer/Group.js" */
/** @import RenderEvent from "ol/render/Event.js" */
/** @import {Layer, LayerState, TileSet} from "../types.js" */
/** @import {Addresses} from "../tiles/tile_source.js" */
/** @import {TileCache} from "../tiles/tile_cache.js" */

/**
 * One picture to show: a layer in a style at a time, or the contour lines of one.
 * @typedef {{key: string, state: LayerState, layer: Layer, set: TileSet, time: string | null, addresses: Addresses,
 *   isContour: boolean}} Planned
 * @typedef {{tiles: TileLayer<TileSource>, source: TileSource, set: TileSet, address: string, abort: AbortController}} Entry
 */

/** @type {Record<string, GlobalCompositeOperation>} */
const OPERATIONS = { normal: "source-over" };

/**
 * Returns what a layer needs on the map at a time.
 * @param {{base: string, layer: Layer, state: LayerState, set: TileSet, time: string | null}} what @returns {Planned[]}
 */
export function planLayer({ base, layer, state, set, time }) {
  const addresses = tileAddresses({ base, layer, set, state, time });
  const planned = [{ key: state.key, state, layer, set, time, addresses, isContour: false }];
  if (state.contour && !layer.isClasses) {
    // Every value lies above this range: all lines have the last colour of the ramp, which is white.
    const overlay = new URLSearchParams({ filter: `contour:${state.contour}`, colormap: "grey", rescale: "-2e15,-1e15" });
    const lines = tileAddresses({ base, layer, set, state: { ...state, style: "default" }, time, overlay });
    planned.push({ key: `${state.key}-contour`, state, layer, set, time, addresses: lines, isContour: true });
  }
  return planned;
}

export class DataLayers {
  /** @type {Map<string, Entry>} */
  #entries = new Map();
  /** Clips a frame to one side of a swipe. @type {((event: RenderEvent) => void) | null} */
  clip = null;

  /** @param {LayerGroup} group @param {TileCache} cache @param {(error: Error) => void} onError */
  constructor(group, cache, onError) {
    this.group = group;
    this.cache = cache;
    this.onError = onError;
  }

  /** Shows a plan with the smallest change. @param {Planned[]} plan The lowest first. */
  show(plan) {
    const wanted = new Set(plan.map(({ key }) => key));
    for (const [key, entry] of this.#entries) if (!wanted.has(key)) this.#remove(key, entry);
    plan.forEach((planned, at) => {
      const entry = this.#entryOf(planned);
      if (entry.address !== planned.addresses.key) {
        entry.address = planned.addresses.key;
        entry.source.show(planned.addresses);
      }
      entry.tiles.setOpacity(planned.state.opacity);
      entry.tiles.set("blend", planned.isContour ? "normal" : planned.state.blend);
      entry.tiles.setZIndex(at);
    });
  }

  /** @param {string} key @param {Entry} entry */
  #remove(key, entry) {
    entry.abort.abort();
    this.group.getLayers().remove(entry.tiles);
    this.#entries.delete(key);
  }

  /** @param {Planned} planned @returns {Entry} */
  #entryOf(planned) {
    const known = this.#entries.get(planned.key);
    if (known?.set === planned.set) return known;
    if (known) this.#remove(planned.key, known);
    const abort = new AbortController();
    const source = new TileSource(planned.set, this.cache, abort.signal, this.onError);
    const tiles = new TileLayer({ source, preload: 0, className: "data" });
    tiles.on("prerender", (event) => {
      const context = /** @type {CanvasRenderingContext2D} */ (event.context);
      context.save();
      this.clip?.(event);
      const blend = tiles.get("blend") ?? "normal";
      context.globalCompositeOperation = OPERATIONS[blend] ?? blend;
    });
    tiles.on("postrender", (event) => /** @type {CanvasRenderingContext2D} */ (event.context).restore());
    const entry = { tiles, source, set: planned.set, address: "", abort };
    this.#entries.set(planned.key, entry);
    this.group.getLayers().push(tiles);
    return entry;
  }

  /** The sources on the map. */
  sources() {
    return [...this.#entries.values()].map(({ source }) => source);
  }

  /** Asks again for tiles that failed or were replaced. */
  refresh() {
    for (const { source } of this.#entries.values()) source.refresh();
  }
}
