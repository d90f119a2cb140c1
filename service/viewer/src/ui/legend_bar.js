// One legend: a bar of colours with ticks, or a list of classes.

import { formatTick, ticksOf } from "../format/numbers.js";
import { h } from "./dom.js";

/** @import {StyleDetails, StyleEntry} from "../types.js" */
/** @import {Display} from "../format/units.js" */

const BAR_WIDTH = 512;
/** Share of the bar that a character of a label takes, and the least distance of two labels. */
const CHARACTER = 0.021;
const LABEL_GAP = 0.02;
const MAX_CLASSES = 40;

/** The finite range of a style's colours. @param {StyleEntry[]} entries @returns {[number, number] | null} */
export function finiteRange(entries) {
  const ends = entries.flatMap(({ lower, upper }) => [lower, upper]).filter((end) => end !== null);
  return ends.length < 2 ? null : [Math.min(.../** @type {number[]} */ (ends)), Math.max(.../** @type {number[]} */ (ends))];
}

/** The legend of a style. @param {StyleDetails} style @param {Display} display @param {number[] | null} codes The classes that occur, if known. */
export function drawLegend(style, display, codes) {
  return style.isClasses ? classes(style, codes) : bar(style, display);
}

/** @param {StyleDetails} style @param {number[] | null} codes */
function classes(style, codes) {
  const occurs = (/** @type {StyleEntry} */ { lower }) => codes === null || lower === null || codes.includes(lower);
  const entries = style.entries.filter((entry) => entry.colour && occurs(entry)).slice(0, MAX_CLASSES);
  const list = h("ul", { class: "classes" });
  for (const entry of entries) {
    const label = entry.label || (entry.lower === null ? "" : String(entry.lower));
    const patch = h("i", {});
    patch.style.background = entry.colour;
    list.append(h("li", { "data-code": String(entry.lower) }, patch, label));
  }
  return list;
}

/** Where a value is on the bar, 0 to 1. @param {StyleEntry[]} entries @param {number} value */
export function shareOf(entries, value) {
  const range = finiteRange(entries);
  if (!range) return null;
  // Each colour has the same width: logarithmic maps read like even ones.
  const finite = entries.filter(({ lower, upper }) => lower !== null || upper !== null);
  for (let at = 0; at < finite.length; at += 1) {
    const { lower, upper } = finite[at];
    if (upper !== null && value >= upper) continue;
    if (lower === null || value < lower) return at / finite.length;
    const width = upper === null ? 1 : upper - lower;
    return (at + Math.min(1, (value - lower) / width)) / finite.length;
  }
  return 1;
}

/**
 * Labels with room for each; on an uneven bar some have none. The ends come first.
 * @param {{text: string, share: number | null}[]} places Ascending. @returns {{text: string, share: number}[]}
 */
export function withoutOverlaps(places) {
  const inside = places.flatMap(({ text, share }) => (share !== null && share >= 0 && share <= 1 ? [{ text, share }] : []));
  const ends = inside.length > 1 ? [inside[0], inside[inside.length - 1]] : inside;
  /** @type {{text: string, share: number}[]} */
  const kept = [];
  for (const each of new Set([...ends, ...inside])) {
    const isFree = kept.every(({ text, share }) => Math.abs(share - each.share) >= ((text.length + each.text.length) / 2) * CHARACTER + LABEL_GAP);
    if (isFree) kept.push(each);
  }
  return kept.toSorted((a, b) => a.share - b.share);
}

/** @param {StyleDetails} style @param {Display} display */
function bar(style, display) {
  const entries = style.entries.filter(({ lower, upper }) => lower !== null || upper !== null);
  const canvas = h("canvas", { width: BAR_WIDTH, height: 1, "aria-hidden": "true" });
  const context = canvas.getContext("2d");
  entries.forEach((entry, at) => {
    if (!context || !entry.colour) return;
    context.fillStyle = entry.colour;
    const from = Math.round((at / entries.length) * BAR_WIDTH);
    context.fillRect(from, 0, Math.round(((at + 1) / entries.length) * BAR_WIDTH) - from, 1);
  });
  const scale = h("div", { class: "ticks" });
  const range = finiteRange(entries);
  if (range) {
    const { step, ticks } = ticksOf(range[0] + display.shift, range[1] + display.shift, 5);
    const places = ticks.map((tick) => ({ text: formatTick(tick, step), share: shareOf(entries, tick - display.shift) }));
    for (const { text, share } of withoutOverlaps(places)) {
      const label = h("span", {}, text);
      label.style.left = `${100 * share}%`;
      scale.append(label);
    }
  }
  const marker = h("div", { class: "marker", hidden: true });
  return h("div", { class: "bar" }, canvas, marker, scale);
}
