/** One number over all images, with thresholds that are dragged on the plot. */

import { signal, useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { spread } from "../bar/draw";
import { fixed } from "../lib/format";
import { niceTicks } from "../lib/spread";
import type { Metric } from "../state/metrics";
import { setLimit, thresholds } from "../state/rules";
import { current, hovered, hoveredPlace, isOverBar, position, revision, select, table, view } from "../state/store";
import { DROP } from "../state/table";
import { palette, theme } from "../state/theme";
import { PointMark, type PointPlace } from "./pointmark";

export type Axis = "index" | "tilt";

/** As high as lets six plots be seen at once, where the window is large enough for that. */
const height = signal(fitHeight());
addEventListener("resize", () => { height.value = fitHeight(); });

function fitHeight(): number {
  return Math.round(Math.min(150, Math.max(84, (innerHeight - 330) / 6 - 17)));
}

const PAD = { left: 40, right: 6, top: 6, bottom: 6 };

interface Scale {
  low: number;
  high: number;
  width: number;
  x: Float32Array;
}

export function MetricPlot({ metric, axis }: { metric: Metric; axis: Axis }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const base = useRef<OffscreenCanvas | null>(null);
  const scale = useRef<Scale | null>(null);
  const held = useRef<"low" | "high" | null>(null);

  const drawBase = (): void => {
    const element = canvas.current;
    if (!element || element.clientWidth === 0) return;
    const ratio = devicePixelRatio || 1;
    const width = element.clientWidth;
    element.width = Math.round(width * ratio);
    element.height = Math.round(height.value * ratio);
    base.current = new OffscreenCanvas(element.width, element.height);
    const context = base.current.getContext("2d") as OffscreenCanvasRenderingContext2D;
    context.scale(ratio, ratio);
    scale.current = paintBase(context, width, metric, axis);
    drawTop();
  };
  const drawTop = (): void => {
    const element = canvas.current;
    if (!element || !base.current || !scale.current) return;
    const context = element.getContext("2d") as CanvasRenderingContext2D;
    const ratio = devicePixelRatio || 1;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, element.width, element.height);
    context.drawImage(base.current, 0, 0);
    context.scale(ratio, ratio);
    paintTop(context, scale.current, metric);
  };

  useEffect(() => {
    const observer = new ResizeObserver(drawBase);
    observer.observe(canvas.current as HTMLCanvasElement);
    return () => observer.disconnect();
  }, [axis]);
  useSignalEffect(() => {
    revision.value;
    view.value;
    theme.value;
    drawBase();
  });
  useSignalEffect(() => {
    current.value;
    thresholds.value;
    // a limit beyond the axis lengthens it, but not under the pointer that drags the limit there
    if (!held.current && isBeyond(scale.current, metric)) drawBase();
    else drawTop();
  });
  const pointed = (): PointPlace | null => {
    const now = scale.current;
    const [at, p] = [hovered.value, hoveredPlace.value];
    const value = table.value.number(at, metric.key);
    if (!now || p < 0 || p >= now.x.length || value === null) return null;
    const place = { x: now.x[p] as number, y: toY(now, value), width: now.width };
    return isOverBar.value ? place : { ...place, text: `${table.value.names[at]}  ${fixed(value, metric.digits, metric.unit)}` };
  };

  const near = (event: PointerEvent): number => {
    const now = scale.current;
    if (!now) return -1;
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    return nearest(now, metric, event.clientX - box.left, event.clientY - box.top);
  };
  const valueAt = (event: PointerEvent): number => {
    const now = scale.current as Scale;
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    const part = 1 - (event.clientY - box.top - PAD.top) / (height.value - PAD.top - PAD.bottom);
    return now.low + part * (now.high - now.low);
  };
  return (
    <div class="plot-hold">
      <canvas
      ref={canvas} style={{ height: `${height.value}px` }} role="img" aria-label={`${metric.label} of all images on view`}
      onPointerMove={(event) => {
        if (held.current && scale.current) setLimit(metric.key, held.current, round(valueAt(event), scale.current));
        else hovered.value = near(event);
      }}
      onPointerDown={(event) => {
        const now = scale.current;
        if (!now) return;
        const side = handleAt(now, metric, event.clientY - event.currentTarget.getBoundingClientRect().top);
        if (side) {
          held.current = side;
          event.currentTarget.setPointerCapture(event.pointerId);
        }
      }}
      onPointerUp={(event) => {
        if (held.current) {
          held.current = null;
          if (isBeyond(scale.current, metric)) drawBase();
        } else {
          const at = near(event);
          if (at >= 0) select(at);
        }
      }}
      onPointerLeave={() => { hovered.value = -1; }}
    />
    <PointMark place={pointed} />
    </div>
  );
}

