/** What is drawn over an average: bead mask, motion tracks, local defocus. Positions are given in Å, y upwards. */

import type { FitRecord, MotionRecord } from "../state/detail";

/** From the picture to the screen: `x`, `y` of the picture's top left corner, CSS pixels per picture pixel. */
export interface Frame {
  x: number;
  y: number;
  scale: number;
  width: number;
  height: number;
  pixel_size_A: number;
}

export const MASK_COLOUR = [178, 102, 255] as const;
export const EXAGGERATION = 20;

export interface MaskImage {
  width: number;
  height: number;
  values: Uint8Array;
  isEdited: boolean;
  canvas: OffscreenCanvas;
}

export function makeMaskImage(values: Uint8Array, width: number, height: number, isEdited: boolean): MaskImage {
  const mask = { width, height, values, isEdited, canvas: new OffscreenCanvas(width, height) };
  repaintMask(mask);
  return mask;
}

/** Tint inside, stronger at the rim. */
export function repaintMask(mask: MaskImage): void {
  const context = mask.canvas.getContext("2d") as OffscreenCanvasRenderingContext2D;
  const image = context.createImageData(mask.width, mask.height);
  const { values, width, height } = mask;
  const [red, green, blue] = MASK_COLOUR;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = y * width + x;
      if (!values[at]) continue;
      const isRim = x === 0 || y === 0 || x === width - 1 || y === height - 1 || !values[at - 1] || !values[at + 1] || !values[at - width] || !values[at + width];
      image.data[at * 4] = red;
      image.data[at * 4 + 1] = green;
      image.data[at * 4 + 2] = blue;
      image.data[at * 4 + 3] = isRim ? 230 : 90;
    }
  }
  context.putImageData(image, 0, 0);
}

export function drawMask(canvas: CanvasRenderingContext2D, frame: Frame, mask: MaskImage): void {
  canvas.imageSmoothingEnabled = frame.scale * (frame.width / mask.width) < 3;
  canvas.drawImage(mask.canvas, frame.x, frame.y, frame.width * frame.scale, frame.height * frame.scale);
}

/** Set or clear the mask within a circle; the place is in picture pixels. */
export function paintMask(mask: MaskImage, frame: Frame, x: number, y: number, radius_A: number, isOn: boolean): void {
  const perMask = frame.width / mask.width;
  const radius = Math.max(0.6, radius_A / frame.pixel_size_A / perMask);
  const [cx, cy] = [x / perMask - 0.5, y / perMask - 0.5];
  for (let row = Math.max(0, Math.floor(cy - radius)); row <= Math.min(mask.height - 1, Math.ceil(cy + radius)); row++) {
    for (let column = Math.max(0, Math.floor(cx - radius)); column <= Math.min(mask.width - 1, Math.ceil(cx + radius)); column++) {
      if ((row - cy) ** 2 + (column - cx) ** 2 <= radius * radius) mask.values[row * mask.width + column] = isOn ? 1 : 0;
    }
  }
  repaintMask(mask);
}

/** The path of the sample, exaggerated; time runs from pink to blue, the first frame is ringed. */
export function drawTrack(canvas: CanvasRenderingContext2D, frame: Frame, motion: MotionRecord): void {
  const { path_A, nodes_A } = motion.field;
  const isLocal = nodes_A.length * (nodes_A[0]?.length ?? 0) * (nodes_A[0]?.[0]?.length ?? 0) > 1;
  const places = isLocal ? [0.1, 0.3, 0.5, 0.7, 0.9] : [0.5];
  const perPixel = (EXAGGERATION * frame.scale) / frame.pixel_size_A;
  canvas.lineWidth = 2;
  canvas.lineCap = "round";
  for (const v of places) {
    for (const u of places) {
      const left = frame.x + u * frame.width * frame.scale;
      const top = frame.y + (1 - v) * frame.height * frame.scale;
      const points = path_A.map(([y, x], t) => {
        const [dy, dx] = isLocal ? localPart(nodes_A, t / Math.max(1, path_A.length - 1), v, u) : [0, 0];
        return [left + (x + dx) * perPixel, top - (y + dy) * perPixel] as const;
      });
      drawPath(canvas, points);
    }
  }
}

