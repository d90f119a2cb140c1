// The background map of the server's settings.

import TileLayer from "ol/layer/Tile.js";
import XYZ from "ol/source/XYZ.js";

import { WORLD } from "../catalogue/projections.js";
import { element, h } from "../ui/dom.js";

/** @import {Context, Side} from "../types.js" */

/** @param {Context} context */
export function showBaseMap(context) {
  const { store, map, catalogue } = context;
  const { baseMap, baseMapAttribution } = catalogue.overview;
  if (!baseMap) return;
  const source = (/** @type {string | undefined} */ crossOrigin) => new XYZ({ url: baseMap, attributions: baseMapAttribution, crossOrigin });
  const layers = /** @type {Side[]} */ (["a", "b"]).map((side) => {
    const layer = new TileLayer({ source: source("anonymous"), className: "base" });
    // A server that does not allow other pages to read its tiles is shown too; a picture of the view is then impossible.
    layer.getSource()?.once("tileloaderror", () => layer.setSource(source(undefined)));
    map.background[side].getLayers().push(layer);
    return layer;
  });
  const attribution = h("div", { id: "attribution" }, baseMapAttribution);
  element("scale").before(attribution);
  // Tiles of Web Mercator end before the poles: they make no polar map.
  store.watch(({ display, projection }) => display.base && WORLD.includes(projection), (isShown) => {
    for (const layer of layers) layer.setVisible(isShown);
    attribution.hidden = !isShown || !baseMapAttribution;
  });
}
