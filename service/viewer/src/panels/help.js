// The panel of keys.

import { h } from "../ui/dom.js";

/** @import {Panel} from "../types.js" */
/** @import {Key} from "../ui/keys.js" */

/** Filled when the page has started. @type {{keys: () => Key[]}} */
export const help = { keys: () => [] };

/** @type {Panel} */
export const helpPanel = {
  id: "help",
  title: "Keys and help",
  key: "?",
  icon: '<path d="M5.500 6a2.500 2.500 0 113.500 2.300c-.7.3-1 .8-1 1.500v.4M8 13v.2"/>',
  mount(body) {
    const list = h("dl", { class: "keys" });
    for (const { key, title, shown } of help.keys()) list.append(h("dt", {}, h("kbd", {}, shown ?? key)), h("dd", {}, title));
    body.append(list);
  },
};
