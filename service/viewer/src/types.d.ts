// The shapes of what the modules pass to each other.

import type OlMap from "ol/Map.js";
import type { Store } from "./state/store.js";
import type { Catalogue } from "./catalogue/catalogue.js";
import type { MapView } from "./map/map_view.js";
import type { Server } from "./tiles/server.js";
import type { Picture } from "./map/picture.js";
import type { PointerValues } from "./map/pointer_values.js";

export type LonLat = [number, number];
export type Extent = [number, number, number, number];

// --- the documents of the service: /catalogue and below ---

export interface Matrix {
  id: string;
  cell: number;
  origin: [number, number];
  tile: [number, number];
  size: [number, number];
}

export interface TileSet {
  id: string;
  title: string;
  crs: string;
  definition: string;
  extent: Extent;
  matrices: Matrix[];
}

export interface Dimension {
  name: string;
  title: string;
  units: string;
  values: string[];
}

export interface Layer {
  id: string;
  dataset: string;
  variable: string;
  title: string;
  longName: string;
  standardName: string;
  units: string;
  isClasses: boolean;
  bounds: Extent;
  cellM: number;
  generation: string;
  times: number | null;
  path: string[];
  dimensions: Dimension[];
  styles: number;
  sets: string[];
  extents: Record<string, Extent>;
  stretch: [number, number] | null;
  spacing: string;
}

export interface Colormap {
  title: string;
  units: string;
  isClasses: boolean;
  stops: string[];
}

export interface Overview {
  title: string;
  baseMap: string | null;
  baseMapAttribution: string;
  datasets: Record<string, { title: string; source: string }>;
  layers: Layer[];
  times: string[][];
  styles: string[][];
  sets: Record<string, Omit<TileSet, "id">>;
  colormaps: Record<string, Colormap>;
}

export interface LayerDetails {
  id: string;
  abstract: string;
  min: number | null;
  max: number | null;
  mean: number | null;
  validCells: number | null;
  cells: number | null;
  histogram: { firstEdge: number; width: number; counts: number[] } | null;
  percentiles: Record<string, number>;
  codes: number[] | null;
  remarks: string[];
  attributes: Record<string, string>;
}

export interface StyleEntry {
  lower: number | null;
  upper: number | null;
  colour: string;
  label: string;
}

export interface StyleDetails {
  id: string;
  colormap: string;
  title: string;
  reason: string;
  units: string;
  isClasses: boolean;
  entries: StyleEntry[];
}

// --- the state of the page ---

/** One layer on the map. What is undefined has its default. */
export interface LayerState {
  /** Tells apart two entries of the same layer; not part of the permalink. */
  key: string;
  id: string;
  style: string;
  /** Tile matrix set; undefined: the best in the projection. */
  set?: string;
  dimensions: Record<string, string>;
  opacity: number;
  hidden: boolean;
  blend: string;
  /** Range of the colours: "own" (of the colormap), or MIN,MAX; undefined: the layer's stretch, else its own. */
  range?: string;
  /** keep, even or log; undefined: the layer's. */
  spacing?: string;
  resampling?: string;
  filter?: string;
  /** Distance of contour lines drawn over the layer; undefined: none. */
  contour?: number;
}

/** What one side of a comparison shows; without a comparison only side "a" is on the page. */
export interface Scene {
  /** The lowest first. */
  layers: LayerState[];
  /** Key of the layer that the controls change. */
  selected: string;
  /** The instant of the clock; undefined: the latest of the selected layer. */
  time?: string;
}

export interface Position {
  center: LonLat;
  /** At zoom 0 the world is 256 pixels wide, whatever the projection. */
  zoom: number;
}

export type Side = "a" | "b";

export interface State {
  a: Scene;
  b: Scene;
  /** The side that the controls change. */
  side: Side;
  compare: "off" | "swipe" | "split";
  /** Where the divider is, 0 to 1. */
  divider: number;
  /** EPSG code, or the identifier of a native set. */
  projection: string;
  position?: Position;
  clock: { fps: number; step: number; loop: boolean; from?: string; to?: string };
  display: { coast: boolean; grid: boolean; base: boolean; celsius: boolean };
  /** Further fields of the permalink, by panel: a panel reads and writes its own. */
  extra: Record<string, string>;
}

/** What one scene shows at the moment: with it labels and legends agree with the picture. */
export interface ShownLayer {
  state: LayerState;
  layer: Layer;
  /** Label of its time; undefined for a layer without times. */
  time?: string;
}

export interface Shown {
  side: Side;
  time?: string;
  /** The lowest first; those that are visible and have data at this time. */
  layers: ShownLayer[];
}

// --- what panels get ---

export interface Context {
  store: Store;
  readonly catalogue: Catalogue;
  map: MapView;
  picture: Picture;
  server: Server;
  /** The values under the pointer. */
  pointer: PointerValues;
  /** Says one line to people, also to screen readers. */
  announce: (text: string) => void;
}

export interface Panel {
  id: string;
  title: string;
  /** Paths of a 16 x 16 icon. */
  icon: string;
  /** Key that opens it; none: "". */
  key: string;
  /** Fills the element once, when the panel first opens; returns what to call when it is opened and closed. */
  mount: (element: HTMLElement, context: Context) => { opened?: () => void; closed?: () => void } | void;
}

export interface PointerEvent {
  lonLat: LonLat;
  coordinate: [number, number];
  pixel: [number, number];
  /** The side of the comparison under the pointer. */
  side: Side;
  map: OlMap;
  shiftKey: boolean;
}
