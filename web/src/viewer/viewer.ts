/** The picture of one average: zoom, pan, tiles, contrast; drawn by hand on one canvas. */

import type { ZoomAct } from "../state/look";
import type { Frame } from "./overlays";
import { paint, type PictureInfo, type Source, type Tile, TileStore } from "./tiles";

export interface Shown {
  black: number;
  white: number;
}

export interface Look {
  invert: boolean;
  sigmas: number;
  /** Middle of the shown range; null takes the picture's own median. */
  centre: number | null;
  limits: [number, number] | null;
}

const MIN_SCALE = 0.02;
const MAX_SCALE = 16;

export class Viewer {
  info: PictureInfo | null = null;
  shown: Shown = { black: 0, white: 1 };
  histogram: { low: number; high: number; bins: Uint32Array } | null = null;
  onView: () => void = () => undefined;
  overlay: (canvas: CanvasRenderingContext2D, frame: Frame) => void = () => undefined;

  private readonly context: CanvasRenderingContext2D;
  private readonly tiles: TileStore;
  private source: Source | null = null;
  private stand: ImageBitmap | null = null;
  private look: Look = { invert: false, sigmas: 2.5, centre: null, limits: null };
  private width = 1;
  private height = 1;
  private ratio = 1;
  /** Picture pixel at the middle of the canvas, as parts of the picture, so that it stays among images of other sizes. */
  private middle: [number, number] = [0.5, 0.5];
  private scale = 0;
  private isFit = true;
  private isDue = false;

  constructor(private readonly canvas: HTMLCanvasElement) {
    this.context = canvas.getContext("2d") as CanvasRenderingContext2D;
    this.tiles = new TileStore(() => this.redraw());
  }

  resize(width: number, height: number): void {
    this.width = Math.max(1, width);
    this.height = Math.max(1, height);
    this.ratio = devicePixelRatio || 1;
    this.canvas.width = Math.round(width * this.ratio);
    this.canvas.height = Math.round(height * this.ratio);
    if (this.isFit) this.scale = this.fitScale();
    this.draw();
  }

  setStandIn(bitmap: ImageBitmap | null): void {
    this.stand = bitmap;
    this.draw();
  }

  /** Show an average; `size` is what the record says of it, so that the frame is right at once. */
  async setSource(source: Source | null, size: { width: number; height: number; pixel_size_A: number | null } | null): Promise<void> {
    const isOther = source?.name !== this.source?.name || source?.version !== this.source?.version;
    if (isOther) this.tiles.abandon();
    this.source = source;
    if (isOther) {
      this.info = size ? { ...size, median: Number.NaN, sigmas: [], tile_px: 512 } : null;
      this.histogram = null;
    }
    if (this.isFit) this.scale = this.fitScale();
    this.draw();
    if (!source) return;
    const info = await this.tiles.info(source);
    if (this.source !== source) return;
    if (info) {
      this.info = info;
      if (this.isFit) this.scale = this.fitScale();
    } else if (!size) this.info = null;
    this.redraw();
  }

  setLook(look: Look): void {
    this.look = look;
    this.redraw();
  }

  zoom(act: ZoomAct): void {
    if (act === "fit") {
      this.isFit = true;
      this.middle = [0.5, 0.5];
      this.scale = this.fitScale();
    } else if (act === "one") this.scaleTo(1 / this.ratio, this.width / 2, this.height / 2);
    else this.scaleTo(this.scale * (act === "in" ? 1.4 : 1 / 1.4), this.width / 2, this.height / 2);
    this.redraw();
  }

  /** Zoom by a factor about a place on the canvas. */
  zoomAt(factor: number, x: number, y: number): void {
    this.scaleTo(this.scale * factor, x, y);
    this.redraw();
  }

  pan(dx: number, dy: number): void {
    if (!this.info) return;
    this.isFit = false;
    this.middle = [
      clamp(this.middle[0] - dx / this.scale / this.info.width, 0, 1),
      clamp(this.middle[1] - dy / this.scale / this.info.height, 0, 1),
    ];
    this.redraw();
  }

  get zoomLevel(): number {
    return this.scale * this.ratio;
  }

  frame(): Frame | null {
    if (!this.info) return null;
    const { width, height } = this.info;
    return {
      x: this.width / 2 - this.middle[0] * width * this.scale,
      y: this.height / 2 - this.middle[1] * height * this.scale,
      scale: this.scale,
      width,
      height,
      pixel_size_A: this.info.pixel_size_A ?? 1,
    };
  }

  /** Picture pixel (from the top left corner) under a place on the canvas. */
  toPicture(x: number, y: number): [number, number] | null {
    const frame = this.frame();
    return frame && [(x - frame.x) / frame.scale, (y - frame.y) / frame.scale];
  }

  /** Grey value under a place on the canvas, if its tile is there. */
  valueAt(x: number, y: number): number | null {
    const place = this.toPicture(x, y);
    if (!place || !this.info || !this.source) return null;
    const level = this.level();
    const fold = 2 ** level;
    const [px, py] = [Math.floor(place[0] / fold), Math.floor(place[1] / fold)];
    if (px < 0 || py < 0) return null;
    const size = this.info.tile_px;
    const tile = this.tiles.get(this.source, level, Math.floor(px / size), Math.floor(py / size));
    const value = tile?.grey[(py % size) * tile.width + (px % size)];
    if (!tile || value === undefined || px % size >= tile.width) return null;
    return tile.low + (value / 255) * (tile.high - tile.low);
  }

  redraw(): void {
    if (this.isDue) return;
    this.isDue = true;
    requestAnimationFrame(() => {
      this.isDue = false;
      this.draw();
    });
  }

