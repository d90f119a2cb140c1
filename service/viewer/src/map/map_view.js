// The map: its view, its events, and the lines over the data. What data it shows is the picture's concern.

import OlMap from "ol/Map.js";
import View from "ol/View.js";
import ScaleLine from "ol/control/ScaleLine.js";
import Zoom from "ol/control/Zoom.js";
import { getCenter, intersects, getWidth, getHeight } from "ol/extent.js";
import LayerGroup from "ol/layer/Group.js";
import VectorLayer from "ol/layer/Vector.js";
import { fromLonLat, get as getProjection, toLonLat, transformExtent } from "ol/proj.js";

import { WORLD } from "../catalogue/projections.js";
import { prefersStill } from "../ui/screen.js";

/** @import {LonLat, Position, Layer, Side, PointerEvent, Extent, TileSet} from "../types.js" */
/** @import MapBrowserEvent from "ol/MapBrowserEvent.js" */

/** Zooming to a layer stops at this latitude in EPSG:3857, which is infinitely high at the poles. */
const MERCATOR_LATITUDE = 72;
const ZOOMS_BEYOND_FINEST = 3;
/** Metres of a pixel at zoom 0, where the equator is 256 pixels long. */
const ZOOM_0_M = 156543.03392804097;
/** A layer that is smaller on the screen does not count as shown. */
const LEAST_PX = 24;

/** @typedef {{top: number, right: number, bottom: number, left: number}} Covered Pixels that panels cover. */

/** @param {string} code */
const metresPerUnit = (code) => getProjection(code)?.getMetersPerUnit() ?? 1;

export class MapView {
  /** @type {Record<Side, OlMap>} */
  #maps;
  /** @type {Set<(event: PointerEvent | null) => void>} */
  #pointer = new Set();
  /** @type {Set<(event: PointerEvent) => void>} */
  #click = new Set();
  /** @type {Set<(position: Position) => void>} */
  #move = new Set();
  /** Of what panels draw on the first map, the same on the second. @type {Map<VectorLayer<any>, VectorLayer<any>>} */
  #mirrors = new Map();
  /** @returns {Covered} */
  covered = () => ({ top: 24, right: 24, bottom: 24, left: 24 });
  /** The side of the comparison at a pixel of the map. @type {(pixel: number[]) => Side} */
  sideAt = () => "a";

