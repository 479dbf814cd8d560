/** The card above the bar: a look at the image under the pointer, and a lens on its neighbours. */

import { type Signal, useComputed, useSignalEffect } from "@preact/signals";
import { type RefObject } from "preact";
import { useRef } from "preact/hooks";
import { fixed, signed } from "../lib/format";
import { barMetric, metricOf } from "../state/metrics";
import { arrivals, peekAny } from "../state/previews";
import { revision, table, view } from "../state/store";
import { palette } from "../state/theme";
import { CELLS_PX, drawCell, lookOf } from "./draw";
import type { BarLayout } from "./layout";

interface Props {
  place: Signal<number>;
  x: Signal<number>;
  layout: RefObject<BarLayout | null>;
}

const WIDTH = 276;
const RATIO = Math.min(2, Math.max(1, Math.round(devicePixelRatio || 1)));

/** Texts are bound to signals and pictures drawn by effects: moving from cell to cell renders nothing anew. */
export function HoverCard({ place, x, layout }: Props) {
  const card = useRef<HTMLDivElement>(null);
  const picture = useRef<HTMLCanvasElement>(null);
  const lens = useRef<HTMLCanvasElement>(null);
  const at = useComputed(() => (place.value < 0 ? -1 : (view.value[place.value] ?? -1)));
  const isShown = useComputed(() => at.value >= 0);
  const name = useComputed(() => table.value.names[at.value] ?? "");
  const tilt = useComputed(() => signed(table.value.number(at.value, "tilt_deg"), 1, "°"));
  const line = useComputed(() => {
    revision.value;
    const metric = metricOf(barMetric.value);
    const now = table.value;
    return `${now.word(at.value)} · ${metric.label} ${fixed(now.number(at.value, metric.key), metric.digits, metric.unit)}`;
  });
  const reason = useComputed(() => {
    revision.value;
    const now = table.value;
    return now.decisionReasons.get(at.value) || now.suspects.get(at.value) || now.reasons.get(at.value) || "";
  });

  useSignalEffect(() => {
    if (!isShown.value || !card.current) return;
    const left = Math.min(innerWidth - WIDTH - 8, Math.max(8, x.value - WIDTH / 2));
    card.current.style.transform = `translateX(${Math.round(left)}px)`;
  });
  useSignalEffect(() => {
    arrivals.value;
    if (picture.current && at.value >= 0) drawPreview(picture.current, at.value);
  });
  useSignalEffect(() => {
    if (lens.current && at.value >= 0) drawLens(lens.current, place.value);
  });

  if (!isShown.value) return null;
  return (
    <div ref={card} class="hover-card" data-testid="hover-card">
      <canvas ref={picture} width={256 * RATIO} height={248 * RATIO} />
      {(layout.current?.pitch ?? 9) < 6 && <canvas ref={lens} class="lens" width={512} height={44} />}
      <div class="title"><span>{name}</span><span>{tilt}</span></div>
      <div class="line">{line}</div>
      <div class="line">{reason}</div>
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
