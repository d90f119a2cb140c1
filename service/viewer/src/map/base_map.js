// The background map of the server's settings.

import TileLayer from "ol/layer/Tile.js";
import XYZ from "ol/source/XYZ.js";

import { element, h } from "../ui/dom.js";

/** @import {Context, Side} from "../types.js" */

/** @param {Context} context */
export function showBaseMap(context) {
  const { store, map, catalogue } = context;
  const { baseMap, baseMapAttribution } = catalogue.overview;
  if (!baseMap) return;
  const layers = /** @type {Side[]} */ (["a", "b"]).map((side) => {
    const layer = new TileLayer({ source: new XYZ({ url: baseMap, attributions: baseMapAttribution }), className: "base" });
    map.background[side].getLayers().push(layer);
    return layer;
  });
  const attribution = h("div", { id: "attribution" }, baseMapAttribution);
  element("scale").before(attribution);
  store.watch(({ display }) => display.base, (isShown) => {
    for (const layer of layers) layer.setVisible(isShown);
    attribution.hidden = !isShown || !baseMapAttribution;
  });
}
