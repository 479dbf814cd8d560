/** Overview: is the set good, and does processing keep up? */

import { useSignal } from "@preact/signals";
import { AlarmList } from "../parts/alarms";
import { Copy } from "../parts/copy";
import { Disc } from "../parts/disc";
import { type Axis, MetricPlot } from "../parts/metricplot";
import { Ring } from "../parts/ring";
import { Segments } from "../parts/segments";
import { bytes, duration, plural } from "../lib/format";
import { METRICS, type Metric } from "../state/metrics";
import { go } from "../state/route";
import { applyRules, hits, setLimit, thresholds } from "../state/rules";
import { counts, isLoaded, project, revision, run, table, view } from "../state/store";
import { Newest } from "../parts/newest";
import { NoImages } from "./real";

export function OverviewPage() {
  revision.value;
  const axis = useSignal<Axis>("index");
  if (!isLoaded.value) return <div class="empty">Reading the project …</div>;
  if (table.value.length === 0) return <NoImages />;
  const shown = METRICS.filter(hasValues);
  return (
    <div class="overview">
      <TopLine />
      <AlarmList />
      <section class="card">
        <header>
          <h2>Measured</h2>
          <span class="quiet">{plural(view.value.length, "image")} on view; grey ones are left out, amber ones suspected</span>
          <span class="spacer" />
          <Segments label="Horizontal axis" value={axis.value} onChange={(value) => { axis.value = value; }} options={[["index", "In order"], ["tilt", "By tilt"]]} />
        </header>
        <RulePreview />
        {shown.length === 0 && <div class="empty"><strong>Nothing measured yet</strong><p>Start processing, and the numbers appear here as images are done.</p></div>}
        {shown.map((metric) => <MetricRow key={metric.key + axis.value} metric={metric} axis={axis.value} />)}
      </section>
      <div class="stack">
        <Newest />
        <section class="card">
          <header><h2>Status</h2></header>
          <Ring />
        </section>
        {shown.some((metric) => metric.key === "astigmatism_um") && (
          <section class="card">
            <header><h2>Astigmatism</h2><span class="quiet">first pink, last blue</span></header>
            <Disc />
          </section>
        )}
        <Copy text="weft status --follow" />
      </div>
    </div>
  );
}

function hasValues(metric: Metric): boolean {
  revision.value;
  const values = table.value.numbers.get(metric.key);
  if (!values) return false;
  // a phase shift of 0 everywhere was not fitted
  return metric.key === "phase_shift_deg" ? values.some((value) => value > 0) : values.some((value) => !Number.isNaN(value));
}

function TopLine() {
  const found = counts.value;
  const now = run.value;
  const disk = project.value?.disk;
  const chip = (count: number, text: string, search: string, tone = "") =>
    count > 0 && <button type="button" class={`chip ${tone}`} onClick={() => go({ search })}><b>{count.toLocaleString("en")}</b> {text}</button>;
  return (
    <div class="top-line">
      {chip(found.all, found.all === 1 ? "movie" : "movies", "")}
      {chip(found.used, "used", "used:yes")}
      {chip(found.byHand, "out by hand", "used:no")}
      {chip(found.byRule, "out by rule", "tag:rule")}
      {chip(found.waiting, "waiting", "state:waiting")}
      {chip(found.stale, "stale", "state:stale", "warn")}
      {chip(found.suspects, "suspected", "suspect:yes", "warn")}
      {chip(found.failed, "failed", "state:failed", "fail")}
      <span class="spacer" />
      <span class="muted num">
        {now?.is_running && now.per_minute ? `${now.per_minute.toFixed(1)} per minute · ${now.left_s == null ? "" : `${duration(now.left_s)} left · `}` : ""}
        {disk ? `${bytes(disk.free_bytes)} free on the disk` : ""}
      </span>
    </div>
  );
}

function MetricRow({ metric, axis }: { metric: Metric; axis: Axis }) {
  const limits = thresholds.value[metric.key] ?? { low: null, high: null };
  const field = (side: "low" | "high") => (
    <input
      inputMode="decimal" aria-label={`${metric.label}: ${side === "low" ? "at least" : "at most"}`} placeholder={side === "low" ? "min" : "max"}
      value={limits[side] === null ? "" : String(Number((limits[side] as number).toPrecision(5)))}
      onChange={(event) => {
        const value = event.currentTarget.value.trim();
        const number = Number(value.replace(",", "."));
        setLimit(metric.key, side, value === "" || Number.isNaN(number) ? null : number);
      }}
    />
  );
  return (
    <div class="metric">
      <div class="label">
        <b>{metric.label} <span class="muted">{metric.unit}</span></b>
        <span class="limits">{field("low")}<span class="muted">–</span>{field("high")}</span>
      </div>
      <MetricPlot metric={metric} axis={axis} />
    </div>
  );
}

function RulePreview() {
  revision.value;
  const found = hits.value;
  if (found.length === 0) return null;
  const items = found.flatMap((hit) => hit.items);
  const series = new Set(items.map((at) => table.value.series[at])).size;
  const names = items.slice(0, 400).map((at) => table.value.names[at] as string);
  return (
    <div class="rule-bar" role="status" data-testid="rule">
      <span>
        <b>{found.map((hit) => hit.text).join("; ")}</b> would leave out {plural(items.length, "image")} of {plural(series, "series", "series")}.
      </span>
      <span class="spacer" />
      <button type="button" disabled={items.length === 0} onClick={() => go({ search: seeThem(found.map((hit) => hit.key)) })}>See them</button>
      <button type="button" class="main" disabled={items.length === 0} onClick={applyRules}>Drop {items.length}</button>
      <button type="button" class="plain" onClick={() => { thresholds.value = {}; }}>Forget</button>
      {items.length > 0 && items.length <= 400 && <Copy text={`weft drop ${names.join(" ")} --reason 'rule: ${found.map((hit) => hit.text).join("; ")}'`} />}
    </div>
  );
}

const FIELDS: Record<string, string> = {
  defocus_um: "def", resolution_A: "res", motion_A: "motion", masked_percent: "masked", mean_e: "mean", astigmatism_um: "astig", phase_shift_deg: "phase",
};

function seeThem(keys: string[]): string {
  const words = keys.flatMap((key) => {
    const limits = thresholds.value[key];
    const field = FIELDS[key] ?? key;
    return [limits?.high != null ? `${field}:>${limits.high}` : "", limits?.low != null ? `${field}:<${limits.low}` : ""];
  });
  return words.filter(Boolean)[0] ?? "";
}
