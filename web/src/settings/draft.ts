/** Settings that were changed on the page and not yet written; they wait here while a run goes on. */

import { effect, signal } from "@preact/signals";
import * as api from "../api/client";
import { report } from "../state/notices";
import { settingsHash } from "../state/store";

export type Value = string | number | boolean | null | (number | null)[];

export const settings = signal<api.SettingsOut | null>(null);
export const draft = signal<Record<string, Value>>({});
export const checked = signal<api.CheckedSettings | null>(null);
export const isChecking = signal(false);

const CHECK_AFTER_MS = 500;
let timer: ReturnType<typeof setTimeout> | undefined;
let asked = 0;

export async function loadSettings(): Promise<void> {
  settings.value = await api.get<api.SettingsOut>("/api/settings");
}

export function keyOf(name: string): api.KeyOut | undefined {
  for (const table of settings.value?.tables ?? []) {
    const found = table.keys.find((key) => key.name === name);
    if (found) return found;
  }
  return undefined;
}

/** The value on show: the draft's, or the file's. */
export function valueOf(key: api.KeyOut): Value {
  return key.name in draft.value ? (draft.value[key.name] as Value) : (key.value as Value);
}

export function change(key: api.KeyOut, value: Value): void {
  const next = { ...draft.value };
  if (JSON.stringify(value) === JSON.stringify(key.value)) delete next[key.name];
  else next[key.name] = value;
  draft.value = next;
  clearTimeout(timer);
  checked.value = null;
  if (Object.keys(next).length > 0) timer = setTimeout(() => void check(), CHECK_AFTER_MS);
}

export function revert(): void {
  draft.value = {};
  checked.value = null;
}

async function check(): Promise<void> {
  const mine = ++asked;
  isChecking.value = true;
  try {
    const answer = await api.send<api.CheckedSettings>("POST", "/api/settings/check", { changes: draft.value });
    if (mine === asked) checked.value = answer;
  } catch (error) {
    if (mine === asked) report(error);
  } finally {
    if (mine === asked) isChecking.value = false;
  }
}

export async function saveDraft(): Promise<void> {
  settings.value = await api.send<api.SettingsOut>("PUT", "/api/settings", { changes: draft.value });
  revert();
}

/** Follow changes that others make to the file. */
export function followSettings(): void {
  effect(() => {
    if (settingsHash.value && settings.peek() && settingsHash.value !== settings.peek()?.hash) {
      void loadSettings().catch(report);
    }
  });
}
