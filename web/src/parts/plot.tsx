/** A line or scatter plot: uPlot with the page's colours, sized by its box. */

import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { palette, type Palette, theme } from "../state/theme";
import { PointMark, type PointPlace } from "./pointmark";

export interface Line {
  label: string;
  /** Name of a palette colour, or a CSS colour. */
  colour: keyof Palette | string;
  points?: boolean;
  line?: boolean;
  width?: number;
  dash?: number[];
  size?: number;
  scale?: string;
  hollow?: boolean;
}

export interface PlotProps {
  x: readonly number[] | Float32Array;
  ys: readonly (readonly (number | null)[] | Float32Array)[];
  lines: readonly Line[];
  xLabel?: string;
  yLabel?: string;
  height?: number;
  xRange?: [number, number] | undefined;
  yRange?: [number | null, number | null] | undefined;
  xTicks?: (value: number) => string;
  yTicks?: (value: number) => string;
  rightAxis?: { scale: string; label: string; range?: [number, number] };
  /** Drawn under or over the lines, in canvas pixels, with helpers from uPlot. */
  under?: (plot: uPlot, context: CanvasRenderingContext2D, colours: Palette) => void;
  over?: (plot: uPlot, context: CanvasRenderingContext2D, colours: Palette) => void;
  /** The point to mark, in the plot's values; reads signals. */
  pointed?: () => readonly [x: number, y: number] | null;
  onHover?: (index: number | null, plot: uPlot) => void;
  onClick?: (index: number) => void;
  /** Places on the x axis that can be dragged. */
  handles?: { at: readonly number[]; onDrag: (which: number, x: number) => void };
  label: string;
}

