// A range of times as an animated WebP, or as pictures in a zip.

import { download } from "../numbers/csv.js";
import { h } from "../ui/dom.js";
import { MOST_FRAMES, animation, framesZip, timesOfRange } from "./frames.js";

/** @import {Context} from "../types.js" */
/** @import {Tools} from "../panels/take_panel.js" */

/** @param {Context} context @param {Tools} tools */
export function animationSection(context, { button, say, name }) {
  /** @type {AbortController | null} */
  let abort = null;
  const stop = h("button", { type: "button", class: "plain", hidden: true, on: { click: () => abort?.abort() } }, "Stop");

  /** @param {typeof animation} make @param {string} type @param {string} ending */
  async function take(make, type, ending) {
    const times = timesOfRange(context);
    if (times.length > MOST_FRAMES) throw new Error(`${times.length} times are too many: choose a range of at most ${MOST_FRAMES} on the clock.`);
    const { signal } = (abort = new AbortController());
    stop.hidden = false;
    try {
      const file = await make(context, times, { signal, onFrame: (done) => say(`Frame ${done} of ${times.length}`) });
      download(/** @type {BlobPart} */ (file), type, `${name()}_${ending}`);
      say(`${times.length} frames, ${(file.length / 1e6).toFixed(1)} MB.`);
    } catch (error) {
      if (!signal.aborted) throw error;
      say("Stopped.");
    } finally {
      stop.hidden = true;
    }
  }

  const moving = button("Animation (WebP)", () => take(animation, "image/webp", "animation.webp"));
  const frames = button("Frames (zip)", () => take(framesZip, "application/zip", "frames.zip"));
  const element = h("div", {}, h("h3", {}, "Animation"), h("p", { class: "hint" }, "One picture for each time of the clock’s range, in its speed."), h("div", { class: "buttons" }, moving, frames, stop));
  return {
    element,
    refresh: () => (element.hidden = context.catalogue.clockOf(context.store.scene.layers).length < 2),
  };
}