function paintBase(context: OffscreenCanvasRenderingContext2D, width: number, metric: Metric, axis: Axis): Scale {
  const colours = palette();
  const now = table.value;
  const seen = view.value;
  const values = now.column(metric.key);
  const tilt = now.column("tilt_deg");
  let [low, high] = spread(values, seen);
  const room = (high - low || Math.abs(high) || 1) * 0.18;
  low = metric.bad === "both" || low - room > 0 || low < 0 ? low - room : 0;
  high += room;
  for (const limit of limitsOf(metric)) {
    low = Math.min(low, limit - 0.25 * room);
    high = Math.max(high, limit + 0.25 * room);
  }
  const inner = width - PAD.left - PAD.right;
  const x = new Float32Array(seen.length);
  const reach = axis === "tilt" ? seen.reduce((most, at) => Math.max(most, Math.abs(tilt[at] as number) || 0), 1) : 1;
  for (let p = 0; p < seen.length; p++) {
    const part = axis === "tilt" ? 0.5 + (tilt[seen[p] as number] as number) / reach / 2 : seen.length > 1 ? p / (seen.length - 1) : 0.5;
    x[p] = PAD.left + part * inner;
  }
  context.strokeStyle = colours.line;
  context.fillStyle = colours.muted;
  context.font = "10.5px system-ui, sans-serif";
  context.textAlign = "right";
  context.textBaseline = "middle";
  const result = { low, high, width, x };
  const ticks = niceTicks(low, high);
  for (const value of ticks.values) {
    const y = Math.round(toY(result, value)) + 0.5;
    context.beginPath();
    context.moveTo(PAD.left, y);
    context.lineTo(width - PAD.right, y);
    context.stroke();
    context.fillText(value.toFixed(ticks.digits).replace("-", "−"), PAD.left - 5, Math.min(height.value - 6, Math.max(7, y)));
  }
  if (axis === "index") paintSeries(context, seen, x, colours.raised);
  const size = seen.length > 3000 ? 1.5 : seen.length > 600 ? 2 : seen.length > 80 ? 3 : 5;
  for (const isOut of [true, false]) {
    context.fillStyle = isOut ? colours.faint : colours.accent;
    for (let p = 0; p < seen.length; p++) {
      const at = seen[p] as number;
      const value = values[at] as number;
      if (Number.isNaN(value) || (now.decision[at] === DROP) !== isOut) continue;
      if (value > high || value < low) paintBeyond(context, x[p] as number, value > high);
      else context.fillRect((x[p] as number) - size / 2, toY(result, value) - size / 2, size, size);
    }
  }
  const mark = Math.max(4, size + 2);
  context.fillStyle = colours.amber;
  for (let p = 0; p < seen.length; p++) {
    const at = seen[p] as number;
    const value = values[at] as number;
    if (!now.suspects.has(at) || now.decision[at] !== 0 || Number.isNaN(value)) continue;
    if (value > high || value < low) paintBeyond(context, x[p] as number, value > high);
    else context.fillRect((x[p] as number) - mark / 2, toY(result, value) - mark / 2, mark, mark);
  }
  return result;
}

