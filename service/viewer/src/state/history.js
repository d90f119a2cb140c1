// The state in the address of the page, with back and forward.

import { format } from "./permalink.js";

/** @import {State} from "../types.js" */
/** @import {Store} from "./store.js" */

/** What a step back undoes: other layers, styles and projections; not moves of the view or the clock. @param {State} state */
const milestone = (state) => {
  const scene = (/** @type {State["a"]} */ { layers }) => layers.map(({ id, style, set, dimensions }) => [id, style, set, dimensions]);
  return JSON.stringify([scene(state.a), scene(state.b), state.projection, state.compare]);
};

/** Chrome allows 200 changes of the address in 10 s, and each takes some milliseconds of a playing clock. */
const LEAST_MS = 100;

export class History {
  #last;
  #isGoing = false;
  #written = 0;
  /** The address as it was last written or read. Another one is a link that was just followed and is not yet shown. */
  #address = location.hash;
  /** Called when the address begins and ceases to lag behind the state. */
  onPending = () => {};
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {Store} store @param {(hash: string) => void} go Shows the state of an address. */
  constructor(store, go) {
    this.store = store;
    this.#last = milestone(store.state);
    store.watch((state) => state, () => this.#note());
    const visit = () => {
      this.#forget();
      this.#address = location.hash;
      if (location.hash === format(this.store.state)) return;
      this.#isGoing = true;
      go(location.hash);
      this.#last = milestone(this.store.state);
      this.#isGoing = false;
      this.#write("replaceState");
    };
    window.addEventListener("popstate", visit);
    window.addEventListener("hashchange", visit);
  }

  /** Whether the address lags behind the state. */
  get isPending() {
    return this.#timer !== undefined;
  }

  #note() {
    if (this.#isGoing) return;
    this.#forget();
    const next = milestone(this.store.state);
    const wait = this.#written + LEAST_MS - Date.now();
    if (next !== this.#last && this.store.state.position) {
      this.#last = next;
      this.#write("pushState");
    } else if (wait <= 0) {
      this.#write("replaceState");
    } else {
      this.#timer = setTimeout(() => {
        this.#forget();
        this.#write("replaceState");
      }, wait);
      this.onPending();
    }
  }

  /** Gives up the change that waits to be written. */
  #forget() {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.onPending();
  }

  /** @param {"pushState" | "replaceState"} method */
  #write(method) {
    // What a link asks for replaces what the state is now.
    if (!this.store.state.position || location.hash !== this.#address) return;
    this.#written = Date.now();
    history[method](null, "", format(this.store.state));
    this.#address = location.hash;
  }
}
