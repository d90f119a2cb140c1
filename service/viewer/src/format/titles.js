// Titles that people can read, made of what a file says of a variable.

import { prettyUnits } from "./units.js";

/** @import {Layer} from "../types.js" */

/** Words that files write in capitals, or should. */
const FIXED = new Map(
  ["SST", "NDVI", "RGB", "QC", "UV", "CO2", "ABI", "MSL", "GOES", "VIIRS", "MODIS", "ERA5", "ID", "DEM"].map((word) => [word.toLowerCase(), word]),
);
const BORING = /^(band|var|variable|layer|data|field|z|values?)[_ ]?\d*$/i;

/** @param {string} text */
function sentence(text) {
  const spaced = text.trim().replace(/[_\s]+/g, " ");
  const words = spaced.split(" ").map((word) => FIXED.get(word.toLowerCase()) ?? word);
  const joined = words.join(" ");
  return joined.charAt(0).toUpperCase() + joined.slice(1);
}

/** The title of a layer for people. @param {Layer} layer @param {{title: string, source: string} | undefined} dataset */
export function layerTitle(layer, dataset) {
  const named = [layer.longName, layer.title, layer.standardName, layer.variable].find((text) => text && text.trim() && !BORING.test(text.trim()));
  if (named) return sentence(named);
  const of = dataset?.title || layer.dataset;
  const number = /(\d+)$/.exec(layer.variable)?.[1];
  return sentence(number && number !== "1" ? `${of}, band ${number}` : of);
}

/** The title with its units. @param {Layer} layer @param {{title: string, source: string} | undefined} dataset */
export function layerTitleWithUnits(layer, dataset) {
  const units = prettyUnits(layer.units);
  return units ? `${layerTitle(layer, dataset)} (${units})` : layerTitle(layer, dataset);
}

/** The title of a dataset. @param {string} id @param {{title: string, source: string} | undefined} dataset */
export function datasetTitle(id, dataset) {
  const isTelling = dataset?.title && !/^(unknown|untitled|none|n\/a)$/i.test(dataset.title.trim());
  return sentence(isTelling ? dataset.title : id);
}

/** All that is known of a layer, to be shown on hover: the raw names. @param {Layer} layer */
export function rawNames(layer) {
  return [layer.id, layer.standardName, layer.units].filter(Boolean).join(" · ");
}
