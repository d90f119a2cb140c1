import assert from "node:assert/strict";
import test from "node:test";

import { emptyState } from "../src/state/defaults.js";
import { format, parse } from "../src/state/permalink.js";

const LAYER = { id: "A layer/ü & #1", style: "default", set: "WorldCRS84Quad", opacity: 0.35, hidden: false, blend: "normal", dimensions: { depth: "5 m", band: "B=1" } };
const OVER = { id: "sst", style: "grey_r", opacity: 1, hidden: true, blend: "multiply", range: "-2,30.5", spacing: "log", resampling: "nearest", filter: "hillshade:3", contour: 2.5, dimensions: {} };

/** @param {object} fields */
function state(fields) {
  return /** @type {import("../src/types.js").State} */ ({ ...emptyState(), position: { center: [-12.5, 40.25], zoom: 4.5 }, ...fields });
}

const scene = (/** @type {object[]} */ ...layers) => ({
  layers: layers.map((layer, at) => ({ key: `k${at}`, ...layer })),
  selected: `k${layers.length - 1}`,
  time: "2024-10-11T12:00:00Z",
});

test("a formatted permalink parses to the same layer", () => {
  const link = parse(format(state({ a: scene(LAYER) })));
  const [{ id, style, set, opacity, dimensions }] = link.a.layers;
  assert.deepEqual({ id, style, set, opacity, dimensions, hidden: false, blend: "normal" }, LAYER);
  assert.deepEqual(link.position, { center: [-12.5, 40.25], zoom: 4.5 });
  assert.equal(link.a.time, "2024-10-11T12:00:00Z");
  assert.equal(link.projection, "EPSG:4326");
});

test("several layers keep their order, and each what was chosen for it", () => {
  const link = parse(format(state({ a: { ...scene(LAYER, OVER), selected: "k0" } })));
  assert.deepEqual(link.a.layers.map(({ id }) => id), [LAYER.id, OVER.id]);
  assert.deepEqual({ opacity: 1, ...link.a.layers[1] }, OVER);
  assert.equal(link.a.layers[0].range, undefined);
  assert.equal(link.a.selected, 0);
});

test("both sides of a comparison are in the link, and nothing of a second side without one", () => {
  const b = { ...scene(OVER), time: "2024-10-12T12:00:00Z" };
  const link = parse(format(state({ a: scene(LAYER), b, compare: "swipe", divider: 0.25, side: "b" })));
  assert.deepEqual([link.a.layers.length, link.b.layers.length], [1, 1]);
  assert.deepEqual([link.a.time, link.b.time], ["2024-10-11T12:00:00Z", "2024-10-12T12:00:00Z"]);
  assert.deepEqual([link.compare, link.divider, link.side], ["swipe", 0.25, "b"]);
  assert.equal(parse(format(state({ a: scene(LAYER), b }))).b.layers.length, 0);
});

test("clock, display and the fields of panels come back", () => {
  const link = parse(format(state({
    a: scene(LAYER),
    clock: { fps: 6, step: 3, loop: false, from: "2024-01-01", to: "2024-02-01" },
    display: { coast: false, grid: true, base: true, celsius: false },
    extra: { pins: "1,2;3,4" },
  })));
  assert.deepEqual(link.clock, { fps: 6, step: 3, loop: false, from: "2024-01-01", to: "2024-02-01" });
  assert.deepEqual(link.display, { coast: false, celsius: false });
  assert.deepEqual(link.extra, { pins: "1,2;3,4" });
});

test("defaults are omitted, and times and projections stay as they are", () => {
  const hash = format(state({ a: { ...scene({ ...LAYER, opacity: 1, set: undefined }), time: undefined } }));
  for (const name of ["opacity", "time", "set", "fps", "coast", "compare", "selected"]) assert.ok(!hash.includes(`${name}=`), name);
  assert.ok(format(state({ a: scene(LAYER) })).includes("time=2024-10-11T12:00:00Z&crs=EPSG:4326"));
});

test("links of the page before this one are understood", () => {
  const link = parse("#layer=sst&style=anomaly&time=2024-01-02&crs=EPSG:3857&set=WebMercatorQuad&opacity=0.5&at=-5,47.25,5&dim.level=850");
  assert.deepEqual(link.a.layers, [{ id: "sst", style: "anomaly", set: "WebMercatorQuad", opacity: 0.5, dimensions: { level: "850" } }]);
  assert.deepEqual(link.position, { center: [-5, 47.25], zoom: 5 });
  assert.equal(parse("#style=anomaly&layer=sst").a.layers[0].style, "anomaly");
});

test("malformed values are left out", () => {
  for (const hash of ["", "#", "#at=1,2", "#at=1,2,x", "#at=1,,3", "#layer=&opacity=thick"]) {
    const link = parse(hash);
    assert.deepEqual([link.position, link.a.layers], [undefined, []]);
  }
  assert.equal(parse("#layer=a&opacity=7").a.layers[0].opacity, 1);
  assert.equal(parse("#layer=a&contour=-1").a.layers[0].contour, undefined);
  assert.equal(parse("#toString=1&constructor=2").a.layers.length, 0);
});
