// The values that the panel has read: a clock that runs asks for none of them again.

import { numbersPath } from "../map/pointer_values.js";

/** @import {LonLat, ShownLayer} from "../types.js" */
/** @import {Server} from "../tiles/server.js" */
/** @import {Along} from "./requests.js" */

const MOST_VALUES = 2000;
const MOST_SERIES = 60;

/** @template Value @param {Map<string, Value>} map @param {string} key @param {Value} value @param {number} most */
function keep(map, key, value, most) {
  map.delete(key);
  map.set(key, value);
  if (map.size > most) map.delete(/** @type {string} */ (map.keys().next().value));
}

export class KnownValues {
  /** @type {Map<string, number | null>} */
  #values = new Map();
  /** @type {Map<string, Map<string, number | null>>} */
  #series = new Map();

  /** @param {Server} server */
  constructor(server) {
    this.server = server;
  }

  /** @param {ShownLayer} shown @param {LonLat} place */
  #ofSeries(shown, place) {
    return `${shown.layer.generation} ${numbersPath(shown, place, "series")}`;
  }

  /** Remembers a series at a place. @param {ShownLayer} shown @param {LonLat} place @param {Along} along */
  learn(shown, place, { labels, values }) {
    keep(this.#series, this.#ofSeries(shown, place), new Map(labels.map((label, at) => [label, values[at]])), MOST_SERIES);
  }

  /** The value of a layer at a place and the time that it shows. @param {ShownLayer} shown @param {LonLat} place @param {AbortSignal} signal @returns {Promise<number | null>} */
  async value(shown, place, signal) {
    const fromSeries = shown.time === undefined ? undefined : this.#series.get(this.#ofSeries(shown, place))?.get(shown.time);
    if (fromSeries !== undefined) return fromSeries;
    const path = numbersPath(shown, place);
    const key = `${shown.layer.generation} ${path}`;
    const known = this.#values.get(key);
    if (known !== undefined) return known;
    const { value } = await this.server.json(path, { signal });
    keep(this.#values, key, value, MOST_VALUES);
    return value;
  }
}
