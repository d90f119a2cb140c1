// Stepping through the times of a layer, and animating them.

import { timeFormatter } from "./times.js";

const FRAME_MS = 700;

const element = (id) => document.getElementById(id);

export class Timeline {
  #values = [];
  #playing = false;

  /** `onChange` receives the selected value; `whenDrawn` returns a promise that resolves when the map has drawn it. */
  constructor({ onChange, whenDrawn }) {
    this.onChange = onChange;
    this.whenDrawn = whenDrawn;
    element("slider").addEventListener("input", () => this.#choose(element("slider").valueAsNumber));
    element("previous").addEventListener("click", () => this.step(-1));
    element("next").addEventListener("click", () => this.step(1));
    element("play").addEventListener("click", () => this.toggle());
  }

  /** Sets the times of a layer, possibly none, and the current one. */
  setTimes(values, current) {
    this.pause();
    this.#values = values;
    element("timeline").hidden = values.length === 0;
    document.body.classList.toggle("has-time", values.length > 0);
    if (values.length === 0) return;
    this.format = timeFormatter(values);
    for (const id of ["previous", "next", "play", "slider"]) element(id).disabled = values.length === 1;
    element("slider").max = values.length - 1;
    element("first").textContent = this.format(values[0]);
    element("last").textContent = this.format(values.at(-1));
    this.setCurrent(current);
  }

  setCurrent(value) {
    this.#display(Math.max(0, this.#values.indexOf(value)));
  }

  #display(index) {
    element("slider").value = index;
    element("slider").setAttribute("aria-valuetext", this.format(this.#values[index]));
    element("time").textContent = this.format(this.#values[index]);
  }

  #choose(index) {
    this.#display(index);
    this.onChange(this.#values[index]);
  }

  /** Steps forwards or backwards, and wraps around at the ends. */
  step(by) {
    const count = this.#values.length;
    if (count > 1) this.#choose((element("slider").valueAsNumber + by + count) % count);
  }

  pause() {
    this.#playing = false;
    this.#showPlaying();
  }

  #showPlaying() {
    element("play").setAttribute("aria-pressed", String(this.#playing));
    element("play").title = this.#playing ? "Pause (space)" : "Play (space)";
  }

  /** Starts or stops the animation. A frame stays until the next one is complete. */
  async toggle() {
    if (this.#playing || this.#values.length < 2) return this.pause();
    this.#playing = true;
    this.#showPlaying();
    while (this.#playing) {
      const shown = new Promise((resolve) => setTimeout(resolve, FRAME_MS));
      const drawn = this.whenDrawn();
      this.step(1);
      await Promise.all([shown, drawn]);
    }
  }
}
