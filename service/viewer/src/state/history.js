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
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {Store} store @param {(hash: string) => void} go Shows the state of an address. */
  constructor(store, go) {
    this.store = store;
    this.#last = milestone(store.state);
    store.watch((state) => state, () => this.#note());
    const visit = () => {
      if (location.hash === format(this.store.state)) return;
      this.#isGoing = true;
      go(location.hash);
      this.#last = milestone(this.store.state);
      this.#isGoing = false;
      history.replaceState(null, "", format(this.store.state));
    };
    window.addEventListener("popstate", visit);
    window.addEventListener("hashchange", visit);
  }

  #note() {
    if (this.#isGoing) return;
    const next = milestone(this.store.state);
    if (next !== this.#last && this.store.state.position) {
      clearTimeout(this.#timer);
      this.#last = next;
      this.#written = Date.now();
      history.pushState(null, "", format(this.store.state));
      return;
    }
    clearTimeout(this.#timer);
    const wait = Math.max(0, this.#written + LEAST_MS - Date.now());
    if (wait === 0) this.#replace();
    else this.#timer = setTimeout(() => this.#replace(), wait);
  }

  #replace() {
    if (!this.store.state.position) return;
    this.#written = Date.now();
    history.replaceState(null, "", format(this.store.state));
  }
}
