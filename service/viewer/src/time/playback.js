// Stepping and playing: one clock for all layers. What comes next is loaded ahead.

/** @import {Context} from "../types.js" */

/** Steps that are loaded ahead, as far as the cache of tiles has room. */
const AHEAD = 8;

export class Playback {
  /** @type {AbortController | null} */
  #playing = null;
  #isLoading = false;
  /** @type {(isPlaying: boolean) => void} */
  onPlaying = () => {};
  /** @type {() => void} */
  onWarm = () => {};

  /** @param {Context} context */
  constructor(context) {
    this.context = context;
    context.picture.watch(() => this.#loadAhead());
  }

  get isPlaying() {
    return this.#playing !== null;
  }

  /** The times of the clock within the range to play. */
  get range() {
    const { store, catalogue } = this.context;
    const times = catalogue.clockOf(store.scene.layers);
    const { from, to } = store.state.clock;
    const first = from === undefined ? 0 : Math.max(0, times.indexOf(from));
    const last = to === undefined ? times.length - 1 : times.indexOf(to);
    return { times, first, last: last < first ? times.length - 1 : last };
  }

  /** Index of the time that is `by` steps on; undefined at the end of what does not loop. @param {number} by */
  #index(by) {
    const { store } = this.context;
    const { times, first, last } = this.range;
    if (last <= first) return undefined;
    const at = times.indexOf(store.scene.time);
    const next = (at < 0 ? last : at) + by * store.state.clock.step;
    if (next >= first && next <= last) return next;
    if (!store.state.clock.loop) return undefined;
    return next > last ? first : last;
  }

  /** Steps forwards or backwards; at the ends it wraps around. @param {number} by */
  step(by) {
    const { store } = this.context;
    const { times } = this.range;
    const next = this.#index(by);
    if (next !== undefined) store.updateScene({ time: times.labels[next] });
    return next !== undefined;
  }

  /** The labels of the next steps. @param {number} count */
  ahead(count) {
    const { store } = this.context;
    const { times, first, last } = this.range;
    const { step, loop } = store.state.clock;
    /** @type {string[]} */
    const labels = [];
    let at = times.indexOf(store.scene.time);
    for (let number = 0; number < count && at >= 0; number += 1) {
      at += step;
      if (at > last && !loop) break;
      if (at > last) at = first;
      const label = times.labels[at];
      if (label === store.scene.time || labels.includes(label)) break;
      labels.push(label);
    }
    return labels;
  }

  /** Loads the steps that come next, one after the other, the nearest first. */
  async #loadAhead() {
    if (this.#isLoading) return;
    this.#isLoading = true;
    const { picture, store } = this.context;
    /** Labels whose tiles do not come. @type {Set<string>} */
    const failed = new Set();
    for (;;) {
      // What people wait for goes first; while the clock plays they wait for all of it.
      while (picture.isPending && !this.isPlaying) await new Promise((resolve) => setTimeout(resolve, 50));
      const { side } = store.state;
      const label = this.ahead(this.isPlaying ? AHEAD : 1).find((each) => !failed.has(each) && !picture.isWarm(side, each));
      if (label === undefined) break;
      await picture.prefetch(side, label, new AbortController().signal);
      if (!picture.isWarm(side, label)) failed.add(label);
      this.onWarm();
    }
    this.#isLoading = false;
  }

  pause() {
    this.#playing?.abort();
    this.#playing = null;
    this.onPlaying(false);
  }

  /** Starts or stops. A frame stays until the next one is complete. */
  async toggle() {
    const { store, picture } = this.context;
    if (this.#playing || this.range.times.length < 2) return this.pause();
    const playing = new AbortController();
    this.#playing = playing;
    this.onPlaying(true);
    while (!playing.signal.aborted) {
      const shown = new Promise((resolve) => setTimeout(resolve, 1000 / store.state.clock.fps));
      if (!this.step(1)) return this.pause();
      await Promise.all([shown, picture.whenDrawn()]);
    }
  }
}
