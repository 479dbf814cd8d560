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
  const list = useSignal<ExportOut[] | null>(null);
  const verb = target.value === "imod" ? "stack" : "export";
  const job = jobs.value[verb];

  const look = (): void => void api.get<ExportOut[]>(`/api/exports?target=${target.value}`).then((found) => { list.value = found; }, report);
  useEffect(look, [target.value, job?.is_running, job?.events?.length, revision.value]);
  useEffect(() => {
    if (!job || job.is_running) return;
    if (job.exit_code === 0) notify("Written, and read back.");
    else if (job.exit_code !== null) notify(job.message || "The export could not finish.", "error");
  }, [job?.id, job?.is_running]);

  const start = async (): Promise<void> => {
    const body = { verb, halves: halves.value, ...(verb === "export" ? { target: target.value } : {}) };
    try {
      await api.send<api.Job>("POST", "/api/jobs", body);
    } catch (error) {
      report(error);
    }
  };
  const stop = async (): Promise<void> => {
    if (job) await api.send<api.Job>("POST", `/api/jobs/${job.id}/stop`).catch(report);
  };
  const isBusy = job?.is_running ?? false;
  const rows = list.value ?? [];
  const stale = rows.filter((row) => row.stale).length;
  const command = `weft ${verb}${verb === "export" ? ` ${target.value}` : ""}${halves.value ? " --halves" : ""}`;
  return (
    <div class="pad narrow-table">
      <div class="steps">
        <Segments label="For" value={target.value} onChange={(value) => { target.value = value; }} options={TARGETS} />
        <label class="row"><input type="checkbox" checked={halves.value} onChange={(event) => { halves.value = event.currentTarget.checked; }} /> odd and even, too</label>
        <span class="spacer" />
        <Copy text={command} />
        {isBusy
          ? <button type="button" class="stop" onClick={() => void stop()}>Stop, keep whole ones</button>
          : (
            <button type="button" class="main" data-testid="create-stacks" disabled={rows.length === 0 || (project.value?.read_only ?? true)} onClick={() => void start()}>
              {target.value === "imod" ? "Create stacks for IMOD" : "Export"}
            </button>
          )}
      </div>
      {stale > 0 && !isBusy && <p class="warned" style={{ marginBottom: "8px" }}>{plural(stale, "export")} no longer {stale === 1 ? "says" : "say"} what you decided; write {stale === 1 ? "it" : "them"} again.</p>}
      {list.value !== null && rows.length === 0 && (
        <div class="empty">
          <strong>No series yet</strong>
          <p>Import the mdocs first: stacks are made of tilt series.</p>
          <button type="button" onClick={() => go({ page: "import" })}>Import</button>
        </div>
      )}
      {rows.length > 0 && <Rows rows={rows} isBusy={isBusy} />}
      {job && !isBusy && job.exit_code !== 0 && <p class="bad">{job.message}</p>}
    </div>
  );
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
