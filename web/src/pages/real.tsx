/** Real Space: is this image fit to use? */

import { useComputed, useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import * as api from "../api/client";
import { mark } from "../lib/marks";
import { detailOf, followDetail } from "../state/detail";
import * as look from "../state/look";
import { report } from "../state/notices";
import { load, peekAny, prefetch } from "../state/previews";
import { current, maskRevision, position, project, revision, table, view } from "../state/store";
import { drawDefocus, drawMask, drawTrack, EXAGGERATION, makeMaskImage, type MaskImage, paintMask } from "../viewer/overlays";
import { Viewer } from "../viewer/viewer";
import { Histogram } from "../viewer/histogram";
import { ImageFacts } from "./real_facts";

export function RealPage({ isNarrow = false }: { isNarrow?: boolean }) {
  const holder = useRef<{ viewer: Viewer | null }>({ viewer: null });
  const seen = useSignal(0);
  useEffect(followDetail, []);
  if (table.value.length === 0) return <NoImages />;
  return (
    <div class="viewer-page" style={isNarrow ? { gridTemplateColumns: "minmax(0, 1fr)" } : {}}>
      <Picture holder={holder.current} seen={seen} />
      {!isNarrow && (
        <aside class="viewer-side" tabIndex={0} aria-label="About this image">
          <Histogram holder={holder.current} seen={seen} />
          <ImageFacts />
        </aside>
      )}
    </div>
  );
}

interface Holder {
  viewer: Viewer | null;
}

function Picture({ holder, seen }: { holder: Holder; seen: { value: number } }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const mask = useSignal<MaskImage | null>(null);
  const pointer = useSignal<[number, number] | null>(null);
  const before = useRef(-1);
  const marked = useRef(-1);
  const hasAverage = useComputed(() => detailOf(current.value)?.has_average ?? true);

  useEffect(() => {
    const element = canvas.current as HTMLCanvasElement;
    const viewer = new Viewer(element);
    holder.viewer = viewer;
    viewer.onView = () => { seen.value += 1; };
    const observer = new ResizeObserver(() => viewer.resize(element.clientWidth, element.clientHeight));
    observer.observe(element);
    return () => {
      observer.disconnect();
      holder.viewer = null;
    };
  }, []);

  // the image
  useSignalEffect(() => {
    const at = current.value;
    const now = table.value;
    revision.value;
    const viewer = holder.viewer;
    if (!viewer || at < 0) return;
    const [width, height] = [now.number(at, "width"), now.number(at, "height")];
    const size = width && height ? { width, height, pixel_size_A: now.number(at, "pixel_size_A") } : null;
    const there = peekAny(at);
    viewer.setStandIn(there ?? null);
    if (there && at !== marked.current) mark("image");
    marked.current = at;
    const isDone = now.version[at] !== "0";
    const filters = look.isBlinking.value ? { lowPass: 0, deconvolve: false } : { lowPass: look.lowPass.value, deconvolve: look.deconvolve.value };
    void viewer.setSource(isDone ? { name: now.names[at] as string, version: now.version[at] as string, which: look.which.value, ...filters } : null, size);
    void load(at, 512).then((bitmap) => {
      if (current.peek() === at) viewer.setStandIn(bitmap);
    });
    const place = position.peek();
    prefetch(view.peek(), place, place >= before.current ? 1 : -1);
    before.current = place;
  });

  // how it is shown
  useSignalEffect(() => {
    const at = current.value;
    revision.value;
    const centre = look.contrast.value === "series" && !look.deconvolve.value ? seriesMedian(at) : null;
    holder.viewer?.setLook({
      invert: look.invert.value,
      sigmas: look.sigmas.value,
      centre,
      limits: look.contrast.value === "absolute" ? look.limits.value : null,
    });
  });

  // overlays
  useSignalEffect(() => {
    const found = detailOf(current.value);
    const viewer = holder.viewer;
    if (!viewer) return;
    const { isBlinking, showMask, showTrack, showDefocus, painting } = look;
    const [withMask, withTrack, withDefocus] = [showMask.value || painting.value !== "off", showTrack.value, showDefocus.value];
    const isBare = isBlinking.value;
    const at = pointer.value;
    viewer.overlay = (context, frame) => {
      if (isBare) return;
      const fit = found?.record?.ctf?.fit;
      if (withDefocus && fit) drawDefocus(context, frame, fit);
      if (withMask && mask.value) drawMask(context, frame, mask.value);
      const motion = found?.record?.motion;
      if (withTrack && motion) drawTrack(context, frame, motion);
      if (painting.value !== "off" && at) drawBrush(context, at, (look.brush_A.value / frame.pixel_size_A) * frame.scale);
    };
    mask.value;
    viewer.redraw();
  });

  // the mask of this image
  useSignalEffect(() => {
    const found = detailOf(current.value);
    maskRevision.value;
    if (!found?.has_mask || !(look.showMask.value || look.painting.value !== "off")) {
      mask.value = null;
      return;
    }
    const name = found.item.name;
    void fetchMask(name)
      .then((image) => {
        if (table.peek().names[current.peek()] === name) mask.value = image;
      })
      .catch(() => { mask.value = null; });
  });

  useSignalEffect(() => {
    const wish = look.zoomWish.value;
    if (wish) holder.viewer?.zoom(wish.act);
  });

  const acts = useMemo(() => pointerActs(holder, pointer, mask), []);
  const name = table.value.names[current.value];
  return (
    <div class="viewer" data-testid="viewer" data-mask={mask.value ? "shown" : "none"}>
      <canvas
        ref={canvas} tabIndex={0} role="img" aria-label={`Average of ${name}`} class={look.painting.value !== "off" ? "painting" : ""} {...acts}
      />
      <Tools mask={mask.value} />
      {!hasAverage.value && <Missing />}
      <Foot holder={holder} seen={seen} pointer={pointer} />
    </div>
  );
}

/** Median over the images of a series, so that a dark tilt looks dark. */
function seriesMedian(at: number): number | null {
  const now = table.value;
  const medians = now.numbers.get("median_e");
  if (!medians || at < 0) return null;
  const values: number[] = [];
  for (let other = 0; other < now.length; other++) {
    const value = medians[other] as number;
    if (now.series[other] === now.series[at] && !Number.isNaN(value) && now.isUsed(other)) values.push(value);
  }
  values.sort((a, b) => a - b);
  const middle = values[values.length >> 1];
  const own = medians[at] as number;
  // high tilts are darker by nature: follow the image half of the way, and never to where it would be all black
  return middle === undefined ? null : Number.isNaN(own) ? middle : 0.35 * middle + 0.65 * own;
}

async function fetchMask(name: string): Promise<MaskImage> {
  const response = await api.ask(api.itemPath(name, "/mask"));
  const number = (header: string): number => Number(response.headers.get(header));
  const values = new Uint8Array(await response.arrayBuffer());
  return makeMaskImage(values, number("x-width"), number("x-height"), number("x-edited") === 1);
}

function drawBrush(context: CanvasRenderingContext2D, [x, y]: [number, number], radius: number): void {
  context.strokeStyle = look.painting.value === "add" ? "#d9b3ff" : "#ffffff";
  context.lineWidth = 1.5;
  context.setLineDash(look.painting.value === "add" ? [] : [4, 3]);
  context.beginPath();
  context.arc(x, y, radius, 0, 7);
  context.stroke();
  context.setLineDash([]);
}

function pointerActs(holder: Holder, pointer: { value: [number, number] | null }, mask: { value: MaskImage | null; peek(): MaskImage | null }) {
  let last: [number, number] | null = null;
  let isChanged = false;
  const place = (event: PointerEvent | WheelEvent): [number, number] => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const paintAt = (at: [number, number], erase: boolean): void => {
    const viewer = holder.viewer;
    const image = mask.peek();
    const frame = viewer?.frame();
    const spot = viewer?.toPicture(...at);
    if (!image || !frame || !spot) return;
    paintMask(image, frame, spot[0], spot[1], look.brush_A.peek(), !erase && look.painting.peek() === "add");
    isChanged = true;
    viewer?.redraw();
  };
  return {
    onPointerDown: (event: PointerEvent): void => {
      (event.currentTarget as HTMLElement).setPointerCapture(event.pointerId);
      last = place(event);
      if (look.painting.peek() !== "off" && event.button !== 1) paintAt(last, event.button === 2);
    },
    onPointerMove: (event: PointerEvent): void => {
      const at = place(event);
      pointer.value = at;
      if (!last) return;
      if (look.painting.peek() !== "off" && !(event.buttons & 4)) paintAt(at, (event.buttons & 2) !== 0);
      else holder.viewer?.pan(at[0] - last[0], at[1] - last[1]);
      last = at;
    },
    onPointerUp: (): void => {
      last = null;
      const image = mask.peek();
      if (isChanged && image) void saveMask(image);
      isChanged = false;
    },
    onPointerLeave: (): void => { pointer.value = null; },
    onContextMenu: (event: MouseEvent): void => {
      if (look.painting.peek() !== "off") event.preventDefault();
    },
    onWheel: (event: WheelEvent): void => {
      event.preventDefault();
      if (look.painting.peek() !== "off" && event.ctrlKey) look.brush_A.value = Math.max(8, look.brush_A.peek() - Math.sign(event.deltaY) * 10);
      else holder.viewer?.zoomAt(Math.exp(-event.deltaY * 0.0016), ...place(event));
    },
    onDblClick: (): void => holder.viewer?.zoom("fit"),
  };
}

async function saveMask(image: MaskImage): Promise<void> {
  const name = table.peek().names[current.peek()] as string;
  try {
    const path = api.itemPath(name, `/mask?width=${image.width}&height=${image.height}`);
    await api.ask(path, { method: "PUT", body: image.values.slice().buffer, headers: { "content-type": "application/octet-stream" } });
  } catch (error) {
    report(error);
  }
}

function Tools({ mask }: { mask: MaskImage | null }) {
  const toggle = (label: string, key: string, state: { value: boolean }) => (
    <button type="button" aria-pressed={state.value} title={`${label} (${key})`} onClick={() => { state.value = !state.value; }}>{label}</button>
  );
  const toggleWhich = (which: look.Which, label: string) => (
    <button type="button" aria-pressed={look.which.value === which} title={which === "average" ? "Sum of all frames" : `Sum of the ${which} frames`} onClick={() => { look.which.value = which; }}>{label}</button>
  );
  const found = detailOf(current.value);
  const isLocked = project.value?.read_only ?? true;
  const back = async (): Promise<void> => {
    try {
      await api.send("DELETE", api.itemPath(table.peek().names[current.peek()] as string, "/mask"));
    } catch (error) {
      report(error);
    }
  };
  return (
    <div class="viewer-tools">
      <span class="glass">
        {toggle("Mask", "M", look.showMask)}
        {toggle("Track", "T", look.showTrack)}
        {toggle("Defocus", "", look.showDefocus)}
      </span>
      <span class="glass">
        <label for="low-pass" title="Low-pass (L)">Low-pass</label>
        <select id="low-pass" value={String(look.lowPass.value)} onChange={(event) => { look.lowPass.value = Number(event.currentTarget.value); }}>
          <option value="0">none</option>
          <option value="10">10 Å</option>
          <option value="20">20 Å</option>
          <option value="40">40 Å</option>
        </select>
        {toggle("Deconvolve", "D", look.deconvolve)}
        {toggle("Invert", "I", look.invert)}
      </span>
      {found?.has_halves && (
        <span class="glass">
          {toggleWhich("average", "All")}
          {toggleWhich("even", "Even")}
          {toggleWhich("odd", "Odd")}
        </span>
      )}
      <span class="spacer" />
      {look.painting.value === "off" ? (
        <span class="glass">
          <button type="button" disabled={!found?.has_mask || isLocked} onClick={() => { look.painting.value = "add"; }}>Paint mask</button>
          {found?.mask_is_edited && <button type="button" disabled={isLocked} title="Back to the mask that was found" onClick={() => void back()}>Undo painting</button>}
        </span>
      ) : (
        <span class="glass">
          <button type="button" aria-pressed={look.painting.value === "add"} onClick={() => { look.painting.value = "add"; }}>Add</button>
          <button type="button" aria-pressed={look.painting.value === "erase"} onClick={() => { look.painting.value = "erase"; }}>Erase</button>
          <label title="Ctrl and wheel">
            Brush <input type="range" min={8} max={600} step={4} value={look.brush_A.value} onInput={(event) => { look.brush_A.value = Number(event.currentTarget.value); }} />
            {look.brush_A.value} Å
          </label>
          <button type="button" onClick={() => { look.painting.value = "off"; }}>Done{mask?.isEdited ? " (saved)" : ""}</button>
        </span>
      )}
    </div>
  );
}

function Foot({ holder, seen, pointer }: { holder: Holder; seen: { value: number }; pointer: { value: [number, number] | null } }) {
  seen.value;
  const viewer = holder.viewer;
  const frame = viewer?.frame();
  if (!viewer || !frame) return null;
  const perNm = (10 / frame.pixel_size_A) * frame.scale;
  const length = niceLength(110 / perNm);
  const value = pointer.value ? viewer.valueAt(...pointer.value) : null;
  return (
    <div class="viewer-foot">
      <span class="row">
        <svg width={length * perNm} height="8" aria-hidden="true"><path d={`M1 1v6M1 4h${length * perNm - 2}m0-3v6`} stroke="currentColor" stroke-width="1.6" fill="none" /></svg>
        {length >= 1000 ? `${length / 1000} µm` : `${length} nm`}
      </span>
      <span>
        {value !== null ? `${value.toFixed(2)} e⁻/px · ` : ""}
        {look.showTrack.value ? `track ×${EXAGGERATION} · ` : ""}
        {Math.round(viewer.zoomLevel * 100)} %
      </span>
    </div>
  );
}

function niceLength(nm: number): number {
  const power = 10 ** Math.floor(Math.log10(nm));
  const first = nm / power;
  return (first >= 5 ? 5 : first >= 2 ? 2 : 1) * power;
}

function Missing() {
  revision.value;
  const at = current.value;
  const now = table.value;
  const state = now.word(at);
  return (
    <div class="empty" style={{ position: "absolute", inset: 0, color: "#c9ced6" }}>
      <strong>{state === "failed" ? "This image failed" : "No average yet"}</strong>
      <p>{now.reasons.get(at) ?? (state === "waiting" ? "Start processing, and it appears here." : "")}</p>
    </div>
  );
}

export function NoImages() {
  return (
    <div class="empty">
      <strong>No movies yet</strong>
      <p>
        Nothing fits the pattern of <code>input.movies</code>. Open the settings and point it at the folder with the movies,
        or wait: files that arrive are seen within seconds.
      </p>
    </div>
  );
}
