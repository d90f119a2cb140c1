// Decoded tiles: fetched once however many want them, kept up to a size.

/** @import {Server} from "./server.js" */

const LIMIT_BYTES = 160 << 20;
const BYTES_PER_PIXEL = 4;

/**
 * @typedef {{picture: Promise<ImageBitmap>, abort: AbortController, wanted: number}} Loading
 */

/** A cache of ImageBitmaps by URL; the least recently used ones are dropped first. */
export class TileCache {
  /** @type {Map<string, ImageBitmap>} */
  #done = new Map();
  /** @type {Map<string, Loading>} */
  #loading = new Map();
  #bytes = 0;
  #server;

  /** @param {Server} server @param {number} [limitBytes] */
  constructor(server, limitBytes = LIMIT_BYTES) {
    this.#server = server;
    this.limitBytes = limitBytes;
  }

  /** Size of what is kept. */
  get bytes() {
    return this.#bytes;
  }

  /** The tile if it is here. @param {string} url */
  peek(url) {
    const found = this.#done.get(url);
    if (found) {
      this.#done.delete(url);
      this.#done.set(url, found);
    }
    return found;
  }

  /** Whether the tile is here, without using it. @param {string} url */
  has(url) {
    return this.#done.has(url);
  }

  /**
   * Loads a tile. An aborted signal ends the request unless somebody else wants the tile too.
   * @param {string} url @param {{signal: AbortSignal, priority?: RequestPriority}} options
   * @returns {Promise<ImageBitmap>}
   */
  async load(url, { signal, priority = "auto" }) {
    signal.throwIfAborted();
    const kept = this.peek(url);
    if (kept) return kept;
    const loading = this.#loading.get(url) ?? this.#start(url, priority);
    loading.wanted += 1;
    const leave = () => {
      loading.wanted -= 1;
      if (loading.wanted === 0) loading.abort.abort();
    };
    return new Promise((resolve, reject) => {
      const aborted = () => {
        leave();
        reject(signal.reason);
      };
      signal.addEventListener("abort", aborted, { once: true });
      loading.picture
        .then(resolve, reject)
        .finally(() => signal.removeEventListener("abort", aborted));
    });
  }

  /** @param {string} url @param {RequestPriority} priority @returns {Loading} */
  #start(url, priority) {
    const abort = new AbortController();
    const picture = this.#fetch(url, abort.signal, priority).finally(() => this.#loading.delete(url));
    picture.catch(() => {}); // whoever waits for it hears of it
    const loading = { picture, abort, wanted: 0 };
    this.#loading.set(url, loading);
    return loading;
  }

  /** @param {string} url @param {AbortSignal} signal @param {RequestPriority} priority */
  async #fetch(url, signal, priority) {
    const response = await this.#server.fetch(url, { signal, priority });
    const picture = await createImageBitmap(await response.blob());
    this.#keep(url, picture);
    return picture;
  }

  /** @param {string} url @param {ImageBitmap} picture */
  #keep(url, picture) {
    this.#done.set(url, picture);
    this.#bytes += picture.width * picture.height * BYTES_PER_PIXEL;
    for (const [oldest, each] of this.#done) {
      if (this.#bytes <= this.limitBytes) break;
      // The map may still draw it: it is freed with its last reference.
      this.#bytes -= each.width * each.height * BYTES_PER_PIXEL;
      this.#done.delete(oldest);
    }
  }

  /** Forgets everything, after data was replaced. */
  clear() {
    this.#done.clear();
    this.#bytes = 0;
  }
}
