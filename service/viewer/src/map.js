// The map: one data layer, a graticule, and a view position that survives changes of projection.

import OlMap from "ol/Map.js";
import View from "ol/View.js";
import { defaults as defaultControls } from "ol/control/defaults.js";
import ScaleLine from "ol/control/ScaleLine.js";
import { getWidth } from "ol/extent.js";
import Graticule from "ol/layer/Graticule.js";
import TileLayer from "ol/layer/Tile.js";
import { fromLonLat, get as getProjection, toLonLat, transformExtent } from "ol/proj.js";
import WMTS from "ol/source/WMTS.js";
import Fill from "ol/style/Fill.js";
import Stroke from "ol/style/Stroke.js";
import Text from "ol/style/Text.js";

import { tileLoader } from "./tiles.js";

/** Zooming to a layer stops at this latitude in EPSG:3857, which is infinitely high at the poles. */
const MERCATOR_LATITUDE = 72;
const ZOOMS_BEYOND_FINEST = 3;

function graticule() {
  const labels = (textAlign, textBaseline) =>
    new Text({
      font: "11px system-ui, sans-serif",
      textAlign,
      textBaseline,
      fill: new Fill({ color: "rgba(222, 230, 240, 0.62)" }),
      stroke: new Stroke({ color: "rgba(8, 12, 17, 0.75)", width: 3 }),
    });
  return new Graticule({
    strokeStyle: new Stroke({ color: "rgba(214, 226, 240, 0.13)", width: 1 }),
    showLabels: true,
    lonLabelPosition: 0.004,
    latLabelPosition: 0.997,
    lonLabelStyle: labels("center", "bottom"),
    latLabelStyle: labels("end", "middle"),
    wrapX: true,
    zIndex: 10,
  });
}

export class DataMap {
  #map;
  #shown;

  /** `onError` receives one line of text, `onBusy` a boolean, `onMove` nothing, `onPoint` [longitude, latitude] or undefined. */
  constructor(target, { onError, onBusy, onMove, onPoint }) {
    this.onError = onError;
    this.#map = new OlMap({
      target,
      controls: defaultControls({ attribution: false, rotate: false }).extend([new ScaleLine({ minWidth: 90 })]),
      layers: [graticule()],
    });
    this.#map.on("loadstart", () => onBusy(true));
    this.#map.on("loadend", () => onBusy(false));
    this.#map.on("moveend", onMove);
    this.#map.on("pointermove", (event) => onPoint(event.dragging ? undefined : this.#lonLat(event.coordinate)));
    this.#map.getViewport().addEventListener("pointerleave", () => onPoint(undefined));
  }

  #lonLat(coordinate) {
    return toLonLat(coordinate, this.#map.getView().getProjection());
  }

  /** Centre and zoom, independent of the projection: at zoom 0 the world is 256 pixels wide. */
  get position() {
    const view = this.#map.getView();
    return view.isDef() && { center: this.#lonLat(view.getCenter()), zoom: view.getZoom() };
  }

  get projection() {
    return this.#map.getView().getProjection().getCode();
  }

  setPosition({ center, zoom }) {
    const view = this.#map.getView();
    view.setCenter(fromLonLat(center, view.getProjection()));
    view.setZoom(zoom);
  }

  /** `padding`: pixels that the panels cover, in CSS order: top, right, bottom, left. */
  setView(code, position, padding) {
    const [, south, , north] = getProjection(code).getExtent();
    const view = new View({
      projection: code,
      center: [0, 0],
      zoom: 1,
      constrainResolution: true, // one pixel of a tile is one pixel of the screen
      extent: [-Infinity, south, Infinity, north], // around the world, but not beyond the poles
      constrainOnlyCenter: true,
      multiWorld: true,
      padding,
    });
    this.#map.setView(view);
    if (position) this.setPosition(position);
  }

  setPadding(padding) {
    this.#map.getView().padding = padding;
  }

  /** Zooms to [west, south, east, north] in degrees; east is below west if the box crosses the antimeridian. */
  fit(bounds, { animate }) {
    const view = this.#map.getView();
    const [west, south, east, north] = bounds ?? [-180, -90, 180, 90];
    const limit = view.getProjection().getCode() === "EPSG:3857" ? MERCATOR_LATITUDE : 90;
    const clamp = (latitude) => Math.min(limit, Math.max(-limit, latitude));
    const box = [west, clamp(south), east < west ? east + 360 : east, clamp(north)];
    view.fit(transformExtent(box, "EPSG:4326", view.getProjection()), { duration: animate ? 400 : 0 });
  }

  /** Displays a source with these options; the previous one stays underneath until the new one is drawn. */
  show(options, opacity) {
    this.#shown?.abort.abort();
    const previous = this.#shown?.layer;
    const abort = new AbortController();
    const source = new WMTS({
      ...options,
      interpolate: false, // a pixel is the colour of a value; interpolated colours would be wrong
      transition: 150,
      tileLoadFunction: tileLoader(abort.signal, this.onError),
    });
    const layer = new TileLayer({ source, opacity, preload: 0 });
    this.#shown = { layer, source, abort };
    this.#map.getView().setMaxZoom(this.#deepestZoom(options));
    this.#map.addLayer(layer);
    if (previous) this.#map.once("rendercomplete", () => this.#map.removeLayer(previous));
  }

  #deepestZoom({ tileGrid, projection }) {
    const finest = tileGrid.getResolution(tileGrid.getMaxZoom());
    const world = getWidth(getProjection(projection).getExtent());
    return Math.min(24, Math.ceil(Math.log2(world / 256 / finest)) + ZOOMS_BEYOND_FINEST);
  }

  setOpacity(opacity) {
    this.#shown.layer.setOpacity(opacity);
  }

  /** Changes the values of the layer's dimensions. Old tiles stay until the new ones are loaded. */
  setDimensions(dimensions) {
    this.#shown.source.updateDimensions(dimensions);
  }

  /** Resolves when everything in view is drawn. */
  whenDrawn() {
    return new Promise((resolve) => {
      this.#map.once("rendercomplete", resolve);
      this.#map.render(); // the event follows a frame; without a change there would be none
    });
  }
}