function drawPath(canvas: CanvasRenderingContext2D, points: readonly (readonly [number, number])[]): void {
  for (let t = 1; t < points.length; t++) {
    const part = t / (points.length - 1);
    canvas.strokeStyle = `hsl(${320 - 110 * part} 85% 66%)`;
    canvas.beginPath();
    canvas.moveTo(...(points[t - 1] as [number, number]));
    canvas.lineTo(...(points[t] as [number, number]));
    canvas.stroke();
  }
  const first = points[0];
  if (!first) return;
  canvas.strokeStyle = "hsl(320 85% 66%)";
  canvas.beginPath();
  canvas.arc(first[0], first[1], 4, 0, 7);
  canvas.stroke();
}

/** Linear between the nodes: near enough to the spline for the eye. */
function localPart(nodes: [number, number][][][], t: number, v: number, u: number): [number, number] {
  let y = 0;
  let x = 0;
  for (const [it, wt] of ends(nodes.length, t)) {
    const plane = nodes[it] as [number, number][][];
    for (const [iv, wv] of ends(plane.length, v)) {
      const row = plane[iv] as [number, number][];
      for (const [iu, wu] of ends(row.length, u)) {
        const node = row[iu] as [number, number];
        y += wt * wv * wu * node[0];
        x += wt * wv * wu * node[1];
      }
    }
  }
  return [y, x];
}

function ends(count: number, part: number): [number, number][] {
  if (count === 1) return [[0, 1]];
  const at = part * (count - 1);
  const low = Math.min(count - 2, Math.floor(at));
  return [[low, 1 - (at - low)], [low + 1, at - low]];
}

/** Defocus over the field: pink is nearer focus, blue farther; its steepest direction as an arrow. */
export function drawDefocus(canvas: CanvasRenderingContext2D, frame: Frame, fit: FitRecord): void {
  if (fit.defocus_u_A === null || fit.defocus_v_A === null) return;
  const mean = 0.5 * (fit.defocus_u_A + fit.defocus_v_A);
  const [gx, gy] = [fit.gradient_x ?? 0, fit.gradient_y ?? 0];
  const [w_A, h_A] = [frame.width * frame.pixel_size_A, frame.height * frame.pixel_size_A];
  const reach = 0.5 * (Math.abs(gx) * w_A + Math.abs(gy) * h_A) || 1;
  const fields = 16;
  const [width, height] = [(frame.width * frame.scale) / fields, (frame.height * frame.scale) / fields];
  for (let row = 0; row < fields; row++) {
    for (let column = 0; column < fields; column++) {
      const x_A = ((column + 0.5) / fields - 0.5) * w_A;
      const y_A = (0.5 - (row + 0.5) / fields) * h_A;
      const part = (gx * x_A + gy * y_A) / reach;
      canvas.fillStyle = part < 0 ? `rgb(240 120 190 / ${0.32 * -part})` : `rgb(70 150 255 / ${0.32 * part})`;
      canvas.fillRect(frame.x + column * width, frame.y + row * height, width + 0.5, height + 0.5);
    }
  }
  drawArrow(canvas, frame, gx, gy);
  canvas.font = "12px system-ui, sans-serif";
  canvas.fillStyle = "#fff";
  const text = `${((mean - reach) / 1e4).toFixed(3)} – ${((mean + reach) / 1e4).toFixed(3)} µm`;
  canvas.fillText(text, frame.x + 10, frame.y + frame.height * frame.scale - 14);
}

function drawArrow(canvas: CanvasRenderingContext2D, frame: Frame, gx: number, gy: number): void {
  const size = Math.hypot(gx, gy);
  if (size < 1e-6) return;
  const reach = Math.min(1, size) * 0.3 * Math.min(frame.width, frame.height) * frame.scale;
  const [cx, cy] = [frame.x + (frame.width * frame.scale) / 2, frame.y + (frame.height * frame.scale) / 2];
  const [dx, dy] = [(gx / size) * reach, (-gy / size) * reach];
  canvas.strokeStyle = "#fff";
  canvas.lineWidth = 2;
  canvas.beginPath();
  canvas.moveTo(cx - dx, cy - dy);
  canvas.lineTo(cx + dx, cy + dy);
  const angle = Math.atan2(dy, dx);
  for (const turn of [2.6, -2.6]) {
    canvas.moveTo(cx + dx, cy + dy);
    canvas.lineTo(cx + dx + 11 * Math.cos(angle + turn), cy + dy + 11 * Math.sin(angle + turn));
  }
  canvas.stroke();
}
