/** Thumbnails as decoded bitmaps: fetched once, neighbours fetched ahead, what is passed by is given up. */

import * as api from "../api/client";
import { Lru } from "../lib/lru";
import { signal } from "@preact/signals";
import { table } from "./store";

export type Side = 128 | 256 | 512;

const LIMIT_BYTES = 40 * 1024 * 1024;
const AT_ONCE = 4;

const kept = new Lru<ImageBitmap>(LIMIT_BYTES, (bitmap) => bitmap.close());
const missing = new Set<string>();
const wanted = new Map<string, { at: number; side: Side; urgency: number }>();
const loading = new Map<string, Promise<ImageBitmap | null>>();
const waiters = new Map<string, ((bitmap: ImageBitmap | null) => void)[]>();

/** Grows when a preview arrives that somebody asked for without waiting. */
export const arrivals = signal(0);
let isTold = false;

function keyOf(at: number, side: Side): string {
  return `${side}/${table.value.names[at]}/${table.value.version[at]}`;
}

/** The preview if it is there already. */
export function peek(at: number, side: Side): ImageBitmap | undefined {
  return kept.get(keyOf(at, side));
}

/** The best preview that is there already, largest first. */
export function peekAny(at: number): ImageBitmap | undefined {
  return peek(at, 512) ?? peek(at, 256) ?? peek(at, 128);
}

/** Ask for a preview and wait for it; null if there is none. */
export function load(at: number, side: Side): Promise<ImageBitmap | null> {
  const key = keyOf(at, side);
  const there = kept.get(key);
  if (there) return Promise.resolve(there);
  if (missing.has(key) || table.value.version[at] === "0") return Promise.resolve(null);
  return new Promise((resolve) => {
    const others = waiters.get(key);
    if (others) others.push(resolve);
    else waiters.set(key, [resolve]);
    want(at, side, 0);
  });
}

/** Ask for a preview without waiting; `urgency` 0 is first. */
export function want(at: number, side: Side, urgency: number): void {
  const key = keyOf(at, side);
  if (kept.has(key) || missing.has(key) || loading.has(key) || table.value.version[at] === "0") return;
  const known = wanted.get(key);
  if (!known || known.urgency > urgency) wanted.set(key, { at, side, urgency });
  pump();
}

let glance = -1;
let isGlancing = false;

/** Ask for the preview of the image under the pointer: one at a time, and only the latest when many are passed by. */
export function glanceAt(at: number): void {
  glance = at;
  if (!isGlancing) void followGlance();
}

async function followGlance(): Promise<void> {
  isGlancing = true;
  while (glance >= 0) {
    const at = glance;
    glance = -1;
    if (!peekAny(at)) await load(at, 256);
  }
  isGlancing = false;
}

/** Give up what was asked for ahead and not begun: the user has moved on. */
export function forgetAhead(): void {
  for (const [key, entry] of wanted) if (entry.urgency > 0 && !waiters.has(key)) wanted.delete(key);
}

/** Fetch the neighbours of an image ahead, more in the direction of travel. */
export function prefetch(view: Uint32Array, position: number, direction: number): void {
  forgetAhead();
  for (let distance = 1; distance <= 8; distance++) {
    const ahead = view[position + direction * distance];
    if (ahead !== undefined) want(ahead, 512, distance);
    const behind = view[position - direction * distance];
    if (behind !== undefined && distance <= 3) want(behind, 512, distance + 4);
  }
}

function pump(): void {
  while (loading.size < AT_ONCE && wanted.size > 0) {
    let best: string | null = null;
    let least = Number.POSITIVE_INFINITY;
    for (const [key, entry] of wanted) {
      if (entry.urgency < least) {
        least = entry.urgency;
        best = key;
      }
    }
    const entry = wanted.get(best as string) as { at: number; side: Side };
    wanted.delete(best as string);
    begin(best as string, entry.at, entry.side);
  }
}

function begin(key: string, at: number, side: Side): void {
  const work = fetchBitmap(at, side)
    .then((bitmap) => {
      kept.set(key, bitmap, bitmap.width * bitmap.height * 4);
      return bitmap;
    })
    .catch((error: unknown) => {
      if (error instanceof api.ApiError && error.status === 404) missing.add(key);
      return null;
    })
    .then((bitmap) => {
      loading.delete(key);
      for (const tell of waiters.get(key) ?? []) tell(bitmap);
      waiters.delete(key);
      if (bitmap) tellArrival();
      pump();
      return bitmap;
    });
  loading.set(key, work);
}

function tellArrival(): void {
  if (isTold) return;
  isTold = true;
  requestAnimationFrame(() => {
    isTold = false;
    arrivals.value += 1;
  });
}

async function fetchBitmap(at: number, side: Side): Promise<ImageBitmap> {
  const name = table.value.names[at] as string;
  const query = `?size=${side}&v=${table.value.version[at]}`;
  const response = await api.ask(api.itemPath(name, `/thumbnail${query}`));
  return createImageBitmap(await response.blob());
}
