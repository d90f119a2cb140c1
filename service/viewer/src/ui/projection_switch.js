// The choice of the projection, of those in which the selected layer can be shown.

import { element, h } from "./dom.js";

/** @import {Context} from "../types.js" */

/** @param {Context} context */
export function showProjections(context) {
  const { store } = context;
  const box = element("projection");
  store.watch(
    (state) => [state[state.side].selected, state[state.side].layers.length, state.projection, context.catalogue],
    () => {
      const { layers, selected } = store.scene;
      const layer = layers.find(({ key }) => key === selected) ?? layers[0];
      const offered = context.catalogue.projectionsOf(layer);
      const current = store.state.projection;
      const codes = offered.includes(current) ? offered : [...offered, current];
      const focused = box.contains(document.activeElement);
      box.replaceChildren(
        ...codes.map((code) => {
          const input = h("input", { type: "radio", name: "projection", value: code, checked: code === current });
          input.addEventListener("change", () => store.update({ projection: code }));
          return h("label", { title: code }, input, h("span", {}, context.catalogue.projectionTitle(code)));
        }),
      );
      if (focused) /** @type {HTMLElement | null} */ (box.querySelector("input:checked"))?.focus();
    },
  );
}
