/** Values that lie far off the others, in plots of a series: the axis is that of the others, these are named at its edge. */

import type uPlot from "uplot";
import { robustLimits } from "../lib/spread";

const ROOM = 0.12;

/** The range of an axis that shows all values but the few that lie far off. */
export function axisRange(values: readonly (number | null)[]): [number, number] | undefined {
  const known = values.filter((value): value is number => value !== null && !Number.isNaN(value));
  if (known.length === 0) return undefined;
  const [low, high] = robustLimits(known);
  const room = (high - low || Math.abs(high) || 1) * ROOM;
  return [low - room, high + room];
}

/** Draw a triangle at the edge for each value beyond the range, and say how much it is. */
export function drawOutliers(
  plot: uPlot, context: CanvasRenderingContext2D, colour: string, x: readonly number[], values: readonly (number | null)[],
  range: readonly [number, number] | undefined, words?: (value: number) => string,
): void {
  if (!range) return;
  const ratio = devicePixelRatio || 1;
  const { left, width } = plot.bbox;
  context.fillStyle = colour;
  context.font = `${11 * ratio}px system-ui, sans-serif`;
  context.textBaseline = "middle";
  values.forEach((value, p) => {
    if (value === null || (value >= range[0] && value <= range[1])) return;
    const isAbove = value > range[1];
    const px = plot.valToPos(x[p] as number, "x", true);
    const edge = plot.valToPos(isAbove ? range[1] : range[0], "y", true);
    const into = (isAbove ? 7 : -7) * ratio;
    context.beginPath();
    context.moveTo(px, edge);
    context.lineTo(px + 4 * ratio, edge + into);
    context.lineTo(px - 4 * ratio, edge + into);
    context.fill();
    if (!words) return;
    const isLeft = px < left + 0.7 * width;
    context.textAlign = isLeft ? "left" : "right";
    context.fillText(words(value), px + (isLeft ? 8 : -8) * ratio, edge + into / 2);
  });
}
