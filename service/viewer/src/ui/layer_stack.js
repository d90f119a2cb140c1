// The layers on the map: their order, visibility and removal, and which of them the controls change.

import { layerTitle, datasetTitle, rawNames } from "../format/titles.js";
import { displayOf } from "../format/units.js";
import { element, h, iconButton, ICONS } from "./dom.js";

/** @import {Context, LayerState} from "../types.js" */

/** @param {Context} context @param {{goTo: (id: string) => void}} actions */
export function showLayerStack(context, { goTo }) {
  const { store, picture } = context;
  const list = element("stack");

  /** @param {number} at @param {number} by */
  function move(at, by) {
    const layers = [...store.scene.layers];
    const [moved] = layers.splice(at, 1);
    layers.splice(Math.min(layers.length, Math.max(0, at + by)), 0, moved);
    store.updateScene({ layers });
  }

  /** @param {LayerState} state */
  function remove(state) {
    const layers = store.scene.layers.filter(({ key }) => key !== state.key);
    if (layers.length === 0) return;
    const selected = store.scene.selected === state.key ? layers[layers.length - 1].key : store.scene.selected;
    store.updateScene({ layers, selected });
    context.announce("Layer removed");
  }

  /** @param {LayerState} state @param {number} at @param {number} count */
  function row(state, at, count) {
    const layer = context.catalogue.layerOf(state);
    const dataset = context.catalogue.datasets[layer.dataset];
    const title = layerTitle(layer, dataset);
    const isSelected = state.key === store.scene.selected;
    const { units } = displayOf(layer, store.state.display.celsius);
    const name = h(
      "button",
      {
        type: "button",
        class: "name",
        title: rawNames(layer),
        "aria-pressed": String(isSelected),
        on: { click: () => store.updateScene({ selected: state.key }), dblclick: () => goTo(layer.id) },
      },
      h("b", {}, title),
      h("small", {}, [datasetTitle(layer.dataset, dataset), units].filter(Boolean).join(" · ")),
      h("small", { class: "absent", "data-key": state.key }),
    );
    const button = (/** @type {string} */ paths, /** @type {string} */ label, /** @type {() => void} */ run, disabled = false) =>
      iconButton(paths, `${label}: ${title}`, { disabled, on: { click: run } });
    return h(
      "li",
      { class: `${isSelected ? "selected" : ""} ${state.hidden ? "hidden-layer" : ""}`, "data-layer": layer.id },
      button(state.hidden ? ICONS.eyeOff : ICONS.eye, state.hidden ? "Show" : "Hide", () => store.updateLayer(state.key, { hidden: !state.hidden })),
      name,
      h(
        "span",
        { class: "row-tools" },
        count > 1 && button(ICONS.up, "Move up", () => move(at, 1), at === count - 1),
        count > 1 && button(ICONS.down, "Move down", () => move(at, -1), at === 0),
        button(ICONS.target, "Go to", () => goTo(layer.id)),
        count > 1 && button(ICONS.close, "Remove", () => remove(state)),
      ),
    );
  }

  store.watch(
    (state) => [
      state.side,
      state[state.side].selected,
      state.display.celsius,
      context.catalogue,
      ...state[state.side].layers.flatMap(({ key, hidden }) => [key, hidden]),
    ],
    () => {
      const { layers } = store.scene;
      const focused = document.activeElement?.getAttribute("aria-label");
      list.replaceChildren(...layers.map((state, at) => row(state, at, layers.length)).reverse());
      if (focused) /** @type {HTMLElement | null} */ (list.querySelector(`[aria-label="${CSS.escape(focused)}"]`))?.focus();
      tellAbsent();
    },
  );

  function tellAbsent() {
    const shown = new Set(picture.shown[store.state.side]?.layers.map(({ state }) => state.key));
    for (const note of /** @type {NodeListOf<HTMLElement>} */ (list.querySelectorAll(".absent"))) {
      const state = store.scene.layers.find(({ key }) => key === note.dataset.key);
      const isAbsent = state && !state.hidden && !shown.has(state.key) && !picture.isPending;
      note.textContent = isAbsent ? "No data at this time, or not in this projection" : "";
    }
  }
  picture.watch(tellAbsent);
}
