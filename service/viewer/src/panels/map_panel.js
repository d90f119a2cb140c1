// The panel of the map itself: its projection, and what is drawn over the data.

import { h } from "../ui/dom.js";

/** @import {Panel, State} from "../types.js" */

/** @type {[keyof State["display"], string][]} */
const SWITCHES = [
  ["coast", "Coastlines, borders and lakes"],
  ["grid", "Graticule"],
  ["base", "Background map"],
  ["celsius", "Kelvin as °C"],
];

/** @type {Panel} */
export const mapPanel = {
  id: "map",
  title: "Map",
  key: "m",
  icon: '<circle cx="8" cy="8" r="6"/><path d="M2 8h12M8 2c2 2 2.600 4 2.600 6S10 12 8 14c-2-2-2.600-4-2.600-6S6 4 8 2z"/>',
  mount(body, { store, catalogue }) {
    for (const [name, title] of SWITCHES) {
      if (name === "base" && !catalogue.overview.baseMap) continue;
      const box = h("input", { type: "checkbox", id: `display-${name}` });
      box.addEventListener("change", () => store.update({ display: { ...store.state.display, [name]: box.checked } }));
      store.watch(({ display }) => display[name], (value) => (box.checked = value));
      body.append(h("label", { class: "check" }, box, h("span", {}, title)));
    }
  },
};
