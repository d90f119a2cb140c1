// The panel of the map itself: its projection, and what is drawn over the data.

import { h } from "../ui/dom.js";
import { THEMES, setTheme, theme } from "../ui/theme.js";

/** @import {Panel, State} from "../types.js" */
/** @import {Store} from "../state/store.js" */

/** @type {[keyof State["display"], string][]} */
const SWITCHES = [
  ["coast", "Coastlines and borders"],
  ["grid", "Graticule"],
  ["base", "Background map"],
  ["celsius", "Kelvin as °C"],
];

/** Says why the background map has no poles. @param {Store} store */
function endOfBase(store) {
  const note = h("p", { class: "hint", id: "base-note" }, "Its tiles are made for Mercator: they end at 85° north and south.");
  store.watch(({ display, projection }) => !display.base || projection === "EPSG:3857", (isHidden) => (note.hidden = isHidden));
  return note;
}

/** @type {Panel} */
export const mapPanel = {
  id: "map",
  title: "Map and appearance",
  key: "m",
  icon: '<circle cx="8" cy="8" r="6"/><path d="M2 8h12M8 2c2 2 2.600 4 2.600 6S10 12 8 14c-2-2-2.600-4-2.600-6S6 4 8 2z"/>',
  mount(body, { store, catalogue }) {
    for (const [name, title] of SWITCHES) {
      if (name === "base" && !catalogue.overview.baseMap) continue;
      const box = h("input", { type: "checkbox", id: `display-${name}` });
      box.addEventListener("change", () => store.update({ display: { ...store.state.display, [name]: box.checked } }));
      store.watch(({ display }) => display[name], (value) => (box.checked = value));
      body.append(h("label", { class: "check" }, box, h("span", {}, title)));
      if (name === "base") body.append(endOfBase(store));
    }
    const themes = h("div", { class: "switch", role: "radiogroup", "aria-label": "Appearance" });
    for (const name of THEMES) {
      const input = h("input", { type: "radio", name: "theme", value: name, id: `theme-${name}`, checked: theme() === name });
      input.addEventListener("change", () => setTheme(name));
      themes.append(h("label", {}, input, h("span", {}, name.charAt(0).toUpperCase() + name.slice(1))));
    }
    body.append(h("h3", {}, "Appearance"), themes);
  },
};
