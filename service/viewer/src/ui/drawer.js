// The drawer at the side: one panel at a time, opened by the buttons of the rail or by keys.

import { element, h, iconButton, ICONS } from "./dom.js";

/** @import {Panel, Context} from "../types.js" */

export class Drawer {
  /** @type {Map<string, {panel: Panel, button: HTMLElement, body: HTMLElement | null, hooks: {opened?: () => void, closed?: () => void}}>} */
  #panels = new Map();
  /** @type {string | null} */
  #open = null;
  /** @type {(id: string | null) => void} */
  onChange = () => {};

  /** @param {Panel[]} panels @param {Context} context */
  constructor(panels, context) {
    this.context = context;
    this.drawer = element("drawer");
    this.title = h("h2", { id: "drawer-title" });
    this.content = h("div", { class: "drawer-content", tabIndex: 0 }); // the keyboard scrolls what has the focus
    const close = iconButton(ICONS.close, "Close the panel (Esc)", { class: "close", on: { click: () => this.close() } });
    this.drawer.append(h("header", {}, this.title, close), this.content);
    for (const panel of panels) this.#add(panel);
  }

  /** @param {Panel} panel */
  #add(panel) {
    const button = iconButton(panel.icon, panel.key ? `${panel.title} (${panel.key})` : panel.title, {
      class: "tool",
      id: `tool-${panel.id}`,
      "aria-expanded": "false",
      "aria-controls": "drawer",
      on: { click: () => this.toggle(panel.id) },
    });
    element("rail").append(button);
    this.#panels.set(panel.id, { panel, button, body: null, hooks: {} });
  }

  /** The panel that is open. */
  get open() {
    return this.#open;
  }

  /** @param {string} id */
  toggle(id) {
    if (this.#open === id) this.close();
    else this.show(id);
  }

  /** @param {string} id */
  show(id) {
    const entry = this.#panels.get(id);
    if (!entry || this.#open === id) return;
    if (this.#open) this.#leave();
    if (!entry.body) {
      entry.body = h("div", { class: `panel-${id}` });
      entry.hooks = entry.panel.mount(entry.body, this.context) ?? {};
    }
    this.#open = id;
    this.title.textContent = entry.panel.title;
    this.content.replaceChildren(entry.body);
    this.drawer.hidden = false;
    entry.button.setAttribute("aria-expanded", "true");
    document.body.classList.add("has-drawer");
    entry.hooks.opened?.();
    this.onChange(id);
  }

  #leave() {
    const entry = this.#panels.get(this.#open ?? "");
    entry?.button.setAttribute("aria-expanded", "false");
    entry?.hooks.closed?.();
  }

  close() {
    if (!this.#open) return;
    this.#leave();
    const button = this.#panels.get(this.#open)?.button;
    const hadFocus = this.drawer.contains(document.activeElement);
    this.#open = null;
    this.drawer.hidden = true;
    document.body.classList.remove("has-drawer");
    if (hadFocus) button?.focus();
    this.onChange(null);
  }
}