  /** @param {HTMLElement} target @param {HTMLElement} second Target of the second map of a split comparison. */
  constructor(target, second) {
    this.target = target;
    this.second = second;
    const scale = new ScaleLine({ minWidth: 90, target: document.getElementById("scale") ?? undefined });
    const zoom = new Zoom({ zoomInTipLabel: "Zoom in (+)", zoomOutTipLabel: "Zoom out (−)" });
    /** A background map under the data, where the server has one. */
    this.background = { a: new LayerGroup(), b: new LayerGroup() };
    /** The groups of layers of each map, the lowest first: data, then lines, then what panels draw. */
    this.groups = { a: new LayerGroup(), b: new LayerGroup() };
    this.lines = { a: new LayerGroup(), b: new LayerGroup() };
    this.drawings = { a: new LayerGroup(), b: new LayerGroup() };
    // Decoded tiles load at once: a limit would spread one picture over several frames.
    const options = { maxTilesLoading: 512, moveTolerance: 3 };
    this.#maps = {
      a: new OlMap({ ...options, target, controls: [zoom, scale], layers: [this.background.a, this.groups.a, this.lines.a, this.drawings.a] }),
      b: new OlMap({ ...options, controls: [], layers: [this.background.b, this.groups.b, this.lines.b, this.drawings.b] }),
    };
    for (const side of /** @type {Side[]} */ (["a", "b"])) this.#listen(side);
  }

  /** @param {Side} side */
  #listen(side) {
    const map = this.#maps[side];
    map.on("moveend", () => {
      const { position } = this;
      if (position && side === "a") for (const callback of this.#move) callback(position);
    });
    const told = (/** @type {MapBrowserEvent} */ event) => this.#event(side, event);
    map.on("pointermove", (event) => {
      for (const callback of this.#pointer) callback(event.dragging ? null : told(event));
    });
    map.on("singleclick", (event) => {
      for (const callback of this.#click) callback(told(event));
    });
    map.getViewport()?.addEventListener("pointerleave", () => {
      for (const callback of this.#pointer) callback(null);
    });
  }

  /** @param {Side} side @param {MapBrowserEvent} event @returns {PointerEvent} */
  #event(side, event) {
    const original = /** @type {MouseEvent} */ (event.originalEvent);
    return {
      lonLat: this.lonLat(event.coordinate),
      coordinate: /** @type {[number, number]} */ (event.coordinate),
      pixel: /** @type {[number, number]} */ (event.pixel),
      side: side === "b" ? "b" : this.sideAt(event.pixel),
      map: this.#maps[side],
      shiftKey: Boolean(original?.shiftKey),
    };
  }

  /** Calls back with each position of the pointer on the map, null where it leaves. @param {(event: PointerEvent | null) => void} callback */
  onPointer(callback) {
    this.#pointer.add(callback);
    return () => this.#pointer.delete(callback);
  }

  /** Calls back with each click or tap that is no drag and no double click. @param {(event: PointerEvent) => void} callback */
  onClick(callback) {
    this.#click.add(callback);
    return () => this.#click.delete(callback);
  }

  /** Calls back after each move of the view. @param {(position: Position) => void} callback */
  onMove(callback) {
    this.#move.add(callback);
    return () => this.#move.delete(callback);
  }

  /** The map of a side as OpenLayers has it. @param {Side} [side] */
  ol(side = "a") {
    return this.#maps[side];
  }

  get view() {
    return this.#maps.a.getView();
  }

  get projection() {
    return this.view.getProjection().getCode();
  }

  /** @param {number[]} coordinate @returns {LonLat} */
  lonLat(coordinate) {
    return /** @type {LonLat} */ (toLonLat(coordinate, this.view.getProjection()));
  }

  /** @param {LonLat} lonLat */
  coordinate(lonLat) {
    return fromLonLat(lonLat, this.view.getProjection());
  }

  /** Adds what a panel draws over data and lines, on both maps of a comparison. @param {VectorLayer<any>} layer */
  addDrawing(layer) {
    if (this.#mirrors.has(layer)) return;
    const mirror = new VectorLayer({ source: layer.getSource(), style: layer.getStyle() });
    this.#mirrors.set(layer, mirror);
    this.drawings.a.getLayers().push(layer);
    this.drawings.b.getLayers().push(mirror);
  }

  /** @param {VectorLayer<any>} layer */
  removeDrawing(layer) {
    const mirror = this.#mirrors.get(layer);
    if (!mirror) return;
    this.#mirrors.delete(layer);
    this.drawings.a.getLayers().remove(layer);
    this.drawings.b.getLayers().remove(mirror);
  }

  /** @returns {Position | undefined} */
  get position() {
    const center = this.view.getCenter();
    const resolution = this.view.getResolution();
    if (!center || !resolution) return undefined;
    return { center: this.lonLat(center), zoom: Math.log2(ZOOM_0_M / (resolution * metresPerUnit(this.projection))) };
  }

  /** @param {Position} position */
  setPosition({ center, zoom }) {
    const coordinate = this.coordinate(center);
    if (coordinate.every(Number.isFinite)) this.view.setCenter(coordinate);
    this.view.setResolution(ZOOM_0_M / 2 ** zoom / metresPerUnit(this.projection));
  }

  /** Shows another projection at the same place. @param {string} code @param {TileSet | undefined} set Whose pixels are those of the screen. */
  setProjection(code, set) {
    const position = this.view.isDef() ? this.position : undefined;
    const projection = /** @type {import("ol/proj/Projection.js").default} */ (getProjection(code));
    const extent = projection.getExtent();
    const isWorld = WORLD.includes(code);
    const view = new View({
      projection: code,
      center: getCenter(extent),
      zoom: 1,
      constrainResolution: true, // one pixel of a tile is one pixel of the screen
      extent: isWorld ? [-Infinity, extent[1], Infinity, extent[3]] : extent, // not beyond the poles
      constrainOnlyCenter: true,
      multiWorld: true,
      resolutions: isWorld || !set ? undefined : resolutionsOf(set),
    });
    view.on("change:resolution", () => this.target.classList.remove("arriving"));
    this.#maps.a.setView(view);
    this.#maps.b.setView(view);
    if (position) this.setPosition(position);
    else view.fit(extent, { size: this.#maps.a.getSize() });
  }

  /** Limits the zoom to what shows more. @param {TileSet} set */
  limitZoom(set) {
    if (!WORLD.includes(this.projection)) return;
    const finest = set.matrices[set.matrices.length - 1].cell * metresPerUnit(set.crs);
    this.view.setMaxZoom(Math.min(24, Math.ceil(Math.log2(ZOOM_0_M / finest)) + ZOOMS_BEYOND_FINEST));
  }

  /** Where a layer's data lies, in coordinates of the map. @param {Layer} layer @returns {Extent} */
  extentOf(layer) {
    const code = this.projection;
    const known = layer.extents[code];
    if (!WORLD.includes(code) && known) return known;
    const limit = code === "EPSG:3857" ? MERCATOR_LATITUDE : 90;
    const clamp = (/** @type {number} */ latitude) => Math.min(limit, Math.max(-limit, latitude));
    const [west, south, east, north] = layer.bounds;
    const box = [west, clamp(south), east < west ? east + 360 : east, clamp(north)];
    return /** @type {Extent} */ (transformExtent(box, "EPSG:4326", code, 8));
  }

  /** Zooms to a layer; data across 180 degrees opens where it is. @param {Layer} layer @param {{animate?: boolean}} [options] */
  fit(layer, { animate = true } = {}) {
    const extent = this.extentOf(layer);
    const size = this.#maps.a.getSize();
    if (!extent.every(Number.isFinite) || !size) return;
    const { top, right, bottom, left } = this.covered();
    const duration = animate && !prefersStill() ? 400 : 0;
    this.view.fit(extent, { size, padding: [top, right, bottom, left], duration });
  }

  /** Whether some of a layer is in view, large enough to be seen. @param {Layer} layer */
  shows(layer) {
    const size = this.#maps.a.getSize();
    const resolution = this.view.getResolution();
    if (!size || !resolution) return false;
    const view = this.view.calculateExtent(size);
    const extent = this.extentOf(layer);
    if (!extent.every(Number.isFinite)) return true;
    const world = WORLD.includes(this.projection) ? getWidth(this.view.getProjection().getExtent()) : 0;
    const turns = world ? Math.round((getCenter(view)[0] - getCenter(extent)[0]) / world) * world : 0;
    const near = [-world, 0, world].map((turn) => [extent[0] + turns + turn, extent[1], extent[2] + turns + turn, extent[3]]);
    const isLarge = Math.max(getWidth(extent), getHeight(extent)) / resolution >= LEAST_PX;
    return isLarge && near.some((each) => intersects(view, each));
  }

  /** Shows one map, or two side by side. @param {boolean} isSplit */
  split(isSplit) {
    this.second.hidden = !isSplit;
    document.body.classList.toggle("split", isSplit);
    this.#maps.b.setTarget(isSplit ? this.second : undefined);
    for (const map of [this.#maps.a, this.#maps.b]) map.updateSize();
  }

  /** Shows the data of both sides on the first map. @param {boolean} isStacked */
  stack(isStacked) {
    const layers = this.#maps.a.getLayers();
    layers.remove(this.groups.b);
    this.#maps.b.getLayers().remove(this.groups.b);
    if (isStacked) layers.insertAt(2, this.groups.b);
    else this.#maps.b.getLayers().insertAt(1, this.groups.b);
  }

  /** Moves the centre by pixels. @param {number} right @param {number} down */
  pan(right, down) {
    const center = this.view.getCenter();
    const resolution = this.view.getResolution() ?? 1;
    if (center) this.view.setCenter([center[0] + right * resolution, center[1] - down * resolution]);
  }

  /** @param {number} by */
  zoom(by) {
    this.view.adjustZoom(by);
  }

  /** Resolves when everything in view is drawn. @param {Side} [side] @returns {Promise<void>} */
  whenDrawn(side = "a") {
    const map = this.#maps[side];
    return new Promise((resolve) => {
      // The event follows a frame; it is not to be that of a frame drawn before now, and without a change there is none.
      map.once("postcompose", () => map.once("rendercomplete", () => resolve()));
      map.render();
    });
  }
}

/** The resolutions of a set, and some coarser and finer ones. @param {TileSet} set */
function resolutionsOf(set) {
  const cells = set.matrices.map(({ cell }) => cell);
  const coarser = [8, 4, 2].map((factor) => cells[0] * factor);
  const finer = Array.from({ length: ZOOMS_BEYOND_FINEST }, (_, at) => cells[cells.length - 1] / 2 ** (at + 1));
  return [...coarser, ...cells, ...finer];
}
