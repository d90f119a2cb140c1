// The cells of a box as a file of the server: netCDF, GeoTIFF or CSV.

import { download } from "../numbers/csv.js";
import { selectedLayer } from "../numbers/points_view.js";
import { Region } from "../numbers/region.js";
import { h } from "../ui/dom.js";
import { boxAround, boxOfText, normalised, textOfBox, visibleBox } from "./box.js";
import { timesOfRange } from "./frames.js";

/** @import {Context, Extent, ShownLayer} from "../types.js" */
/** @import {Tools} from "../panels/take_panel.js" */

const FORMATS = { nc: "netCDF", tif: "GeoTIFF", csv: "CSV" };

/** A size for people. @param {number} bytes */
const sizeText = (bytes) => (bytes < 1e6 ? `${Math.ceil(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);

/** The address of the cells of a box. @param {ShownLayer} shown @param {Extent} box @param {string} form @param {string[]} times First and last of a range; none: the time that is shown. */
export function subsetPath({ layer, state, time }, box, form, times = []) {
  const query = new URLSearchParams({ f: form, bbox: normalised(box).map((each) => String(Number(each.toFixed(6)))).join(), ...state.dimensions });
  const datetime = times.length > 1 ? `${times[0]}/${times[times.length - 1]}` : time;
  if (datetime !== undefined) query.set("datetime", datetime);
  return `numbers/${encodeURIComponent(layer.id)}/subset?${query.toString().replaceAll("%2C", ",").replaceAll("%3A", ":").replaceAll("%2F", "/")}`;
}

/** @param {Context} context @param {Tools} tools */
export function boxSection(context, { button, say }) {
  const region = new Region(context, ({ coordinates }) => {
    field.value = textOfBox(boxAround(coordinates[0]));
    say("");
  });
  const field = h("input", { type: "text", id: "take-box", autocomplete: "off", spellcheck: false, placeholder: "west, south, east, north" });
  const all = h("input", { type: "checkbox", id: "take-all-times" });
  const allRow = h("label", { class: "check" }, all, h("span", {}, "All times of the clock’s range"));
  const ofView = h("button", { type: "button", class: "plain", on: { click: () => fill() } }, "What the map shows");
  const drawn = h("button", { type: "button", class: "plain", on: { click: () => (region.start("box"), say("Click one corner of the box, then the other.")) } }, "Draw a box");

  function fill() {
    region.clear();
    field.value = textOfBox(visibleBox(context.map));
  }

  /** @param {string} form */
  async function take(form) {
    const shown = selectedLayer(context);
    const box = boxOfText(field.value);
    if (!box) throw new Error("The box is west, south, east, north in degrees, such as -10, 35, 5, 45");
    if (!shown) throw new Error("No layer of this time is on the map");
    say("Reading cells…");
    const times = all.checked && !allRow.hidden ? timesOfRange(context) : [];
    const response = await context.server.fetch(subsetPath(shown, box, form, times));
    const named = /filename="([^"]+)"/.exec(response.headers.get("Content-Disposition") ?? "");
    const content = await response.blob();
    download(content, content.type, named?.[1] ?? `${shown.layer.id}.${form}`);
    say(`${sizeText(content.size)}.`);
  }

  const formats = Object.entries(FORMATS).map(([form, title]) => button(title, () => take(form)));
  const element = h(
    "div",
    {},
    h("h3", {}, "Data of a box"),
    h("div", { class: "fields" }, h("label", { for: "take-box" }, "Degrees"), field),
    h("div", { class: "buttons" }, ofView, drawn),
    allRow,
    h("div", { class: "buttons" }, ...formats),
    h("p", { class: "hint" }, "The cells of the selected layer whose centres are in the box, as they are stored."),
  );
  return {
    element,
    refresh() {
      if (!field.value) fill();
      const shown = selectedLayer(context);
      allRow.hidden = !shown || context.catalogue.timesOf(shown.layer).length < 2;
    },
    opened: () => context.map.addDrawing(region.layer),
    closed() {
      region.stop();
      context.map.removeDrawing(region.layer);
    },
  };
}
