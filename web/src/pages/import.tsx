/** Import: from mdocs to tilt series; every doubt with its evidence, before anything is written. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import * as api from "../api/client";
import { Copy } from "../parts/copy";
import { fixed, plural, signed } from "../lib/format";
import { notify, report } from "../state/notices";
import { go } from "../state/route";
import { loadSeries, type SeriesOut } from "../state/series";
import { jobs, loadItems, project, table } from "../state/store";

type Preview = api.Schemas["ImportOut"];

export function ImportPage() {
  const preview = useSignal<Preview | null>(null);
  const chosen = useSignal("");
  const isBusy = useSignal(false);
  const importing = jobs.value["import"];

  const look = async (): Promise<void> => {
    isBusy.value = true;
    try {
      preview.value = await api.send<Preview>("POST", "/api/import/preview");
    } catch (error) {
      report(error);
    } finally {
      isBusy.value = false;
    }
  };
  useEffect(() => void look(), []);
  useEffect(() => {
    if (importing && !importing.is_running) {
      if (importing.exit_code === 0) notify("The series are imported.");
      else notify(importing.message || "The import could not finish.", "error");
      void Promise.all([look(), loadSeries(), loadItems()]).catch(report);
    }
  }, [importing?.id, importing?.is_running]);

  const now = preview.value;
  const series = now?.series.find((one) => one.name === chosen.value) ?? now?.series[0];
  const start = async (): Promise<void> => {
    try {
      await api.send<api.Job>("POST", "/api/jobs", { verb: "import" });
    } catch (error) {
      report(error);
    }
  };
  const isImported = (now?.series.length ?? 0) > 0 && now?.series.every((one) => one.is_imported);
  return (
    <div class="split">
      <section>
        <div class="steps">
          <h2>Tilt series</h2>
          <button
            type="button" class={isImported ? "" : "main"} data-testid="import"
            disabled={!now || now.series.length === 0 || (importing?.is_running ?? false) || (project.value?.read_only ?? true)} onClick={() => void start()}
          >
            {importing?.is_running ? "Importing …" : isImported ? "Import again" : `Import ${plural(now?.series.length ?? 0, "series", "series")}`}
          </button>
          <button type="button" disabled={isBusy.value} onClick={() => void look()}>{isBusy.value ? "Looking …" : "Look again"}</button>
          {isImported && <button type="button" class="main" onClick={() => go({ page: "export" })}>Create stacks …</button>}
        </div>
        {now && <p class="muted small" style={{ marginBottom: "8px" }}>{plural(now.movies_found, "movie")}, {plural(now.mdocs_found, "mdoc")} ({now.mdocs_pattern}).</p>}
        {now?.warnings.map((warning) => <p class="warned small">⚠ {warning}</p>)}
        {now && now.series.length === 0 ? <Nothing preview={now} /> : <Table preview={now} chosen={series?.name ?? ""} onChoose={(name) => { chosen.value = name; }} />}
        {now && now.series.length > 0 && <div style={{ margin: "12px 0" }}><Copy text="weft import" /></div>}
        {now && now.unmatched_movies.length > 0 && (
          <details class="small">
            <summary>{plural(now.unmatched_movies.length, "movie")} belong to no series</summary>
            <p class="muted">{now.unmatched_movies.slice(0, 60).join(", ")}{now.unmatched_movies.length > 60 ? " …" : ""}</p>
          </details>
        )}
      </section>
      <section tabIndex={0} aria-label="Tilts of the series">{series ? <Tilts series={series} /> : null}</section>
    </div>
  );
}

function Nothing({ preview }: { preview: Preview }) {
  return (
    <div class="empty">
      <strong>No series</strong>
      <p>
        {preview.mdocs_found === 0
          ? `No mdoc fits ${preview.mdocs_pattern}. Point input.mdocs at the folder with the mdoc files, or set series.pattern if there are none.`
          : "No mdoc could be matched with the movies; the warnings tell the first difference."}
      </p>
      <button type="button" onClick={() => go({ settings: true })}>Settings</button>
    </div>
  );
}

function Table({ preview, chosen, onChoose }: { preview: Preview | null; chosen: string; onChoose: (name: string) => void }) {
  if (!preview) return null;
  return (
    <table>
      <thead>
        <tr><th /><th>series</th><th class="n">tilts</th><th class="n">matched</th><th class="n">used</th><th class="n">exposure e⁻/Å²</th><th>aligned</th><th>problems</th></tr>
      </thead>
      <tbody>
        {preview.series.map((one) => {
          const matched = one.tilts.filter((tilt) => tilt.item !== null).length;
          const used = one.tilts.filter(isUsed).length;
          const problems = one.tilts.filter((tilt) => tilt.problem).length + one.warnings.length;
          return (
            <tr class="pick" aria-selected={one.name === chosen} onClick={() => onChoose(one.name)}>
              <td>{matched === 0 ? <span class="bad">✕</span> : problems > 0 ? <span class="warned">⚠</span> : <span class="good">✓</span>}</td>
              <td><button type="button" class="plain" style={{ padding: 0, minHeight: "20px" }} onClick={() => onChoose(one.name)}>{one.name}</button></td>
              <td class="n">{one.tilts.length}</td>
              <td class="n">{matched}</td>
              <td class="n">{used}</td>
              <td class="n">{fixed(one.exposure_e_A2, 1)}</td>
              <td>{one.is_aligned ? "yes" : "no"}</td>
              <td class="muted">{problems > 0 ? plural(problems, "remark") : one.is_imported ? "imported" : ""}</td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

/** Whether a tilt goes into stacks: as the server told, and as was decided since. */
function isUsed(tilt: SeriesOut["tilts"][number]): boolean {
  const at = tilt.item === null ? -1 : table.value.find(tilt.item);
  return at >= 0 && table.value.isUsed(at) && (tilt.left_out === "" || tilt.left_out === BY_DECISION);
}

const BY_DECISION = "left out by a decision";

function Tilts({ series }: { series: SeriesOut }) {
  return (
    <>
      <div class="steps">
        <h2>{series.name}</h2>
        <span class="muted">
          {series.axis_deg !== null ? `tilt axis ${series.axis_deg.toFixed(1)}° (${series.axis_source || "mdoc"})` : "tilt axis unknown"}
        </span>
      </div>
      {series.warnings.map((warning) => <p class="warned small">⚠ {warning}</p>)}
      <table>
        <thead>
          <tr><th class="n">Z</th><th class="n">tilt °</th><th class="n">order</th><th>movie</th><th class="n">before e⁻/Å²</th><th class="n">target µm</th><th>remark</th></tr>
        </thead>
        <tbody>
          {[...series.tilts].sort((a, b) => a.tilt_deg - b.tilt_deg).map((tilt) => (
            <tr>
              <td class="n">{tilt.section}</td>
              <td class="n">{signed(tilt.tilt_deg, 2)}</td>
              <td class="n">{tilt.order + 1}</td>
              <td>{tilt.item ?? <span class="bad">not found</span>}{tilt.item && !isUsed(tilt) ? <span class="muted"> (left out)</span> : ""}</td>
              <td class="n">{fixed(tilt.pre_exposure_e_A2, 1)}</td>
              <td class="n">{fixed(tilt.target_defocus_um, 2)}</td>
              <td class="warned small">{tilt.problem || (tilt.left_out === BY_DECISION ? "" : tilt.left_out)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}
