import { expect, test } from "vitest";
import { layoutBar, positionAt } from "../src/bar/layout";

const view = Uint32Array.from({ length: 10 }, (_, at) => at);
const series = Uint16Array.from([0, 0, 0, 0, 0, 1, 1, 1, 1, 1]);

test("series are parted, cells keep their order, and x leads back to the position", () => {
  const layout = layoutBar(view, series, 200);
  expect(layout.segments.map((segment) => [segment.first, segment.last])).toEqual([[0, 4], [5, 9]]);
  expect((layout.segments[1] as { x: number }).x).toBeGreaterThan((layout.segments[0] as { end: number }).end);
  for (let p = 0; p < 10; p++) expect(positionAt(layout, (layout.left[p] as number) + layout.pitch / 2)).toBe(p);
});

test("ten thousand images in 250 series still fit", () => {
  const many = Uint32Array.from({ length: 10_000 }, (_, at) => at);
  const layout = layoutBar(many, Uint16Array.from(many, (at) => Math.floor(at / 40)), 1250);
  const last = layout.segments[layout.segments.length - 1] as { end: number };
  expect(last.end).toBeLessThanOrEqual(1250.5);
  expect(positionAt(layout, 0)).toBe(0);
  expect(positionAt(layout, 1250)).toBe(9999);
});

test("an empty bar has no position", () => {
  expect(positionAt(layoutBar(new Uint32Array(0), series, 100), 50)).toBe(-1);
});
