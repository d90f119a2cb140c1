// The region that people draw, as GeoJSON in longitudes and latitudes.

import Feature from "ol/Feature.js";
import { Polygon } from "ol/geom.js";
import { fromCircle } from "ol/geom/Polygon.js";
import Draw, { createBox } from "ol/interaction/Draw.js";
import VectorLayer from "ol/layer/Vector.js";
import VectorSource from "ol/source/Vector.js";
import { Fill, Stroke, Style } from "ol/style.js";

import { CIRCLE_SIDES, regionOf, textOfRegion } from "./region_text.js";

/** @import {Context} from "../types.js" */
/** @import {GeoPolygon} from "./region_text.js" */
/** @import OlCircle from "ol/geom/Circle.js" */

export const SHAPES = /** @type {const} */ ({ box: "Box", polygon: "Polygon", circle: "Circle" });
const DOUBLE_CLICK_MS = 350;

export class Region {
  #source = new VectorSource({ wrapX: false });
  /** @type {Draw | null} */
  #draw = null;
  /** @type {GeoPolygon | null} */
  polygon = null;

  /** @param {Context} context @param {(polygon: GeoPolygon, text: string) => void} onDrawn */
  constructor(context, onDrawn) {
    this.context = context;
    this.onDrawn = onDrawn;
    const style = new Style({ stroke: new Stroke({ color: "#ffb000", width: 2 }), fill: new Fill({ color: "rgba(255, 176, 0, 0.1)" }) });
    this.layer = new VectorLayer({ source: this.#source, style });
    context.store.watch(({ projection }) => projection, () => this.#show());
  }

  /** Lets people draw the next region. @param {keyof typeof SHAPES} shape */
  start(shape) {
    this.stop();
    if (this.#draw) this.context.map.ol().removeInteraction(this.#draw);
    const options = shape === "polygon" ? { type: /** @type {const} */ ("Polygon") } : { type: /** @type {const} */ ("Circle"), geometryFunction: shape === "box" ? createBox() : undefined };
    this.#draw = new Draw({ ...options, source: new VectorSource() });
    this.#draw.on("drawend", ({ feature }) => {
      const drawn = feature.getGeometry();
      const ring = (drawn instanceof Polygon ? drawn : fromCircle(/** @type {OlCircle} */ (drawn), CIRCLE_SIDES)).getCoordinates()[0];
      this.stop();
      const text = textOfRegion(ring, this.context.map.projection);
      this.set(text);
      if (this.polygon) this.onDrawn(this.polygon, text);
    });
    this.context.map.ol().addInteraction(this.#draw);
  }

  /** Shows the region of a text, or none. @param {string | undefined} text As in the permalink. */
  set(text) {
    this.polygon = regionOf(text);
    this.#show();
  }

  get isDrawing() {
    return this.#draw !== null;
  }

  /** Ends drawing. */
  stop() {
    if (!this.#draw) return;
    const draw = this.#draw;
    // The click that ends a drawing is told to others after the time in which a second one would make it a double click.
    setTimeout(() => {
      this.context.map.ol().removeInteraction(draw);
      if (this.#draw === draw) this.#draw = null;
    }, DOUBLE_CLICK_MS);
    draw.setActive(false);
  }

  clear() {
    this.stop();
    this.set(undefined);
  }

  #show() {
    this.#source.clear();
    if (!this.polygon) return;
    const ring = this.polygon.coordinates[0].map((each) => this.context.map.coordinate(/** @type {[number, number]} */ (each)));
    if (ring.every((each) => each.every(Number.isFinite))) this.#source.addFeature(new Feature(new Polygon([ring])));
  }
}
