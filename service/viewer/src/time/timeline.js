// The clock's controls: a slider, steps, and play.

import { element } from "../ui/dom.js";

/** @import {Context} from "../types.js" */
/** @import {Playback} from "./playback.js" */
/** @import {Times} from "./times.js" */

export class Timeline {
  /** @type {Times | null} */
  #times = null;
  /** @type {(label: string) => string} */
  format = String;

  /** @param {Context} context @param {Playback} playback */
  constructor(context, playback) {
    this.context = context;
    this.playback = playback;
    this.slider = /** @type {HTMLInputElement} */ (element("slider"));
    this.slider.addEventListener("input", () => this.#choose(this.slider.valueAsNumber));
    element("previous").addEventListener("click", () => playback.step(-1));
    element("next").addEventListener("click", () => playback.step(1));
    element("play").addEventListener("click", () => playback.toggle());
    const { store, picture } = context;
    store.watch(
      (state) => [state.side, context.catalogue.clockOf(state[state.side].layers)],
      ([, times]) => this.#setTimes(/** @type {Times} */ (times)),
    );
    store.watch((state) => state[state.side].time, () => this.#showRequested());
    picture.watch(() => this.#showShown());
    playback.onPlaying = (isPlaying) => this.#showPlaying(isPlaying);
    this.#showPlaying(false);
  }

  /** @param {Times} times */
  #setTimes(times) {
    this.#times = times;
    const { labels } = times;
    element("timeline").hidden = labels.length === 0;
    document.body.classList.toggle("has-time", labels.length > 0);
    if (labels.length === 0) return;
    this.format = (label) => times.format(label);
    for (const id of ["previous", "next", "play", "slider"]) {
      /** @type {HTMLButtonElement} */ (element(id)).disabled = labels.length === 1;
    }
    this.slider.max = String(labels.length - 1);
    element("first").textContent = this.format(labels[0]);
    element("last").textContent = this.format(labels[labels.length - 1]);
    this.#showRequested();
    this.#showShown();
  }

  /** @param {number} index */
  #choose(index) {
    const label = this.#times?.labels[index];
    if (label !== undefined) this.context.store.updateScene({ time: label });
  }

  #showRequested() {
    const { time } = this.context.store.scene;
    if (!this.#times || time === undefined) return;
    this.slider.value = String(Math.max(0, this.#times.indexOf(time)));
    this.slider.setAttribute("aria-valuetext", this.format(time));
    this.#showShown();
  }

  /** The label says what the picture shows; until another time is loaded it stays. */
  #showShown() {
    const { store, picture } = this.context;
    const shown = picture.shown[store.state.side]?.time;
    const requested = store.scene.time;
    element("time").textContent = shown === undefined ? "" : this.format(shown);
    const isLate = requested !== undefined && shown !== undefined && requested !== shown;
    element("timeline").classList.toggle("late", isLate);
    element("coming").textContent = isLate ? `loading ${this.format(requested)}` : "";
  }

  /** @param {boolean} isPlaying */
  #showPlaying(isPlaying) {
    const play = element("play");
    play.setAttribute("aria-pressed", String(isPlaying));
    play.title = isPlaying ? "Pause (space)" : "Play (space)";
    play.setAttribute("aria-label", isPlaying ? "Pause" : "Play");
  }
}
