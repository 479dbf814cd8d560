/** The tilt movie: the thumbnails of a series by tilt, back and forth, while Space is held. */

import { useEffect, useRef } from "preact/hooks";
import { fixed, signed } from "../lib/format";
import { isPlaying } from "../state/look";
import { load, peek } from "../state/previews";
import { current, membersOf, table } from "../state/store";

const FRAMES_PER_S = 10;

export function MovieView() {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const now = table.peek();
    const members = membersOf(now.series[current.peek()] ?? 0).filter((at) => now.version[at] !== "0");
    for (const at of members) void load(at, 512);
    let frame = Math.max(0, members.indexOf(current.peek()));
    let direction = 1;
    const show = (): void => {
      const at = members[frame];
      const bitmap = at === undefined ? undefined : peek(at, 512);
      if (at !== undefined && bitmap && canvas.current) drawFrame(canvas.current, bitmap, at);
      if (frame + direction < 0 || frame + direction >= members.length) direction = -direction;
      frame = Math.min(members.length - 1, Math.max(0, frame + direction));
    };
    show();
    const timer = setInterval(show, 1000 / FRAMES_PER_S);
    const stop = (): void => { isPlaying.value = false; };
    addEventListener("blur", stop);
    return () => {
      clearInterval(timer);
      removeEventListener("blur", stop);
    };
  }, []);
  return (
    <div class="movie-view" data-testid="movie">
      <canvas ref={canvas} width={1024} height={1040} />
    </div>
  );
}

function drawFrame(canvas: HTMLCanvasElement, bitmap: ImageBitmap, at: number): void {
  const context = canvas.getContext("2d") as CanvasRenderingContext2D;
  context.fillStyle = "#0c0d0f";
  context.fillRect(0, 0, canvas.width, canvas.height);
  const scale = Math.min(1024 / bitmap.width, 990 / bitmap.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, (1024 - bitmap.width * scale) / 2, 0, bitmap.width * scale, bitmap.height * scale);
  const now = table.peek();
  context.font = "26px system-ui, sans-serif";
  context.fillStyle = now.isUsed(at) ? "#e7e9ec" : "#9aa0a8";
  context.textAlign = "center";
  const words = [now.names[at], signed(now.number(at, "tilt_deg"), 1, "°"), fixed(now.number(at, "defocus_um"), 2, "µm"), now.isUsed(at) ? "" : now.word(at)];
  context.fillText(words.filter(Boolean).join("   "), 512, 1026);
}
