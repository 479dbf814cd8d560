/** Log: what every run did, newest last; failures first to be seen. */

import { useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import * as api from "../api/client";
import { Copy } from "../parts/copy";
import { clock } from "../lib/format";
import { notify, report } from "../state/notices";
import { go } from "../state/route";
import { liveLog, project, run, type LogEvent } from "../state/store";

const SHOWN = 600;

export function LogPage() {
  const logs = useSignal<api.Schemas["LogOut"][]>([]);
  const chosen = useSignal<string>("");
  const events = useSignal<LogEvent[]>([]);
  const level = useSignal<"all" | "failures">("all");
  const follow = useSignal(true);
  const end = useRef<HTMLLIElement>(null);

  useEffect(() => {
    void api
      .get<api.Schemas["LogOut"][]>("/api/logs")
      .then((found) => {
        const isNewest = chosen.peek() === (logs.peek()[0]?.name ?? "");
        logs.value = found;
        // a watch begins a log at each look
        if (isNewest && follow.peek() && found[0]) chosen.value = found[0].name;
      })
      .catch(report);
  }, [run.value?.log]);

  useSignalEffect(() => {
    const name = chosen.value;
    if (!name) return;
    let isStale = false;
    void readAll(name).then((found) => {
      if (!isStale) events.value = found;
    }, report);
    return () => { isStale = true; };
  });

  // events that arrive while the log is on view
  useSignalEffect(() => {
    const last = events.peek().at(-1)?.offset ?? 0;
    const fresh = liveLog.value.filter((event) => event.log === chosen.peek() && event.offset > last);
    if (fresh.length > 0) events.value = [...events.peek(), ...fresh];
  });
  useEffect(() => {
    if (follow.value) end.current?.scrollIntoView({ block: "end" });
  }, [events.value]);

  if (logs.value.length === 0) return <div class="empty"><strong>No events</strong><p>Every run writes one log; nothing has run here yet.</p></div>;
  const wanted = level.value === "all" ? events.value : events.value.filter(isTrouble);
  return (
    <div class="pad">
      <div class="steps stays">
        <h2>Log</h2>
        <select aria-label="Run" value={chosen.value} onChange={(event) => { chosen.value = event.currentTarget.value; }}>
          {logs.value.map((log) => <option value={log.name}>{title(log.name)}</option>)}
        </select>
        <select aria-label="Which events" value={level.value} onChange={(event) => { level.value = event.currentTarget.value as "all" | "failures"; }}>
          <option value="all">all events</option>
          <option value="failures">failures only</option>
        </select>
        <label class="row"><input type="checkbox" checked={follow.value} onChange={(event) => { follow.value = event.currentTarget.checked; }} /> follow</label>
        <span class="spacer" />
        <button type="button" onClick={() => void copyReport(chosen.value, wanted)}>Copy as report</button>
        <Copy text="weft status --follow" />
      </div>
      {wanted.length > SHOWN && <p class="muted small">The last {SHOWN} of {wanted.length} events.</p>}
      <ul class="log-list">
        {wanted.slice(-SHOWN).map((event) => <Line event={event} />)}
        <li ref={end} style={{ border: 0 }} />
      </ul>
    </div>
  );
}

function Line({ event }: { event: LogEvent }) {
  const trouble = isTrouble(event);
  const retry = async (): Promise<void> => {
    try {
      run.value = await api.send<api.Run>("POST", "/api/run/start", { items: [event.item], retry: true });
      notify(`Trying ${event.item} again.`);
    } catch (error) {
      report(error);
    }
  };
  return (
    <li>
      <span class="muted">{clock(event.t)}</span>
      <span class={trouble ? "bad" : "muted"}>{word(event)}</span>
      <span>{event.item && <a href="#" onClick={(click) => { click.preventDefault(); go({ page: "real", item: event.item ?? null }); }}>{event.item}</a>}</span>
      <span class="what">{text(event)}</span>
      {event.event === "item_failed" && !run.value?.is_running && !project.value?.read_only
        ? <button type="button" class="small" onClick={() => void retry()}>retry</button>
        : <span />}
    </li>
  );
}

async function readAll(name: string): Promise<LogEvent[]> {
  let offset = 0;
  const found: LogEvent[] = [];
  for (;;) {
    const part = await api.get<api.Schemas["LogLines"]>(`/api/logs/${encodeURIComponent(name)}?offset=${offset}`);
    found.push(...(part.events as unknown as LogEvent[]).map((event) => ({ ...event, log: name })));
    if (part.is_end || part.offset === offset) return found;
    offset = part.offset;
  }
}

function isTrouble(event: LogEvent): boolean {
  return ["item_failed", "machine", "bug"].includes(event.event);
}

function word(event: LogEvent): string {
  const words: Record<string, string> = {
    watch_started: "watch", run_started: "start", item_started: "begin", stage_done: "stage", item_done: "done", item_failed: "failed", run_finished: "end", machine: "machine", bug: "bug", series_done: "series",
  };
  return words[event.event] ?? event.event;
}

function text(event: LogEvent): string {
  switch (event.event) {
    case "watch_started":
      return `waits for movies; process ${String(event["pid"])} on ${String(event["host"])}`;
    case "run_started":
      return `${String(event["total"])} to do, ${String(event["up_to_date"] ?? 0)} up to date, ${String(event["dropped"] ?? 0)} left out; process ${String(event["pid"])} on ${String(event["host"])}`;
    case "item_started":
      return [(event["stages"] as string[] | undefined)?.join(", "), (event["reasons"] as string[] | undefined)?.join("; ")].filter(Boolean).join(": ");
    case "stage_done":
      return `${event.stage} in ${event.seconds?.toFixed(2)} s`;
    case "item_done": {
      const verdicts = Object.entries((event["verdicts"] as Record<string, string> | undefined) ?? {}).filter(([, verdict]) => verdict !== "good");
      return `${String(event["done"])} of ${String(event["total"])}${verdicts.length ? `; ${verdicts.map(([stage, verdict]) => `${stage} ${verdict}`).join(", ")}` : ""}`;
    }
    case "series_done": {
      const astray = (event["outliers"] as string[] | undefined) ?? [];
      return `${String(event["series"])}: CTF compared with the neighbours${astray.length ? `; off them: ${astray.join(", ")}` : ""}`;
    }
    case "run_finished":
      return `${String(event["done"])} done, ${String(event["failed"])} failed in ${String(event.seconds)} s${event["end"] === "interrupted" ? "; stopped" : ""}`;
    default:
      return event.message ?? String(event["traceback"] ?? "");
  }
}

function title(name: string): string {
  const found = /^run-(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)(\d\d)-(.*)-(\d+)\.jsonl$/.exec(name);
  return found ? `${found[1]}-${found[2]}-${found[3]} ${found[4]}:${found[5]}:${found[6]} UTC, ${found[7]}` : name;
}

async function copyReport(name: string, events: readonly LogEvent[]): Promise<void> {
  const lines = events.slice(-200).map((event) => `${event.t} ${word(event)} ${event.item ?? ""} ${text(event)}`);
  await navigator.clipboard.writeText([`Weft ${project.value?.version} ${name}`, ...lines].join("\n"));
  notify("Copied.");
}
