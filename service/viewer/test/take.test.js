import assert from "node:assert/strict";
import test from "node:test";

import { animatedWebp } from "../src/take/animated_webp.js";
import { readAtlas } from "../src/map/atlas.js";
import { boxAround, boxOfText, normalised, textOfBox } from "../src/take/box.js";
import { subsetPath } from "../src/take/box_section.js";

/** A still file as browsers write it: one chunk of so many bytes. @param {number} length @param {number} fill */
function still(length, fill, name = "VP8 ") {
  const padded = length + (length % 2);
  const file = new Uint8Array(20 + padded).fill(0);
  file.set(new TextEncoder().encode("RIFF"), 0);
  file.set([12 + padded, 0, 0, 0], 4);
  file.set(new TextEncoder().encode(`WEBP${name}`), 8);
  file.set([length, 0, 0, 0], 16);
  file.fill(fill, 20, 20 + length);
  return file;
}

test("still pictures become the frames of an animation", () => {
  const file = animatedWebp([still(5, 1), still(6, 2)], { width: 700, height: 3, delay_ms: 125 });
  const view = new DataView(file.buffer);
  const text = (/** @type {number} */ at) => String.fromCharCode(...file.subarray(at, at + 4));
  assert.equal(text(0), "RIFF");
  assert.equal(view.getUint32(4, true), file.length - 8);
  assert.deepEqual([text(8), text(12), text(30), text(44)], ["WEBP", "VP8X", "ANIM", "ANMF"]);
  assert.deepEqual([...file.subarray(24, 30)], [699 % 256, 2, 0, 2, 0, 0]);
  assert.equal(view.getUint32(48, true), 16 + 8 + 6);
  assert.deepEqual([...file.subarray(64, 68)], [125, 0, 0, 2]);
  assert.equal(text(68), "VP8 ");
  assert.deepEqual([...file.subarray(76, 82)], [1, 1, 1, 1, 1, 0]);
  assert.equal(text(82), "ANMF");
});

test("a browser without WebP is told", () => {
  assert.throws(() => animatedWebp([still(5, 1, "ABCD")], { width: 1, height: 1, delay_ms: 1 }), /writes no WebP/);
});

test("a box is read from its text, and what is none is not", () => {
  assert.deepEqual(boxOfText(" -10, 35 ,5,45"), [-10, 35, 5, 45]);
  assert.deepEqual(boxOfText(textOfBox([-10.12345, 35, 190, 45])), [-10.123, 35, 190, 45]);
  for (const text of ["", "1,2,3", "1,2,3,x", "1,5,3,4", "1,,3,4", "0,-91,1,0", "5,0,5,1"]) assert.equal(boxOfText(text), null, text);
});

test("a box goes round 180 degrees, and round the Earth once", () => {
  assert.deepEqual(boxAround([[170, 0], [-170, 0], [-170, 9], [170, 9]]), [170, 0, 190, 9]);
  assert.deepEqual(normalised([-190, -95, -170, 95]), [170, -90, 190, 90]);
  assert.deepEqual(normalised([-400, 0, 400, 1]), [-180, 0, 180, 1]);
});

test("the address of a box names the time that is shown, or the ends of a range", () => {
  const shown = /** @type {any} */ ({ layer: { id: "a.b" }, state: { dimensions: { level: "500" } }, time: "2024-01-01" });
  assert.equal(subsetPath(shown, [-190, 0, -170, 1], "nc"), "numbers/a.b/subset?f=nc&bbox=170,0,190,1&level=500&datetime=2024-01-01");
  assert.ok(subsetPath(shown, [0, 0, 1, 1], "tif", ["2020", "2021", "2022"]).endsWith("datetime=2020/2022"));
  const still = /** @type {any} */ ({ layer: { id: "a" }, state: { dimensions: {} }, time: undefined });
  assert.ok(!subsetPath(still, [0, 0, 1, 1], "csv").includes("datetime"));
});

test("the lakes of an atlas are lines", () => {
  const lakes = [[[0, 0], [1, 0], [1, 1], [0, 0]]];
  const topology = { type: "Topology", arcs: [], objects: { countries: { type: "GeometryCollection", geometries: [] } } };
  assert.deepEqual(readAtlas({ ...topology, lakes }).lakes, lakes);
  assert.deepEqual(readAtlas(topology).lakes, []);
});
