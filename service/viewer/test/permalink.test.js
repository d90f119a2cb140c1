import assert from "node:assert/strict";
import test from "node:test";

import { format, parse } from "../src/permalink.js";

const STATE = {
  layer: "A layer/ü & #1",
  style: "default",
  time: "2024-10-11T12:00:00Z",
  projection: "EPSG:4326",
  set: "WorldCRS84Quad",
  opacity: 0.35,
  position: { center: [-12.5, 40.25], zoom: 4.5 },
  dimensions: { depth: "5 m", band: "B=1" },
};

test("a formatted permalink parses to the same state", () => {
  assert.deepEqual(parse(format(STATE)), STATE);
});

test("full opacity and an absent time are omitted", () => {
  const hash = format({ ...STATE, opacity: 1, time: undefined });
  assert.ok(!hash.includes("opacity") && !hash.includes("time"));
});

test("the characters of times and projections stay unescaped", () => {
  assert.ok(format(STATE).includes("time=2024-10-11T12:00:00Z&crs=EPSG:4326"));
});

test("malformed values are undefined", () => {
  for (const hash of ["", "#", "#at=1,2", "#at=1,2,x", "#at=1,,3", "#opacity=thick"]) {
    const { position, opacity, dimensions } = parse(hash);
    assert.deepEqual([position, opacity, dimensions], [undefined, undefined, {}]);
  }
  assert.equal(parse("#opacity=7").opacity, 1);
});
