// What a first visitor may want to know, shown once.

import { h } from "./dom.js";

const KEY = "lazytile-hints";
const HINTS = [
  "Choose a layer at the left; + puts it over the others.",
  "Point at the map for values; click it for more.",
  "Space plays the clock, comma and full stop step it.",
  "? lists all keys. The address of the page holds everything you see.",
];

/** Shows the hints unless they were closed before, or the link asks for a certain view. @param {boolean} isLink */
export function showHints(isLink) {
  try {
    if (isLink || localStorage.getItem(KEY)) return;
  } catch {
    return; // without storage they would come each time
  }
  const close = () => {
    localStorage.setItem(KEY, "seen");
    box.remove();
  };
  const box = h(
    "aside",
    { id: "hints", "aria-label": "First steps" },
    h("ul", {}, ...HINTS.map((hint) => h("li", {}, hint))),
    h("button", { type: "button", class: "plain", on: { click: close } }, "Got it"),
  );
  document.body.append(box);
}
