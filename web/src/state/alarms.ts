/** Alarms of the run that is going, until somebody has seen them. */

import { computed, signal } from "@preact/signals";
import { type Alarm, findAlarms, findQuiet, madeSince } from "../lib/alarms";
import { METRICS } from "./metrics";
import { thresholds } from "./rules";
import { revision, run, table } from "./store";

/** How large each alarm was when it was seen; it comes again when it has grown. */
const seen = signal<Readonly<Record<string, number>>>({});
/** The minute, for what depends on nothing having happened. */
const minute = signal(Date.now());
/** Began of a run that was going while the page was open: its alarms outlive it. */
const watched = signal("");

export const madeNow = computed<number[]>(() => {
  revision.value;
  const began = Date.parse(watched.value);
  return Number.isNaN(began) ? [] : madeSince(table.value, began);
});

export const alarms = computed<Alarm[]>(() => {
  if (!watched.value) return [];
  const now = run.value;
  const quiet = now?.is_running ? findQuiet(Date.parse(now.last ?? ""), minute.value) : [];
  return [...findAlarms(table.value, madeNow.value, thresholds.value, METRICS), ...quiet];
});

export const freshAlarms = computed<Alarm[]>(() => alarms.value.filter((alarm) => Math.max(1, alarm.items.length) > (seen.value[alarm.kind] ?? 0)));

export function markSeen(alarm: Alarm): void {
  seen.value = { ...seen.value, [alarm.kind]: Math.max(1, alarm.items.length) };
}

/** Follow runs; returns what ends it. */
export function followAlarms(): () => void {
  const timer = setInterval(() => { minute.value = Date.now(); }, 30_000);
  const stop = run.subscribe((now) => {
    const began = now?.is_running ? (now.began ?? "") : "";
    if (!began || began === watched.peek()) return;
    watched.value = began;
    seen.value = {};
  });
  return () => {
    clearInterval(timer);
    stop();
  };
}
