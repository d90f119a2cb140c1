// The background map of the server's settings.

import { getHeight, getWidth } from "ol/extent.js";
import TileLayer from "ol/layer/Tile.js";
import { equivalent } from "ol/proj.js";
import XYZ from "ol/source/XYZ.js";
import { createXYZ } from "ol/tilegrid.js";

import { element, h } from "../ui/dom.js";

/** @import {Context, Side} from "../types.js" */

/** Tiles of Web Mercator, in any projection of the map. */
class BaseSource extends XYZ {
  /** @type {Map<string, import("ol/tilegrid/TileGrid.js").default>} */
  #grids = new Map();

  /**
   * The tiles that OpenLayers makes of those of the server. One tile with a pole in its middle cannot be made, therefore
   * the first level has four. @override @param {import("ol/proj.js").Projection} projection
   */
  getTileGridForProjection(projection) {
    const own = this.getProjection();
    const extent = projection.getExtent();
    if (!extent || (own && equivalent(own, projection))) return super.getTileGridForProjection(projection);
    const code = projection.getCode();
    let grid = this.#grids.get(code);
    if (!grid) {
      grid = createXYZ({ extent, maxResolution: Math.max(getWidth(extent), getHeight(extent)) / 512 });
      this.#grids.set(code, grid);
    }
    return grid;
  }
}

/** @param {Context} context */
export function showBaseMap(context) {
  const { store, map, catalogue } = context;
  const { baseMap, baseMapAttribution } = catalogue.overview;
  if (!baseMap) return;
  const source = (/** @type {string | undefined} */ crossOrigin) => new BaseSource({ url: baseMap, attributions: baseMapAttribution, crossOrigin });
  const layers = /** @type {Side[]} */ (["a", "b"]).map((side) => {
    const layer = new TileLayer({ source: source("anonymous"), className: "base" });
    // A server that does not allow other pages to read its tiles is shown too; a picture of the view is then impossible.
    layer.getSource()?.once("tileloaderror", () => layer.setSource(source(undefined)));
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
