/** What the page knows: the project, its images, the run; kept up to date by the stream. */

import { batch, computed, signal } from "@preact/signals";
import * as api from "../api/client";
import { openStream, type StreamState } from "../api/stream";
import { mark } from "../lib/marks";
import { parseSearch, SearchError, type Test } from "../lib/search";
import { flagged } from "./flags";
import { currentName, go, orderBy, searchText } from "./route";
import { count, ordered, Table } from "./table";

export const project = signal<api.Project | null>(null);
export const run = signal<api.Run | null>(null);
export const table = signal<Table>(new Table());
/** Grows whenever a value inside the table changes; the table itself is changed in place. */
export const revision = signal(0);
export const stream = signal<StreamState>({ isOpen: false, attempts: 0 });
export const lastContact = signal<number>(Date.now());
export const settingsHash = signal("");
export const plan = signal<{ counts: Record<string, number>; stages: Record<string, number> }>({ counts: {}, stages: {} });
export const jobs = signal<Record<string, api.Job>>({});
export const isLoaded = signal(false);
export const maskRevision = signal(0);
/** Grows when a series was judged: its images have other values in common then. */
export const judgedRevision = signal(0);
/** Index of the image under the pointer on any plot or bar, -1 if none: all plots show it. */
export const hovered = signal(-1);
/** The pointer is over the bar, whose card tells all numbers: plots then mark the image without words. */
export const isOverBar = signal(false);

export interface LogEvent {
  t: string;
  event: string;
  log: string;
  offset: number;
  item?: string;
  stage?: string;
  seconds?: number;
  message?: string;
  [key: string]: unknown;
}
export const liveLog = signal<LogEvent[]>([]);

const parsed = computed<{ test: Test | null; problem: string }>(() => {
  const text = searchText.value;
  if (!text.trim()) return { test: null, problem: "" };
  try {
    return { test: parseSearch(text), problem: "" };
  } catch (error) {
    return { test: null, problem: error instanceof SearchError ? error.message : String(error) };
  }
});
export const searchProblem = computed(() => parsed.value.problem);

/** Indices of the images that are seen, in the present order and filter. */
export const view = computed<Uint32Array>(() => {
  const now = table.value;
  const [search, order] = [searchText.value, orderBy.value];
  // a filter over values must follow them; names never change
  if (/:/.test(search) || order !== "name") revision.value;
  const { test } = parsed.value;
  if (test === null) return ordered(now, order, null);
  const item = now.searchable(flagged.value);
  return ordered(now, order, (at) => test(item(at)));
});

export const counts = computed(() => {
  revision.value;
  return count(table.value);
});

/** Index of the current image; the first one seen if none is chosen. */
export const current = computed<number>(() => {
  const at = table.value.find(currentName.value);
  return at >= 0 ? at : (view.value[0] ?? -1);
});

/** Position of the current image in the view, -1 if the filter hides it. */
export const position = computed<number>(() => view.value.indexOf(current.value));

/** Position of the image under the pointer in the view, -1 if there is none. */
export const hoveredPlace = computed<number>(() => (hovered.value < 0 ? -1 : view.value.indexOf(hovered.value)));

export function select(at: number): void {
  const name = table.value.names[at];
  if (name !== undefined) go({ item: name });
}

export function step(by: number): void {
  const seen = view.value;
  if (seen.length === 0) return;
  const now = position.value;
  const next = now < 0 ? 0 : Math.min(seen.length - 1, Math.max(0, now + by));
  select(seen[next] as number);
}

/** Go to the first image of the series before or after. */
export function stepSeries(by: number): void {
  const seen = view.value;
  const series = table.value.series;
  let now = Math.max(0, position.value);
  const here = series[seen[now] as number];
  while (now >= 0 && now < seen.length && series[seen[now] as number] === here) now += by;
  if (now < 0 || now >= seen.length) return;
  const there = series[seen[now] as number];
  while (by < 0 && now > 0 && series[seen[now - 1] as number] === there) now -= 1;
  select(seen[now] as number);
}

