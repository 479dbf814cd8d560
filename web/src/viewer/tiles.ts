/** Tiles of averages: fetched as grey bytes, coloured here, so that contrast is free. */

import * as api from "../api/client";
import { Lru } from "../lib/lru";

export interface PictureInfo {
  height: number;
  width: number;
  pixel_size_A: number | null;
  median: number;
  sigmas: number[];
  tile_px: number;
}

export interface Tile {
  grey: Uint8Array;
  width: number;
  height: number;
  low: number;
  high: number;
  /** Grey values at 16, 50 and 84 of 100. */
  quantiles: [number, number, number];
  histogram: Uint32Array;
  canvas: OffscreenCanvas | null;
  painted: string;
}

export interface Source {
  name: string;
  version: string;
  which: string;
  lowPass: number;
  deconvolve: boolean;
}

const LIMIT_BYTES = 128 * 1024 * 1024;
const AT_ONCE = 4;

export class TileStore {
  private readonly kept = new Lru<Tile>(LIMIT_BYTES);
  private readonly infos = new Map<string, PictureInfo | null>();
  private readonly loading = new Set<string>();
  private queue: { key: string; source: Source; level: number; column: number; row: number }[] = [];
  private active = new AbortController();

  constructor(private readonly onArrival: () => void) {}

  async info(source: Source): Promise<PictureInfo | null> {
    const key = `${source.name}/${source.version}/${source.which}`;
    const known = this.infos.get(key);
    if (known !== undefined) return known;
    try {
      const found = await api.get<PictureInfo>(api.itemPath(source.name, `/picture?which=${source.which}`), this.active.signal);
      this.infos.set(key, found);
      return found;
    } catch (error) {
      if (error instanceof api.ApiError && error.status < 500) this.infos.set(key, null);
      return null;
    }
  }

  get(source: Source, level: number, column: number, row: number): Tile | undefined {
    return this.kept.get(keyOf(source, level, column, row));
  }

  /** Ask for these tiles and no others: what is no longer on view is given up. */
  want(source: Source, tiles: readonly [level: number, column: number, row: number][]): void {
    this.queue = [];
    for (const [level, column, row] of tiles) {
      const key = keyOf(source, level, column, row);
      if (!this.kept.has(key) && !this.loading.has(key)) this.queue.push({ key, source, level, column, row });
    }
    this.pump();
  }

  /** Another image is on view. */
  abandon(): void {
    this.active.abort();
    this.active = new AbortController();
    this.queue = [];
    this.loading.clear();
  }

  private pump(): void {
    while (this.loading.size < AT_ONCE && this.queue.length > 0) {
      const next = this.queue.shift() as (typeof this.queue)[number];
      this.loading.add(next.key);
      const signal = this.active.signal;
      void fetchTile(next.source, next.level, next.column, next.row, signal)
        .then((tile) => this.kept.set(next.key, tile, tile.grey.length * 5))
        .catch(() => undefined)
        .then(() => {
          if (signal.aborted) return;
          this.loading.delete(next.key);
          this.onArrival();
          this.pump();
        });
    }
  }
}

function keyOf(source: Source, level: number, column: number, row: number): string {
  return `${source.name}/${source.version}/${source.which}/${source.lowPass}/${source.deconvolve}/${level}/${column}/${row}`;
}

async function fetchTile(source: Source, level: number, column: number, row: number, signal: AbortSignal): Promise<Tile> {
  const exact = level === 0;
  const query = new URLSearchParams({
    level: String(level), column: String(column), row: String(row), which: source.which,
    low_pass_A: String(source.lowPass), deconvolve: String(source.deconvolve), exact: String(exact), v: source.version,
  });
  const response = await api.ask(api.itemPath(source.name, `/tile?${query.toString()}`), { signal });
  const number = (name: string): number => Number(response.headers.get(name));
  const [width, height, low, high] = [number("x-width"), number("x-height"), number("x-low"), number("x-high")];
  const grey = exact ? new Uint8Array(await response.arrayBuffer()) : await decode(await response.blob(), width, height);
  const histogram = new Uint32Array(256);
  for (const value of grey) histogram[value] = (histogram[value] as number) + 1;
  return { grey, width, height, low, high, histogram, quantiles: quantiles(histogram, grey.length, low, high), canvas: null, painted: "" };
}

async function decode(blob: Blob, width: number, height: number): Promise<Uint8Array> {
  const bitmap = await createImageBitmap(blob);
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true }) as OffscreenCanvasRenderingContext2D;
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const pixels = context.getImageData(0, 0, width, height).data;
  const grey = new Uint8Array(width * height);
  for (let at = 0; at < grey.length; at++) grey[at] = pixels[at * 4] as number;
  return grey;
}

function quantiles(histogram: Uint32Array, count: number, low: number, high: number): [number, number, number] {
  const found: number[] = [];
  let sum = 0;
  const wanted = [0.16, 0.5, 0.84];
  for (let bin = 0; bin < 256; bin++) {
    sum += histogram[bin] as number;
    while (found.length < 3 && sum >= (wanted[found.length] as number) * count) found.push(low + ((bin + 0.5) / 256) * (high - low));
  }
  while (found.length < 3) found.push(high);
  return found as [number, number, number];
}

/** The tile with grey values between two limits made visible; coloured again only if the limits changed. */
export function paint(tile: Tile, black: number, white: number, invert: boolean): OffscreenCanvas {
  const wanted = `${black.toPrecision(4)}/${white.toPrecision(4)}/${invert}`;
  if (tile.canvas && tile.painted === wanted) return tile.canvas;
  const table = new Uint32Array(256);
  const scale = 255 / Math.max(1e-12, white - black);
  for (let value = 0; value < 256; value++) {
    const grey = tile.low + (value / 255) * (tile.high - tile.low);
    let shown = Math.min(255, Math.max(0, Math.round((grey - black) * scale)));
    if (invert) shown = 255 - shown;
    table[value] = 0xff000000 | (shown << 16) | (shown << 8) | shown;
  }
  const canvas = tile.canvas ?? new OffscreenCanvas(tile.width, tile.height);
  const context = canvas.getContext("2d") as OffscreenCanvasRenderingContext2D;
  const image = context.createImageData(tile.width, tile.height);
  const pixels = new Uint32Array(image.data.buffer);
  const { grey } = tile;
  for (let at = 0; at < grey.length; at++) pixels[at] = table[grey[at] as number] as number;
  context.putImageData(image, 0, 0);
  tile.canvas = canvas;
  tile.painted = wanted;
  return canvas;
}
