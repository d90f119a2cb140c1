// Code that shows the selected layer elsewhere, ready to copy.

import { selectedLayer } from "../numbers/points_view.js";
import { h, select } from "../ui/dom.js";
import { snippets } from "./snippets.js";

/** @import {Context} from "../types.js" */
/** @import {Tools} from "../panels/take_panel.js" */

/** @param {Context} context @param {Tools} tools */
export function codeSection(context, { button, copy }) {
  const code = h("pre", { class: "snippet", tabIndex: 0, "aria-label": "Code for the layer" });
  const kinds = h("div");
  let kind = "openlayers";
  const refresh = () => {
    const shown = selectedLayer(context);
    if (!shown) return;
    const all = snippets(context.server.base, shown);
    const choice = select(all, kind, { id: "snippet", "aria-label": "Code for" });
    choice.addEventListener("change", () => {
      kind = choice.value;
      refresh();
    });
    kinds.replaceChildren(choice);
    code.textContent = all.find(({ id }) => id === kind)?.code ?? "";
  };
  const copyCode = button("Copy", () => copy(code.textContent ?? "", "Code"));
  return { element: h("div", {}, h("h3", {}, "Code for this layer"), kinds, code, h("div", { class: "buttons" }, copyCode)), refresh };
}
