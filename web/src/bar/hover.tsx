/** The card above the bar: a look at the image under the pointer, and a lens on its neighbours. */

import { type Signal, useSignalEffect } from "@preact/signals";
import { type RefObject } from "preact";
import { useRef } from "preact/hooks";
import { fixed, signed } from "../lib/format";
import type { Metric } from "../state/metrics";
import { arrivals, peekAny } from "../state/previews";
import { revision, table, view } from "../state/store";
import { palette } from "../state/theme";
import { CELLS_PX, drawCell, lookOf } from "./draw";
import type { BarLayout } from "./layout";

interface Props {
  place: Signal<number>;
  x: Signal<number>;
  layout: RefObject<BarLayout | null>;
  metric: Metric;
}

const WIDTH = 276;
const RATIO = Math.min(2, Math.max(1, Math.round(devicePixelRatio || 1)));

export function HoverCard({ place, x, layout, metric }: Props) {
  const picture = useRef<HTMLCanvasElement>(null);
  const lens = useRef<HTMLCanvasElement>(null);
  const at = view.value[place.value];

  useSignalEffect(() => {
    arrivals.value;
    const index = view.value[place.value];
    if (index !== undefined && picture.current) drawPreview(picture.current, index);
    if (lens.current) drawLens(lens.current, place.value);
  });

  if (at === undefined || place.value < 0) return null;
  revision.value;
  const now = table.value;
  const left = Math.min(innerWidth - WIDTH - 8, Math.max(8, x.value - WIDTH / 2));
  const isNarrow = (layout.current?.pitch ?? 9) < 6;
  const reason = now.decisionReasons.get(at) || now.suspects.get(at) || now.reasons.get(at);
  return (
    <div class="hover-card" style={{ transform: `translateX(${Math.round(left)}px)` }} data-testid="hover-card">
      <canvas ref={picture} width={256 * RATIO} height={248 * RATIO} />
      {isNarrow && <canvas ref={lens} class="lens" width={512} height={44} />}
      <div class="title">
        <span>{now.names[at]}</span>
        <span>{signed(now.number(at, "tilt_deg"), 1, "°")}</span>
      </div>
      <div class="line">
        {now.word(at)} · {metric.label} {fixed(now.number(at, metric.key), metric.digits, metric.unit)}
      </div>
      {reason && <div class="line">{reason}</div>}
    </div>
  );
}

function drawPreview(canvas: HTMLCanvasElement, index: number): void {
  const context = canvas.getContext("2d") as CanvasRenderingContext2D;
  context.clearRect(0, 0, canvas.width, canvas.height);
  const bitmap = peekAny(index);
  if (!bitmap) return;
  const scale = Math.min(canvas.width / bitmap.width, canvas.height / bitmap.height);
  const [width, height] = [bitmap.width * scale, bitmap.height * scale];
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, (canvas.width - width) / 2, (canvas.height - height) / 2, width, height);
}

function drawLens(canvas: HTMLCanvasElement, place: number): void {
  const context = canvas.getContext("2d") as CanvasRenderingContext2D;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, canvas.width, canvas.height);
  const colours = palette();
  const pitch = canvas.width / 33;
  for (let offset = -16; offset <= 16; offset++) {
    const index = view.value[place + offset];
    if (index === undefined) continue;
    const left = (offset + 16) * pitch;
    drawCell(context, left, pitch - 3, lookOf(table.value, index), colours, 0, 6);
    if (offset === 0) {
      context.strokeStyle = colours.text;
      context.lineWidth = 2;
      context.strokeRect(left - 1.5, 3, pitch, CELLS_PX + 6);
    }
  }
}
