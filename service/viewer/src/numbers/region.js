// The region that people draw, as GeoJSON in longitudes and latitudes.

import Feature from "ol/Feature.js";
import { LineString, Polygon } from "ol/geom.js";
import { fromCircle } from "ol/geom/Polygon.js";
import Draw, { createBox } from "ol/interaction/Draw.js";
import VectorLayer from "ol/layer/Vector.js";
import VectorSource from "ol/source/Vector.js";
import { Fill, Stroke, Style } from "ol/style.js";

/** @import {Context} from "../types.js" */
/** @import OlCircle from "ol/geom/Circle.js" */

export const SHAPES = /** @type {const} */ ({ box: "Box", polygon: "Polygon", circle: "Circle" });
const CIRCLE_SIDES = 64;
/** Points along each side: a straight line on the map is none on the globe. */
const SIDE_POINTS = 16;
const DOUBLE_CLICK_MS = 350;

/** @typedef {{type: "Polygon", coordinates: number[][][]}} GeoPolygon */

/**
 * Returns a ring with more points along its sides.
 * @param {number[][]} ring Closed. @param {number} points Along each side.
 */
export function densified(ring, points) {
  const result = [];
  for (let at = 0; at + 1 < ring.length; at += 1) {
    const side = new LineString([ring[at], ring[at + 1]]);
    for (let step = 0; step < points; step += 1) result.push(side.getCoordinateAt(step / points));
  }
  return [...result, ring[ring.length - 1]];
}

export class Region {
  #source = new VectorSource({ wrapX: false });
  /** @type {Draw | null} */
  #draw = null;
  /** @type {GeoPolygon | null} */
  polygon = null;

  /** @param {Context} context @param {(polygon: GeoPolygon) => void} onDrawn */
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
      const dense = drawn instanceof Polygon ? densified(ring, SIDE_POINTS) : ring;
      const lonLats = dense.map((each) => this.context.map.lonLat(each));
      this.stop();
      if (!lonLats.every((each) => each.every(Number.isFinite))) return;
      this.polygon = { type: "Polygon", coordinates: [unturned(lonLats)] };
      this.#show();
      this.onDrawn(this.polygon);
    });
    this.context.map.ol().addInteraction(this.#draw);
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
    this.polygon = null;
    this.#source.clear();
  }

  #show() {
    this.#source.clear();
    if (!this.polygon) return;
    const ring = this.polygon.coordinates[0].map((each) => this.context.map.coordinate(/** @type {[number, number]} */ (each)));
    if (ring.every((each) => each.every(Number.isFinite))) this.#source.addFeature(new Feature(new Polygon([ring])));
  }
}

/** Longitudes without a jump of 360 degrees between neighbours. @param {number[][]} ring */
export function unturned(ring) {
  let [last] = ring[0];
  return ring.map(([longitude, latitude]) => {
    last = longitude - 360 * Math.round((longitude - last) / 360);
    return [last, Math.max(-90, Math.min(90, latitude))];
  });
}
