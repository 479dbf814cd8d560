/** Thresholds: what they would put out, shown before anybody applies them. */

import { computed, signal } from "@preact/signals";
import { decide } from "./decisions";
import { METRICS } from "./metrics";
import { revision, table, view } from "./store";
import { RULE_PREFIX } from "./table";

export interface Limits {
  low: number | null;
  high: number | null;
}

export const thresholds = signal<Record<string, Limits>>({});

export interface Hit {
  key: string;
  text: string;
  items: number[];
}

export function setLimit(key: string, side: "low" | "high", value: number | null): void {
  const now = thresholds.value[key] ?? { low: null, high: null };
  const next = { ...now, [side]: value };
  const all = { ...thresholds.value, [key]: next };
  if (next.low === null && next.high === null) delete all[key];
  thresholds.value = all;
}

/** Images on view, without a decision, that fail each threshold; an image counts for the first it fails. */
export const hits = computed<Hit[]>(() => {
  revision.value;
  const now = table.value;
  const seen = view.value;
  const taken = new Set<number>();
  const found: Hit[] = [];
  for (const metric of METRICS) {
    const limits = thresholds.value[metric.key];
    const values = now.numbers.get(metric.key);
    if (!limits || !values) continue;
    const items: number[] = [];
    for (const at of seen) {
      const value = values[at] as number;
      if (Number.isNaN(value) || now.decision[at] !== 0 || taken.has(at)) continue;
      if ((limits.high !== null && value > limits.high) || (limits.low !== null && value < limits.low)) {
        items.push(at);
        taken.add(at);
      }
    }
    const side = [
      limits.high !== null ? `${metric.word} > ${trim(limits.high)} ${metric.unit}` : "",
      limits.low !== null ? `${metric.word} < ${trim(limits.low)} ${metric.unit}` : "",
    ].filter(Boolean).join(" or ");
    found.push({ key: metric.key, text: side, items });
  }
  return found;
});

export function applyRules(): void {
  for (const hit of hits.value) if (hit.items.length > 0) decide(hit.items, "drop", RULE_PREFIX + hit.text);
  thresholds.value = {};
}

function trim(value: number): string {
  return String(Number(value.toPrecision(4)));
}
