// Coastlines, borders and the graticule over the data, in every projection.

import Feature from "ol/Feature.js";
import MultiLineString from "ol/geom/MultiLineString.js";
import Graticule from "ol/layer/Graticule.js";
import VectorLayer from "ol/layer/Vector.js";
import VectorSource from "ol/source/Vector.js";
import Fill from "ol/style/Fill.js";
import Stroke from "ol/style/Stroke.js";
import Style from "ol/style/Style.js";
import Text from "ol/style/Text.js";

import { WORLD } from "../catalogue/projections.js";
import { countryAt, readAtlas } from "./atlas.js";
import { gridLines, partsOf } from "./line_parts.js";
import { keepStill } from "./still_layer.js";

/** @import {Context, LonLat, Side} from "../types.js" */
/** @import {Atlas} from "./atlas.js" */

/** From this zoom on the finer lines are drawn. */
const FINE_ZOOM = 3.5;
/** Files of the bundle, set when it is built. @type {{coarse: string, fine: string}} */
const FILES = { coarse: ATLAS_COARSE, fine: ATLAS_FINE };

const dark = (/** @type {number} */ alpha) => `rgba(6, 10, 14, ${alpha})`;
const light = (/** @type {number} */ alpha) => `rgba(236, 242, 248, ${alpha})`;
/** @param {string} color @param {number} width @param {number} zIndex @param {number[]} [lineDash] */
const line = (color, width, zIndex, lineDash) => new Style({ stroke: new Stroke({ color, width, lineDash }), zIndex });
/** A dark line under a light one is seen on any colour. */
const STYLES = {
  grid: [line("rgba(170, 190, 210, 0.3)", 1, 1)],
  borders: [line(light(0.42), 0.8, 2, [3, 3])],
  lakes: [line(dark(0.45), 1.6, 3), line(light(0.7), 0.7, 4)],
  coast: [line(dark(0.55), 2.2, 5), line(light(0.85), 0.9, 6)],
};
/** @type {Side[]} */
const SIDES = ["a", "b"];

/** @param {CanvasTextAlign} textAlign @param {CanvasTextBaseline} textBaseline */
function label(textAlign, textBaseline) {
  const isLight = document.documentElement.dataset.theme === "light";
  return new Text({
    font: "11px system-ui, sans-serif",
    textAlign,
    textBaseline,
    fill: new Fill({ color: isLight ? dark(0.85) : light(0.8) }),
    stroke: new Stroke({ color: isLight ? light(0.8) : dark(0.75), width: 3 }),
  });
}

/** Degrees between lines; each reads well as a decimal number. */
const INTERVALS = [90, 45, 30, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001];

/** @param {number} value @param {string} positive @param {string} negative @param {number} bare Has no direction, as 0 has none. */
function degrees(value, positive, negative, bare) {
  const size = Number(Math.abs(value).toFixed(4));
  return size === 0 || size === bare ? `${size}°` : `${size}° ${value < 0 ? negative : positive}`;
}

/** The graticule of a map of the world, in the colours of the page. */
function graticule() {
  const made = new Graticule({
    className: "graticule",
    strokeStyle: new Stroke({ color: "rgba(150, 170, 190, 0.26)", width: 1 }),
    showLabels: true,
    lonLabelPosition: 0.004,
    latLabelPosition: 0.997,
    lonLabelStyle: label("center", "bottom"),
    latLabelStyle: label("end", "middle"),
    lonLabelFormatter: (longitude) => degrees(longitude, "E", "W", 180),
    intervals: INTERVALS,
    latLabelFormatter: (latitude) => degrees(latitude, "N", "S", 0),
    wrapX: true,
    zIndex: 3,
  });
  return keepStill(made);
}

export class Lines {
  /** @type {Record<"coarse" | "fine", Promise<Atlas> | null>} */
  #loading = { coarse: null, fine: null };
  /** @type {Atlas | null} */
  #atlas = null;
  #shown = "";
  #source = new VectorSource({ wrapX: true });

  /** @param {Context} context */
  constructor(context) {
    this.context = context;
    const { store, map } = context;
    for (const side of SIDES) {
      const layer = new VectorLayer({ source: this.#source, className: "lines", zIndex: 2, updateWhileAnimating: true, updateWhileInteracting: true });
      map.lines[side].getLayers().push(keepStill(layer));
    }
    this.graticules = SIDES.map((side) => this.#addGraticule(side));
    store.watch(({ display, projection }) => [display.coast, display.grid, projection], () => this.#arrange());
    map.onMove(() => this.#draw());
    document.addEventListener("themechange", () => this.#recolour());
  }

  /** @param {Side} side */
  #addGraticule(side) {
    const made = graticule();
    this.context.map.lines[side].getLayers().push(made);
    return made;
  }

  #recolour() {
    SIDES.forEach((side, at) => this.context.map.lines[side].getLayers().remove(this.graticules[at]));
    this.graticules = SIDES.map((side) => this.#addGraticule(side));
    this.#arrange();
  }

  #arrange() {
    const { display, projection } = this.context.store.state;
    for (const each of this.graticules) each.setVisible(display.grid && WORLD.includes(projection));
    this.#shown = "";
    this.#draw();
  }

  /** Loads the lines; until then there are none. */
  async load() {
    this.#atlas = await this.#file("coarse");
    this.#draw();
  }

  /** @param {"coarse" | "fine"} name */
  #file(name) {
    this.#loading[name] ??= this.context.server.json(FILES[name]).then(readAtlas);
    return this.#loading[name];
  }

  /** @returns {Promise<void>} */
  async #draw() {
    const { map, store } = this.context;
    const { projection, display } = store.state;
    if (!this.#atlas || map.projection !== projection) return;
    const name = (map.position?.zoom ?? 0) >= FINE_ZOOM ? "fine" : "coarse";
    const key = `${name} ${projection}`;
    if (key === this.#shown) return;
    if (display.coast && name === "fine" && !this.#loading.fine) {
      await this.#file("fine");
      return this.#draw();
    }
    this.#shown = key;
    const atlas = display.coast ? await this.#file(name) : null;
    if (atlas) this.#atlas = atlas;
    const extent = map.view.getProjection().getExtent();
    const isWorld = WORLD.includes(projection);
    const kinds = { grid: display.grid && !isWorld ? gridLines(projection) : [], borders: atlas?.borders, lakes: atlas?.lakes, coast: atlas?.coast };
    this.#source.clear(true);
    for (const kind of /** @type {(keyof typeof STYLES)[]} */ (Object.keys(STYLES))) {
      const parts = partsOf(kinds[kind] ?? [], projection, extent[2] - extent[0]);
      if (parts.length === 0) continue;
      const feature = new Feature(new MultiLineString(parts));
      feature.setStyle(STYLES[kind]);
      this.#source.addFeature(feature);
    }
  }

  /** Name of the country at a place, "" at sea. @param {LonLat} lonLat */
  countryAt(lonLat) {
    return countryAt(this.#atlas, lonLat);
  }
}
