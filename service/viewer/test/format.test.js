import assert from "node:assert/strict";
import test from "node:test";

import { formatNumber, formatPlace, formatTick, formatValue, ticksOf } from "../src/format/numbers.js";
import { layerTitle } from "../src/format/titles.js";
import { displayOf, prettyUnits } from "../src/format/units.js";
import { withoutOverlaps } from "../src/ui/legend_bar.js";
import { matchesAll } from "../src/ui/search.js";

test("units as people write them", () => {
  for (const [units, pretty] of [
    ["m s-1", "m s⁻¹"], ["m s**-1", "m s⁻¹"], ["m/s", "m s⁻¹"], ["kg m-2 s-1", "kg m⁻² s⁻¹"], ["W/m2", "W m⁻²"],
    ["mg m^-3", "mg m⁻³"], ["m^-1", "m⁻¹"], ["m**2 s**-2", "m² s⁻²"], ["degrees_Celsius", "°C"], ["Celsius", "°C"], ["C", "°C"],
    ["kelvin", "K"], ["K", "K"], ["degC", "°C"], ["percent", "%"], ["%", "%"], ["1", ""], ["", ""], ["meter second-1", "m s⁻¹"],
    ["degree", "°"], ["millibar", "hPa"], ["1e-3", "10⁻³"], ["seconds since 1990-01-01 00:00:00", "seconds since 1990-01-01 00:00:00"],
    ["dBZ", "dBZ"], ["psu", "psu"],
  ]) assert.equal(prettyUnits(units), pretty, units);
});

test("kelvin is shown as degrees Celsius by choice, and differences without their origin", () => {
  assert.deepEqual(displayOf({ units: "kelvin" }, true), { units: "°C", shift: -273.15 });
  assert.deepEqual(displayOf({ units: "kelvin" }, false), { units: "K", shift: 0 });
  assert.deepEqual(displayOf({ units: "K", title: "estimated error of sst" }, true), { units: "°C", shift: 0 });
  assert.deepEqual(displayOf({ units: "Pa" }, true), { units: "Pa", shift: 0 });
  assert.equal(formatValue(300, displayOf({ units: "K" }, true)), "26.85 °C");
  assert.equal(formatValue(null, { units: "K", shift: 0 }), "no data");
  assert.equal(formatValue(45, { units: "°", shift: 0 }), "45°");
});

test("numbers with four digits", () => {
  for (const [value, text] of /** @type {[number, string][]} */ ([
    [0, "0"], [3.14159, "3.142"], [-2, "−2"], [12345.678, "12346"], [0.00012345, "0.0001234"], [1.5e-7, "1.5e−7"], [2.5e9, "2.5e9"], [-1e-9, "−1e−9"],
    [Infinity, "∞"], [-Infinity, "−∞"], [NaN, "–"],
  ])) assert.equal(formatNumber(value), text, String(value));
});

test("ticks are round and lie within the range", () => {
  assert.deepEqual(ticksOf(-1.85, 30.35, 5), { step: 10, ticks: [0, 10, 20, 30] });
  assert.deepEqual(ticksOf(0, 1, 5).ticks.map((tick) => formatTick(tick, 0.2)), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"].map((text, at) => (at === 0 ? "0" : text)));
  assert.equal(formatTick(2.5, 2.5), "2.5");
  assert.equal(formatTick(1e-18, 0.1), "0");
  assert.deepEqual(ticksOf(3, 3).ticks, [3]);
});

test("places", () => {
  assert.equal(formatPlace([190, -12.5], 1), "12.5° S, 170.0° W");
  assert.equal(formatPlace([-181, 4], 0), "4° N, 179° E");
});

const LAYER = /** @type {any} */ ({ id: "a.b", dataset: "a", variable: "b", title: "b", longName: "", standardName: "" });

test("titles are made of the best name there is", () => {
  const dataset = { title: "", source: "a.nc" };
  assert.equal(layerTitle({ ...LAYER, longName: "analysed_sst of the day" }, dataset), "Analysed SST of the day");
  assert.equal(layerTitle({ ...LAYER, title: "", standardName: "sea_surface_temperature" }, dataset), "Sea surface temperature");
  assert.equal(layerTitle({ ...LAYER, variable: "sst", title: "sst" }, dataset), "SST");
  assert.equal(layerTitle({ ...LAYER, variable: "band_1", title: "band_1" }, { title: "land cover", source: "" }), "Land cover");
  assert.equal(layerTitle({ ...LAYER, variable: "band_3", title: "band_3" }, dataset), "A, band 3");
});

test("search takes parts of words in any order, and ignores accents and underscores", () => {
  assert.ok(matchesAll("Sea surface temperature sst.analysed_sst", "temp  SEA"));
  assert.ok(matchesAll("Température_de_surface", "surface temperature"));
  assert.ok(!matchesAll("Sea surface temperature", "sea ice"));
  assert.ok(matchesAll("anything", " "));
});

test("labels of a legend do not overlap, and the ends are kept", () => {
  const places = [0, 0.82, 0.9, 0.94, 0.97, 1].map((share, at) => ({ text: String(25 * at), share }));
  const kept = withoutOverlaps(places).map(({ share }) => share);
  assert.deepEqual([kept[0], kept.at(-1)], [0, 1]);
  assert.ok(kept.every((share, at) => at === 0 || share - kept[at - 1] > 0.06), String(kept));
  const even = [0, 0.25, 0.5, 0.75, 1].map((share) => ({ text: "0.25", share }));
  assert.equal(withoutOverlaps(even).length, 5);
  assert.deepEqual(withoutOverlaps([{ text: "1", share: null }]), []);
});
