// Code that shows the present layer elsewhere.

import { tileOptions } from "../tiles/tile_source.js";

/** @import {ShownLayer} from "../types.js" */

/** @typedef {{id: string, title: string, code: string}} Snippet */

/** @param {string} text */
const quoted = (text) => JSON.stringify(text);

/**
 * Returns code for a layer as the map shows it.
 * @param {string} base Address of the service, with a slash at its end. @param {ShownLayer} shown @returns {Snippet[]}
 */
export function snippets(base, { layer, state, time }) {
  const options = tileOptions(layer, state);
  if (state.style !== "default") options.set("style", state.style);
  if (time !== undefined) options.set("time", time);
  for (const [name, value] of Object.entries(state.dimensions)) options.set(name, value);
  const query = options.size > 0 ? `?${options.toString().replaceAll("%2C", ",").replaceAll("%3A", ":")}` : "";
  const id = encodeURIComponent(layer.id);
  const xyz = `${base}xyz/${id}/{z}/{x}/{y}.png${query}`;
  const capabilities = `${base}wmts/1.0.0/WMTSCapabilities.xml`;
  return [
    {
      id: "openlayers",
      title: "OpenLayers",
      code: `new TileLayer({\n  source: new XYZ({\n    url: ${quoted(xyz)},\n    crossOrigin: 'anonymous',\n  }),\n})`,
    },
    { id: "leaflet", title: "Leaflet", code: `L.tileLayer(${quoted(xyz)}).addTo(map)` },
    {
      id: "maplibre",
      title: "MapLibre",
      code: `map.addSource(${quoted(layer.id)}, {\n  type: 'raster',\n  tiles: [${quoted(xyz)}],\n  tileSize: 256,\n})\nmap.addLayer({ id: ${quoted(layer.id)}, type: 'raster', source: ${quoted(layer.id)} })`,
    },
    { id: "qgis", title: "QGIS", code: `# Layer > Add Layer > Add WMS/WMTS Layer > New, URL:\n${capabilities}\n# or an XYZ connection:\n${xyz}` },
    { id: "gdal", title: "GDAL", code: `gdal_translate -outsize 1440 0 \\\n  "WMTS:${capabilities},layer=${layer.id}" ${layer.id}.tif` },
    {
      id: "python",
      title: "Python",
      code: `import lazytile\n\nds = lazytile.open(${quoted(`store/${layer.dataset}.zarr`)})\nvalues = ds[${quoted(layer.variable)}]${time === undefined ? "" : `.sel(time=${quoted(time)})`}.to_xarray()`,
    },
    {
      id: "xarray",
      title: "xarray",
      code: `import xarray as xr\n\nlevel = xr.open_zarr(${quoted(`${base}zarr/${encodeURIComponent(layer.dataset)}/0`)})  # all levels: xr.open_datatree without /0\nvalues = level[${quoted(layer.variable)}]${time === undefined ? "" : `.sel(time=${quoted(time.replace(/Z$/, ""))})`}`,
    },
    { id: "curl", title: "curl", code: `curl -o tile.png ${quoted(xyz.replace("{z}/{x}/{y}", "0/0/0"))}` },
  ];
}
