// The frames of a range of times: each time is shown and drawn, and all pictures go into one zip.

import { viewPicture } from "./view_picture.js";

/** @import {Context} from "../types.js" */

export const MOST_FRAMES = 200;

/** @param {Context} context */
function drawn({ picture, map }) {
  return new Promise((resolve) => {
    const wait = () => (picture.isPending ? setTimeout(wait, 20) : map.whenDrawn().then(() => resolve(undefined)));
    wait();
  });
}

/**
 * Returns a zip of one PNG for each time, and shows the present time again.
 * @param {Context} context @param {string[]} times @param {AbortSignal} signal @param {(done: number) => void} onFrame
 */
export async function framesZip(context, times, signal, onFrame) {
  const { zipSync } = await import("fflate");
  const { store } = context;
  const before = store.scene.time;
  /** @type {Record<string, [Uint8Array, {level: 0}]>} */
  const files = {};
  try {
    for (const [number, time] of times.entries()) {
      signal.throwIfAborted();
      store.updateScene({ time });
      await drawn(context);
      const name = `${String(number).padStart(4, "0")}_${time.replace(/[^\w-]+/g, "-")}.png`;
      files[name] = [new Uint8Array(await (await viewPicture(context)).arrayBuffer()), { level: 0 }];
      onFrame(number + 1);
    }
  } finally {
    store.updateScene({ time: before });
  }
  return zipSync(files);
}
