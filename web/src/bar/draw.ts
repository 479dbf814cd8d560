/** Paints the bar: a shape, a pattern and a colour for each state, so that no state is told by colour alone. */

import { DROP, KEEP, type Table } from "../state/table";
import { robustLimits } from "../lib/spread";
import type { Palette } from "../state/theme";
import type { BarLayout } from "./layout";

export const LABELS_PX = 15;
export const CELLS_PX = 30;
export const METRIC_PX = 26;
export const BAR_PX = LABELS_PX + 6 + CELLS_PX + 4 + METRIC_PX;
const CELLS_Y = LABELS_PX + 6;
const METRIC_Y = CELLS_Y + CELLS_PX + 4;

export interface BarState {
  table: Table;
  view: Uint32Array;
  position: number;
  range: readonly [number, number] | null;
  metric: string;
  flagged: ReadonlySet<string>;
  phase: number;
}

/** What an image looks like: larger is worse, and wins where several share a column. */
const enum Look {
  Waiting = 1,
  Done,
  Running,
  Stale,
  ByHand,
  ByRule,
  Failed,
}

export function lookOf(table: Table, at: number): number {
  if (table.decision[at] === DROP) return table.isByRule(at) ? Look.ByRule : Look.ByHand;
  switch (table.state[at]) {
    case 1:
      return Look.Running;
    case 2:
      return Look.Done;
    case 3:
      return Look.Stale;
    case 4:
    case 5:
      return Look.Failed;
    default:
      return Look.Waiting;
  }
}

type Canvas = CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D;

/** What changes seldom: cells and the lower row. */
export function drawBase(canvas: Canvas, layout: BarLayout, state: BarState, colours: Palette): void {
  canvas.clearRect(0, 0, layout.width, BAR_PX);
  if (layout.pitch >= 3) drawCells(canvas, layout, state, colours);
  else drawColumns(canvas, layout, state, colours);
  drawSuspects(canvas, layout, state, colours);
  drawFlags(canvas, layout, state, colours);
  drawMetric(canvas, layout, state, colours);
}

/** What follows the keys: names of the series, the range, the current image. The pointer's mark is an element of its own. */
export function drawTop(canvas: Canvas, layout: BarLayout, state: BarState, colours: Palette): void {
  canvas.clearRect(0, 0, layout.width, BAR_PX);
  drawLabels(canvas, layout, state, colours);
  drawRange(canvas, layout, state, colours);
  drawMark(canvas, layout, state, colours);
}

/** Move the stripes of running cells, where cells are wide enough to show stripes. */
export function drawRunning(canvas: Canvas, layout: BarLayout, state: BarState, colours: Palette): void {
  if (layout.pitch < 3) return;
  const width = cellWidth(layout);
  for (let p = 0; p < state.view.length; p++) {
    if (lookOf(state.table, state.view[p] as number) !== Look.Running) continue;
    const x = layout.left[p] as number;
    canvas.clearRect(x, CELLS_Y, width, CELLS_PX);
    drawCell(canvas, x, width, Look.Running, colours, state.phase);
  }
}

/** Where the frame around a cell is, in CSS pixels of the bar. */
export function markBox(layout: BarLayout, place: number): { x: number; y: number; width: number; height: number } {
  const width = Math.max(3, layout.pitch - 1);
  const x = (layout.left[place] as number) - (width === 3 ? 1 : 0.5);
  return { x: x - 1, y: CELLS_Y - 2, width: width + 1.5, height: CELLS_PX + 4 };
}

function drawLabels(canvas: Canvas, layout: BarLayout, state: BarState, colours: Palette): void {
  canvas.font = "11px system-ui, sans-serif";
  canvas.textBaseline = "alphabetic";
  const here = state.position;
  let free = -1;
  for (const segment of layout.segments) {
    const name = state.table.seriesOf(state.view[segment.first] as number);
    const isHere = here >= segment.first && here <= segment.last;
    const width = canvas.measureText(name).width;
    if (segment.x < free || (width > segment.end - segment.x + 2 && !isHere)) continue;
    const x = Math.min(segment.x, layout.width - width);
    canvas.fillStyle = isHere ? colours.text : colours.muted;
    if (isHere && width > segment.end - segment.x) canvas.clearRect(x - 3, 0, width + 8, LABELS_PX);
    canvas.fillText(name, x, 11);
    free = x + width + 6;
  }
}

