// The panel of layers at the left, which folds; on phones a sheet at the bottom.

import { element } from "./dom.js";
import { isNarrow } from "./screen.js";

const MARGIN = 24;

export class Sidebar {
  constructor() {
    element("fold").addEventListener("click", () => this.fold());
    if (isNarrow()) this.fold();
  }

  get isFolded() {
    return document.body.classList.contains("folded");
  }

  fold() {
    const folded = document.body.classList.toggle("folded");
    element("fold").setAttribute("aria-expanded", String(!folded));
  }

  search() {
    if (this.isFolded) this.fold();
    element("filter").focus();
  }

  /** Pixels that the panels cover, with a margin; a layer is fitted into the rest. */
  covered() {
    const panel = element("panel").getBoundingClientRect();
    const timeline = element("timeline").getBoundingClientRect();
    const bottom = timeline.height > 0 ? window.innerHeight - timeline.top + 8 : 48;
    if (isNarrow()) return { top: MARGIN, right: MARGIN, bottom: Math.max(bottom, 120), left: MARGIN };
    const drawer = element("drawer").getBoundingClientRect();
    const right = drawer.width > 0 ? window.innerWidth - drawer.left + MARGIN : 64;
    return { top: MARGIN, right, bottom, left: this.isFolded ? MARGIN : panel.right + MARGIN };
  }
}
