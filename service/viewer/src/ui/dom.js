// Making elements.

/** @typedef {Record<string, any>} Properties */

/**
 * Returns an element. Properties are set as such; `class`, `data-` and `aria-` ones as attributes; `on` adds listeners.
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name @param {Properties} [properties] @param {...(Node | string | null | undefined | false)} children
 * @returns {HTMLElementTagNameMap[Name]}
 */
export function h(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (key === "on") for (const [type, listener] of Object.entries(value)) element.addEventListener(type, listener);
    else if (key === "class" || key === "for" || key === "role" || key.includes("-")) element.setAttribute(key, String(value));
    else /** @type {any} */ (element)[key] = value;
  }
  element.append(.../** @type {(Node | string)[]} */ (children.filter((child) => child !== null && child !== undefined && child !== false)));
  return element;
}

/** Returns a 16 x 16 icon. @param {string} paths SVG. */
export function icon(paths) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  svg.innerHTML = paths;
  return svg;
}

/** Returns a button with an icon and a name for screen readers. @param {string} paths @param {string} title @param {Properties} [properties] */
export function iconButton(paths, title, properties = {}) {
  return h("button", { type: "button", title, "aria-label": title, ...properties }, icon(paths));
}

/** The element with an id, which the page has. @param {string} id @returns {HTMLElement} */
export function element(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

/** A select with options. @param {{id: string, title: string}[]} options @param {string} chosen @param {Properties} [properties] */
export function select(options, chosen, properties = {}) {
  const result = h("select", properties);
  for (const { id, title } of options) result.append(h("option", { value: id, selected: id === chosen }, title));
  return result;
}

export const ICONS = {
  up: '<path d="M8 13V3M4 7l4-4 4 4"/>',
  down: '<path d="M8 3v10M4 9l4 4 4-4"/>',
  eye: '<path d="M1.5 8s2.4-4.5 6.5-4.5S14.500 8 14.500 8 12.100 12.500 8 12.500 1.500 8 1.500 8z"/><circle cx="8" cy="8" r="2"/>',
  eyeOff: '<path d="M2 2l12 12M6.300 3.700A6.500 6.500 0 018 3.500c4.100 0 6.500 4.500 6.500 4.500a11 11 0 01-2 2.500M4 5A11 11 0 001.500 8S3.900 12.500 8 12.500a6.300 6.300 0 002.600-.6"/>',
  close: '<path d="M4 4l8 8M12 4l-8 8"/>',
  plus: '<path d="M8 3v10M3 8h10"/>',
  swap: '<path d="M4 5h9l-2.500-2.500M12 11H3l2.500 2.500"/>',
  target: '<circle cx="8" cy="8" r="4.500"/><path d="M8 1v3M8 12v3M1 8h3M12 8h3"/>',
  play: '<path d="M5 3l8 5-8 5z"/>',
  pause: '<path d="M5.500 3.500v9M10.500 3.500v9"/>',
  left: '<path d="M10.500 3l-5 5 5 5"/>',
  right: '<path d="M5.500 3l5 5-5 5"/>',
  calendar: '<rect x="2.500" y="3.500" width="11" height="10" rx="1.500"/><path d="M2.500 6.500h11M5.500 2v3M10.500 2v3"/>',
  gear: '<path d="M2 4.500h7M12 4.500h2M2 11.500h2M7 11.500h7"/><circle cx="10.500" cy="4.500" r="1.500"/><circle cx="5.500" cy="11.500" r="1.500"/>',
};
