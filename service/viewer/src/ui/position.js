// Where the pointer is.

import { formatPlace } from "../format/numbers.js";
import { element } from "./dom.js";

/** @import {Context} from "../types.js" */

/** @param {Context} context @param {(lonLat: [number, number]) => string} nameOf Name of the country at a place, or "". */
export function showPosition(context, nameOf) {
  const box = element("position");
  context.map.onPointer((event) => {
    const onEarth = event && event.lonLat.every(Number.isFinite) && Math.abs(event.lonLat[1]) <= 90;
    const name = onEarth ? nameOf(event.lonLat) : "";
    box.textContent = onEarth ? `${formatPlace(event.lonLat)}${name ? `  ${name}` : ""}` : "";
  });
}
