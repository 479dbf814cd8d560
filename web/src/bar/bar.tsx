/** The bar at the bottom of every page: one cell per image, and the line about the current one. */

import { signal, useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { signed } from "../lib/format";
import { completions } from "../lib/search";
import { mark } from "../lib/marks";
import { TriState } from "../parts/tristate";
import { decide, toggleDrop } from "../state/decisions";
import { flagged } from "../state/flags";
import { barMetric, METRICS } from "../state/metrics";
import { glanceAt } from "../state/previews";
import { go, orderBy, searchText } from "../state/route";
import { counts, current, hovered, isOverBar, position, revision, searchProblem, select, step, table, view } from "../state/store";
import type { Order } from "../state/table";
import { palette } from "../state/theme";
import { placeMark } from "../parts/pointmark";
import { BAR_PX, type BarState, drawBase, drawRunning, drawTop, markBox } from "./draw";
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
      {flagged.value.has(now.names[at] as string) && <span class="badge" data-testid="flag" title="F takes the flag away">flagged</span>}
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
        list="search-words" autocomplete="off"
        title="Part of a name, TS_0[1-3]_*, tilt:>50, res:>15, state:stale, used:no, suspect:yes, flag:yes"
        onInput={(event) => go({ search: event.currentTarget.value })}
        onKeyDown={(event) => {
          if (event.key === "Escape" || event.key === "Enter") {
            if (event.key === "Escape") go({ search: "" });
            event.currentTarget.blur();
            event.stopPropagation();
          }
        }}
      />
      <datalist id="search-words">
        {completions(searchText.value, table.value.seriesNames).map((text) => <option key={text} value={text} />)}
      </datalist>
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

  const base = useRef<HTMLCanvasElement>(null);
  const pointer = useRef<HTMLDivElement>(null);
  const drawn = useSignal(0);

  /** What cells depend on; keys and dragging change none of it. */
  const cellsNow = (): BarState => ({
    table: table.peek(), view: view.value, position: -1, range: null, metric: barMetric.value, flagged: flagged.value, phase: phase.peek(),
  });

  // cells: when images, decisions or the order change
  useSignalEffect(() => {
    revision.value;
    const wide = width.value;
    const state = cellsNow();
    if (wide === 0) return;
    layout.current = layoutBar(state.view, table.value.series, wide);
    const context = sized(base.current, wide);
    if (context) drawBase(context, layout.current, state, palette());
    drawn.value = drawn.peek() + 1;
    mark("bar");
  });

  // names of series, range, current image
  useSignalEffect(() => {
    drawn.value;
    const state = { ...cellsNow(), position: position.value, range: range.value };
    const context = sized(canvas.current, width.value);
    if (context && layout.current) drawTop(context, layout.current, state, palette());
  });

  // the pointer's mark moves by itself: nothing is drawn again
  useSignalEffect(() => {
    drawn.value;
    const place = hover.value >= 0 ? hover.value : hovered.value >= 0 ? view.value.indexOf(hovered.value) : -1;
    placeMark(pointer.current, layout.current && place >= 0 ? markBox(layout.current, place) : null);
  });

  useSignalEffect(() => {
    const moved = phase.value;
    const context = base.current?.getContext("2d");
    if (context && layout.current) drawRunning(context, layout.current, { ...cellsNow(), phase: moved }, palette());
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
    isOverBar.value = true;
    if (index !== undefined) glanceAt(index);
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

  return (
    <div class="bar-hold">
      <canvas ref={base} class="bar-canvas under" style={{ height: `${BAR_PX}px` }} aria-hidden="true" />
      <div ref={pointer} class="mark box" />
      <canvas
        ref={canvas} class="bar-canvas" style={{ height: `${BAR_PX}px` }} tabIndex={0} role="slider" data-testid="bar"
        aria-label="Images" aria-valuemin={1} aria-valuemax={Math.max(1, view.value.length)} aria-valuenow={Math.max(1, position.value + 1)}
        aria-valuetext={valueText()}
        title=""
        onPointerMove={onMove} onPointerDown={onDown} onPointerUp={onUp}
        onPointerLeave={() => { hover.value = -1; hovered.value = -1; isOverBar.value = false; }}
        onWheel={(event) => step(event.deltaY > 0 ? 1 : -1)}
      />
      <HoverCard place={hover} x={pointerX} layout={layout} />
    </div>
  );
}

/** The context of a canvas as wide as the bar, scaled to CSS pixels. */
function sized(element: HTMLCanvasElement | null, wide: number): CanvasRenderingContext2D | null {
  if (!element || wide === 0) return null;
  const ratio = devicePixelRatio || 1;
  const [across, down] = [Math.round(wide * ratio), Math.round(BAR_PX * ratio)];
  if (element.width !== across) element.width = across;
  if (element.height !== down) element.height = down;
  const context = element.getContext("2d") as CanvasRenderingContext2D;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
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
