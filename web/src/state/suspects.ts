/** Suggested deselections with their reasons; nothing is dropped until a person says so. */

import { signal } from "@preact/signals";
import * as api from "../api/client";
import { setSuspects } from "./store";

export interface Suggestion {
  item: string;
  series: string;
  code: string;
  reason: string;
  score: number;
}

export const suggestions = signal<Suggestion[]>([]);

/** How many series are still to be judged. */
export const pendingSeries = signal(0);

const words = new Map<string, string>();

/** One word for what is suspected of an image: dark, blocked, blurred. */
export function suspectWord(name: string): string {
  return words.get(name) ?? "suspect";
}

/** Asks for what is known; the stream tells when there is more. */
export async function loadSuspects(): Promise<void> {
  const found = await api.get<api.Schemas["Suggestions"]>("/api/suggestions");
  words.clear();
  for (const one of found.suggestions) words.set(one.item, one.code.replaceAll("_", " "));
  suggestions.value = found.suggestions;
  pendingSeries.value = found.pending;
  setSuspects(found.suggestions.map((one) => [one.item, one.reason]));
}
