// What the sections of the panel of numbers have in common: work of which only the latest counts, and a chart.

/** @import {Chart} from "./chart.js" */

/** Work that a later one replaces. */
export class Latest {
  #abort = new AbortController();

  /** Ends the work in progress; returns the signal of the next one. */
  next() {
    this.#abort.abort();
    this.#abort = new AbortController();
    return this.#abort.signal;
  }

  /** Ends the work in progress. */
  stop() {
    this.#abort.abort();
  }

  /**
   * Does work in place of what is in progress; says why it failed, unless other work has replaced it.
   * @param {HTMLElement} status @param {(signal: AbortSignal) => Promise<unknown>} work
   */
  async run(status, work) {
    const signal = this.next();
    try {
      await work(signal);
    } catch (error) {
      if (!signal.aborted) status.textContent = /** @type {Error} */ (error).message;
    }
  }
}

/** A place for a chart, of which there is one at a time; the library is loaded with the first. */
export class ChartPlace {
  /** @type {Chart | null} */
  #chart = null;
  #turn = 0;

  /** @param {HTMLElement} element */
  constructor(element) {
    this.element = element;
  }

  /** @param {ConstructorParameters<typeof Chart>[1]} what */
  async draw(what) {
    const turn = (this.#turn += 1);
    const { Chart } = await import("./chart.js");
    if (turn !== this.#turn) return;
    this.#chart?.remove();
    this.#chart = new Chart(this.element, what);
  }

  clear() {
    this.#turn += 1;
    this.#chart?.remove();
    this.#chart = null;
  }

  /** Moves the mark of the label that the map shows. @param {number} at */
  mark(at) {
    this.#chart?.mark(at);
  }

  /** The picture of the chart; null without one. */
  async png() {
    return this.#chart ? this.#chart.png() : null;
  }
}
