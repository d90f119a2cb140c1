// The values under the pointer, of every layer on the map, asked for when the pointer rests.

/** @import {Context, PointerEvent, ShownLayer} from "../types.js" */

const REST_MS = 90;

/**
 * A value under the pointer; null where there is no data.
 * @typedef {{shown: ShownLayer, value: number | null, time: string | null,
 *   cell: {level: number, row: number, col: number, longitude: number, latitude: number} | null}} PointerValue
 */

/** The address of the value of a layer at a place. @param {ShownLayer} shown @param {[number, number]} lonLat @param {string} what point or series */
export function numbersPath({ layer, state, time }, [longitude, latitude], what = "point") {
  const query = new URLSearchParams({ lon: longitude.toFixed(6), lat: latitude.toFixed(6) });
  if (time !== undefined && what === "point") query.set("datetime", time);
  for (const [name, value] of Object.entries(state.dimensions)) query.set(name, value);
  return `numbers/${encodeURIComponent(layer.id)}/${what}?${query}`;
}

export class PointerValues {
  /** @type {Set<(values: PointerValue[], event: PointerEvent | null) => void>} */
  #watchers = new Set();
  /** @type {AbortController | null} */
  #asking = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {Context} context */
  constructor(context) {
    this.context = context;
    context.map.onPointer((event) => {
      clearTimeout(this.#timer);
      this.#asking?.abort();
      if (event && Math.abs(event.lonLat[1]) <= 90 && event.lonLat.every(Number.isFinite)) this.#timer = setTimeout(() => this.#ask(event), REST_MS);
      else this.#tell([], null);
    });
  }

  /** Calls back with the values, the uppermost layer first; with none where the pointer leaves. @param {(values: PointerValue[], event: PointerEvent | null) => void} callback */
  watch(callback) {
    this.#watchers.add(callback);
    return () => this.#watchers.delete(callback);
  }

  /** @param {PointerValue[]} values @param {PointerEvent | null} event */
  #tell(values, event) {
    for (const watcher of this.#watchers) watcher(values, event);
  }

  /** @param {PointerEvent} event */
  async #ask(event) {
    if (this.#watchers.size === 0) return;
    const abort = new AbortController();
    this.#asking = abort;
    const { picture, server } = this.context;
    const layers = picture.shown[event.side]?.layers.toReversed() ?? [];
    const found = await Promise.all(
      layers.map(async (shown) => {
        const found = await server.json(numbersPath(shown, event.lonLat), { signal: abort.signal }).catch(() => null);
        return found && { shown, value: found.value, time: found.time, cell: found.cell };
      }),
    );
    if (!abort.signal.aborted) this.#tell(found.filter((each) => each !== null), event);
  }
}
