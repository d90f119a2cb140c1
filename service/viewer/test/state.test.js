import assert from "node:assert/strict";
import test from "node:test";

import { emptyState } from "../src/state/defaults.js";
import { Store } from "../src/state/store.js";
import { Times } from "../src/time/times.js";
import { nearestLevel } from "../src/map/visible_tiles.js";
import { barsOf } from "../src/ui/histogram.js";
import { shareOf } from "../src/ui/legend_bar.js";

test("a watcher hears of what it selected, at once and after each change of it", () => {
  const store = new Store(emptyState());
  /** @type {unknown[]} */
  const heard = [];
  const stop = store.watch(({ projection, divider }) => [projection, divider], (value) => heard.push(value));
  store.update({ divider: 0.5 });
  store.update({ extra: { a: "1" } });
  store.update({ projection: "EPSG:3857" });
  stop();
  store.update({ projection: "EPSG:3031" });
  assert.deepEqual(heard, [["EPSG:4326", 0.5], ["EPSG:3857", 0.5]]);
});

test("changes of a scene and of a layer are those of the side that the controls change", () => {
  const layer = /** @type {any} */ ({ key: "k", id: "sst", opacity: 1 });
  const store = new Store({ ...emptyState(), b: { layers: [layer], selected: "k" }, side: "b" });
  store.updateScene({ time: "2024-01-01" });
  store.updateLayer("k", { opacity: 0.5 });
  assert.equal(store.state.b.layers[0].opacity, 0.5);
  assert.equal(store.state.b.time, "2024-01-01");
  assert.equal(store.state.a.time, undefined);
});

test("a clock between two times shows the one before, for one step", () => {
  const days = new Times(["2024-01-01", "2024-01-02", "2024-01-03"]);
  assert.equal(days.at("2024-01-02T18:00:00Z", 0), "2024-01-02");
  assert.equal(days.at("2024-01-03T18:00:00Z", 0), "2024-01-03");
  assert.equal(days.at("2024-01-09", 0), undefined);
  assert.equal(days.at("2023-12-31", 0), undefined);
  // A monthly clock reaches further than the layer's own step.
  assert.equal(days.at("2024-01-20", 31 * 86400), "2024-01-03");
});

test("times of several layers are joined, and equal ones spelled in two ways are one", () => {
  const merged = Times.merged([new Times(["2024-01-01", "2024-01-03"]), new Times(["2024-01-01T00:00:00Z", "2024-01-02T12:00:00Z"])]);
  assert.deepEqual(merged.labels, ["2024-01-01", "2024-01-02T12:00:00Z", "2024-01-03"]);
});

test("a calendar with a 30 February and years of any length keep their order", () => {
  const times = new Times(["0001-02-28", "0001-02-30", "2001-02-30", "12001-01-01"]);
  assert.deepEqual([...times.orders], [...times.orders].toSorted((a, b) => a - b));
  assert.equal(times.indexOf("2001-02-30"), 2);
  assert.equal(times.indexOf("2001-03-01"), -1);
});

test("the level of a resolution is that of OpenLayers", async () => {
  const { linearFindNearest } = await import("ol/array.js");
  const cells = Array.from({ length: 12 }, (_, at) => 0.703125 / 2 ** at);
  for (let resolution = 1.5; resolution > 0.0001; resolution *= 0.93) {
    assert.equal(nearestLevel(cells, resolution), linearFindNearest(cells, resolution, 0), String(resolution));
  }
});

test("the bars of a histogram hold all cells of the axis", () => {
  const details = /** @type {any} */ ({ histogram: { firstEdge: 0, width: 1, counts: [5, 0, 7, 8] } });
  for (const count of [2, 4, 16]) {
    const bars = barsOf(details, 0, 4, count);
    assert.ok(Math.abs(bars.reduce((a, b) => a + b) - 20) < 1e-9);
  }
  assert.deepEqual(barsOf(details, 0, 4, 4), [5, 0, 7, 8]);
});

test("a value is marked within the colour that it has", () => {
  const entries = [{ lower: null, upper: 1 }, { lower: 1, upper: 10 }, { lower: 10, upper: null }].map((ends) => ({ ...ends, colour: "#000", label: "" }));
  assert.equal(shareOf(entries, -5), 0);
  assert.ok(Math.abs(/** @type {number} */ (shareOf(entries, 5.5)) - 0.5) < 1e-9);
  assert.ok(/** @type {number} */ (shareOf(entries, 99)) <= 1);
});
