// What the page says: short notes, and a bar that stays while something is wrong.

import { element, h } from "./dom.js";

/** @import {Server} from "../tiles/server.js" */

const NOTE_MS = 8000;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

/** Shows one line of text, for eight seconds unless `persistent`. @param {string} text @param {{persistent?: boolean}} [options] */
export function showMessage(text, { persistent = false } = {}) {
  clearTimeout(timer);
  const note = element("message");
  note.textContent = text;
  note.hidden = false;
  if (!persistent) timer = setTimeout(() => (note.hidden = true), NOTE_MS);
}

/** Shows a bar while the server is away, and marks the picture as old. @param {Server} server */
export function showTrouble(server) {
  const bar = element("trouble");
  const text = h("span", {});
  const again = h("button", { type: "button", on: { click: () => server.hurry() } }, "Try now");
  bar.append(text, again);
  server.watch((trouble) => {
    bar.hidden = trouble === null;
    document.body.classList.toggle("stale", trouble !== null);
    if (trouble) {
      const since = trouble.since.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
      text.textContent = `${trouble.text}. The map shows what was loaded until ${since}; the page keeps trying.`;
    }
  });
}
