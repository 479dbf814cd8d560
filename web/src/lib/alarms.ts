/** What somebody beside the microscope should hear of while a run is going: judged of the images that it made. */

import type { Metric } from "../state/metrics";
import type { Limits } from "../state/rules";
import { DROP, type Table } from "../state/table";

export interface Alarm {
  /** Tells alarms apart: `dark`, `target`, `motion`, `quiet`, `limit:resolution_A`. */
  kind: string;
  text: string;
  items: number[];
}

const IN_A_ROW = 3;
/** An image with less than this share of the light of others at a like tilt is dark. */
const DARK = 0.35;
/** Tilts are alike within one and a half of these. */
const BIN_DEG = 6;
const FEWEST_ALIKE = 4;
const OFF_TARGET_UM = 1;
const MOTION_FACTOR = 2;
const MOTION_NEWEST = 5;
const MOTION_BEFORE = 10;
const QUIET_S = 600;

/** Images that the run made, oldest first; a version is the time of the record in ns. */
export function madeSince(table: Table, beganMs: number): number[] {
  const found: [number, number][] = [];
  for (let at = 0; at < table.length; at++) {
    if (table.state[at] !== 2 && table.state[at] !== 4) continue;
    const madeMs = Number(table.version[at]) / 1e6;
    if (madeMs >= beganMs) found.push([madeMs, at]);
  }
  return found.sort((a, b) => a[0] - b[0]).map(([, at]) => at);
}

export function findAlarms(
  table: Table, made: readonly number[], limits: Readonly<Record<string, Limits>>, metrics: readonly Metric[],
): Alarm[] {
  return [
    ...beyondLimits(table, made, limits, metrics),
    ...inARow("dark", made, darkness(table), (count) => `${count} images in a row are dark: look at the beam and the grid`),
    ...inARow("target", made, (at) => isOffTarget(table, at), (count) => `${count} images in a row are more than ${OFF_TARGET_UM} µm off the target defocus`),
    ...moreMotion(table, made),
  ];
}

/** Nothing has come out of a run that is going, for long. */
export function findQuiet(lastMs: number, nowMs: number): Alarm[] {
  const waited = (nowMs - lastMs) / 1000;
  if (!(waited > QUIET_S)) return [];
  return [{ kind: "quiet", text: `Nothing has come for ${Math.floor(waited / 60)} minutes`, items: [] }];
}

function beyondLimits(
  table: Table, made: readonly number[], limits: Readonly<Record<string, Limits>>, metrics: readonly Metric[],
): Alarm[] {
  return metrics.flatMap((metric) => {
    const limit = limits[metric.key];
    if (!limit) return [];
    const items = made.filter((at) => {
      const value = table.number(at, metric.key);
      if (value === null || table.decision[at] === DROP) return false;
      return (limit.high !== null && value > limit.high) || (limit.low !== null && value < limit.low);
    });
    if (items.length === 0) return [];
    const sides = [
      limit.high === null ? "" : `above ${trim(limit.high)} ${metric.unit}`,
      limit.low === null ? "" : `below ${trim(limit.low)} ${metric.unit}`,
    ].filter(Boolean).join(" or ");
    const text = `${metric.label} ${sides}: ${items.length} of the ${made.length} images of this run`;
    return [{ kind: `limit:${metric.key}`, text, items }];
  });
}

/** The longest stretch of neighbours in time that a test holds for, if it is long enough. */
function inARow(kind: string, made: readonly number[], test: (at: number) => boolean, words: (count: number) => string): Alarm[] {
  let longest: number[] = [];
  let now: number[] = [];
  for (const at of made) {
    now = test(at) ? [...now, at] : [];
    if (now.length >= longest.length) longest = now;
  }
  return longest.length >= IN_A_ROW ? [{ kind, text: words(longest.length), items: longest }] : [];
}

/** Says of an image whether it is dark, compared with all images at a like tilt. */
function darkness(table: Table): (at: number) => boolean {
  const bins: number[][] = [];
  const tilts = table.column("tilt_deg");
  const binOf = (at: number): number => Math.floor(Math.abs(tilts[at] || 0) / BIN_DEG);
  for (let at = 0; at < table.length; at++) {
    const mean = table.number(at, "mean_e");
    if (mean !== null && table.decision[at] !== DROP) (bins[binOf(at)] ??= []).push(mean);
  }
  const usual = new Map<number, number>();
  const usualOf = (bin: number): number => {
    const known = usual.get(bin);
    if (known !== undefined) return known;
    const alike = [bin - 1, bin, bin + 1].flatMap((one) => bins[one] ?? []);
    // of the brighter half, so that many dark images do not become the rule
    const found = alike.length < FEWEST_ALIKE ? Number.NaN : quantile(alike, 0.75);
    usual.set(bin, found);
    return found;
  };
  return (at) => {
    const mean = table.number(at, "mean_e");
    return mean !== null && table.decision[at] !== DROP && mean < DARK * usualOf(binOf(at));
  };
}

function isOffTarget(table: Table, at: number): boolean {
  const [defocus, target] = [table.number(at, "defocus_um"), table.number(at, "target_defocus_um")];
  return defocus !== null && target !== null && table.decision[at] !== DROP && Math.abs(defocus - Math.abs(target)) > OFF_TARGET_UM;
}

function moreMotion(table: Table, made: readonly number[]): Alarm[] {
  const measured = made.filter((at) => table.number(at, "motion_A") !== null && table.decision[at] !== DROP);
  if (measured.length < MOTION_NEWEST + MOTION_BEFORE) return [];
  const values = measured.map((at) => table.number(at, "motion_A") as number);
  const [newest, before] = [quantile(values.slice(-MOTION_NEWEST), 0.5), quantile(values.slice(0, -MOTION_NEWEST), 0.5)];
  if (!(newest > MOTION_FACTOR * before)) return [];
  const text = `The newest ${MOTION_NEWEST} images move by ${newest.toFixed(1)} Å, those before by ${before.toFixed(1)} Å`;
  return [{ kind: "motion", text, items: measured.slice(-MOTION_NEWEST) }];
}

function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.round(part * (sorted.length - 1))] ?? Number.NaN;
}

function trim(value: number): string {
  return String(Number(value.toPrecision(4)));
}
