// The state as the fragment of the page's URL.
//
// Fields in order: for each layer from the lowest up `layer=` and what differs from its defaults, then `time=`. The
// second side of a comparison follows after `side=b`, then what both sides share. A link with one layer reads
// `#layer=sst&style=default&time=2024-01-01&crs=EPSG:4326&at=0,20,2`.

/** @import {State, Scene, LayerState, Position} from "../types.js" */

/**
 * What a link says of a layer; what it does not say is undefined.
 * @typedef {Partial<Omit<LayerState, "dimensions">> & {id: string, dimensions: Record<string, string>}} LinkedLayer
 * @typedef {{layers: LinkedLayer[], selected?: number, time?: string}} LinkedScene
 * @typedef {{a: LinkedScene, b: LinkedScene, compare?: string, divider?: number, side?: string, projection?: string,
 *   position?: Position, clock: Partial<State["clock"]>, display: Partial<State["display"]>,
 *   extra: Record<string, string>}} Link
 */

/** @param {string | null | undefined} text */
const number = (text) => (text && text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : undefined);

/** @param {number} value @param {number} low @param {number} high */
const within = (value, low, high) => Math.min(high, Math.max(low, value));

/** Fields of a layer, and how their text is read. @type {Record<string, (layer: LinkedLayer, text: string) => void>} */
const LAYER_FIELDS = {
  style: (layer, text) => (layer.style = text),
  set: (layer, text) => (layer.set = text),
  opacity: (layer, text) => {
    const opacity = number(text);
    if (opacity !== undefined) layer.opacity = within(opacity, 0, 1);
  },
  hidden: (layer, text) => (layer.hidden = text === "1"),
  blend: (layer, text) => (layer.blend = text),
  range: (layer, text) => (layer.range = text),
  spacing: (layer, text) => (layer.spacing = text),
  resampling: (layer, text) => (layer.resampling = text),
  filter: (layer, text) => (layer.filter = text),
  contour: (layer, text) => {
    const distance = number(text);
    if (distance !== undefined && distance > 0) layer.contour = distance;
  },
};

/** @param {string} text @returns {Position | undefined} */
function position(text) {
  const [longitude, latitude, zoom, ...rest] = text.split(",").map(number);
  if (longitude === undefined || latitude === undefined || zoom === undefined || rest.length > 0) return undefined;
  return { center: [longitude, latitude], zoom };
}

/** Fields of the whole page, and how their text is read. @type {Record<string, (link: Link, text: string) => void>} */
const PAGE_FIELDS = {
  crs: (link, text) => (link.projection = text),
  at: (link, text) => (link.position = position(text)),
  compare: (link, text) => (link.compare = text),
  divider: (link, text) => {
    const share = number(text);
    if (share !== undefined) link.divider = within(share, 0.02, 0.98);
  },
  edit: (link, text) => (link.side = text),
  fps: (link, text) => (link.clock.fps = number(text)),
  step: (link, text) => (link.clock.step = number(text)),
  loop: (link, text) => (link.clock.loop = text !== "0"),
  from: (link, text) => (link.clock.from = text),
  to: (link, text) => (link.clock.to = text),
  coast: (link, text) => (link.display.coast = text !== "0"),
  grid: (link, text) => (link.display.grid = text !== "0"),
  base: (link, text) => (link.display.base = text !== "0"),
  celsius: (link, text) => (link.display.celsius = text !== "0"),
};

/** Parses a fragment. Malformed values are left out; the caller checks whether the names exist. @param {string} hash */
export function parse(hash) {
  /** @type {Link} */
  const link = { a: { layers: [] }, b: { layers: [] }, clock: {}, display: {}, extra: {} };
  let scene = link.a;
  /** @type {LinkedLayer} */
  let layer = { id: "", dimensions: {} };
  for (const [name, text] of new URLSearchParams(hash.replace(/^#/, ""))) {
    if (name === "layer" && text) {
      // Fields before the first layer belong to it.
      layer = scene.layers.length > 0 ? { id: "", dimensions: {} } : layer;
      layer.id = text;
      scene.layers.push(layer);
    } else if (name === "side") {
      scene = text === "b" ? link.b : link.a;
      layer = { id: "", dimensions: {} };
    } else if (name === "time" && text) scene.time = text;
    else if (name === "selected") scene.selected = number(text);
    else if (name.startsWith("dim.")) layer.dimensions[name.slice(4)] = text;
    else if (name.startsWith("x.")) link.extra[name.slice(2)] = text;
    else if (text && Object.hasOwn(LAYER_FIELDS, name)) LAYER_FIELDS[name](layer, text);
    else if (text && Object.hasOwn(PAGE_FIELDS, name)) PAGE_FIELDS[name](link, text);
  }
  return link;
}

/** @param {LayerState} layer @returns {[string, string | undefined][]} */
function layerFields(layer) {
  return [
    ["layer", layer.id],
    ["style", layer.style],
    ["set", layer.set],
    ...Object.entries(layer.dimensions).map(([name, value]) => /** @type {[string, string]} */ ([`dim.${name}`, value])),
    ["opacity", layer.opacity === 1 ? undefined : String(layer.opacity)],
    ["hidden", layer.hidden ? "1" : undefined],
    ["blend", layer.blend === "normal" ? undefined : layer.blend],
    ["range", layer.range],
    ["spacing", layer.spacing],
    ["resampling", layer.resampling],
    ["filter", layer.filter],
    ["contour", layer.contour === undefined ? undefined : String(layer.contour)],
  ];
}

/** @param {Scene} scene @returns {[string, string | undefined][]} */
function sceneFields(scene) {
  const selected = scene.layers.findIndex(({ key }) => key === scene.selected);
  return [
    ...scene.layers.flatMap(layerFields),
    ["time", scene.time],
    ["selected", selected === scene.layers.length - 1 ? undefined : String(selected)],
  ];
}

/** Formats a fragment that `parse` reads. Colons, commas and slashes stay as they are. @param {State} state */
export function format(state) {
  const { clock, display } = state;
  const place = state.position && [...state.position.center.map((degrees) => Number(degrees.toFixed(4))), Number(state.position.zoom.toFixed(2))];
  /** @type {[string, string | undefined][]} */
  const fields = [
    ...sceneFields(state.a),
    .../** @type {[string, string | undefined][]} */ (state.compare === "off" ? [] : [["side", "b"], ...sceneFields(state.b), ["side", "a"]]),
    ["compare", state.compare === "off" ? undefined : state.compare],
    ["divider", state.compare === "swipe" && state.divider !== 0.5 ? state.divider.toFixed(3) : undefined],
    ["edit", state.compare !== "off" && state.side === "b" ? "b" : undefined],
    ["crs", state.projection],
    ["at", place?.join(",")],
    ["fps", clock.fps === 2 ? undefined : String(clock.fps)],
    ["step", clock.step === 1 ? undefined : String(clock.step)],
    ["loop", clock.loop ? undefined : "0"],
    ["from", clock.from],
    ["to", clock.to],
    ["coast", display.coast ? undefined : "0"],
    ["grid", display.grid ? undefined : "0"],
    ["base", display.base ? undefined : "0"],
    ["celsius", display.celsius ? undefined : "0"],
    ...Object.entries(state.extra).map(([name, text]) => /** @type {[string, string]} */ ([`x.${name}`, text])),
  ];
  const present = /** @type {[string, string][]} */ (fields.filter(([, text]) => text !== undefined && text !== ""));
  return `#${new URLSearchParams(present)}`.replace(/%(3A|2C|2F)/g, decodeURIComponent);
}
