// The view as a picture: what the maps have drawn, the legends of the page, and a line that says what it is.

import { layerTitle } from "../format/titles.js";

/** @import {Context} from "../types.js" */

const LINE_PX = 26;
const MARGIN_PX = 10;

/**
 * Draws what a browser shows of an element: its text, canvases and coloured patches, where they are on the page.
 * @param {CanvasRenderingContext2D} context @param {HTMLElement} element @param {DOMRect} origin
 */
function drawElement(context, element, origin) {
  const box = element.getBoundingClientRect();
  const style = getComputedStyle(element);
  context.fillStyle = style.getPropertyValue("--solid");
  context.beginPath();
  context.roundRect(box.left - origin.left, box.top - origin.top, box.width, box.height, 10);
  context.fill();
  for (const each of /** @type {NodeListOf<HTMLElement>} */ (element.querySelectorAll("canvas, i"))) {
    const at = each.getBoundingClientRect();
    if (at.width === 0) continue;
    if (each instanceof HTMLCanvasElement) context.drawImage(each, at.left - origin.left, at.top - origin.top, at.width, at.height);
    else {
      context.fillStyle = getComputedStyle(each).backgroundColor;
      context.fillRect(at.left - origin.left, at.top - origin.top, at.width, at.height);
    }
  }
  const texts = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  for (let node = texts.nextNode(); node; node = texts.nextNode()) {
    const text = node.textContent?.trim();
    const range = document.createRange();
    range.selectNodeContents(node);
    const at = range.getBoundingClientRect();
    if (!text || at.width === 0 || !node.parentElement) continue;
    const { font, color } = getComputedStyle(node.parentElement);
    context.font = font;
    context.fillStyle = color;
    context.textBaseline = "middle";
    context.fillText(text, at.left - origin.left, at.top - origin.top + at.height / 2);
  }
}

/** One line that says what is on the map, and whose it is. @param {Context} context */
export function caption({ picture, catalogue, store }) {
  const layers = Object.values(picture.shown).flatMap((shown) => shown?.layers ?? []);
  const parts = layers.map(({ layer, time }) => {
    const dataset = catalogue.datasets[layer.dataset];
    return [layerTitle(layer, dataset), time ?? "", dataset?.source ?? ""].filter(Boolean).join(", ");
  });
  const base = store.state.display.base ? catalogue.overview.baseMapAttribution : "";
  const coast = store.state.display.coast ? "Natural Earth" : "";
  return [...new Set([...parts, base, coast])].filter(Boolean).join(" · ");
}

/** Returns the view as it is drawn. @param {Context} context */
export function viewCanvas(context) {
  const { map } = context;
  const box = map.target.getBoundingClientRect();
  const second = map.second.hidden ? null : map.second.getBoundingClientRect();
  const width = second ? Math.max(box.right, second.right) - box.left : box.width;
  const canvas = document.createElement("canvas");
  canvas.width = width * devicePixelRatio;
  canvas.height = (box.height + LINE_PX) * devicePixelRatio;
  const drawing = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { alpha: false }));
  drawing.scale(devicePixelRatio, devicePixelRatio);
  const style = getComputedStyle(document.documentElement);
  drawing.fillStyle = style.getPropertyValue("--ground");
  drawing.fillRect(0, 0, width, box.height + LINE_PX);
  for (const target of second ? [map.target, map.second] : [map.target]) {
    for (const each of /** @type {NodeListOf<HTMLCanvasElement>} */ (target.querySelectorAll(".ol-layers canvas"))) {
      if (each.width === 0) continue;
      const at = each.getBoundingClientRect();
      drawing.globalAlpha = Number(each.parentElement?.style.opacity || each.style.opacity || 1);
      drawing.drawImage(each, at.left - box.left, at.top - box.top, at.width, at.height);
    }
  }
  drawing.globalAlpha = 1;
  const legend = document.getElementById("legend");
  for (const figure of /** @type {NodeListOf<HTMLElement>} */ (legend?.querySelectorAll("figure") ?? [])) drawElement(drawing, figure, box);
  drawing.fillStyle = style.getPropertyValue("--solid");
  drawing.fillRect(0, box.height, width, LINE_PX);
  drawing.fillStyle = style.getPropertyValue("--text");
  drawing.font = "12px system-ui, sans-serif";
  drawing.textBaseline = "middle";
  drawing.fillText(caption(context), MARGIN_PX, box.height + LINE_PX / 2, width - 2 * MARGIN_PX);
  return canvas;
}

/** Returns a canvas as a file. @param {HTMLCanvasElement} canvas @param {string} type @param {number} [quality] @returns {Promise<Blob>} */
export function pictureOf(canvas, type, quality) {
  return new Promise((resolve, reject) => {
    try {
      canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("The picture cannot be made"))), type, quality);
    } catch {
      reject(new Error("The server of the background map allows no pictures of it: switch it off in Map and appearance"));
    }
  });
}
