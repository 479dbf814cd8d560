/** Everything about the current image: its record, its history; fetched when one stays on it. */

import { effect, signal } from "@preact/signals";
import * as api from "../api/client";
import { Lru } from "../lib/lru";
import { current, judgedRevision, maskRevision, revision, table } from "./store";

export interface MotionRecord {
  field: { path_A: [number, number][]; nodes_A: [number, number][][][] };
  total_A: number;
  early_A: number;
  late_A: number;
  mean_frame_A: number;
  largest_local_A: number;
  verdict: string;
  reason: string;
}

export interface FitRecord {
  defocus_u_A: number | null;
  defocus_v_A: number | null;
  angle_deg: number | null;
  phase_shift_deg: number | null;
  gradient_x: number | null;
  gradient_y: number | null;
  grid_A: number[][][];
  sigma: Record<string, number | null>;
  score: number | null;
  resolution_A: number | null;
  pixel_size_A: number;
  voltage_kV: number;
  cs_mm: number;
  amplitude_contrast: number;
  details: Record<string, unknown>;
}

export interface RecordJson {
  name: string;
  movie: { path: string; format: string; frames: number; height: number; width: number; raw_pixel_size_A: number; notes: string[] };
  motion: MotionRecord | null;
  average: {
    height: number; width: number; pixel_size_A: number; mean: number; median: number; sigma: number;
    first_frame: number; last_frame: number; exposure_e_A2: number | null; hot_pixels: number; xrays: number; defect_pixels: number; notes: string[];
  } | null;
  ctf: { fit: FitRecord; curves: Record<string, (number | null)[]>; verdict: string; reason: string } | null;
  mask: { pixel_size_A: number; height: number; width: number; threshold: number; masked_fraction: number; beads: [number, number, number, number][]; verdict: string; reason: string } | null;
  failure: { stage: string; message: string } | null;
}

export interface Detail extends Omit<api.ItemDetail, "record"> {
  record: RecordJson | null;
}

export const detail = signal<Detail | null>(null);

const kept = new Lru<Detail>(40);
const SETTLE_MS = 60;

/** Keep `detail` about the current image; returns what stops it. */
export function followDetail(): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let request: AbortController | undefined;
  const stop = effect(() => {
    revision.value;
    const elsewhere = `${maskRevision.value}/${judgedRevision.value}`;
    const at = current.value;
    const name = table.value.names[at];
    clearTimeout(timer);
    request?.abort();
    if (name === undefined) {
      detail.value = null;
      return;
    }
    const key = `${name}/${table.value.version[at]}/${table.value.decision[at]}/${table.value.state[at]}/${elsewhere}`;
    const known = kept.get(key);
    if (known) {
      detail.value = known;
      return;
    }
    timer = setTimeout(() => {
      request = new AbortController();
      api
        .get<Detail>(api.itemPath(name), request.signal)
        .then((found) => {
          kept.set(key, found, 1);
          if (table.peek().names[current.peek()] === name) detail.value = found;
        })
        .catch(() => undefined);
    }, SETTLE_MS);
  });
  return () => {
    clearTimeout(timer);
    request?.abort();
    stop();
  };
}

/** The detail if it is about the image at `at`. */
export function detailOf(at: number): Detail | null {
  const found = detail.value;
  return found && found.item.name === table.value.names[at] ? found : null;
}
