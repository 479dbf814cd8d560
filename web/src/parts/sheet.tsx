/** The contact sheet of a series, by tilt: everything at a glance, what is out dimmed and slashed. */

import { useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { fixed, signed } from "../lib/format";
import { flagged } from "../state/flags";
import { barMetric, metricOf } from "../state/metrics";
import { arrivals, forgetAhead, peek, peekAny, want } from "../state/previews";
import { go } from "../state/route";
import { current, hovered, revision, select, table } from "../state/store";
import { DROP, KEEP } from "../state/table";
import { palette, type Palette } from "../state/theme";
import { placeMark } from "./pointmark";
import { suspectWord } from "../state/suspects";
import { toggleDrop } from "../state/decisions";

const CAPTION = 17;
const GAP = 7;
const SMALLEST = 66;

interface Grid {
  columns: number;
  /** Of the picture. */
  width: number;
  picture: number;
  /** Of the picture with its caption. */
  height: number;
  rows: number;
}

/** The largest cells that let all images be seen at once; smaller than that, they scroll. */
export function gridFor(count: number, width: number, height: number, aspect = 1): Grid {
  let best: Grid | null = null;
  for (let columns = 1; columns <= Math.max(1, Math.floor((width - GAP) / (SMALLEST + GAP))); columns++) {
    const cell = Math.floor((width - GAP) / columns) - GAP;
    const picture = Math.round(cell * aspect);
    const tall = picture + CAPTION;
    const rows = Math.ceil(count / columns);
    const fits = rows * (tall + GAP) + GAP <= height;
    best = { columns, width: cell, picture, height: tall, rows };
    if (fits) return best;
  }
  return best ?? { columns: 1, width: SMALLEST, picture: SMALLEST, height: SMALLEST + CAPTION, rows: count };
}

/** Height over width of the images of a series. */
function aspectOf(members: readonly number[]): number {
  const now = table.value;
  for (const at of members) {
    const [width, height] = [now.number(at, "width"), now.number(at, "height")];
    if (width && height) return Math.min(1.6, Math.max(0.5, height / width));
  }
  return 1;
}

export function Sheet({ members }: { members: readonly number[] }) {
  const scroller = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const pointer = useRef<HTMLDivElement>(null);
  const size = useSignal<[number, number]>([0, 0]);
  const top = useSignal(0);
  const held = useRef(members);
  held.current = members;

  useEffect(() => {
    const element = scroller.current as HTMLDivElement;
    const observer = new ResizeObserver(() => { size.value = [element.clientWidth, element.clientHeight]; });
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  const paint = (): void => {
    const [width, height] = size.value;
    const element = canvas.current;
    if (!element || width === 0) return;
    const ratio = devicePixelRatio || 1;
    if (element.width !== Math.round(width * ratio) || element.height !== Math.round(height * ratio)) {
      element.width = Math.round(width * ratio);
      element.height = Math.round(height * ratio);
    }
    const context = element.getContext("2d") as CanvasRenderingContext2D;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    draw(context, held.current, gridFor(held.current.length, width, height, aspectOf(held.current)), top.value, height);
  };
  useSignalEffect(() => {
    revision.value;
    arrivals.value;
    current.value;
    flagged.value;
    barMetric.value;
    paint();
  });
  useSignalEffect(() => {
    const place = hovered.value < 0 ? -1 : held.current.indexOf(hovered.value);
    const grid = gridFor(held.current.length, ...size.value, aspectOf(held.current));
    placeMark(pointer.current, place < 0 ? null : {
      x: GAP + (place % grid.columns) * (grid.width + GAP) - 3, y: GAP + Math.floor(place / grid.columns) * (grid.height + GAP) - 3,
      width: grid.width + 6, height: grid.height + 5,
    });
  });
  useEffect(() => {
    forgetAhead();
    paint();
  }, [members]);
  // the current image stays on view
  useSignalEffect(() => {
    const place = held.current.indexOf(current.value);
    const element = scroller.current;
    if (place < 0 || !element || size.value[0] === 0) return;
    const grid = gridFor(held.current.length, ...size.peek(), aspectOf(held.current));
    const y = Math.floor(place / grid.columns) * (grid.height + GAP);
    if (y < element.scrollTop || y + grid.height > element.scrollTop + element.clientHeight) element.scrollTop = y - grid.height;
  });

  const at = (event: MouseEvent): number => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    const grid = gridFor(held.current.length, ...size.peek(), aspectOf(held.current));
    const column = Math.floor((event.clientX - box.left - GAP) / (grid.width + GAP));
    const row = Math.floor((event.clientY - box.top + top.peek() - GAP) / (grid.height + GAP));
    return column < 0 || column >= grid.columns ? -1 : (held.current[row * grid.columns + column] ?? -1);
  };
  const grid = gridFor(members.length, ...size.value, aspectOf(members));
  const whole = grid.rows * (grid.height + GAP) + GAP;
  return (
    <div ref={scroller} class="sheet-scroll" tabIndex={-1} onScroll={(event) => { top.value = event.currentTarget.scrollTop; }}>
      <div style={{ height: `${Math.max(whole, size.value[1])}px`, position: "relative" }}>
        <div ref={pointer} class="mark box" />
        <canvas
          ref={canvas} style={{ width: `${size.value[0]}px`, height: `${size.value[1]}px` }} role="img" data-testid="sheet"
          aria-label={`Contact sheet of ${members.length} images; the table tells the same`}
          onPointerMove={(event) => { hovered.value = at(event); }}
          onPointerLeave={() => { hovered.value = -1; }}
          onClick={(event) => {
            const chosen = at(event);
            if (chosen < 0) return;
            if (event.altKey) toggleDrop(chosen);
            else select(chosen);
          }}
          onDblClick={(event) => { if (at(event) >= 0) go({ page: "real" }); }}
        />
      </div>
    </div>
  );
}

function draw(context: CanvasRenderingContext2D, members: readonly number[], grid: Grid, top: number, height: number): void {
  const colours = palette();
  const first = Math.max(0, Math.floor((top - GAP) / (grid.height + GAP))) * grid.columns;
  for (let place = first; place < members.length; place++) {
    const x = GAP + (place % grid.columns) * (grid.width + GAP);
    const y = GAP + Math.floor(place / grid.columns) * (grid.height + GAP) - top;
    if (y > height) break;
    drawCell(context, members[place] as number, x, y, grid, colours, place - first);
  }
}

function drawCell(context: CanvasRenderingContext2D, at: number, x: number, y: number, grid: Grid, colours: Palette, urgency: number): void {
  const now = table.value;
  const { width: picture, picture: tall } = grid;
  const side = picture * devicePixelRatio > 150 ? 256 : 128;
  const bitmap = peek(at, side) ?? peekAny(at);
  if (!peek(at, side)) want(at, side, urgency + 1);
  const isOut = now.decision[at] === DROP;
  context.fillStyle = colours.raised;
  context.fillRect(x, y, picture, tall);
  if (bitmap) {
    const scale = Math.min(picture / bitmap.width, tall / bitmap.height);
    const [width, height] = [bitmap.width * scale, bitmap.height * scale];
    context.globalAlpha = isOut ? 0.3 : 1;
    context.imageSmoothingQuality = "high";
    context.drawImage(bitmap, x + (picture - width) / 2, y + (tall - height) / 2, width, height);
    context.globalAlpha = 1;
  }
  if (isOut) {
    context.strokeStyle = now.isByRule(at) ? colours.pink : colours.muted;
    context.lineWidth = 2;
    context.beginPath();
    context.moveTo(x + 4, y + tall - 4);
    context.lineTo(x + picture - 4, y + 4);
    context.stroke();
  }
  if (now.decision[at] === KEEP) drawCorner(context, x, y, colours.accent);
  else if (now.suspects.has(at) && !isOut) drawSuspect(context, suspectWord(now.names[at] as string), x, y, grid, colours);
  else if (now.state[at] === 4 || now.state[at] === 5) drawWord(context, now.word(at), x, y, grid, colours.red, "#fff");
  if (flagged.value.has(now.names[at] as string)) drawFlag(context, x + picture - 14, y + 4, colours);
  if (at === current.value) {
    context.strokeStyle = colours.text;
    context.lineWidth = 2;
    context.strokeRect(x - 2, y - 2, picture + 4, grid.height + 3);
  }
  const metric = metricOf(barMetric.value);
  context.font = "11px system-ui, sans-serif";
  context.textBaseline = "middle";
  context.fillStyle = isOut ? colours.faint : colours.text;
  context.textAlign = "left";
  const tilt = now.number(at, "tilt_deg");
  context.fillText(tilt === null ? shortName(at) : signed(tilt, 0, "°"), x, y + tall + CAPTION / 2 + 1);
  context.fillStyle = colours.muted;
  context.textAlign = "right";
  if (picture >= 64) context.fillText(fixed(now.number(at, metric.key), Math.min(2, metric.digits), metric.unit), x + picture, y + tall + CAPTION / 2 + 1);
}

function drawSuspect(context: CanvasRenderingContext2D, word: string, x: number, y: number, grid: Grid, colours: Palette): void {
  drawCorner(context, x, y, colours.amber);
  drawWord(context, word, x, y, grid, colours.amber, "#14161a");
}

function drawFlag(context: CanvasRenderingContext2D, x: number, y: number, colours: Palette): void {
  context.fillStyle = colours.ground;
  context.fillRect(x - 3, y - 2, 15, 17);
  context.fillStyle = colours.text;
  context.fillRect(x, y, 1.6, 13);
  context.fillRect(x + 1.6, y, 8, 6);
}

function drawCorner(context: CanvasRenderingContext2D, x: number, y: number, colour: string): void {
  context.fillStyle = colour;
  context.beginPath();
  context.moveTo(x, y);
  context.lineTo(x + 18, y);
  context.lineTo(x, y + 18);
  context.fill();
}

function drawWord(context: CanvasRenderingContext2D, word: string, x: number, y: number, grid: Grid, ground: string, ink: string): void {
  context.font = "10.5px system-ui, sans-serif";
  let text = word;
  while (text.length > 3 && context.measureText(text).width > grid.width - 10) text = `${text.slice(0, -2)}…`;
  const wide = context.measureText(text).width + 8;
  context.fillStyle = ground;
  context.fillRect(x, y + grid.picture - 16, wide, 16);
  context.fillStyle = ink;
  context.textAlign = "left";
  context.textBaseline = "middle";
  context.fillText(text, x + 4, y + grid.picture - 7.5);
}

/** What tells an image from its neighbours: its name without the series. */
function shortName(at: number): string {
  const name = table.value.names[at] as string;
  const series = table.value.seriesOf(at);
  return name.startsWith(series) ? name.slice(series.length).replace(/^[_-]/, "") : name;
}
