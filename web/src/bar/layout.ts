/** Where each image's cell is: as wide as room allows, series parted; many images share a pixel column. */

export interface BarLayout {
  width: number;
  /** Width of a cell with its gap, in CSS pixels; below 3 several cells share a column. */
  pitch: number;
  /** Left edge of every cell. */
  left: Float32Array;
  /** Where a series begins: first position, x, and the x where it ends. */
  segments: { first: number; last: number; x: number; end: number }[];
}

const WIDEST = 24;
const NARROWEST = 3;

export function layoutBar(view: Uint32Array, series: Uint16Array, width: number): BarLayout {
  const starts: number[] = [];
  for (let p = 0; p < view.length; p++) {
    if (p === 0 || series[view[p] as number] !== series[view[p - 1] as number]) starts.push(p);
  }
  const gaps = Math.max(0, starts.length - 1);
  let gap = 5;
  if ((width - gaps * gap) / Math.max(1, view.length) < NARROWEST) gap = Math.min(3, (0.12 * width) / Math.max(1, gaps));
  const pitch = Math.min(WIDEST, (width - gaps * gap) / Math.max(1, view.length));
  const left = new Float32Array(view.length);
  const segments: BarLayout["segments"] = [];
  let x = 0;
  let next = 0;
  for (let p = 0; p < view.length; p++) {
    if (starts[next] === p) {
      if (next > 0) {
        (segments[next - 1] as { end: number }).end = x;
        x += gap;
      }
      segments.push({ first: p, last: p, x, end: x });
      next += 1;
    }
    left[p] = x;
    (segments[next - 1] as { last: number }).last = p;
    x += pitch;
  }
  if (segments.length > 0) (segments[segments.length - 1] as { end: number }).end = x;
  return { width, pitch, left, segments };
}

/** The position under x (in CSS pixels), -1 if the bar is empty. */
export function positionAt(layout: BarLayout, x: number): number {
  const { left } = layout;
  if (left.length === 0) return -1;
  let low = 0;
  let high = left.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((left[middle] as number) <= x) low = middle;
    else high = middle - 1;
  }
  return low;
}
