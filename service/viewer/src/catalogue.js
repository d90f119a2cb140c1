// What the server offers, read once from its WMTS capabilities.

import WMTSCapabilities from "ol/format/WMTSCapabilities.js";
import { equivalent, get as getProjection } from "ol/proj.js";
import { optionsFromCapabilities } from "ol/source/WMTS.js";

import { expandPeriods } from "./times.js";

/** In this order, since PNG keeps every colour of a palette exactly. */
const FORMATS = ["image/png", "image/webp", "image/jpeg"];

/** The sets to start with: they cover the world in whole tiles, so that the map can repeat sideways. */
const PREFERRED_SETS = ["WebMercatorQuad", "WorldCRS84Quad"];

const many = (value) => (Array.isArray(value) ? value : value === undefined ? [] : [value]);

/** The address that the server believes its root has, as the addresses of its tiles begin with it. */
function declaredRoot(contents) {
  const templates = many(contents.Layer).flatMap((layer) => many(layer.ResourceURL).map(({ template }) => template));
  const [root] = templates[0]?.split("wmts/", 1) ?? [];
  return root;
}

/** Whether tiles of this matrix span exactly the world, which is when columns may repeat. */
function spansWorld(tileGrid, projection) {
  const range = tileGrid.getFullTileRange(0);
  const world = projection.getExtent();
  const width = (range?.maxX + 1) * [tileGrid.getTileSize(0)].flat()[0] * tileGrid.getResolution(0);
  return Math.abs(width - (world[2] - world[0])) < 1e-6 * width;
}

export class Catalogue {
  #capabilities;
  #base;
  #declared;

  constructor(capabilities, base) {
    this.#capabilities = capabilities;
    this.#base = base;
    const contents = capabilities.Contents ?? {};
    this.#declared = declaredRoot(contents);
    const projections = new Map(many(contents.TileMatrixSet).map((set) => [set.Identifier, set.SupportedCRS]));
    this.layers = many(contents.Layer).map((layer) => this.#layer(layer, projections));
  }

  /** An address as seen from here: behind a proxy the server may know itself under another name than the browser. */
  #relocate(address) {
    return address.startsWith(this.#declared) ? this.#base + address.slice(this.#declared.length) : address;
  }

  #layer(layer, projections) {
    const dimensions = many(layer.Dimension).map((dimension) => {
      const isTime = dimension.Identifier.toLowerCase() === "time";
      const values = isTime ? expandPeriods(many(dimension.Value)) : many(dimension.Value);
      const { Identifier: id, UOM: unit = "", Default: first = values[0] } = dimension;
      return { id, isTime, unit, values, default: first };
    });
    return {
      id: layer.Identifier,
      title: layer.Title || layer.Identifier,
      abstract: layer.Abstract || "",
      bounds: layer.WGS84BoundingBox,
      time: dimensions.find((dimension) => dimension.isTime),
      dimensions: dimensions.filter((dimension) => !dimension.isTime),
      styles: many(layer.Style).map((style) => ({
        id: style.Identifier,
        title: style.Title && style.Title !== layer.Title ? style.Title : style.Identifier,
        isDefault: style.isDefault,
        legend: many(style.LegendURL).map((legend) => this.#relocate(legend.href))[0],
      })),
      sets: many(layer.TileMatrixSetLink).map((link) => ({
        id: link.TileMatrixSet,
        projection: getProjection(projections.get(link.TileMatrixSet)),
      })),
      formats: many(layer.Format),
    };
  }

  layer(id) {
    return this.layers.find((layer) => layer.id === id);
  }

  /** The layer's tile sets in a projection, the best to begin with first. */
  setsIn(layer, code) {
    const projection = getProjection(code);
    const sets = layer.sets.filter((set) => set.projection && equivalent(set.projection, projection));
    const rank = (set) => (PREFERRED_SETS.includes(set.id) ? 0 : 1);
    return sets.toSorted((a, b) => rank(a) - rank(b));
  }

  /** Options for ol/source/WMTS. */
  sourceOptions({ layer, style, set, dimensions }) {
    const offered = this.layer(layer);
    const format = FORMATS.find((candidate) => offered.formats.includes(candidate)) ?? offered.formats[0];
    // Not with a projection too: as EPSG:4326, OpenLayers would take boxes in CRS84 for latitude first.
    const options = optionsFromCapabilities(this.#capabilities, { layer, matrixSet: set });
    const resources = many(this.#capabilities.Contents.Layer.find((l) => l.Identifier === layer).ResourceURL);
    const templates = resources.filter((r) => r.resourceType === "tile" && r.format === format);
    return {
      ...options,
      style,
      format,
      dimensions,
      requestEncoding: "REST",
      urls: templates.map(({ template }) => this.#relocate(template)),
      wrapX: spansWorld(options.tileGrid, options.projection),
    };
  }
}

/** Fetches and reads the capabilities below `base`, the absolute address of the folder that this page is in. */
export async function loadCatalogue(base) {
  const response = await fetch(`${base}wmts/1.0.0/WMTSCapabilities.xml`);
  if (!response.ok) throw new Error(`the server answered ${response.status} to the request for its capabilities`);
  return new Catalogue(new WMTSCapabilities().read(await response.text()), base);
}
