// The keys of the page. They work wherever the focus is, unless it is in a text field that takes them.

/** @typedef {{key: string, title: string, run: () => void, shown?: string}} Key */

const TEXT = "input:not([type=range]):not([type=checkbox]):not([type=radio]):not([type=button]), textarea, [contenteditable]";

export class Keys {
  /** @type {Map<string, Key>} */
  #keys = new Map();

  constructor() {
    document.addEventListener("keydown", (event) => this.#press(event));
  }

  /** @param {Key[]} keys */
  add(keys) {
    for (const key of keys) this.#keys.set(key.key, key);
  }

  /** Every key, for the page of help. */
  get all() {
    return [...this.#keys.values()];
  }

  /** @param {KeyboardEvent} event */
  #press(event) {
    const key = this.#keys.get(event.key);
    const target = /** @type {Element | null} */ (event.target instanceof Element ? event.target : null);
    if (!key || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (target?.closest(TEXT)) return;
    // Space opens a list and changes a box, which have no other key for it; buttons and links have Enter.
    if (event.key === " " && target?.matches("select, input[type=checkbox], input[type=radio]:not(:checked)")) return;
    if (event.key !== " " && target?.matches("select") && event.key.length === 1 && /[a-z0-9]/i.test(event.key)) return;
    event.preventDefault();
    key.run();
  }
}