/** A value far off the others: a triangle at the edge, pointing to where it would be. */
function paintBeyond(context: OffscreenCanvasRenderingContext2D, x: number, isAbove: boolean): void {
  const [tip, foot] = isAbove ? [PAD.top - 5, PAD.top + 2] : [height.value - PAD.bottom + 5, height.value - PAD.bottom - 2];
  context.beginPath();
  context.moveTo(x, tip);
  context.lineTo(x + 4, foot);
  context.lineTo(x - 4, foot);
  context.fill();
}

/** Every other series has a slightly raised ground. */
function paintSeries(context: OffscreenCanvasRenderingContext2D, seen: Uint32Array, x: Float32Array, colour: string): void {
  const series = table.value.series;
  let begin = 0;
  let isOdd = false;
  context.fillStyle = colour;
  context.globalAlpha = 0.5;
  for (let p = 1; p <= seen.length; p++) {
    if (p < seen.length && series[seen[p] as number] === series[seen[p - 1] as number]) continue;
    if (isOdd) context.fillRect((x[begin] as number) - 1, PAD.top, (x[p - 1] as number) - (x[begin] as number) + 2, height.value - PAD.top - PAD.bottom);
    isOdd = !isOdd;
    begin = p;
  }
  context.globalAlpha = 1;
}

function paintTop(context: CanvasRenderingContext2D, scale: Scale, metric: Metric): void {
  const colours = palette();
  const limits = thresholds.value[metric.key];
  for (const side of ["low", "high"] as const) {
    const value = limits?.[side];
    if (value === null || value === undefined) continue;
    const y = toY(scale, value);
    context.fillStyle = colours.pink;
    context.globalAlpha = 0.14;
    if (side === "high") context.fillRect(PAD.left, PAD.top, scale.width - PAD.left - PAD.right, y - PAD.top);
    else context.fillRect(PAD.left, y, scale.width - PAD.left - PAD.right, height.value - PAD.bottom - y);
    context.globalAlpha = 1;
    context.fillRect(PAD.left, y - 0.75, scale.width - PAD.left - PAD.right, 1.5);
    context.fillRect(scale.width - PAD.right - 16, y - 4, 16, 8);
  }
  const place = position.value;
  const value = table.value.number(current.value, metric.key);
  if (place < 0 || place >= scale.x.length || value === null) return;
  context.strokeStyle = colours.text;
  context.lineWidth = 1.5;
  context.beginPath();
  context.arc(scale.x[place] as number, toY(scale, value), 4.5, 0, 7);
  context.stroke();
}

function toY(scale: Scale, value: number): number {
  const part = Math.min(1.06, Math.max(-0.06, (value - scale.low) / (scale.high - scale.low)));
  return PAD.top + (1 - part) * (height.value - PAD.top - PAD.bottom);
}

function nearest(scale: Scale, metric: Metric, x: number, y: number): number {
  const values = table.value.column(metric.key);
  let best = -1;
  let least = 18 * 18;
  for (let p = 0; p < scale.x.length; p++) {
    const dx = (scale.x[p] as number) - x;
    if (dx > 18 || dx < -18) continue;
    const at = view.value[p] as number;
    const value = values[at] as number;
    if (Number.isNaN(value)) continue;
    const distance = dx * dx * 2 + (toY(scale, value) - y) ** 2;
    if (distance < least) {
      least = distance;
      best = at;
    }
  }
  return best;
}

function limitsOf(metric: Metric): number[] {
  const limits = thresholds.peek()[metric.key];
  return [limits?.low, limits?.high].filter((limit): limit is number => limit !== null && limit !== undefined);
}

function isBeyond(scale: Scale | null, metric: Metric): boolean {
  return scale !== null && limitsOf(metric).some((limit) => limit < scale.low || limit > scale.high);
}

function handleAt(scale: Scale, metric: Metric, y: number): "low" | "high" | null {
  const limits = thresholds.value[metric.key];
  for (const side of ["high", "low"] as const) {
    const value = limits?.[side];
    if (value !== null && value !== undefined && Math.abs(toY(scale, value) - y) < 7) return side;
  }
  return null;
}

function round(value: number, scale: Scale): number {
  const unit = 10 ** Math.floor(Math.log10((scale.high - scale.low) / 100));
  return Math.round(value / unit) * unit;
}
