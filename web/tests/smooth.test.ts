import { expect, test } from "vitest";
import { smoothed } from "../src/lib/smooth";

test("a single point spreads to its neighbours, a flat plane stays flat", () => {
  const point = new Uint8Array(25);
  point[12] = 160;
  const found = smoothed(point, 5, 5);
  expect([found[12], found[11], found[7], found[6], found[0]]).toEqual([40, 20, 20, 10, 0]);
  expect(smoothed(new Uint8Array(12).fill(255), 4, 3)).toEqual(new Uint8Array(12).fill(255));
});
