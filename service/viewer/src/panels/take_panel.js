// The panel of what people take away: pictures, frames, data of a box, links, and code.

import { download, fileName } from "../numbers/csv.js";
import { selectedLayer } from "../numbers/points_view.js";
import { MOST_FRAMES, framesZip } from "../take/frames.js";
import { snippets } from "../take/snippets.js";
import { viewPicture } from "../take/view_picture.js";
import { h, select } from "../ui/dom.js";

/** @import {Panel} from "../types.js" */

/** @type {Panel} */
export const takePanel = {
  id: "take",
  title: "Take it away",
  key: "t",
  icon: '<path d="M8 2v8M4.500 6.500L8 10l3.500-3.500M2.500 12.500v1h11v-1"/>',
  mount(body, context) {
    const { store, server } = context;
    const status = h("p", { class: "hint", role: "status" });
    const say = (/** @type {string} */ text) => (status.textContent = text);
    const name = () => {
      const shown = selectedLayer(context);
      return fileName(shown?.layer.id ?? "map", shown?.time ?? "");
    };
    const button = (/** @type {string} */ title, /** @type {() => unknown} */ run) => {
      const made = h("button", { type: "button", class: "plain" }, title);
      made.addEventListener("click", async () => {
        made.disabled = true;
        try {
          await run();
        } catch (error) {
          say(/** @type {Error} */ (error).message);
        } finally {
          made.disabled = false;
        }
      });
      return made;
    };
    const copy = async (/** @type {string} */ text, /** @type {string} */ what) => {
      await navigator.clipboard.writeText(text);
      say(`${what} copied.`);
    };

    const picture = button("Picture (PNG)", async () => {
      await context.map.whenDrawn();
      download(await viewPicture(context), "image/png", `${name()}.png`);
      say("");
    });
    const link = button("Copy the link", () => copy(location.href, "Link"));

    /** @type {AbortController | null} */
    let abort = null;
    const stop = h("button", { type: "button", class: "plain", hidden: true, on: { click: () => abort?.abort() } }, "Stop");
    const frames = button("Frames (zip)", async () => {
      const { from, to } = store.state.clock;
      const { labels } = context.catalogue.clockOf(store.scene.layers);
      const first = from === undefined ? 0 : Math.max(0, labels.indexOf(from));
      const last = to === undefined ? labels.length - 1 : labels.indexOf(to);
      const times = labels.slice(first, (last < 0 ? labels.length - 1 : last) + 1);
      if (times.length > MOST_FRAMES) return say(`${times.length} times are too many: choose a range of at most ${MOST_FRAMES} on the clock.`);
      abort = new AbortController();
      stop.hidden = false;
      try {
        const zip = await framesZip(context, times, abort.signal, (done) => say(`Frame ${done} of ${times.length}`));
        download(/** @type {BlobPart} */ (zip), "application/zip", `${name()}_frames.zip`);
        say(`${times.length} frames.`);
      } catch (error) {
        if (!abort.signal.aborted) throw error;
        say("Stopped.");
      } finally {
        stop.hidden = true;
      }
    });

    const code = h("pre", { class: "snippet", tabIndex: 0, "aria-label": "Code for the layer" });
    const kinds = h("div");
    let kind = "openlayers";
    const showCode = () => {
      const shown = selectedLayer(context);
      if (!shown) return;
      const all = snippets(server.base, shown);
      const choice = select(all, kind, { id: "snippet", "aria-label": "Code for" });
      choice.addEventListener("change", () => {
        kind = choice.value;
        showCode();
      });
      kinds.replaceChildren(choice);
      code.textContent = all.find(({ id }) => id === kind)?.code ?? "";
    };
    const copyCode = button("Copy", () => copy(code.textContent ?? "", "Code"));
    const animation = h("div", {}, h("h3", {}, "Animation"), h("p", { class: "hint" }, "One picture for each time of the clock’s range."), h("div", { class: "buttons" }, frames, stop));
    body.append(h("h3", {}, "This view"), h("div", { class: "buttons" }, picture, link), animation, h("h3", {}, "Code for this layer"), kinds, code, h("div", { class: "buttons" }, copyCode), status);
    let isOpen = false;
    context.picture.watch(() => {
      if (!isOpen) return;
      showCode();
      animation.hidden = context.catalogue.clockOf(store.scene.layers).length < 2;
    });
    return {
      opened() {
        isOpen = true;
        showCode();
        animation.hidden = context.catalogue.clockOf(store.scene.layers).length < 2;
      },
      closed: () => (isOpen = false),
    };
  },
};
