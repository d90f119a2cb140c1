// The panel of what people take away: pictures, animations, data of a box, links, and code.

import { download, fileName } from "../numbers/csv.js";
import { selectedLayer } from "../numbers/points_view.js";
import { animationSection } from "../take/animation_section.js";
import { boxSection } from "../take/box_section.js";
import { codeSection } from "../take/code_section.js";
import { pictureOf, viewCanvas } from "../take/view_picture.js";
import { h } from "../ui/dom.js";

/** @import {Panel} from "../types.js" */

/**
 * What the sections of the panel share.
 * @typedef {{button: (title: string, run: () => unknown) => HTMLButtonElement, say: (text: string) => void,
 *   copy: (text: string, what: string) => Promise<void>, name: () => string}} Tools
 */

/** @type {Panel} */
export const takePanel = {
  id: "take",
  title: "Take it away",
  key: "t",
  icon: '<path d="M8 2v8M4.500 6.500L8 10l3.500-3.500M2.500 12.500v1h11v-1"/>',
  mount(body, context) {
    const status = h("p", { class: "hint", role: "status" });
    /** @type {Tools} */
    const tools = {
      say: (text) => (status.textContent = text),
      name() {
        const shown = selectedLayer(context);
        return fileName(shown?.layer.id ?? "map", shown?.time ?? "");
      },
      button(title, run) {
        const made = h("button", { type: "button", class: "plain" }, title);
        made.addEventListener("click", async () => {
          made.disabled = true;
          try {
            await run();
          } catch (error) {
            tools.say(/** @type {Error} */ (error).message);
          } finally {
            made.disabled = false;
          }
        });
        return made;
      },
      async copy(text, what) {
        await navigator.clipboard.writeText(text);
        tools.say(`${what} copied.`);
      },
    };
    const picture = tools.button("Picture (PNG)", async () => {
      await context.map.whenDrawn();
      download(await pictureOf(viewCanvas(context), "image/png"), "image/png", `${tools.name()}.png`);
      tools.say("");
    });
    const link = tools.button("Copy the link", () => tools.copy(location.href, "Link"));
    const box = boxSection(context, tools);
    const sections = [animationSection(context, tools), box, codeSection(context, tools)];
    body.append(status, h("h3", {}, "This view"), h("div", { class: "buttons" }, picture, link), ...sections.map(({ element }) => element));
    let isOpen = false;
    const refresh = () => {
      if (isOpen) for (const section of sections) section.refresh();
    };
    context.picture.watch(refresh);
    return {
      opened() {
        isOpen = true;
        box.opened();
        refresh();
      },
      closed() {
        isOpen = false;
        box.closed();
      },
    };
  },
};
