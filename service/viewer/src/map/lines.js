// Coastlines, borders and the graticule over the data, in every projection.

import Feature from "ol/Feature.js";
import MultiLineString from "ol/geom/MultiLineString.js";
import Graticule from "ol/layer/Graticule.js";
import VectorLayer from "ol/layer/Vector.js";
import { fromLonLat } from "ol/proj.js";
import VectorSource from "ol/source/Vector.js";
import Fill from "ol/style/Fill.js";
import Stroke from "ol/style/Stroke.js";
import Style from "ol/style/Style.js";
import Text from "ol/style/Text.js";

import { LATITUDES, WORLD } from "../catalogue/projections.js";
import { countryAt, readAtlas } from "./atlas.js";

/** @import {Context, LonLat} from "../types.js" */
/** @import {Atlas, Line} from "./atlas.js" */

/** From this zoom on the finer lines are drawn. */
const FINE_ZOOM = 3.5;
/** Files of the bundle, set when it is built. @type {{coarse: string, fine: string}} */
const FILES = { coarse: ATLAS_COARSE, fine: ATLAS_FINE };

const dark = (/** @type {number} */ alpha) => `rgba(6, 10, 14, ${alpha})`;
const light = (/** @type {number} */ alpha) => `rgba(236, 242, 248, ${alpha})`;
/** A dark line under a light one is seen on any colour. */
const COAST = [new Style({ stroke: new Stroke({ color: dark(0.55), width: 2.2 }) }), new Style({ stroke: new Stroke({ color: light(0.85), width: 0.9 }) })];
const LAKES = [new Style({ stroke: new Stroke({ color: dark(0.45), width: 1.6 }) }), new Style({ stroke: new Stroke({ color: light(0.7), width: 0.7 }) })];
const BORDERS = new Style({ stroke: new Stroke({ color: light(0.42), width: 0.8, lineDash: [3, 3] }) });
const GRID = new Style({ stroke: new Stroke({ color: "rgba(170, 190, 210, 0.3)", width: 1 }) });

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

/** The graticule of a map of the world, in the colours of the page. */
function graticule() {
  return new Graticule({
    strokeStyle: new Stroke({ color: "rgba(150, 170, 190, 0.26)", width: 1 }),
    showLabels: true,
    lonLabelPosition: 0.004,
    latLabelPosition: 0.997,
    lonLabelStyle: label("center", "bottom"),
    latLabelStyle: label("end", "middle"),
    wrapX: true,
    zIndex: 1,
  });
}

/** The parts of a line between two latitudes, in coordinates of the map. @param {Line} line @param {string} code */
function project(line, code) {
  const [south, north] = LATITUDES[code] ?? [-90, 90];
  const parts = [];
  /** @type {number[][]} */
  let part = [];
  for (const [longitude, latitude] of line) {
    const point = latitude >= south && latitude <= north ? fromLonLat([longitude, latitude], code) : null;
    if (point && point.every(Number.isFinite)) part.push(point);
    else {
      if (part.length > 1) parts.push(part);
      part = [];
    }
  }
  if (part.length > 1) parts.push(part);
  return parts;
}

/** Parts that jump across the map, as a line does at the seam of a projection, are cut there. @param {number[][][]} parts @param {number} width */
function cutJumps(parts, width) {
  return parts.flatMap((part) => {
    const result = [];
    let run = [part[0]];
    for (let at = 1; at < part.length; at += 1) {
      if (Math.hypot(part[at][0] - part[at - 1][0], part[at][1] - part[at - 1][1]) > width) {
        if (run.length > 1) result.push(run);
        run = [];
      }
      run.push(part[at]);
    }
    if (run.length > 1) result.push(run);
    return result;
  });
}

/** Meridians and parallels where OpenLayers' graticule does not know the projection. @param {string} code @returns {Line[]} */
function gridLines(code) {
  const [south, north] = LATITUDES[code] ?? [-80, 80];
  const range = (/** @type {number} */ from, /** @type {number} */ to, /** @type {number} */ step) =>
    Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, at) => from + at * step);
  const meridians = range(-180, 150, 30).map((longitude) => range(south, north, 2).map((latitude) => /** @type {LonLat} */ ([longitude, latitude])));
  const parallels = range(Math.ceil(south / 10) * 10, Math.min(north, 80), 10).map((latitude) =>
    range(-180, 180, 2).map((longitude) => /** @type {LonLat} */ ([longitude, latitude])),
  );
  return [...meridians, ...parallels];
}

export class Lines {
  /** @type {Record<"coarse" | "fine", Promise<Atlas> | null>} */
  #loading = { coarse: null, fine: null };
  /** @type {Atlas | null} */
  #atlas = null;
  #shown = "";

  /** @param {Context} context */
  constructor(context) {
    this.context = context;
    const { store, map } = context;
    const layer = (/** @type {Style | Style[]} */ style, /** @type {number} */ zIndex) =>
      new VectorLayer({ source: new VectorSource({ wrapX: true }), style, zIndex, updateWhileAnimating: true, updateWhileInteracting: true });
    this.coast = layer(COAST, 3);
    this.lakes = layer(LAKES, 2);
    this.borders = layer(BORDERS, 2);
    this.grid = layer(GRID, 1);
    this.graticule = graticule();
    for (const each of [this.grid, this.borders, this.lakes, this.coast, this.graticule]) map.lines.a.getLayers().push(each);
    store.watch(({ display, projection }) => [display.coast, display.grid, projection], () => this.#arrange());
    map.onMove(() => this.#draw());
    document.addEventListener("themechange", () => this.#recolour());
  }

  #recolour() {
    const layers = this.context.map.lines.a.getLayers();
    layers.remove(this.graticule);
    this.graticule = graticule();
    layers.push(this.graticule);
    this.#arrange();
  }

  #arrange() {
    const { display, projection } = this.context.store.state;
    const isWorld = WORLD.includes(projection);
    this.coast.setVisible(display.coast);
    this.borders.setVisible(display.coast);
    this.lakes.setVisible(display.coast);
    this.graticule.setVisible(display.grid && isWorld);
    this.grid.setVisible(display.grid && !isWorld);
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
    if (!display.coast || key === this.#shown) return;
    if (name === "fine" && !this.#loading.fine) {
      await this.#file("fine");
      return this.#draw();
    }
    this.#shown = key;
    this.#atlas = await this.#file(name);
    const extent = map.view.getProjection().getExtent();
    const width = (extent[2] - extent[0]) / 4;
    const fill = (/** @type {VectorLayer<any>} */ layer, /** @type {Line[]} */ lines) => {
      const parts = cutJumps(lines.flatMap((line) => project(line, projection)), width);
      const source = layer.getSource();
      source.clear(true);
      if (parts.length > 0) source.addFeature(new Feature(new MultiLineString(parts)));
    };
    fill(this.coast, this.#atlas.coast);
    fill(this.borders, this.#atlas.borders);
    fill(this.lakes, this.#atlas.lakes);
    fill(this.grid, WORLD.includes(projection) ? [] : gridLines(projection));
  }

  /** Name of the country at a place, "" at sea. @param {LonLat} lonLat */
  countryAt(lonLat) {
    return countryAt(this.#atlas, lonLat);
  }
}
