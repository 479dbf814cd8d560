/** Grey values on view, with two handles for what is black and what is white. */

import { useSignalEffect } from "@preact/signals";
import { useRef } from "preact/hooks";
import { Segments } from "../parts/segments";
import * as look from "../state/look";
import { palette } from "../state/theme";
import type { Viewer } from "./viewer";

export function Histogram({ holder, seen }: { holder: { viewer: Viewer | null }; seen: { value: number } }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const held = useRef<"black" | "white" | null>(null);

  useSignalEffect(() => {
    seen.value;
    const element = canvas.current;
    const viewer = holder.viewer;
    if (!element || !viewer) return;
    const ratio = devicePixelRatio || 1;
    const [width, height] = [element.clientWidth, element.clientHeight];
    if (element.width !== Math.round(width * ratio)) {
      element.width = Math.round(width * ratio);
      element.height = Math.round(height * ratio);
    }
    const context = element.getContext("2d") as CanvasRenderingContext2D;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    draw(context, width, height, viewer);
  });

  const toGrey = (event: PointerEvent): number | null => {
    const data = holder.viewer?.histogram;
    if (!data) return null;
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    return data.low + ((event.clientX - box.left) / box.width) * (data.high - data.low);
  };
  const onDown = (event: PointerEvent): void => {
    const grey = toGrey(event);
    const viewer = holder.viewer;
    if (grey === null || !viewer) return;
    (event.currentTarget as HTMLElement).setPointerCapture(event.pointerId);
    held.current = Math.abs(grey - viewer.shown.black) < Math.abs(grey - viewer.shown.white) ? "black" : "white";
    move(grey);
  };
  const move = (grey: number): void => {
    const viewer = holder.viewer;
    if (!viewer || !held.current) return;
    const { black, white } = viewer.shown;
    look.limits.value = held.current === "black" ? [Math.min(grey, white - 1e-3), white] : [black, Math.max(grey, black + 1e-3)];
    look.contrast.value = "absolute";
  };
  return (
    <section class="stack" style={{ gap: "6px" }}>
      <div class="row">
        <h3>Contrast</h3>
        <span class="spacer" />
        <Segments
          label="Contrast" value={look.contrast.value} options={[["series", "Series"], ["image", "Image"], ["absolute", "Fixed"]]}
          onChange={(value) => {
            if (value === "absolute" && holder.viewer) look.limits.value = [holder.viewer.shown.black, holder.viewer.shown.white];
            look.contrast.value = value;
          }}
        />
      </div>
      <canvas
        ref={canvas} class="histogram" role="img" aria-label="Histogram with the limits of black and white; [ and ] change them"
        onPointerDown={onDown}
        onPointerMove={(event) => {
          const grey = held.current ? toGrey(event) : null;
          if (grey !== null) move(grey);
        }}
        onPointerUp={() => { held.current = null; }}
      />
    </section>
  );
}

function draw(context: CanvasRenderingContext2D, width: number, height: number, viewer: Viewer): void {
  const colours = palette();
  context.clearRect(0, 0, width, height);
  const data = viewer.histogram;
  if (!data) return;
  const most = Math.max(...data.bins) || 1;
  const bar = width / data.bins.length;
  context.fillStyle = colours.faint;
  data.bins.forEach((count, bin) => {
    const tall = Math.sqrt(count / most) * (height - 14);
    context.fillRect(bin * bar, height - 14 - tall, Math.max(1, bar - 0.4), tall);
  });
  context.font = "10.5px system-ui, sans-serif";
  context.fillStyle = colours.muted;
  for (const [grey, align] of [[viewer.shown.black, "left"], [viewer.shown.white, "right"]] as const) {
    const x = Math.min(width - 1, Math.max(1, ((grey - data.low) / (data.high - data.low)) * width));
    context.fillStyle = colours.accent;
    context.fillRect(x - 1, 0, 2, height - 12);
    context.fillStyle = colours.muted;
    context.textAlign = align;
    context.fillText(grey.toFixed(2), align === "left" ? Math.max(0, Math.min(x, width - 60)) : Math.max(40, x), height - 2);
  }
}
