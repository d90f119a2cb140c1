// Comparing two sides: a divider over one map, or two maps beside each other.

import { layerTitle } from "../format/titles.js";
import { element, h } from "../ui/dom.js";

/** @import {Context, ShownLayer, Side} from "../types.js" */
/** @import RenderEvent from "ol/render/Event.js" */

const STEP = 0.02;

/** @param {Context} context */
export function showComparison(context) {
  const { store, map, picture } = context;
  const nameOf = (/** @type {ShownLayer} */ { layer, time }) => {
    const title = layerTitle(layer, context.catalogue.datasets[layer.dataset]);
    return time === undefined ? title : `${title}, ${context.catalogue.timesOf(layer).format(time)}`;
  };
  const handle = h("div", {
    id: "divider",
    role: "slider",
    tabIndex: 0,
    "aria-label": "Divider between the sides",
    "aria-valuemin": "0",
    "aria-valuemax": "100",
    hidden: true,
  });
  const names = { a: h("div", { class: "side-name", id: "name-a" }), b: h("div", { class: "side-name", id: "name-b" }) };
  element("map").append(handle);
  element("map").after(names.a, names.b);

  /** @param {number} share */
  const move = (share) => store.update({ divider: Math.min(0.98, Math.max(0.02, share)) });
  handle.addEventListener("pointerdown", (event) => {
    handle.setPointerCapture(event.pointerId);
    event.stopPropagation();
  });
  handle.addEventListener("pointermove", (event) => {
    if (handle.hasPointerCapture(event.pointerId)) move(event.clientX / window.innerWidth);
    event.stopPropagation();
  });
  handle.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -STEP, ArrowRight: STEP }[event.key];
    if (by === undefined) return;
    move(store.state.divider + by);
    event.preventDefault();
    event.stopPropagation();
  });

  /** Keeps a frame to one side of the divider. @param {Side} side */
  const clip = (side) => (/** @type {RenderEvent} */ event) => {
    const context2d = /** @type {CanvasRenderingContext2D} */ (event.context);
    const { width, height } = context2d.canvas;
    const x = width * store.state.divider;
    context2d.setTransform(1, 0, 0, 1, 0, 0);
    context2d.beginPath();
    context2d.rect(side === "a" ? 0 : x, 0, side === "a" ? x : width - x, height);
    context2d.clip();
  };

  store.watch(({ compare }) => compare, (compare) => {
    const isSwipe = compare === "swipe";
    handle.hidden = !isSwipe;
    map.split(compare === "split");
    map.stack(compare === "swipe");
    picture.layers.a.clip = isSwipe ? clip("a") : null;
    picture.layers.b.clip = isSwipe ? clip("b") : null;
    map.sideAt = isSwipe ? (pixel) => (pixel[0] > store.state.divider * window.innerWidth ? "b" : "a") : () => "a";
    document.body.classList.toggle("comparing", compare !== "off");
    map.ol().render();
  });
  store.watch(({ divider }) => divider, (divider) => {
    handle.style.left = `${100 * divider}%`;
    handle.setAttribute("aria-valuenow", String(Math.round(100 * divider)));
    map.ol().render();
  });
  picture.watch((shown) => {
    for (const side of /** @type {Side[]} */ (["a", "b"])) {
      const top = shown[side]?.layers.at(-1);
      names[side].textContent = top ? `${side.toUpperCase()} · ${nameOf(top)}` : side.toUpperCase();
    }
  });
}