function drawRange(canvas: Canvas, layout: BarLayout, state: BarState, colours: Palette): void {
  if (!state.range) return;
  const [first, last] = state.range;
  const x = layout.left[first] as number;
  const end = (layout.left[last] as number) + layout.pitch;
  canvas.fillStyle = colours.accent;
  canvas.globalAlpha = 0.22;
  canvas.fillRect(x - 1, LABELS_PX, end - x + 2, CELLS_PX + 9);
  canvas.globalAlpha = 1;
}

function drawCells(canvas: Canvas, layout: BarLayout, state: BarState, colours: Palette): void {
  const width = cellWidth(layout);
  for (let p = 0; p < state.view.length; p++) {
    const at = state.view[p] as number;
    const x = layout.left[p] as number;
    drawCell(canvas, x, width, lookOf(state.table, at), colours, state.phase);
    if (state.table.decision[at] === KEEP) {
      canvas.fillStyle = colours.text;
      canvas.fillRect(x, CELLS_Y + CELLS_PX + 1, width, 1.5);
    }
  }
}

function cellWidth(layout: BarLayout): number {
  return Math.max(2, layout.pitch - (layout.pitch >= 6 ? 2 : 1));
}

export function drawCell(
  canvas: Canvas, x: number, width: number, look: number, colours: Palette, phase: number, top = CELLS_Y,
): void {
  const bottom = top + CELLS_PX;
  switch (look) {
    case Look.Done:
      canvas.fillStyle = colours.accent;
      canvas.fillRect(x, top, width, CELLS_PX);
      break;
    case Look.Stale:
      canvas.fillStyle = colours.amber;
      canvas.fillRect(x, top + CELLS_PX / 3, width, (CELLS_PX * 2) / 3);
      break;
    case Look.Failed:
      canvas.fillStyle = colours.red;
      canvas.fillRect(x, top, width, CELLS_PX);
      if (width >= 5) {
        canvas.fillStyle = colours.ground;
        canvas.fillRect(x + width / 2 - 0.9, top + 6, 1.8, 11);
        canvas.fillRect(x + width / 2 - 0.9, top + 20, 1.8, 2.4);
      }
      break;
    case Look.ByHand:
      canvas.fillStyle = colours.faint;
      canvas.fillRect(x, bottom - CELLS_PX / 4, width, CELLS_PX / 4);
      if (width >= 4) {
        canvas.strokeStyle = colours.faint;
        canvas.lineWidth = 1;
        canvas.beginPath();
        canvas.moveTo(x, bottom - CELLS_PX / 4);
        canvas.lineTo(x + width, top + 8);
        canvas.stroke();
      }
      break;
    case Look.ByRule:
      canvas.fillStyle = colours.pink;
      for (let y = bottom - CELLS_PX / 2; y < bottom; y += 3) canvas.fillRect(x, y, width, 1.6);
      break;
    case Look.Running: {
      canvas.fillStyle = colours.accent;
      canvas.globalAlpha = 0.35;
      canvas.fillRect(x, top, width, CELLS_PX);
      canvas.globalAlpha = 1;
      for (let y = top - 6 + (phase % 6); y < bottom; y += 6) {
        const from = Math.max(y, top);
        const height = Math.min(y + 3, bottom) - from;
        if (height > 0) canvas.fillRect(x, from, width, height);
      }
      break;
    }
    default:
      if (width >= 4) {
        canvas.strokeStyle = colours.faint;
        canvas.lineWidth = 1;
        canvas.strokeRect(x + 0.5, top + 0.5, width - 1, CELLS_PX - 1);
      } else {
        canvas.fillStyle = colours.faint;
        canvas.fillRect(x, top, width, 1);
        canvas.fillRect(x, bottom - 1, width, 1);
        canvas.fillRect(x, top, Math.min(1, width / 2), CELLS_PX);
      }
  }
}

