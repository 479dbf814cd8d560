import { expect, test } from "vitest";
import { niceTicks, robustLimits } from "../src/lib/spread";

test("one wild value does not flatten the others", () => {
  const values = [...Array.from({ length: 40 }, (_, at) => 4 + 0.1 * (at % 10)), 190];
  expect(robustLimits(values)).toEqual([4, 4.9]);
});

test("a group of its own is no outlier", () => {
  const values = [...Array<number>(80).fill(3.1).map((value, at) => value + 0.001 * at), ...Array<number>(20).fill(3.9)];
  expect(robustLimits(values)[1]).toBe(3.9);
});

test("constant and missing values have limits, too", () => {
  expect(robustLimits([2, 2, 2])).toEqual([2, 2]);
  expect(robustLimits([])).toEqual([0, 0]);
});

test("ticks are round numbers inside the limits", () => {
  expect(niceTicks(0.76, 4.4)).toEqual({ values: [2, 4], digits: 0 });
  expect(niceTicks(0, 211)).toEqual({ values: [0, 100, 200], digits: 0 });
  expect(niceTicks(0.9, 2.9).values.length).toBeGreaterThan(1);
  const small = niceTicks(0.012, 0.1);
  expect(small.values.map((value) => value.toFixed(small.digits))).toEqual(["0.05", "0.10"]);
});