export function Plot(props: PlotProps) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const shape = props.lines.map((line) => `${line.label}${line.colour}${line.points}${line.line}`).join();

  useEffect(() => {
    const element = box.current as HTMLDivElement;
    const make = (): void => {
      plot.current?.destroy();
      plot.current = new uPlot(options(latest, element), dataOf(latest.current), element);
    };
    make();
    const observer = new ResizeObserver(() => {
      const size = sizeOf(element, latest.current);
      if (plot.current && (plot.current.width !== size.width || plot.current.height !== size.height)) plot.current.setSize(size);
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [shape, theme.value]);

  useEffect(() => {
    plot.current?.setData(dataOf(props), true);
  }, [props.x, props.ys, props.xRange, props.yRange]);

  useEffect(() => {
    plot.current?.redraw(false);
  });

  const place = (): PointPlace | null => {
    const found = latest.current.pointed?.();
    const now = plot.current;
    if (!found || !now) return null;
    return { x: now.over.offsetLeft + now.valToPos(found[0], "x"), y: now.over.offsetTop + now.valToPos(found[1], "y") };
  };
  return (
    <div class="plot-hold" style={{ height: props.height ? `${props.height}px` : "100%" }}>
      <div ref={box} class="plot" role="img" aria-label={props.label} style={{ height: "100%" }} />
      {props.pointed && <PointMark place={place} />}
    </div>
  );
}

function sizeOf(element: HTMLElement, props: PlotProps): { width: number; height: number } {
  return { width: Math.max(60, element.clientWidth), height: Math.max(60, props.height ?? element.clientHeight) };
}

function dataOf(props: PlotProps): uPlot.AlignedData {
  return [props.x, ...props.ys] as unknown as uPlot.AlignedData;
}

function options(latest: { current: PlotProps }, element: HTMLElement): uPlot.Options {
  const colours = palette();
  const props = latest.current;
  const colourOf = (name: string): string => (name in colours ? colours[name as keyof Palette] : name);
  const axis = (label: string | undefined, more: Partial<uPlot.Axis>): uPlot.Axis => ({
    stroke: colours.muted,
    font: "11px system-ui, sans-serif",
    labelFont: "11px system-ui, sans-serif",
    labelSize: label ? 18 : 0,
    grid: { stroke: colours.line, width: 1 },
    ticks: { stroke: colours.line, width: 1, size: 4 },
    gap: 3,
    ...(label ? { label } : {}),
    ...more,
  });
  const ticks = (format: ((value: number) => string) | undefined) => (format ? { values: (_plot: uPlot, splits: number[]) => splits.map(format) } : {});
  const axes = [
    axis(props.xLabel, { size: 28, ...ticks(props.xTicks) }),
    axis(props.yLabel, { size: 42, ...ticks(props.yTicks) }),
  ];
  const scales: uPlot.Scales = {
    x: { time: false, range: (_plot, low, high) => latest.current.xRange ?? (low === high ? [low - 1, high + 1] : [low, high]) },
    y: { range: (_plot, low, high) => yRange(latest.current.yRange, low, high) },
  };
  if (props.rightAxis) {
    const right = props.rightAxis;
    axes.push(axis(right.label, { side: 1, scale: right.scale, size: 38, grid: { show: false } }));
    scales[right.scale] = { range: (_plot, low, high) => right.range ?? [low, high] };
  }
  const size = sizeOf(element, props);
  return {
    ...size,
    padding: [8, props.rightAxis ? 4 : 12, 0, 2],
    legend: { show: false },
    cursor: {
      y: false,
      points: { show: false },
      drag: { setScale: false, x: false, y: false },
    },
    scales,
    axes,
    series: [
      {},
      ...props.lines.map((line): uPlot.Series => ({
        label: line.label,
        scale: line.scale ?? "y",
        stroke: colourOf(line.colour),
        width: line.width ?? 1.5,
        ...(line.dash ? { dash: line.dash } : {}),
        ...(line.line === false ? { paths: () => null } : {}),
        points: { show: line.points ?? false, size: line.size ?? 5, fill: line.hollow ? colours.panel : colourOf(line.colour), width: line.hollow ? 1.5 : 0 },
        spanGaps: false,
      })),
    ],
    hooks: {
      drawClear: [(plot) => latest.current.under?.(plot, plot.ctx, palette())],
      draw: [(plot) => latest.current.over?.(plot, plot.ctx, palette())],
      setCursor: [(plot) => latest.current.onHover?.(plot.cursor.idx ?? null, plot)],
      ready: [
        (plot) => plot.over.addEventListener("click", () => {
          const index = plot.cursor.idx;
          if (index !== null && index !== undefined) latest.current.onClick?.(index);
        }),
        (plot) => dragHandles(plot, latest),
      ],
    },
  };
}

function yRange(wanted: PlotProps["yRange"], low: number | null, high: number | null): [number, number] {
  const from = low ?? 0;
  const to = high ?? 1;
  const room = (to - from || Math.abs(to) || 1) * 0.08;
  return [wanted?.[0] ?? from - room, wanted?.[1] ?? to + room];
}

const GRIP_PX = 7;

/** Let the handles of a plot be dragged with the pointer. */
function dragHandles(plot: uPlot, latest: { current: PlotProps }): void {
  let held = -1;
  const near = (event: PointerEvent): number => {
    const handles = latest.current.handles;
    if (!handles) return -1;
    const x = event.clientX - plot.over.getBoundingClientRect().left;
    return handles.at.findIndex((at) => Math.abs(plot.valToPos(at, "x") - x) < GRIP_PX);
  };
  plot.over.addEventListener("pointerdown", (event) => {
    held = near(event);
    if (held >= 0) plot.over.setPointerCapture(event.pointerId);
  });
  plot.over.addEventListener("pointermove", (event) => {
    plot.over.style.cursor = held >= 0 || near(event) >= 0 ? "ew-resize" : "";
    if (held >= 0) latest.current.handles?.onDrag(held, plot.posToVal(event.clientX - plot.over.getBoundingClientRect().left, "x"));
  });
  for (const end of ["pointerup", "pointercancel"] as const) plot.over.addEventListener(end, () => { held = -1; });
}
