/** The bar at the bottom of every page: one cell per image, and the line about the current one. */

import { signal, useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { signed } from "../lib/format";
import { mark } from "../lib/marks";
import { TriState } from "../parts/tristate";
import { decide, toggleDrop } from "../state/decisions";
import { barMetric, METRICS, metricOf } from "../state/metrics";
import { forgetAhead, peekAny, want } from "../state/previews";
import { go, orderBy, searchText } from "../state/route";
import { counts, current, hovered, position, revision, searchProblem, select, step, table, view } from "../state/store";
import type { Order } from "../state/table";
import { palette } from "../state/theme";
import { BAR_PX, type BarState, drawBase, drawTop } from "./draw";
import { HoverCard } from "./hover";
import { type BarLayout, layoutBar, positionAt } from "./layout";

/** Positions of a range chosen by dragging. */
export const range = signal<readonly [number, number] | null>(null);
const width = signal(0);

export function Bar() {
  return (
    <footer class="bottom">
      <Info />
      <Cells />
    </footer>
  );
}

function Info() {
  const at = current.value;
  revision.value;
  const now = table.value;
  const seen = view.value.length;
  const place = position.value;
  const found = counts.value;
  if (now.length === 0) return <div class="bar-info quiet">No images yet.</div>;
  const reason = now.decisionReasons.get(at) || now.reasons.get(at) || now.suspects.get(at) || "";
  return (
    <div class="bar-info">
      <TriState at={at} />
      <span class="name" title={now.names[at]}>{now.names[at]}</span>
      <span class="quiet">{signed(now.number(at, "tilt_deg"), 1, "°")}</span>
      <span class="quiet">{place >= 0 ? `${place + 1} / ${seen}` : "not in this filter"}</span>
      <span class="badge">{now.word(at)}</span>
      <span class="why" title={reason}>{reason}</span>
      <span class="spacer" />
      {range.value && <RangeActs />}
      <Search />
      <label>
        <span class="hidden-text">Order</span>
        <select value={orderBy.value} onChange={(event) => go({ order: event.currentTarget.value as Order })} title="Order of the images (O)">
          <option value="name">by name</option>
          <option value="tilt">by tilt</option>
          <option value="time">by time</option>
        </select>
      </label>
      <label>
        <span class="hidden-text">Number in the lower row</span>
        <select value={barMetric.value} onChange={(event) => (barMetric.value = event.currentTarget.value)} title="Number in the lower row">
          {METRICS.map((metric) => <option value={metric.key}>{metric.label}</option>)}
        </select>
      </label>
      <span class="quiet" data-testid="counts">
        {found.used} used{found.byHand + found.byRule > 0 ? ` · ${found.byHand + found.byRule} out` : ""}
        {found.failed > 0 ? ` · ${found.failed} failed` : ""}
      </span>
    </div>
  );
}

function RangeActs() {
  const [first, last] = range.value as readonly [number, number];
  const chosen = Array.from(view.value.slice(first, last + 1));
  const act = (verb: "drop" | "keep" | "auto") => () => {
    decide(chosen, verb);
    range.value = null;
  };
  return (
    <span class="row">
      <button type="button" onClick={act("drop")}>Drop {chosen.length}</button>
      <button type="button" onClick={act("keep")}>Keep {chosen.length}</button>
      <button type="button" onClick={act("auto")}>Automatic</button>
    </span>
  );
}

function Search() {
  const problem = searchProblem.value;
  const isOn = searchText.value.trim() !== "";
  return (
    <span class="search">
      <svg width="14" height="14" viewBox="0 0 14 14" fill="none" stroke="currentColor" stroke-width="1.6" aria-hidden="true">
        <circle cx="6" cy="6" r="4.2" /><path d="m9.300 9.300 3.200 3.200" stroke-linecap="round" />
      </svg>
      <input
        id="search" type="search" placeholder="Search  /" aria-label="Search images" value={searchText.value} spellcheck={false}
        title="Part of a name, TS_0[1-3]_*, tilt:>50, res:>15, state:stale, used:no, suspect:yes"
        onInput={(event) => go({ search: event.currentTarget.value })}
        onKeyDown={(event) => {
          if (event.key === "Escape" || event.key === "Enter") {
            if (event.key === "Escape") go({ search: "" });
            event.currentTarget.blur();
            event.stopPropagation();
          }
        }}
      />
      {isOn && <span class="hits" data-testid="hits">{view.value.length} of {table.value.length}</span>}
      {problem && <span class="problem" role="status">{problem}</span>}
    </span>
  );
}

function Cells() {
  const canvas = useRef<HTMLCanvasElement>(null);
  const hover = useSignal(-1);
  const pointerX = useSignal(0);
  const layout = useRef<BarLayout | null>(null);
  const drag = useRef<{ from: number; moved: boolean } | null>(null);
  const phase = useSignal(0);

  useEffect(() => {
    const element = canvas.current as HTMLCanvasElement;
    const observer = new ResizeObserver(() => (width.value = element.clientWidth));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  const base = useRef<OffscreenCanvas | null>(null);
  const drawn = useSignal(0);

  const stateNow = (): BarState => ({
    table: table.peek(), view: view.value, position: position.value,
    hover: hover.value >= 0 ? hover.value : hovered.value >= 0 ? view.value.indexOf(hovered.value) : -1,
    range: range.value, metric: barMetric.value, phase: phase.value,
  });

  // cells: when images, decisions or the order change
  useSignalEffect(() => {
    revision.value;
    const element = canvas.current;
    const [wide, seen, metric, moved] = [width.value, view.value, barMetric.value, phase.value];
    if (!element || wide === 0) return;
    layout.current = layoutBar(seen, table.value.series, wide);
    const ratio = devicePixelRatio || 1;
    element.width = Math.round(wide * ratio);
    element.height = Math.round(BAR_PX * ratio);
    base.current = new OffscreenCanvas(element.width, element.height);
    const context = base.current.getContext("2d") as OffscreenCanvasRenderingContext2D;
    context.scale(ratio, ratio);
    const state = { table: table.value, view: seen, position: -1, hover: -1, range: null, metric, phase: moved };
    drawBase(context, layout.current, state, palette());
    drawn.value = drawn.peek() + 1;
    mark("bar");
  });

  // marks: when the pointer or the current image move
  useSignalEffect(() => {
    drawn.value;
    const state = stateNow();
    const element = canvas.current;
    if (!element || !base.current || !layout.current) return;
    const context = element.getContext("2d") as CanvasRenderingContext2D;
    const ratio = devicePixelRatio || 1;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, element.width, element.height);
    context.drawImage(base.current, 0, 0);
    context.scale(ratio, ratio);
    drawTop(context, layout.current, state, palette());
  });

  // stripes of running cells move, unless motion is unwanted
  useEffect(() => {
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    const timer = setInterval(() => {
      if (counts.peek().running > 0 && !document.hidden) phase.value = (phase.peek() + 1) % 6;
    }, 120);
    return () => clearInterval(timer);
  }, []);

  const at = (event: PointerEvent): number =>
    layout.current ? positionAt(layout.current, event.clientX - (canvas.current as HTMLCanvasElement).getBoundingClientRect().left) : -1;

  const onMove = (event: PointerEvent): void => {
    const place = at(event);
    hover.value = place;
    pointerX.value = event.clientX;
    const index = view.value[place];
    hovered.value = index ?? -1;
    if (index !== undefined && !peekAny(index)) {
      forgetAhead();
      want(index, 256, 1);
    }
    if (drag.current && place !== drag.current.from) drag.current.moved = true;
    if (drag.current?.moved) {
      range.value = [Math.min(place, drag.current.from), Math.max(place, drag.current.from)];
    }
  };
  const onDown = (event: PointerEvent): void => {
    const place = at(event);
    if (event.button !== 0 || place < 0) return;
    canvas.current?.setPointerCapture(event.pointerId);
    range.value = null;
    drag.current = { from: place, moved: false };
  };
  const onUp = (event: PointerEvent): void => {
    const begun = drag.current;
    drag.current = null;
    if (!begun || begun.moved) return;
    const index = view.value[begun.from];
    if (index === undefined) return;
    if (event.altKey) toggleDrop(index);
    else select(index);
  };

  const metric = metricOf(barMetric.value);
  return (
    <div class="bar-hold">
      <canvas
        ref={canvas} class="bar-canvas" style={{ height: `${BAR_PX}px` }} tabIndex={0} role="slider" data-testid="bar"
        aria-label="Images" aria-valuemin={1} aria-valuemax={Math.max(1, view.value.length)} aria-valuenow={Math.max(1, position.value + 1)}
        aria-valuetext={valueText()}
        title=""
        onPointerMove={onMove} onPointerDown={onDown} onPointerUp={onUp}
        onPointerLeave={() => { hover.value = -1; hovered.value = -1; }}
        onWheel={(event) => step(event.deltaY > 0 ? 1 : -1)}
      />
      <HoverCard place={hover} x={pointerX} layout={layout} metric={metric} />
    </div>
  );
}

function valueText(): string {
  const at = current.value;
  if (at < 0) return "no images";
  revision.value;
  const now = table.value;
  const tilt = now.number(at, "tilt_deg");
  const angle = tilt === null ? "" : `, ${tilt < 0 ? "minus" : "plus"} ${Math.abs(tilt).toFixed(0)} degrees`;
  return `${now.names[at]}${angle}, ${now.word(at)}, ${position.value + 1} of ${view.value.length}`;
}