  draw(): void {
    const { context } = this;
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.fillStyle = "#0c0d0f";
    context.fillRect(0, 0, this.width, this.height);
    const frame = this.frame();
    if (!frame) {
      this.onView();
      return;
    }
    if (this.stand) {
      context.imageSmoothingEnabled = true;
      context.drawImage(this.stand, frame.x, frame.y, frame.width * frame.scale, frame.height * frame.scale);
    }
    this.drawTiles(frame);
    this.overlay(context, frame);
    this.onView();
  }

  private drawTiles(frame: Frame): void {
    if (!this.source || !this.info || this.info.sigmas.length === 0) return;
    const level = this.level();
    const wanted = this.onScreen(frame, level);
    const fine = wanted.map(([, column, row]) => this.tiles.get((this.source as Source), level, column, row));
    const there = fine.filter((tile) => tile !== undefined);
    this.setLimits(there);
    // coarser tiles that are there stand in for finer ones under way
    for (let coarse = Math.min(level + 2, 6); coarse >= level; coarse--) {
      for (const [, column, row] of this.onScreen(frame, coarse)) {
        const tile = this.tiles.get(this.source, coarse, column, row);
        if (tile) this.drawTile(frame, tile, coarse, column, row);
      }
    }
    const nearest = wanted.map(([l, c, r]) => ({ tile: [l, c, r] as [number, number, number], distance: this.distance(frame, l, c, r) }));
    nearest.sort((a, b) => a.distance - b.distance);
    this.tiles.want(this.source, nearest.map((one) => one.tile));
  }

  private drawTile(frame: Frame, tile: Tile, level: number, column: number, row: number): void {
    const size = (this.info as PictureInfo).tile_px * 2 ** level * frame.scale;
    const painted = paint(tile, this.shown.black, this.shown.white, this.look.invert);
    const part = 2 ** level * frame.scale;
    this.context.imageSmoothingEnabled = frame.scale * this.ratio < 2.5;
    this.context.imageSmoothingQuality = "high";
    this.context.drawImage(painted, frame.x + column * size, frame.y + row * size, tile.width * part, tile.height * part);
  }

  /** Limits from the statistics of the tiles on view, or as the user fixed them. */
  private setLimits(tiles: readonly Tile[]): void {
    if (this.look.limits) {
      [this.shown.black, this.shown.white] = this.look.limits;
    } else if (tiles.length > 0) {
      const spreads = tiles.map((tile) => (tile.quantiles[2] - tile.quantiles[0]) / 2).sort((a, b) => a - b);
      const medians = tiles.map((tile) => tile.quantiles[1]).sort((a, b) => a - b);
      const spread = (spreads[spreads.length >> 1] as number) || 1;
      const centre = this.look.centre ?? (medians[medians.length >> 1] as number);
      this.shown = { black: centre - this.look.sigmas * spread, white: centre + this.look.sigmas * spread };
    }
    if (tiles.length > 0) this.histogram = gather(tiles);
  }

  private onScreen(frame: Frame, level: number): [number, number, number][] {
    const info = this.info as PictureInfo;
    const size = info.tile_px * 2 ** level * frame.scale;
    const columns = Math.ceil(info.width / 2 ** level / info.tile_px);
    const rows = Math.ceil(info.height / 2 ** level / info.tile_px);
    const found: [number, number, number][] = [];
    for (let row = Math.max(0, Math.floor(-frame.y / size)); row < rows && frame.y + row * size < this.height; row++) {
      for (let column = Math.max(0, Math.floor(-frame.x / size)); column < columns && frame.x + column * size < this.width; column++) {
        found.push([level, column, row]);
      }
    }
    return found;
  }

  private distance(frame: Frame, level: number, column: number, row: number): number {
    const size = (this.info as PictureInfo).tile_px * 2 ** level * frame.scale;
    return Math.hypot(frame.x + (column + 0.5) * size - this.width / 2, frame.y + (row + 0.5) * size - this.height / 2);
  }

  private level(): number {
    return Math.max(0, Math.min(5, Math.floor(Math.log2(1 / (this.scale * this.ratio) + 1e-9) + 0.25)));
  }

  private fitScale(): number {
    if (!this.info) return this.scale || 0.2;
    return Math.min(this.width / this.info.width, this.height / this.info.height) * 0.985;
  }

  private scaleTo(scale: number, x: number, y: number): void {
    if (!this.info) return;
    const next = clamp(scale, MIN_SCALE, MAX_SCALE);
    const before = this.toPicture(x, y) as [number, number];
    this.scale = next;
    this.isFit = false;
    const after = this.toPicture(x, y) as [number, number];
    this.middle = [
      clamp(this.middle[0] + (before[0] - after[0]) / this.info.width, 0, 1),
      clamp(this.middle[1] + (before[1] - after[1]) / this.info.height, 0, 1),
    ];
  }
}

function gather(tiles: readonly Tile[]): { low: number; high: number; bins: Uint32Array } {
  const low = Math.min(...tiles.map((tile) => tile.low));
  const high = Math.max(...tiles.map((tile) => tile.high));
  const bins = new Uint32Array(128);
  for (const tile of tiles) {
    for (let value = 0; value < 256; value++) {
      const grey = tile.low + ((value + 0.5) / 256) * (tile.high - tile.low);
      const bin = Math.min(127, Math.max(0, Math.floor(((grey - low) / (high - low)) * 128)));
      bins[bin] = (bins[bin] as number) + (tile.histogram[value] as number);
    }
  }
  return { low, high, bins };
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}
