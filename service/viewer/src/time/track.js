// What the track of the slider says: how dense the data is, the range to play, and which steps are loaded.

import { element, h } from "../ui/dom.js";

/** @import {Context} from "../types.js" */
/** @import {Playback} from "./playback.js" */

const WIDTH = 400;
const HEIGHT = 14;
/** Steps around the present one that are looked at. */
const AROUND = 24;

/** @param {Context} context @param {Playback} playback */
export function showTrack(context, playback) {
  const { store, picture } = context;
  const canvas = /** @type {HTMLCanvasElement} */ (element("density"));
  canvas.width = WIDTH;
  canvas.height = HEIGHT;

  function drawDensity() {
    const { times, first, last } = playback.range;
    const context2d = canvas.getContext("2d");
    if (!context2d) return;
    context2d.clearRect(0, 0, WIDTH, HEIGHT);
    if (times.length < 2) return;
    const counts = new Array(WIDTH / 4).fill(0);
    const { orders } = times;
    // The slider has equal steps; a bar is high where these are close together in time.
    for (let at = 1; at < orders.length; at += 1) {
      const bar = Math.min(counts.length - 1, Math.floor((at / orders.length) * counts.length));
      const gap = orders[at] - orders[at - 1];
      if (gap > 0) counts[bar] = Math.max(counts[bar], times.step / gap);
    }
    const style = getComputedStyle(document.documentElement);
    context2d.fillStyle = style.getPropertyValue("--soft");
    counts.forEach((density, at) => {
      const height = density === 0 ? 0 : Math.max(1, Math.min(1, density) * (HEIGHT - 4));
      context2d.fillRect(at * 4, HEIGHT - height, 3, height);
    });
    if (first > 0 || last < times.length - 1) {
      context2d.fillStyle = style.getPropertyValue("--accent");
      const x = (first / (times.length - 1)) * WIDTH;
      context2d.fillRect(x, HEIGHT - 2, Math.max(2, ((last - first) / (times.length - 1)) * WIDTH), 2);
    }
  }

  function drawWarm() {
    const { times } = playback.range;
    const at = times.indexOf(store.scene.time);
    const box = element("warm");
    if (times.length < 2 || at < 0) return box.replaceChildren();
    const marks = [];
    let warm = 0;
    const ahead = playback.ahead(AROUND);
    for (const label of ahead) {
      if (!picture.isWarm(store.state.side, label)) break;
      warm += 1;
      const mark = h("i", {});
      mark.style.left = `${(100 * times.indexOf(label)) / (times.length - 1)}%`;
      mark.style.width = `max(2px, ${100 / (times.length - 1)}%)`;
      marks.push(mark);
    }
    box.replaceChildren(...marks);
    element("timeline").dataset.warm = String(warm);
    element("timeline").title = warm > 0 ? `${warm} of the next ${ahead.length} steps are loaded` : "";
  }

  store.watch(
    (state) => [context.catalogue.clockOf(state[state.side].layers), state.clock.from, state.clock.to, state.side],
    drawDensity,
  );
  document.addEventListener("themechange", drawDensity);
  playback.onWarm = drawWarm;
  picture.watch(drawWarm);
}
