// ISO 8601 instants of any calendar: those that the catalogue lists, their order, and their display.

/** Limit of a list: a slider cannot resolve more values, and an error in a period must not exhaust the memory. */
const MAX_VALUES = 100_000;

const PERIOD = /^P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$/;
const INSTANT = /^(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d)(:\d\d(?:\.\d+)?)?Z?)?$/;
const PARTS = /^([+-]?\d{1,9})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d)(?::(\d\d)(?::(\d\d(?:\.\d+)?))?)?)?)?)?/;

/**
 * Returns the instant `count` steps after `start`, in calendar months, so that monthly steps keep the day.
 * @param {Date} start @param {number[]} step @param {number} count
 */
function after(start, [years, months, weeks, days, hours, minutes, seconds], count) {
  const instant = new Date(start);
  instant.setUTCMonth(instant.getUTCMonth() + count * (12 * years + months));
  const rest = 86400 * (7 * weeks + days) + 3600 * hours + 60 * minutes + seconds;
  return new Date(instant.getTime() + count * 1000 * rest);
}

/** Formats an instant with the precision of `like`. @param {Date} instant @param {string} like */
function format(instant, like) {
  const text = instant.toISOString();
  if (!like.includes("T")) return text.slice(0, 10);
  return like.includes(".") ? text : text.replace(".000Z", "Z");
}

/** Expands "start/end/period" to the list of its instants; returns any other text unchanged. @param {string} value */
function expand(value) {
  const [first, last, period] = value.split("/");
  const step = PERIOD.exec(period ?? "")?.slice(1).map((part) => Number(part ?? 0));
  if (!step?.some((part) => part > 0)) return [value];
  const start = new Date(first);
  const end = new Date(last);
  const instants = [];
  for (let count = 0; instants.length < MAX_VALUES; count += 1) {
    const instant = after(start, step, count);
    if (!(instant <= end)) break;
    instants.push(format(instant, first));
  }
  return instants;
}

/** Returns all values of a time dimension, with its periods expanded. @param {string[]} values */
export function expandPeriods(values) {
  return values.flatMap(expand).slice(0, MAX_VALUES);
}

/**
 * Returns a number that orders instants of one calendar, also one whose February has 30 days: seconds in which every
 * month has 31 days. @param {string} label
 */
export function orderOf(label) {
  const [, year, month = 1, day = 1, hour = 0, minute = 0, second = 0] = PARTS.exec(label) ?? [];
  if (year === undefined) return NaN;
  const days = (Number(year) * 12 + Number(month) - 1) * 31 + Number(day) - 1;
  return days * 86400 + Number(hour) * 3600 + Number(minute) * 60 + Number(second);
}

/** Whether an instant has a year, a month and a day of the calendar that people use. @param {string} label */
export function isDated(label) {
  return INSTANT.test(label) && !Number.isNaN(Date.parse(label));
}

/** Ascending instants. */
export class Times {
  /** @type {number | undefined} */
  #step;
  /** @type {((label: string) => string) | undefined} */
  #formatter;

  /** @param {readonly string[]} labels Ascending. */
  constructor(labels) {
    this.labels = labels;
    this.orders = Float64Array.from(labels, orderOf);
  }

  /** Joins the times of several layers. @param {Times[]} all */
  static merged(all) {
    if (all.length === 1) return all[0];
    const labels = [...new Set(all.flatMap(({ labels: each }) => each))];
    const sorted = labels.map((label) => ({ label, order: orderOf(label) })).sort((a, b) => a.order - b.order);
    // Two layers may spell one instant in two ways.
    const distinct = sorted.filter(({ order }, at) => at === 0 || order !== sorted[at - 1].order);
    return new Times(distinct.map(({ label }) => label).slice(-MAX_VALUES));
  }

  get length() {
    return this.labels.length;
  }

  /** An instant as people read it, as finely as these times need. @param {string} label */
  format(label) {
    this.#formatter ??= timeFormatter(this.labels);
    return this.#formatter(label);
  }

  /** Index of the last instant that is not after an order; -1 before the first. @param {number} order */
  indexBefore(order) {
    let low = 0;
    let high = this.orders.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.orders[middle] <= order) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** Index of an instant of the list; -1 for any other. @param {string | undefined} label */
  indexOf(label) {
    if (label === undefined) return -1;
    const at = this.indexBefore(orderOf(label));
    return at >= 0 && this.orders[at] === orderOf(label) ? at : -1;
  }

  /** Typical distance of neighbours: the median of up to 200 of them. */
  get step() {
    this.#step ??= this.#medianStep();
    return this.#step;
  }

  #medianStep() {
    const { orders } = this;
    const stride = Math.max(1, Math.floor(orders.length / 200));
    const steps = [];
    for (let at = stride; at < orders.length; at += stride) steps.push(orders[at] - orders[at - 1]);
    return steps.sort((a, b) => a - b)[steps.length >> 1] ?? 0;
  }

  /**
   * Returns what a layer with these times shows when the clock is at an instant: the last time not after it, unless
   * that is more than a step of the layer or of the clock ago.
   * @param {string} clock @param {number} clockStep
   */
  at(clock, clockStep) {
    const order = orderOf(clock);
    const index = this.indexBefore(order);
    if (index < 0) return undefined;
    const age = order - this.orders[index];
    // A month of the calendar may count as up to four days less than 31.
    const valid = Math.max(this.step, clockStep, 1) * 1.14;
    return age === 0 || age < valid || this.orders[index + 1] > order ? this.labels[index] : undefined;
  }
}

/** Returns a function that formats these times for display, without the time of day if all of them are midnight. @param {readonly string[]} values */
export function timeFormatter(values) {
  const parts = values.map((value) => INSTANT.exec(value));
  const daily = parts.every((part) => part && (part[2] ?? "00:00") === "00:00" && !/[1-9]/.test(part[3] ?? ""));
  const hasSeconds = parts.some((part) => /[1-9]/.test(part?.[3] ?? ""));
  return (/** @type {string} */ value) => {
    const [, day, minute = "00:00", second = ""] = INSTANT.exec(value) ?? [];
    if (!day) return value;
    return daily ? day : `${day} ${minute}${hasSeconds ? second : ""} UTC`;
  };
}
