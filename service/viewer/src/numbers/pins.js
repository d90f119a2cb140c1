// The points that people have pinned: part of the permalink, drawn on the map in the colours of the chart's lines.

import Feature from "ol/Feature.js";
import Point from "ol/geom/Point.js";
import VectorLayer from "ol/layer/Vector.js";
import VectorSource from "ol/source/Vector.js";
import { Circle, Fill, Stroke, Style } from "ol/style.js";

/** @import {Context, LonLat} from "../types.js" */

export const MOST_PINS = 6;
/** Told apart in light and dark and by most people with a colour deficiency (Okabe and Ito, 2008). */
export const COLOURS = ["#e69f00", "#56b4e9", "#009e73", "#d55e00", "#cc79a7", "#0072b2"];
const NEAR_PX = 10;

/** @param {string | undefined} text As in the permalink. @returns {LonLat[]} */
export function pinsOf(text) {
  return (text ?? "")
    .split(";")
    .map((pair) => pair.split(",").map(Number))
    .filter((pair) => pair.length === 2 && pair.every(Number.isFinite) && Math.abs(pair[1]) <= 90)
    .slice(0, MOST_PINS)
    .map(([longitude, latitude]) => [longitude, latitude]);
}

/** @param {LonLat[]} pins */
export const textOf = (pins) => pins.map(([longitude, latitude]) => `${longitude.toFixed(4)},${latitude.toFixed(4)}`).join(";");

export class Pins {
  #source = new VectorSource();

  /** @param {Context} context */
  constructor(context) {
    this.context = context;
    this.layer = new VectorLayer({ source: this.#source, style: (feature) => styleOf(feature.get("colour")) });
    context.store.watch(({ extra, projection }) => [extra.pins, projection], ([pins]) => this.#draw(pinsOf(pins)));
  }

  get all() {
    return pinsOf(this.context.store.state.extra.pins);
  }

  /** @param {LonLat[]} pins */
  set(pins) {
    const extra = { ...this.context.store.state.extra };
    delete extra.pins;
    if (pins.length > 0) extra.pins = textOf(pins);
    this.context.store.update({ extra });
  }

  /** Pins a place, or lets go of the pin that is there; the oldest goes when there are too many. @param {LonLat} lonLat */
  toggle(lonLat) {
    const { map } = this.context;
    const resolution = map.view.getResolution() ?? 1;
    const at = map.coordinate(lonLat);
    const near = this.all.findIndex((pin) => {
      const [x, y] = map.coordinate(pin);
      return Math.hypot(x - at[0], y - at[1]) < NEAR_PX * resolution;
    });
    if (near >= 0) this.set(this.all.toSpliced(near, 1));
    else this.set([...this.all, lonLat].slice(-MOST_PINS));
  }

  /** @param {LonLat[]} pins */
  #draw(pins) {
    this.#source.clear();
    pins.forEach((pin, number) => {
      const coordinate = this.context.map.coordinate(pin);
      if (coordinate.every(Number.isFinite)) this.#source.addFeature(new Feature({ geometry: new Point(coordinate), colour: COLOURS[number] }));
    });
  }
}

/** @param {string} colour */
function styleOf(colour) {
  return new Style({ image: new Circle({ radius: 6, fill: new Fill({ color: colour }), stroke: new Stroke({ color: "#fff", width: 2 }) }) });
}
