/** The astigmatism disc: size and direction of the astigmatism of every image; colour runs with time. */

import { useSignalEffect } from "@preact/signals";
import { useRef } from "preact/hooks";
import { current, hovered, revision, select, table, view } from "../state/store";
import { DROP } from "../state/table";
import { palette, theme } from "../state/theme";
import { PointMark, type PointPlace } from "./pointmark";

const SIZE = 236;

interface Spot {
  at: number;
  x: number;
  y: number;
}

export function Disc() {
  const canvas = useRef<HTMLCanvasElement>(null);
  const base = useRef<OffscreenCanvas | null>(null);
  const spots = useRef<Spot[]>([]);
  const ratio = devicePixelRatio || 1;
  useSignalEffect(() => {
    revision.value;
    theme.value;
    base.current = new OffscreenCanvas(SIZE * ratio, SIZE * ratio);
    const context = base.current.getContext("2d") as OffscreenCanvasRenderingContext2D;
    context.scale(ratio, ratio);
    spots.current = paint(context);
    top();
  });
  useSignalEffect(() => {
    current.value;
    top();
  });
  const pointed = (): PointPlace | null => {
    const at = hovered.value;
    return (at >= 0 && spots.current.find((one) => one.at === at)) || null;
  };
  function top(): void {
    const context = canvas.current?.getContext("2d");
    if (!context || !base.current) return;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, SIZE * ratio, SIZE * ratio);
    context.drawImage(base.current, 0, 0);
    context.scale(ratio, ratio);
    const spot = spots.current.find((one) => one.at === current.value);
    if (!spot) return;
    context.strokeStyle = palette().text;
    context.lineWidth = 1.5;
    context.beginPath();
    context.arc(spot.x, spot.y, 5, 0, 7);
    context.stroke();
  }
  const near = (event: PointerEvent): number => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    let best = -1;
    let least = 144;
    for (const spot of spots.current) {
      const distance = (spot.x - x) ** 2 + (spot.y - y) ** 2;
      if (distance < least) [least, best] = [distance, spot.at];
    }
    return best;
  };
  return (
    <div class="plot-hold" style={{ width: `${SIZE}px`, margin: "0 auto" }}>
      <canvas
      ref={canvas} width={SIZE * ratio} height={SIZE * ratio} style={{ width: `${SIZE}px`, height: `${SIZE}px`, display: "block" }}
      role="img" aria-label="Astigmatism of all images on view"
      onPointerMove={(event) => { hovered.value = near(event); }}
      onPointerLeave={() => { hovered.value = -1; }}
      onClick={() => { if (hovered.value >= 0) select(hovered.value); }}
    />
    <PointMark place={pointed} />
    </div>
  );
}

function paint(context: OffscreenCanvasRenderingContext2D): Spot[] {
  const colours = palette();
  const now = table.value;
  const seen = view.value;
  const size = now.column("astigmatism_um");
  const angle = now.column("astigmatism_angle_deg");
  const sizes = Array.from(seen, (at) => size[at] as number).filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
  const most = (sizes[Math.floor(0.97 * (sizes.length - 1))] ?? 0.1) * 1.25 || 0.1;
  const [middle, radius] = [SIZE / 2, SIZE / 2 - 16];
  context.strokeStyle = colours.line;
  for (const part of [0.5, 1]) {
    context.beginPath();
    context.arc(middle, middle, radius * part, 0, 7);
    context.stroke();
  }
  context.beginPath();
  context.moveTo(middle - radius, middle);
  context.lineTo(middle + radius, middle);
  context.moveTo(middle, middle - radius);
  context.lineTo(middle, middle + radius);
  context.stroke();
  context.fillStyle = colours.muted;
  context.font = "10.5px system-ui, sans-serif";
  context.textAlign = "center";
  context.fillText(`${most.toFixed(2)} µm`, middle, SIZE - 3);
  const spots: Spot[] = [];
  const dot = seen.length > 2000 ? 0.75 : 1.8;
  const hues = Array.from({ length: 64 }, (_, step) => `hsl(${325 - (115 * step) / 63} 70% ${theme.value === "dark" ? 66 : 45}%)`);
  seen.forEach((at, p) => {
    const m = Math.min(1.05, (size[at] as number) / most);
    const turn = (2 * (angle[at] as number) * Math.PI) / 180;
    if (Number.isNaN(m) || Number.isNaN(turn)) return;
    const [x, y] = [middle + m * radius * Math.cos(turn), middle - m * radius * Math.sin(turn)];
    const part = p / Math.max(1, seen.length - 1);
    context.fillStyle = now.decision[at] === DROP ? colours.faint : (hues[Math.round(part * (hues.length - 1))] as string);
    if (seen.length > 2000) context.fillRect(x - dot, y - dot, 2 * dot, 2 * dot);
    else {
      context.beginPath();
      context.arc(x, y, dot, 0, 7);
      context.fill();
    }
    spots.push({ at, x, y });
  });
  return spots;
}
