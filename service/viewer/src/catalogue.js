// What the server offers, read once from its WMTS capabilities.

import WMTSCapabilities from "ol/format/WMTSCapabilities.js";
import { equivalent, get as getProjection } from "ol/proj.js";
import { optionsFromCapabilities } from "ol/source/WMTS.js";

import { expandPeriods } from "./times.js";

/** In order of preference: PNG keeps every colour of a palette exactly. */
const FORMATS = ["image/png", "image/webp", "image/jpeg"];

/** Preferred tile matrix sets: they cover the world in whole tiles, so the map can repeat horizontally. */
const PREFERRED_SETS = ["WebMercatorQuad", "WorldCRS84Quad"];

const many = (value) => (Array.isArray(value) ? value : value === undefined ? [] : [value]);

/** The root URL that the server assumes for itself: the common start of its tile URLs. */
function declaredRoot(contents) {
  const templates = many(contents.Layer).flatMap((layer) => many(layer.ResourceURL).map(({ template }) => template));
  const [root] = templates[0]?.split("wmts/", 1) ?? [];
  return root;
}

/** Whether the tiles of the first matrix span exactly the world, so that columns may repeat. */
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

  /** Replaces the server's root URL with ours: behind a proxy the browser may know the server by another URL. */
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

  /** Returns the layer's tile matrix sets in a projection, preferred ones first. */
  setsIn(layer, code) {
    const projection = getProjection(code);
    const sets = layer.sets.filter((set) => set.projection && equivalent(set.projection, projection));
    const rank = (set) => (PREFERRED_SETS.includes(set.id) ? 0 : 1);
    return sets.toSorted((a, b) => rank(a) - rank(b));
  }

  /** Returns options for ol/source/WMTS. */
  sourceOptions({ layer, style, set, dimensions }) {
    const offered = this.layer(layer);
    const format = FORMATS.find((candidate) => offered.formats.includes(candidate)) ?? offered.formats[0];
    // Pass no projection: with EPSG:4326, OpenLayers would read boxes in CRS84 as latitude first.
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

/** Fetches and parses the capabilities below `base`, the absolute URL of this page's folder. */
export async function loadCatalogue(base) {
  const response = await fetch(`${base}wmts/1.0.0/WMTSCapabilities.xml`);
  if (!response.ok) throw new Error(`the request for the capabilities failed with status ${response.status}`);
  return new Catalogue(new WMTSCapabilities().read(await response.text()), base);
}
