// What the map shows. A change of the state is loaded first and then shown at once, so that no label ever stands over
// the picture of something else: labels follow `shown`, controls follow the state.

import { DataLayers, planLayer } from "./data_layers.js";
import { visibleTiles } from "./visible_tiles.js";

/** @import {Side, Scene, Shown} from "../types.js" */
/** @import {Planned} from "./data_layers.js" */
/** @import {Store} from "../state/store.js" */
/** @import {Catalogue} from "../catalogue/catalogue.js" */
/** @import {MapView} from "./map_view.js" */
/** @import {TileCache} from "../tiles/tile_cache.js" */

/** @type {Side[]} */
const SIDES = ["a", "b"];

export class Picture {
  /** @type {Set<(shown: Record<Side, Shown | null>) => void>} */
  #watchers = new Set();
  /** @type {Record<Side, {plan: Planned[], abort: AbortController | null}>} */
  #sides = { a: { plan: [], abort: null }, b: { plan: [], abort: null } };
  /** @type {Record<Side, Shown | null>} */
  shown = { a: null, b: null };
  #pending = 0;
  #projection = "";
  /** @type {(isPending: boolean) => void} */
  onPending = () => {};

  /**
   * @param {{store: Store, catalogue: () => Catalogue, map: MapView, cache: TileCache, base: string,
   *   onError: (error: Error) => void}} parts
   */
  constructor({ store, catalogue, map, cache, base, onError }) {
    this.store = store;
    this.catalogue = catalogue;
    this.map = map;
    this.cache = cache;
    this.base = base;
    this.layers = {
      a: new DataLayers(map.groups.a, cache, onError),
      b: new DataLayers(map.groups.b, cache, onError),
    };
    store.watch(
      ({ a, b, compare, projection }) => [a, b, compare, projection],
      () => this.refresh(),
    );
  }

  /** Calls back now and whenever other labels suit the picture. @param {(shown: Record<Side, Shown | null>) => void} callback */
  watch(callback) {
    this.#watchers.add(callback);
    callback(this.shown);
    return () => this.#watchers.delete(callback);
  }

  /** The sides that are on the page. */
  get sides() {
    return this.store.state.compare === "off" ? SIDES.slice(0, 1) : SIDES;
  }

  /** Whether a change is being loaded. */
  get isPending() {
    return this.#pending > 0;
  }

  /** What a scene needs at an instant. @param {Scene} scene @param {string | undefined} time @returns {Planned[]} */
  plan(scene, time) {
    const catalogue = this.catalogue();
    const { projection } = this.store.state;
    const step = catalogue.clockOf(scene.layers).step;
    return scene.layers.flatMap((state) => {
      const layer = catalogue.layerOf(state);
      const at = catalogue.timeAt(layer, time, step);
      if (state.hidden || at === undefined) return [];
      const set = catalogue.setOf(state, projection) ?? catalogue.fallbackSet(layer, projection);
      return set ? planLayer({ base: this.base, layer, state, set, time: at }) : [];
    });
  }

  /** Brings the map up to the state. */
  refresh() {
    const { projection } = this.store.state;
    // A picture of another projection does not fit the new view.
    if (projection !== this.#projection) for (const side of SIDES) this.#clear(side);
    this.#projection = projection;
    for (const side of SIDES) {
      if (this.sides.includes(side)) this.#change(side);
      else this.#clear(side);
    }
  }

  /** @param {Side} side */
  #clear(side) {
    this.#sides[side].abort?.abort();
    this.#sides[side] = { plan: [], abort: null };
    this.layers[side].show([]);
    if (this.shown[side]) {
      this.shown = { ...this.shown, [side]: null };
      this.#tell();
    }
  }

  /** @param {Side} side */
  async #change(side) {
    const own = this.#sides[side];
    const scene = this.store.state[side];
    const plan = this.plan(scene, scene.time);
    const before = new Map(own.plan.map((each) => [each.key, each]));
    const changed = plan.filter(({ key, addresses }) => before.get(key)?.addresses.key !== addresses.key);
    own.abort?.abort();
    own.abort = null;
    const urls = changed.flatMap((each) => visibleTiles(this.map, each));
    if (urls.every((url) => this.cache.has(url))) return this.#commit(side, scene, plan);
    const abort = new AbortController();
    own.abort = abort;
    this.#count(1);
    try {
      // Another time of the same layers is shown when it is complete; other layers as soon as anything of them is here.
      const isSame = changed.every(({ key }) => before.has(key));
      await this.#loaded(urls, abort.signal, isSame);
    } finally {
      this.#count(-1);
    }
    if (!abort.signal.aborted) this.#commit(side, scene, plan);
  }

  /** @param {string[]} urls @param {AbortSignal} signal @param {boolean} all */
  async #loaded(urls, signal, all) {
    const loads = urls.map((url) => this.cache.load(url, { signal }));
    const settled = Promise.allSettled(loads);
    await (all ? settled : Promise.race([Promise.any(loads).catch(() => {}), settled]));
  }

  /** @param {number} by */
  #count(by) {
    this.#pending += by;
    this.onPending(this.isPending);
  }

  /** @param {Side} side @param {Scene} scene @param {Planned[]} plan */
  #commit(side, scene, plan) {
    this.#sides[side].plan = plan;
    this.layers[side].show(plan);
    const layers = plan
      .filter(({ isContour }) => !isContour)
      .map(({ state, layer, time }) => ({ state, layer, time: time ?? undefined }));
    this.shown = { ...this.shown, [side]: { side, time: scene.time, layers } };
    this.#tell();
  }

  #tell() {
    for (const watcher of this.#watchers) watcher(this.shown);
  }

  /** URLs of the tiles in view when the clock of a side is at an instant. @param {Side} side @param {string} time */
  tilesAt(side, time) {
    return this.plan(this.store.state[side], time).flatMap((each) => visibleTiles(this.map, each));
  }

  /** Loads what an instant needs, behind everything else. @param {Side} side @param {string} time @param {AbortSignal} signal */
  async prefetch(side, time, signal) {
    const loads = this.tilesAt(side, time).map((url) => this.cache.load(url, { signal, priority: "low" }));
    await Promise.allSettled(loads);
  }

  /** Whether an instant can be shown without a request. @param {Side} side @param {string} time */
  isWarm(side, time) {
    return this.tilesAt(side, time).every((url) => this.cache.has(url));
  }

  /** Loads everything anew, after data was replaced. */
  reload() {
    this.cache.clear();
    for (const side of SIDES) this.layers[side].refresh();
    this.refresh();
  }

  /** Resolves when what the state says is on the screen. */
  async whenDrawn() {
    while (this.isPending) await new Promise((resolve) => setTimeout(resolve, 16));
    await Promise.all(this.sides.map((side) => this.map.whenDrawn(side === "b" && this.store.state.compare === "split" ? "b" : "a")));
  }
}
