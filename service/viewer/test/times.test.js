import assert from "node:assert/strict";
import test from "node:test";

import { expandPeriods, timeFormatter } from "../src/time/times.js";

test("single values are unchanged", () => {
  assert.deepEqual(expandPeriods(["2024-01-01T00:00:00Z", "spring"]), ["2024-01-01T00:00:00Z", "spring"]);
});

test("a period includes both ends", () => {
  assert.deepEqual(expandPeriods(["2024-02-28/2024-03-01/P1D"]), ["2024-02-28", "2024-02-29", "2024-03-01"]);
});

test("hours, minutes and fractions of a second", () => {
  const [, second, ...rest] = expandPeriods(["2013-01-01T00:00:00Z/2014-12-31T18:00:00Z/PT6H"]);
  assert.equal(second, "2013-01-01T06:00:00Z");
  assert.equal(rest.length + 2, 2920);
  assert.equal(rest.at(-1), "2014-12-31T18:00:00Z");
  assert.deepEqual(expandPeriods(["2024-01-01T00:00:00.5Z/2024-01-01T00:00:01Z/PT0.5S"]), [
    "2024-01-01T00:00:00.500Z",
    "2024-01-01T00:00:01.000Z",
  ]);
});

test("months are calendar months", () => {
  assert.deepEqual(expandPeriods(["2023-11-15/2024-02-15/P1M"]), ["2023-11-15", "2023-12-15", "2024-01-15", "2024-02-15"]);
  assert.deepEqual(expandPeriods(["2020-01-01/2022-01-01/P1Y"]), ["2020-01-01", "2021-01-01", "2022-01-01"]);
});

test("a malformed period is a value", () => {
  for (const value of ["2024-01-01/2024-01-03/P0D", "2024-01-01/2024-01-03/1D", "2024-01-01/2024-01-03"]) {
    assert.deepEqual(expandPeriods([value]), [value]);
  }
});

test("the length of a list is limited", () => {
  assert.equal(expandPeriods(["1900-01-01T00:00:00Z/2000-01-01T00:00:00Z/PT1S"]).length, 100_000);
});

test("times are formatted no finer than they differ", () => {
  assert.equal(timeFormatter(["2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z"])("2024-01-02T00:00:00Z"), "2024-01-02");
  assert.equal(timeFormatter(["2024-01-01T00:00:00Z", "2024-01-01T12:00:00Z"])("2024-01-01T12:00:00Z"), "2024-01-01 12:00 UTC");
  assert.equal(timeFormatter(["2024-01-01T00:00:07Z"])("2024-01-01T00:00:07Z"), "2024-01-01 00:00:07 UTC");
  assert.equal(timeFormatter(["dry", "wet"])("wet"), "wet");
});
