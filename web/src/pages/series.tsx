/** Series: triage. All tilts at a glance, suspects with their reasons, numbers on one tilt axis. */

import { useComputed, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { Segments } from "../parts/segments";
import { Sheet } from "../parts/sheet";
import { SeriesPlots } from "../parts/seriesplots";
import { TiltTable } from "../parts/tilttable";
import { SuspectList } from "../parts/suspectlist";
import { plural, signed } from "../lib/format";
import { decide } from "../state/decisions";
import { report } from "../state/notices";
import { loadSeries, seriesNamed } from "../state/series";
import { finishSeries } from "../state/acts";
import { doneSeries } from "../state/done";
import { current, membersOf, project, revision, select, table, view } from "../state/store";
import { DROP, NO_SERIES } from "../state/table";
import { NoImages } from "./real";

export function SeriesPage() {
  revision.value;
  const mode = useSignal<"sheet" | "table">("sheet");
  useEffect(() => {
    void loadSeries().catch(report);
  }, [project.value?.folder]);
  const members = useComputed(() => {
    const at = current.value;
    table.value;
    return at < 0 ? [] : membersOf(table.value.series[at] as number);
  });
  if (table.value.length === 0) return <NoImages />;
  return (
    <div class="series-page">
      <SeriesList />
      <section class="sheet-hold">
        <Head members={members.value} mode={mode.value} onMode={(value) => { mode.value = value; }} />
        {mode.value === "sheet" ? <Sheet members={members.value} /> : <TiltTable members={members.value} />}
      </section>
      <aside class="series-side" tabIndex={0} aria-label="Suspects and numbers of the series">
        <SuspectList members={members.value} />
        <SeriesPlots members={members.value} />
      </aside>
    </div>
  );
}

function SeriesList() {
  revision.value;
  const now = table.value;
  const here = now.series[current.value];
  const list = useRef<HTMLElement>(null);
  useEffect(() => {
    // the focus goes along with the keys: left behind, Enter would press the series before
    if (list.current?.contains(document.activeElement)) list.current.querySelector<HTMLElement>("[aria-current]")?.focus();
  }, [here]);
  const groups = new Map<number, { all: number; used: number; suspects: number; failed: number; first: number }>();
  for (const at of view.value) {
    const key = now.series[at] as number;
    const group = groups.get(key) ?? { all: 0, used: 0, suspects: 0, failed: 0, first: at };
    group.all += 1;
    if (now.isUsed(at)) group.used += 1;
    if (now.suspects.has(at) && now.decision[at] === 0) group.suspects += 1;
    if (now.state[at] === 4 || now.state[at] === 5) group.failed += 1;
    groups.set(key, group);
  }
  return (
    <nav class="series-list" aria-label="Series" ref={list}>
      {[...groups].map(([key, group]) => {
        const name = now.seriesNames[key] || NO_SERIES;
        return (
          <button
            type="button" key={key} aria-current={key === here ? "true" : undefined}
            onClick={() => select(membersOf(key)[0] ?? group.first)}
          >
            <span>{doneSeries.value.has(name) && <span class="good" role="img" aria-label="done">✓ </span>}{name}</span>
            <span class="muted">{group.used}/{group.all}</span>
            {(group.suspects > 0 || group.failed > 0) && (
              <span class="sub">
                {group.suspects > 0 && <span class="warned">{plural(group.suspects, "suspect")}</span>}
                {group.failed > 0 && <span class="bad"> {group.failed} failed</span>}
              </span>
            )}
          </button>
        );
      })}
    </nav>
  );
}

function Head({ members, mode, onMode }: { members: number[]; mode: "sheet" | "table"; onMode: (mode: "sheet" | "table") => void }) {
  revision.value;
  const now = table.value;
  const name = now.seriesOf(current.value) || NO_SERIES;
  const known = seriesNamed(name);
  const used = members.filter((at) => now.isUsed(at)).length;
  const tilts = members.map((at) => now.number(at, "tilt_deg")).filter((tilt): tilt is number => tilt !== null);
  const allOut = members.length > 0 && members.every((at) => now.decision[at] === DROP);
  return (
    <div class="sheet-head">
      <h2>{name}</h2>
      <span class="muted num" title={known?.axis_deg != null ? `tilt axis ${known.axis_deg.toFixed(1)}°` : undefined}>
        {used} of {members.length} used
        {tilts.length > 1 ? ` · ${signed(Math.min(...tilts), 0, "°")} to ${signed(Math.max(...tilts), 0, "°")}` : ""}
      </span>
      <span class="spacer" />
      <Segments label="Sheet or table" value={mode} onChange={onMode} options={[["sheet", "Sheet"], ["table", "Table"]]} />
      {!project.value?.read_only && (
        <button type="button" class="plain" onClick={() => decide(members, allOut ? "auto" : "drop")}>{allOut ? "Take series back" : "Drop series"}</button>
      )}
      <button type="button" class="main" title="Enter" onClick={finishSeries}>Done, next ↵</button>
    </div>
  );
}
