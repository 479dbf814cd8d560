/** Export: is what leaves what I decided? */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import * as api from "../api/client";
import { Copy } from "../parts/copy";
import { Segments } from "../parts/segments";
import { bytes, plural } from "../lib/format";
import { notify, report } from "../state/notices";
import { go } from "../state/route";
import type { ExportOut } from "../state/series";
import { jobs, project, revision } from "../state/store";

type Target = "imod" | "dynamo" | "aretomo" | "relion" | "warp";
const TARGETS: readonly (readonly [Target, string])[] = [
  ["imod", "IMOD stacks"], ["dynamo", "Dynamo"], ["aretomo", "AreTomo"], ["relion", "RELION 5"], ["warp", "WarpTools / M"],
];

export function ExportPage() {
  const target = useSignal<Target>("imod");
  const halves = useSignal(false);
  const exposure = useSignal("");
  const list = useSignal<ExportOut[] | null>(null);
  const verb = target.value === "imod" ? "stack" : "export";
  const job = jobs.value[verb];

  const look = (): void => void api.get<ExportOut[]>(`/api/exports?target=${target.value}`).then((found) => { list.value = found; }, report);
  useEffect(look, [target.value, job?.is_running, job?.events?.length, revision.value]);
  useEffect(() => {
    if (!job || job.is_running) return;
    if (job.read_back?.faults.length) notify("Written, but not whole: see below the table.", "error");
    else if (job.exit_code === 0) notify(job.read_back?.files ? `Written, and ${plural(job.read_back.files, "file")} read back.` : "Everything was up to date.");
    else if (job.exit_code !== null) notify(job.message || "The export could not finish.", "error");
  }, [job?.id, job?.is_running]);

  const isBusy = job?.is_running ?? false;
  const rows = list.value ?? [];
  const lacking = target.value === "relion" || target.value === "warp" ? rows.filter((row) => row.without_exposure > 0).map((row) => row.series) : [];
  const given = lacking.length > 0 ? positive(exposure.value) : null;
  // what the other mdocs tell stays
  const only = given !== null && lacking.length < rows.length ? lacking : [];

  const start = async (): Promise<void> => {
    const body = {
      verb, halves: halves.value, ...(verb === "export" ? { target: target.value } : {}),
      ...(given === null ? {} : { exposure_e_A2: given, series: only }),
    };
    try {
      await api.send<api.Job>("POST", "/api/jobs", body);
    } catch (error) {
      report(error);
    }
  };
  const stop = async (): Promise<void> => {
    if (job) await api.send<api.Job>("POST", `/api/jobs/${job.id}/stop`).catch(report);
  };
  const stale = rows.filter((row) => row.stale).length;
  const words = ["weft", verb, verb === "export" && target.value, ...only, given !== null && `--exposure ${given}`, halves.value && "--halves"];
  return (
    <div class="pad narrow-table">
      <div class="steps">
        <Segments label="For" value={target.value} onChange={(value) => { target.value = value; }} options={TARGETS} />
        <label class="row"><input type="checkbox" checked={halves.value} onChange={(event) => { halves.value = event.currentTarget.checked; }} /> odd and even, too</label>
        <span class="spacer" />
        <Copy text={words.filter(Boolean).join(" ")} />
        {isBusy
          ? <button type="button" class="stop" onClick={() => void stop()}>Stop, keep whole ones</button>
          : (
            <button type="button" class="main" data-testid="create-stacks" disabled={rows.length === 0 || (project.value?.read_only ?? true)} onClick={() => void start()}>
              {target.value === "imod" ? "Create stacks for IMOD" : only.length > 0 ? `Export ${only.length} series` : "Export"}
            </button>
          )}
      </div>
      {lacking.length > 0 && (
        <p class="row wrap warned" style={{ marginBottom: "8px" }} data-testid="no-exposure">
          <span title={lacking.join(", ")}>The mdocs of {plural(lacking.length, "series", "series")} tell no exposure.</span>
          <label class="row">
            Of each of their tilts
            <input inputMode="decimal" style={{ width: "66px" }} placeholder="3" value={exposure.value} onInput={(event) => { exposure.value = event.currentTarget.value; }} />
            e⁻/Å²
          </label>
        </p>
      )}
      {stale > 0 && !isBusy && <p class="warned" style={{ marginBottom: "8px" }}>{plural(stale, "export")} no longer {stale === 1 ? "says" : "say"} what you decided; write {stale === 1 ? "it" : "them"} again.</p>}
      {list.value !== null && rows.length === 0 && (
        <div class="empty">
          <strong>No series yet</strong>
          <p>Import the mdocs first: stacks are made of tilt series.</p>
          <button type="button" onClick={() => go({ page: "import" })}>Import</button>
        </div>
      )}
      {rows.length > 0 && <Rows rows={rows} isBusy={isBusy} />}
      {!isBusy && job?.read_back?.faults.map((fault) => <p class="bad">{fault}</p>)}
      {job && !isBusy && job.exit_code !== 0 && <p class="bad">{job.message}</p>}
    </div>
  );
}

function positive(text: string): number | null {
  const value = Number(text.trim().replace(",", "."));
  return value > 0 && value <= 1000 ? value : null;
}

function Rows({ rows, isBusy }: { rows: ExportOut[]; isBusy: boolean }) {
  return (
    <table>
      <thead>
        <tr><th>series</th><th class="n">mdoc</th><th class="n">processed</th><th class="n">used</th><th class="n">written</th><th>state</th><th>files</th></tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr>
            <td>{row.series}</td>
            <td class="n" title={row.missing.join(", ")}>{row.mdoc}</td>
            <td class="n">{row.processed}</td>
            <td class="n" title={row.left_out.map((one) => `${one.item}: ${one.reason || "left out"}`).join("\n")}>{row.used}</td>
            <td class="n">{row.written ?? "–"}</td>
            <td>
              {row.written === null
                ? <span class="muted">{isBusy ? "waiting" : "not written"}</span>
                : row.stale ? <span class="warned">{row.stale}</span> : <span class="good">✓ as decided</span>}
            </td>
            <td class="muted small">{row.file}{row.size_bytes ? ` ${bytes(row.size_bytes)}` : ""}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