/** Cells narrower than 3 px: one column a pixel, showing the worst below it. */
function drawColumns(canvas: Canvas, layout: BarLayout, state: BarState, colours: Palette): void {
  const step = 1.5;
  for (const segment of layout.segments) {
    let p = segment.first;
    for (let x = segment.x; x < segment.end && p <= segment.last; x += step) {
      let worst = 0;
      while (p <= segment.last && (layout.left[p] as number) < x + step) {
        worst = Math.max(worst, lookOf(state.table, state.view[p] as number));
        p += 1;
      }
      if (worst) drawCell(canvas, x, step, worst, colours, state.phase);
    }
  }
}

function drawSuspects(canvas: Canvas, layout: BarLayout, state: BarState, colours: Palette): void {
  const { table, view } = state;
  if (table.suspects.size === 0) return;
  canvas.fillStyle = colours.amber;
  for (let p = 0; p < view.length; p++) {
    const at = view[p] as number;
    if (!table.suspects.has(at) || table.decision[at] !== 0) continue;
    const middle = (layout.left[p] as number) + layout.pitch / 2 - 0.5;
    canvas.beginPath();
    canvas.moveTo(middle - 3, CELLS_Y - 6);
    canvas.lineTo(middle + 3, CELLS_Y - 6);
    canvas.lineTo(middle, CELLS_Y - 1.5);
    canvas.fill();
  }
}

/** A flag on its pole above the cell. */
function drawFlags(canvas: Canvas, layout: BarLayout, state: BarState, colours: Palette): void {
  const { table, view, flagged } = state;
  if (flagged.size === 0) return;
  canvas.fillStyle = colours.text;
  for (let p = 0; p < view.length; p++) {
    if (!flagged.has(table.names[view[p] as number] as string)) continue;
    const middle = (layout.left[p] as number) + layout.pitch / 2 - 0.5;
    canvas.fillRect(middle - 0.6, CELLS_Y - 7, 1.2, 6);
    canvas.fillRect(middle, CELLS_Y - 7, 4, 3);
  }
}

function drawMark(canvas: Canvas, layout: BarLayout, state: BarState, colours: Palette): void {
  if (state.position < 0 || state.position >= state.view.length) return;
  const box = markBox(layout, state.position);
  canvas.strokeStyle = colours.text;
  canvas.lineWidth = 1.5;
  canvas.strokeRect(box.x, box.y, box.width, box.height);
}

function drawMetric(canvas: Canvas, layout: BarLayout, state: BarState, colours: Palette): void {
  const values = state.table.numbers.get(state.metric);
  if (!values) return;
  const [low, high] = spread(values, state.view);
  canvas.strokeStyle = colours.line;
  canvas.lineWidth = 1;
  canvas.beginPath();
  canvas.moveTo(0, METRIC_Y + METRIC_PX - 0.5);
  canvas.lineTo(layout.width, METRIC_Y + METRIC_PX - 0.5);
  canvas.stroke();
  if (!(high > low)) return;
  const size = Math.max(1.5, Math.min(3, layout.pitch - 1));
  let colour = "";
  for (let p = 0; p < state.view.length; p++) {
    const at = state.view[p] as number;
    const value = values[at] as number;
    if (Number.isNaN(value)) continue;
    const part = Math.min(1, Math.max(0, (value - low) / (high - low)));
    const wanted = state.table.decision[at] === DROP ? colours.faint : colours.accent;
    if (wanted !== colour) canvas.fillStyle = colour = wanted;
    const y = METRIC_Y + 2 + (1 - part) * (METRIC_PX - 6);
    canvas.fillRect((layout.left[p] as number) + layout.pitch / 2 - size / 2 - 0.5, y, size, size);
  }
}

/** What most of the values on view span. */
export function spread(values: Float32Array, view: Uint32Array): [number, number] {
  const stride = Math.max(1, Math.floor(view.length / 2000));
  const sample: number[] = [];
  for (let p = 0; p < view.length; p += stride) {
    const value = values[view[p] as number] as number;
    if (!Number.isNaN(value)) sample.push(value);
  }
  return robustLimits(sample);
}