/** Indices of the images of a series, by tilt where it is known. */
export function membersOf(series: number): number[] {
  const now = table.value;
  const tilt = now.column("tilt_deg");
  const found: number[] = [];
  for (let at = 0; at < now.length; at++) if (now.series[at] === series) found.push(at);
  return found.sort((a, b) => ((tilt[a] as number) - (tilt[b] as number) || 0) || a - b);
}

/** Of the images that are shown; the server counts from anew when it is started anew. */
let loadedRevision = -1;
let loading: Promise<void> | null = null;

export function loadItems(): Promise<void> {
  loading = fetchItems().finally(() => { loading = null; });
  return loading;
}

async function fetchItems(): Promise<void> {
  const columns = await api.get<api.Columns>("/api/items");
  loadedRevision = columns.revision;
  const fresh = Table.from(columns);
  for (const [name, text] of suspectTexts) {
    const at = fresh.find(name);
    if (at >= 0) fresh.suspects.set(at, text);
  }
  batch(() => {
    table.value = fresh;
    revision.value += 1;
    isLoaded.value = true;
  });
  mark("items");
}

const suspectTexts = new Map<string, string>();

/** Take the suspects of a project: name to a short reason. */
export function setSuspects(found: Iterable<[string, string]>): void {
  suspectTexts.clear();
  table.value.suspects.clear();
  for (const [name, text] of found) {
    suspectTexts.set(name, text);
    const at = table.value.find(name);
    if (at >= 0) table.value.suspects.set(at, text);
  }
  revision.value += 1;
}

export async function loadProject(): Promise<void> {
  const found = await api.get<api.Project>("/api/project");
  batch(() => {
    project.value = found;
    run.value = found.run;
    plan.value = { counts: found.plan_counts, stages: found.plan_stages };
  });
}

/** Grows when the server knows other suggestions. */
export const suggestionsRevision = signal(0);

export function takeItems(items: readonly api.Item[]): void {
  let isWhole = true;
  for (const item of items) isWhole = table.value.update(item) && isWhole;
  revision.value += 1;
  if (!isWhole) void loadItems();
}

const LOG_KEPT = 2000;

let isFirstHello = true;

/** The stream is open: take what was missed. At the start that is what changed while the images were on their way. */
async function greet(revisionThere: number): Promise<void> {
  const isFirst = isFirstHello;
  isFirstHello = false;
  try {
    if (isFirst && loading) await loading;
    if (isFirst && loadedRevision >= revisionThere) return;
    await Promise.all([loadItems(), loadProject()]);
  } catch {
    // the stream tells when the server is lost
  }
}

function take(kind: string, data: unknown): void {
  lastContact.value = Date.now();
  switch (kind) {
    case "hello":
      void greet((data as { revision: number }).revision);
      break;
    case "resync":
      void loadItems().catch(() => undefined);
      break;
    case "items":
      takeItems((data as { items: api.Item[] }).items);
      break;
    case "run": {
      const now = data as api.Run;
      const was = run.value?.is_running;
      run.value = now;
      if (was !== undefined && was !== now.is_running) void loadProject().catch(() => undefined);
      break;
    }
    case "plan":
      plan.value = data as typeof plan.value;
      break;
    case "settings":
      settingsHash.value = (data as { hash: string }).hash;
      void loadProject().catch(() => undefined);
      break;
    case "job": {
      const job = data as api.Job;
      jobs.value = { ...jobs.value, [job.verb]: job };
      break;
    }
    case "suggestions":
      suggestionsRevision.value += 1;
      break;
    case "mask":
      maskRevision.value += 1;
      break;
    case "log":
      liveLog.value = [...liveLog.value.slice(-LOG_KEPT), data as LogEvent];
      if ((data as LogEvent).event === "series_done") judgedRevision.value += 1;
      break;
  }
}

export function connect(): () => void {
  return openStream(
    (event) => take(event.kind, event.data),
    (state) => {
      stream.value = state;
      if (state.isOpen) lastContact.value = Date.now();
    },
  );
}
