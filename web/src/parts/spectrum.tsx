/** The 2D spectrum: left half as measured, right half the model; y runs upwards. */

import { useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import * as api from "../api/client";
import { type Defocus, defocusAlong, phase } from "../lib/ctf";
import { Lru } from "../lib/lru";
import { smoothed } from "../lib/smooth";
import { defocusOf, fitRange, tuned, tunedRange } from "../pages/fourier";
import type { FitRecord } from "../state/detail";
import { detailOf } from "../state/detail";
import { current, table } from "../state/store";

interface Plane {
  width: number;
  height: number;
  grey: Uint8Array;
}

const kept = new Lru<Plane>(60);

export function Spectrum({ fit }: { fit: FitRecord | null }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const plane = useSignal<Plane | null>(null);
  const problem = useSignal("");
  const given = useRef(fit);
  given.current = fit;

  useSignalEffect(() => {
    const found = detailOf(current.value);
    problem.value = "";
    if (!found?.has_spectrum) {
      plane.value = null;
      return;
    }
    const at = current.value;
    const version = table.value.version[at] as string;
    void fetchPlane(found.item.name, version)
      .then((loaded) => {
        if (current.peek() === at) plane.value = loaded;
      })
      .catch((error: unknown) => { problem.value = String(error); });
  });

  useEffect(() => {
    const element = canvas.current as HTMLCanvasElement;
    const observer = new ResizeObserver(() => fitSquare(element));
    observer.observe(element.parentElement as HTMLElement);
    fitSquare(element);
    return () => observer.disconnect();
  }, []);

  const render = (): void => {
    const element = canvas.current;
    if (element) draw(element, plane.value, given.current, tuned.value ?? (given.current ? defocusOf(given.current) : null), tunedRange.value);
  };
  useSignalEffect(render);
  useEffect(render, [fit]);
  const name = table.value.names[current.value];
  return <canvas ref={canvas} width={512} height={512} role="img" aria-label={`2D spectrum of ${name}: measured on the left, model on the right`} />;
}

function fitSquare(element: HTMLCanvasElement): void {
  const box = element.parentElement as HTMLElement;
  const side = Math.max(80, Math.min(box.clientWidth, box.clientHeight));
  element.style.width = `${side}px`;
  element.style.height = `${side}px`;
}

async function fetchPlane(name: string, version: string): Promise<Plane> {
  const key = `${name}/${version}`;
  const known = kept.get(key);
  if (known) return known;
  const response = await api.ask(api.itemPath(name, `/spectrum?v=${version}`));
  const number = (header: string): number => Number(response.headers.get(header));
  const [width, height] = [number("x-width"), number("x-height")];
  const plane = { width, height, grey: smoothed(new Uint8Array(await response.arrayBuffer()), width, height) };
  kept.set(key, plane, 1);
  return plane;
}

/** Shown beyond the range of the fit, as a factor. */
const BEYOND = 1.3;
/** Radians from one pixel to the next above which rings are no longer drawn, but their mean. */
const FINEST = 1.9;

function draw(element: HTMLCanvasElement, plane: Plane | null, fit: FitRecord | null, defocus: Defocus | null, range: [number, number] | null): void {
  const context = element.getContext("2d") as CanvasRenderingContext2D;
  const whole = plane?.width ?? 512;
  const [far, near] = range ?? (fit ? fitRange(fit) : [40, 5]);
  const perPixel = fit ? 1 / (whole * fit.pixel_size_A) : 0;
  const half = fit ? Math.min(whole / 2, Math.max(48, Math.ceil(BEYOND / near / perPixel))) : whole / 2;
  const side = 2 * half;
  if (element.width !== side) element.width = element.height = side;
  const image = context.createImageData(side, side);
  const pixels = new Uint32Array(image.data.buffer);
  const limits = plane ? stretch(plane, half) : ([0, 255] as [number, number]);
  for (let row = 0; row < side; row++) {
    const ky = half - 1 - row; // rows run down, k_y runs up
    for (let column = 0; column < side; column++) {
      const kx = column - half;
      let grey = 24;
      if (kx < 0 || !fit || !defocus) {
        if (plane) grey = shade(valueAt(plane, kx, ky), limits);
      } else grey = modelAt(kx, ky, perPixel, fit, defocus, far, near);
      pixels[row * side + column] = 0xff000000 | (grey << 16) | (grey << 8) | grey;
    }
  }
  context.putImageData(image, 0, 0);
  if (!fit || !perPixel) return;
  context.lineWidth = side / 400;
  for (const [at, colour, dash] of [[far, "rgb(255 255 255 / 0.35)", []], [near, "rgb(255 255 255 / 0.35)", []], [fit.resolution_A, "rgb(240 180 50 / 0.9)", [side / 80, side / 80]]] as const) {
    if (!at) continue;
    context.strokeStyle = colour;
    context.setLineDash([...dash]);
    context.beginPath();
    context.arc(half, half, 1 / at / perPixel, 0, 7);
    context.stroke();
  }
  context.setLineDash([]);
}

/** The file holds the rows k_y ≤ 0, the last one k_y = 0; the rest follows by symmetry. */
function valueAt(plane: Plane, kx: number, ky: number): number {
  const flip = ky > 0;
  const row = plane.height - 1 - Math.abs(ky);
  const column = plane.width / 2 + (flip ? -kx : kx);
  if (row < 0 || column < 0 || column >= plane.width) return 0;
  return plane.grey[row * plane.width + column] as number;
}

function modelAt(kx: number, ky: number, perPixel: number, fit: FitRecord, defocus: Defocus, far: number, near: number): number {
  const radius = Math.hypot(kx, ky);
  const k = radius * perPixel;
  const local = defocusAlong(defocus, Math.atan2(ky, kx));
  const here = phase(k, local, fit, defocus.phase_shift_deg);
  const step = Math.abs(phase(k + perPixel, local, fit, defocus.phase_shift_deg) - here);
  const value = step > FINEST ? 2 / Math.PI : Math.abs(Math.sin(here));
  const isInside = k > 1 / far && k < 1 / near;
  return Math.round(24 + (isInside ? 205 : 90) * value);
}

/** Grey values between which nearly all of the part on view lies. */
function stretch(plane: Plane, half: number): [number, number] {
  const histogram = new Uint32Array(256);
  let count = 0;
  for (let row = Math.max(0, plane.height - half); row < plane.height; row++) {
    for (let column = plane.width / 2 - half; column < plane.width / 2; column++) {
      const value = plane.grey[row * plane.width + column] as number;
      histogram[value] = (histogram[value] as number) + 1;
      count += 1;
    }
  }
  const find = (part: number): number => {
    let sum = 0;
    for (let value = 0; value < 256; value++) {
      sum += histogram[value] as number;
      if (sum >= part * count) return value;
    }
    return 255;
  };
  return [find(0.03), Math.max(find(0.985), find(0.03) + 8)];
}

function shade(value: number, [low, high]: [number, number]): number {
  return Math.min(235, Math.max(14, Math.round(14 + (221 * (value - low)) / (high - low))));
}
