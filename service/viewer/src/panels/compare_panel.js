// The panel of comparisons: two layers, times or styles, with a divider or side by side.

import { layerState } from "../state/defaults.js";
import { h } from "../ui/dom.js";

/** @import {Panel, State, Scene, Side} from "../types.js" */

/** @type {[State["compare"], string][]} */
const MODES = [
  ["off", "Off"],
  ["swipe", "Divider"],
  ["split", "Side by side"],
];

/** @type {Panel} */
export const comparePanel = {
  id: "compare",
  title: "Compare",
  key: "c",
  icon: '<rect x="2" y="3" width="12" height="10" rx="1.500"/><path d="M8 1.500v13"/>',
  mount(body, context) {
    const { store } = context;

    /** A copy of a scene whose layers have keys of their own. @param {Scene} scene @returns {Scene} */
    function copy(scene) {
      const layers = scene.layers.map((each) => layerState(context.catalogue.layerOf(each), each));
      const at = scene.layers.findIndex(({ key }) => key === scene.selected);
      return { layers, selected: layers[Math.max(0, at)].key, time: scene.time };
    }

    /** @param {State["compare"]} mode */
    function choose(mode) {
      const { state } = store;
      if (mode === "off") store.update({ compare: "off", side: "a" });
      else store.update({ compare: mode, b: state.b.layers.length > 0 && state.compare !== "off" ? state.b : copy(state.a), side: state.compare === "off" ? "b" : state.side });
    }

    const modes = h("div", { class: "switch", role: "radiogroup", "aria-label": "Comparison" });
    for (const [mode, title] of MODES) {
      const input = h("input", { type: "radio", name: "compare", value: mode, id: `compare-${mode}` });
      input.addEventListener("change", () => choose(mode));
      modes.append(h("label", {}, input, h("span", {}, title)));
    }
    const sides = h("div", { class: "switch", role: "radiogroup", "aria-label": "Side that the controls change" });
    for (const side of /** @type {Side[]} */ (["a", "b"])) {
      const input = h("input", { type: "radio", name: "side", value: side, id: `side-${side}` });
      input.addEventListener("change", () => store.update({ side }));
      sides.append(h("label", {}, input, h("span", {}, side === "a" ? "A (left)" : "B (right)")));
    }
    const swap = h("button", { type: "button", class: "plain", on: { click: () => store.update({ a: store.state.b, b: store.state.a }) } }, "Swap the sides");
    const same = h("button", { type: "button", class: "plain", on: { click: () => store.update({ b: copy(store.state.a) }) } }, "Copy A to B");
    const rest = h(
      "div",
      { class: "stacked" },
      h("h3", {}, "The controls change"),
      sides,
      h("p", { class: "hint" }, "Choose a layer, a style or a time in the panel of layers and on the clock: it changes this side. Key x changes to the other one."),
      h("div", { class: "buttons" }, swap, same),
    );
    body.append(modes, rest);
    store.watch(({ compare, side }) => [compare, side], ([compare, side]) => {
      for (const input of modes.querySelectorAll("input")) input.checked = input.value === compare;
      for (const input of sides.querySelectorAll("input")) input.checked = input.value === side;
      rest.hidden = compare === "off";
    });
  },
};
