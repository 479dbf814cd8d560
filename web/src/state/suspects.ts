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

export async function loadSuspects(): Promise<void> {
  const found = await api.get<{ suggestions: Suggestion[] }>("/api/suggestions");
  suggestions.value = found.suggestions;
  setSuspects(found.suggestions.map((one) => [one.item, one.reason]));
}
