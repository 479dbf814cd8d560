/** Short messages: a strip that goes by itself, and words for screen readers. */

import { signal } from "@preact/signals";

export type Tone = "info" | "warn" | "error";

export interface Notice {
  id: number;
  text: string;
  tone: Tone;
}

export const notices = signal<Notice[]>([]);
export const spoken = signal("");

let next = 1;

export function notify(text: string, tone: Tone = "info"): void {
  const notice = { id: next++, text, tone };
  notices.value = [...notices.value.slice(-2), notice];
  if (tone !== "error") setTimeout(() => dismiss(notice.id), tone === "warn" ? 8000 : 4000);
}

export function dismiss(id: number): void {
  notices.value = notices.value.filter((notice) => notice.id !== id);
}

export function announce(text: string): void {
  spoken.value = text;
}

/** Tell an error that was caught, unless it is only an aborted request. */
export function report(error: unknown): void {
  if (error instanceof DOMException && error.name === "AbortError") return;
  notify(error instanceof Error ? error.message : String(error), "error");
}
