// The state of the page, and who wants to know of its changes.

/** @import {State, Scene, LayerState} from "../types.js" */

/** @param {unknown} one @param {unknown} other */
function isSame(one, other) {
  if (Object.is(one, other)) return true;
  if (!Array.isArray(one) || !Array.isArray(other) || one.length !== other.length) return false;
  return one.every((value, at) => Object.is(value, other[at]));
}

/** Holds one immutable state. Views watch parts of it and call `update`; nothing else passes between them. */
export class Store {
  /** @type {State} */
  #state;
  /** @type {Set<(state: State) => void>} */
  #watchers = new Set();

  /** @param {State} state */
  constructor(state) {
    this.#state = state;
  }

  get state() {
    return this.#state;
  }

  /** The scene that the controls change. */
  get scene() {
    return this.#state[this.#state.side];
  }

  /** Replaces fields of the state. @param {Partial<State>} fields */
  update(fields) {
    this.#state = { ...this.#state, ...fields };
    for (const watcher of [...this.#watchers]) watcher(this.#state);
  }

  /** Replaces fields of the scene that the controls change. @param {Partial<Scene>} fields */
  updateScene(fields) {
    this.update({ [this.#state.side]: { ...this.scene, ...fields } });
  }

  /** Replaces fields of one layer of that scene. @param {string} key @param {Partial<LayerState>} fields */
  updateLayer(key, fields) {
    this.updateScene({ layers: this.scene.layers.map((each) => (each.key === key ? { ...each, ...fields } : each)) });
  }

  /**
   * Calls `callback` now, and whenever what `select` returns has changed: another value, or an array with another
   * element. Returns a function that ends it.
   * @template Selected
   * @param {(state: State) => Selected} select
   * @param {(selected: Selected, state: State) => void} callback
   * @returns {() => void}
   */
  watch(select, callback) {
    let last = select(this.#state);
    const watcher = (/** @type {State} */ state) => {
      const next = select(state);
      if (isSame(last, next)) return;
      last = next;
      callback(next, state);
    };
    this.#watchers.add(watcher);
    callback(last, this.#state);
    return () => this.#watchers.delete(watcher);
  }
}
