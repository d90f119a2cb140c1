// The frames of a range of times: each time is shown and drawn, and the pictures go into one file.

import { animatedWebp } from "./animated_webp.js";
import { pictureOf, viewCanvas } from "./view_picture.js";

/** @import {Context} from "../types.js" */

export const MOST_FRAMES = 200;
const QUALITY = 0.92;

/** @param {Context} context */
function drawn({ picture, map }) {
  return new Promise((resolve) => {
    const wait = () => (picture.isPending ? setTimeout(wait, 20) : map.whenDrawn().then(() => resolve(undefined)));
    wait();
  });
}

/** The times of the clock's range. @param {Context} context @returns {string[]} */
export function timesOfRange({ store, catalogue }) {
  const { from, to } = store.state.clock;
  const { labels } = catalogue.clockOf(store.scene.layers);
  const first = from === undefined ? 0 : Math.max(0, labels.indexOf(from));
  const last = to === undefined ? labels.length - 1 : labels.indexOf(to);
  return labels.slice(first, (last < 0 ? labels.length - 1 : last) + 1);
}

/**
 * Shows each time, draws it, and shows the present time again; returns the pictures.
 * @param {Context} context @param {string[]} times
 * @param {{type: string, signal: AbortSignal, onFrame: (done: number) => void}} options
 */
async function framesOf(context, times, { type, signal, onFrame }) {
  const { store } = context;
  const before = store.scene.time;
  const pictures = [];
  let size = { width: 0, height: 0 };
  try {
    for (const [number, time] of times.entries()) {
      signal.throwIfAborted();
      store.updateScene({ time });
      await drawn(context);
      const canvas = viewCanvas(context);
      if (number > 0 && (canvas.width !== size.width || canvas.height !== size.height)) throw new Error("The window has changed its size");
      size = { width: canvas.width, height: canvas.height };
      pictures.push(new Uint8Array(await (await pictureOf(canvas, type, QUALITY)).arrayBuffer()));
      onFrame(number + 1);
    }
  } finally {
    store.updateScene({ time: before });
  }
  return { pictures, ...size };
}

/**
 * Returns a zip of one PNG for each time.
 * @param {Context} context @param {string[]} times @param {{signal: AbortSignal, onFrame: (done: number) => void}} options
 */
export async function framesZip(context, times, options) {
  const { zipSync } = await import("fflate");
  const { pictures } = await framesOf(context, times, { ...options, type: "image/png" });
  const name = (/** @type {number} */ at) => `${String(at).padStart(4, "0")}_${times[at].replace(/[^\w-]+/g, "-")}.png`;
  return zipSync(Object.fromEntries(pictures.map((picture, at) => [name(at), [picture, { level: 0 }]])));
}

/**
 * Returns an animated WebP in the speed of the clock.
 * @param {Context} context @param {string[]} times @param {{signal: AbortSignal, onFrame: (done: number) => void}} options
 */
export async function animation(context, times, options) {
  const { pictures, width, height } = await framesOf(context, times, { ...options, type: "image/webp" });
  return animatedWebp(pictures, { width, height, delay_ms: 1000 / context.store.state.clock.fps });
}
