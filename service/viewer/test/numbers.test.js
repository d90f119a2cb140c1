import assert from "node:assert/strict";
import test from "node:test";

import { csv, fileName } from "../src/numbers/csv.js";
import { pinsOf, textOf } from "../src/numbers/pins.js";
import { densified, regionOf, textOfRegion, unturned } from "../src/numbers/region_text.js";
import { each, thinned } from "../src/numbers/requests.js";
import { tickLabels } from "../src/numbers/tick_labels.js";
import { chunksOf, summary } from "../src/panels/how_panel.js";

test("tables are quoted where they must be, and no text runs as a formula", () => {
  const text = csv(["time", 'a "b"'], [["2024-01-01", 1.5], ["x,y", null], ["=1+1", -2]]);
  assert.equal(text, 'time,"a ""b"""\r\n2024-01-01,1.5\r\n"x,y",\r\n\'=1+1,-2\r\n');
});

test("names of files hold what every system takes", () => {
  assert.equal(fileName("a.b/c", "2024-01-01T00:00:00Z", ""), "a.b-c_2024-01-01T00-00-00Z");
});

test("pins are read from a link, and wrong ones are left out", () => {
  assert.deepEqual(pinsOf("1,2;x,3;4;5,91;-180,-90"), [[1, 2], [-180, -90]]);
  assert.deepEqual(pinsOf(undefined), []);
  assert.equal(pinsOf(Array(9).fill("1,2").join(";")).length, 6);
  assert.deepEqual(pinsOf(textOf([[1.23456, -2]])), [[1.2346, -2]]);
});

test("a ring gets points along its sides and stays closed", () => {
  const ring = densified([[0, 0], [4, 0], [4, 4], [0, 0]], 4);
  assert.equal(ring.length, 13);
  assert.deepEqual(ring.slice(0, 3).map(([x]) => x), [0, 1, 2]);
  assert.deepEqual(ring[0], ring[ring.length - 1]);
});

test("longitudes do not jump at 180 degrees", () => {
  assert.deepEqual(unturned([[170, 0], [-170, 0], [-170, 95], [170, 0]]).map(([x]) => x), [170, 190, 190, 170]);
  assert.equal(unturned([[0, 95]])[0][1], 90);
});

test("a region is the same after a link, also a wide one and one across 180 degrees", () => {
  for (const [west, east] of [[-150, 140], [170, 200], [-10.123456, 5]]) {
    const ring = [[west, -20], [east, -20], [east, 30], [west, 30], [west, -20]];
    const [drawn] = regionOf(textOfRegion(ring, "EPSG:4326"))?.coordinates ?? [];
    const longitudes = drawn.map(([longitude]) => longitude);
    assert.ok(Math.abs(Math.max(...longitudes) - Math.min(...longitudes) - (east - west)) < 1e-4);
    assert.equal(drawn.length, 65);
    assert.equal(textOfRegion(ring, "EPSG:4326").split(";").length, 5);
  }
  for (const text of [undefined, "", "EPSG:4326", "EPSG:4326;1,2;3,4", "EPSG:1;1,2;3,4;5,6", "EPSG:4326;1,2;3,4;5,95", "EPSG:4326;1,2;3,4;5"]) assert.equal(regionOf(text), null);
});

test("ticks of one day tell the time of day, others the date", () => {
  assert.deepEqual(tickLabels(["2017-01-01T00:00:00Z", "2017-01-01T12:00:00Z", ""]), ["01-01 00:00", "01-01 12:00", ""]);
  assert.deepEqual(tickLabels(["2017-01-01T00:00:00Z", "2018-01-01T12:00:00Z"]), ["2017-01-01", "2018-01-01"]);
  assert.deepEqual(tickLabels(["500", "500"]), ["500", "500"]);
});

test("of many steps some are taken, the last one always", () => {
  const labels = Array.from({ length: 1000 }, (_, at) => String(at));
  const some = thinned(labels, 120);
  assert.ok(some.length <= 120 && some.length > 60);
  assert.equal(some.at(-1), "999");
  assert.deepEqual(thinned(["a", "b"], 120), ["a", "b"]);
});

test("work is done a few at a time, its results in order", async () => {
  let running = 0;
  let most = 0;
  const results = await each([3, 1, 2, 5, 4], async (item) => {
    running += 1;
    most = Math.max(most, running);
    await new Promise((resolve) => setTimeout(resolve, item));
    running -= 1;
    return item * 2;
  });
  assert.deepEqual(results, [6, 2, 4, 10, 8]);
  assert.ok(most > 1 && most <= 3);
});

test("timings are summed up by tier and stage", () => {
  const of = (/** @type {string} */ description, /** @type {number} */ render) => [{ name: "cache", description, duration: 0 }, { name: "render", description: "", duration: render }];
  const found = summary([of("computed", 1), of("computed", 9), of("memory", 3)]);
  assert.equal(found.total, 3);
  assert.equal(found.warm, 1);
  assert.deepEqual(found.medians, [["render", 3]]);
});

test("chunks are summed over the processes of a server", () => {
  const metrics = 'lazytile_chunk_reads_total{process="1"} 3.0\n# HELP x\nlazytile_chunk_reads_total{process="2"} 4.0\nlazytile_chunk_read_bytes_total 1e+06\n';
  assert.deepEqual(chunksOf(metrics), { chunks: 7, bytes: 1e6 });
  assert.equal(chunksOf("other 1"), null);
});
