/** Series that a person has looked through, kept by this browser for each project; no decision. */

import { signal } from "@preact/signals";
import { readKept, writeKept } from "../lib/kept";

const KEY = "weft-done-series";
export const doneSeries = signal<ReadonlySet<string>>(new Set());
let folder = "";

export function openDone(projectFolder: string): void {
  folder = projectFolder;
  doneSeries.value = readKept(KEY, folder);
}

export function markDone(name: string): void {
  const next = new Set(doneSeries.value).add(name);
  doneSeries.value = next;
  writeKept(KEY, folder, next);
}
