/** The line at the top: project, pages, the run. */

import { useSignal } from "@preact/signals";
import * as api from "../api/client";
import { duration } from "../lib/format";
import { AlarmChip } from "./alarms";
import { isHelpOpen } from "../state/look";
import { report } from "../state/notices";
import { go, isSettingsOpen, page as pageNow, type Page, PAGES, route, routeQuery } from "../state/route";
import { counts, jobs, plan, project, run } from "../state/store";
import { theme, toggleTheme } from "../state/theme";
import { draft, saveDraft } from "../settings/draft";

const TITLES: Record<Page, string> = {
  overview: "Overview", fourier: "Fourier Space", real: "Real Space", series: "Series",
  import: "Import", export: "Export", checks: "Checks", log: "Log",
};

export function Top() {
  const here = pageNow.value;
  return (
    <header class="top">
      <div class="brand">
        <Mark />
        <span>Weft</span>
        <span class="project" title={project.value?.folder}>{project.value?.name}</span>
      </div>
      <nav class="tabs" aria-label="Pages">
        {PAGES.map((page) => (
          <a
            href={routeQuery({ ...route.peek(), page })} aria-current={here === page ? "page" : undefined}
            onClick={(event) => {
              event.preventDefault();
              go({ page });
            }}
          >
            {TITLES[page]}
            <PageBadge page={page} />
          </a>
        ))}
      </nav>
      <span class="spacer" />
      <AlarmChip />
      <RunState />
      <RunButton />
      <button
        type="button" class="plain icon-button" aria-pressed={isSettingsOpen.value} title="Settings" aria-label="Settings"
        onClick={() => go({ settings: !isSettingsOpen.peek() })}
      >
        <svg width="16" height="16" viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round" aria-hidden="true">
          <path d="M2 4.500h7M13 4.500h1M2 11.500h1M7 11.500h7" /><circle cx="11" cy="4.500" r="1.800" /><circle cx="5" cy="11.500" r="1.800" />
        </svg>
      </button>
      <button type="button" class="plain icon-button" onClick={toggleTheme} title="Dark or light" aria-label="Dark or light">
        <svg width="16" height="16" viewBox="0 0 16 16" aria-hidden="true">
          <circle cx="8" cy="8" r="6" fill="none" stroke="currentColor" stroke-width="1.5" />
          <path d={theme.value === "dark" ? "M8 2a6 6 0 0 1 0 12z" : "M8 2a6 6 0 0 0 0 12z"} fill="currentColor" />
        </svg>
      </button>
      <button type="button" class="plain icon-button" onClick={() => (isHelpOpen.value = true)} title="Keys (?)" aria-label="Keys">?</button>
    </header>
  );
}

function PageBadge({ page }: { page: Page }) {
  if (page === "overview" && counts.value.failed > 0) return <span class="badge fail">{counts.value.failed}</span>;
  if (page === "series" && counts.value.suspects > 0) return <span class="badge warn">{counts.value.suspects}</span>;
  if (page === "checks") {
    const found = (jobs.value["check"]?.document as { errors?: number } | null)?.errors ?? 0;
    if (found > 0) return <span class="badge fail">{found}</span>;
  }
  return null;
}

function RunState() {
  const now = run.value;
  if (!now?.is_running) return null;
  const rate = now.per_minute ? `${now.per_minute >= 10 ? now.per_minute.toFixed(0) : now.per_minute.toFixed(1)}/min` : "";
  const isWaiting = now.watches && now.done >= now.total;
  return (
    <span class="running" data-testid="run-state" title={Object.keys(now.in_hand ?? {}).join(", ")}>
      {!isWaiting && <progress max={Math.max(1, now.total)} value={now.done} aria-label="Images processed" />}
      <span>{isWaiting ? `watching, ${now.done} done` : `${now.done} of ${now.total}`}</span>
      {rate && <span>{rate}</span>}
      {now.left_s !== null && now.left_s !== undefined && <span>{duration(now.left_s)} left</span>}
    </span>
  );
}

function RunButton() {
  const isBusy = useSignal(false);
  const isAsking = useSignal(false);
  const now = run.value;
  const isLocked = project.value?.read_only ?? true;
  const call = (path: string, body: unknown) => async () => {
    isBusy.value = true;
    isAsking.value = false;
    try {
      if (path.endsWith("start") && Object.keys(draft.value).length > 0) await saveDraft();
      run.value = await api.send<api.Run>("POST", path, body);
    } catch (error) {
      report(error);
    } finally {
      isBusy.value = false;
    }
  };
  if (now?.is_running) {
    if (isAsking.value) {
      return (
        <span class="row">
          <button type="button" class="stop" onClick={call("/api/run/stop", { now: false })}>Finish images in hand</button>
          <button type="button" class="stop" onClick={call("/api/run/stop", { now: true })}>Stop now</button>
          <button type="button" class="plain" onClick={() => (isAsking.value = false)}>Go on</button>
        </span>
      );
    }
    return (
      <button type="button" class="stop" disabled={isLocked || isBusy.value} onClick={() => (isAsking.value = true)}>Stop</button>
    );
  }
  const todo = (plan.value.counts["todo"] ?? 0) + (plan.value.counts["stale"] ?? 0);
  const title = todo > 0 ? `${todo} images would be processed` : "Everything is up to date with the settings";
  return (
    <button
      type="button" class="main" data-testid="start" title={title} disabled={isLocked || isBusy.value || counts.value.all === 0}
      onClick={call("/api/run/start", {})}
    >
      Start processing
    </button>
  );
}

function Mark() {
  return (
    <svg width="22" height="22" viewBox="0 0 32 32" fill="none" stroke-width="3.4" stroke-linecap="round" aria-hidden="true">
      <path stroke="var(--accent)" d="M3 11c5 0 5 10 9 10s5-10 9-10 4 6 8 6" />
      <path stroke="currentColor" d="M3 21c5 0 5-10 9-10M17 19.500c1.200 1.200 2.200 1.500 4 1.500 4 0 4-4 8-4" opacity="0.85" />
    </svg>
  );
}
