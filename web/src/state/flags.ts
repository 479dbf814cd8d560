/** Images to come back to: a person's marks, kept by this browser for each project; no decision. */

import { signal } from "@preact/signals";
import { readKept, writeKept } from "../lib/kept";

const KEY = "weft-flags";
export const flagged = signal<ReadonlySet<string>>(new Set());
let folder = "";

export function openFlags(projectFolder: string): void {
  folder = projectFolder;
  flagged.value = readKept(KEY, folder);
}

/** Flag an image, or take its flag away; true if it has one now. */
export function toggleFlag(name: string): boolean {
  const next = new Set(flagged.value);
  if (!next.delete(name)) next.add(name);
  flagged.value = next;
  writeKept(KEY, folder, next);
  return next.has(name);
}
