/** Keep, drop, automatic, undo: shown at once, sent in order, sent again until the server has written them down. */

import { signal } from "@preact/signals";
import * as api from "../api/client";
import { current, project, revision, table, takeItems } from "./store";
import { type Verb, VERBS } from "./table";
import { announce, notify } from "./notices";

interface Waiting {
  path: string;
  body: Record<string, unknown>;
  names: string[];
}

export const unsent = signal(0);
/** Reasons given before, newest first, offered again. */
export const reasons = signal<string[]>(["grid bar", "dark", "blurred", "contamination", "ice", "moved away"]);

const queue: Waiting[] = [];
let isSending = false;
let hasWarned = false;

export function decide(at: readonly number[], verb: Verb, reason = ""): void {
  if (at.length === 0 || project.value?.read_only) {
    if (project.value?.read_only) notify("This page is read-only; nothing can be changed here.", "warn");
    return;
  }
  const names = at.map((one) => table.value.names[one] as string);
  for (const one of at) table.value.setDecision(one, verb, reason, project.value?.author ?? "");
  revision.value += 1;
  tell(names, verb);
  push({ path: "/api/decisions", body: { items: names, verb, reason, key: randomKey() }, names });
}

/** X: drop, or take the drop back. */
export function toggleDrop(at: number = current.value): void {
  if (at < 0) return;
  const now = VERBS[table.value.decision[at] ?? 0];
  decide([at], now === "drop" ? "auto" : "drop");
}

export function undo(): void {
  push({ path: "/api/decisions/undo", body: {}, names: [] });
}

export function redo(): void {
  push({ path: "/api/decisions/redo", body: {}, names: [] });
}

export function rememberReason(reason: string): void {
  if (reason.trim()) reasons.value = [reason, ...reasons.value.filter((one) => one !== reason)].slice(0, 12);
}

function tell(names: readonly string[], verb: Verb): void {
  const what = names.length === 1 ? (names[0] as string) : `${names.length} images`;
  const said = { drop: "left out", keep: "kept", auto: "back to automatic" }[verb];
  announce(`${what} ${said}`);
  if (verb === "drop" && !hasWarned) {
    hasWarned = true;
    notify("Left out. Z takes it back, at any time.", "info");
  } else if (names.length > 1) {
    notify(`${what} ${said}. Z takes it back.`, "info");
  }
}

function push(entry: Waiting): void {
  queue.push(entry);
  unsent.value = queue.length;
  if (!isSending) void sendAll();
}

async function sendAll(): Promise<void> {
  isSending = true;
  while (queue.length > 0) {
    const entry = queue[0] as Waiting;
    try {
      const answer = await api.send<api.DecisionOut>("POST", entry.path, entry.body);
      queue.shift();
      // images with later decisions still on their way must not flicker back
      const later = new Set(queue.flatMap((one) => one.names));
      takeItems(answer.items.filter((item) => !later.has(item.name)));
      if (entry.names.length === 0) announceUndo(answer);
    } catch (error) {
      if (error instanceof api.OfflineError || (error instanceof api.ApiError && error.status >= 500)) {
        unsent.value = queue.length;
        await new Promise((resume) => setTimeout(resume, 1000));
        continue;
      }
      queue.shift();
      notify(error instanceof Error ? error.message : String(error), "error");
      await reload(entry.names);
    }
    unsent.value = queue.length;
  }
  isSending = false;
}

function announceUndo(answer: api.DecisionOut): void {
  const names = answer.items.map((item) => item.name);
  if (names.length === 0) return;
  const state = { drop: "left out", keep: "kept", auto: "automatic" }[answer.items[0]?.decision ?? "auto"];
  const what = names.length === 1 ? (names[0] as string) : `${names.length} images`;
  notify(`${what}: ${state} again.`, "info");
  announce(`${what} ${state} again`);
}

/** A refused decision was shown already: take back what is really so. */
async function reload(names: readonly string[]): Promise<void> {
  for (const name of names.slice(0, 50)) {
    try {
      takeItems([(await api.get<api.ItemDetail>(api.itemPath(name))).item]);
    } catch {
      return;
    }
  }
}

function randomKey(): string {
  const words = crypto.getRandomValues(new Uint32Array(3));
  return Array.from(words, (word) => word.toString(16).padStart(8, "0")).join("");
}
