/** Checks: what is wrong with the input, found without computing. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import * as api from "../api/client";
import { Copy } from "../parts/copy";
import { report } from "../state/notices";
import { jobs, project } from "../state/store";

interface Finding {
  level: "error" | "warning" | "info" | "ok";
  code?: string;
  message: string;
  where?: string;
  fix?: string;
  evidence?: string;
}

export function ChecksPage() {
  const job = useSignal<api.Job | null>(null);
  const announced = jobs.value["check"];
  useEffect(() => {
    void api.get<api.Job | null>("/api/jobs/latest/check").then((found) => { job.value = found; }, report);
  }, [announced?.is_running]);
  const start = async (): Promise<void> => {
    try {
      job.value = await api.send<api.Job>("POST", "/api/jobs", { verb: "check" });
    } catch (error) {
      report(error);
    }
  };
  const isBusy = job.value?.is_running ?? false;
  const findings = findingsOf(job.value);
  return (
    <div class="pad">
      <div class="steps">
        <h2>Checks</h2>
        <button type="button" class={job.value ? "" : "main"} disabled={isBusy || (project.value?.read_only ?? true)} onClick={() => void start()}>
          {isBusy ? "Looking …" : job.value ? "Check again" : "Check now"}
        </button>
        {job.value && !isBusy && <span class="muted">{new Date(job.value.began * 1000).toLocaleTimeString("en-GB")}</span>}
        <span class="spacer" />
        <Copy text="weft check" />
      </div>
      {!job.value && <div class="empty"><strong>Not run</strong><p>Names, mdocs, sizes, gain, pixel size, exposure and room on the disk are looked at, before hours of computing. Nothing is changed.</p></div>}
      {job.value && !isBusy && findings.length === 0 && (
        <div class="empty"><strong>{job.value.exit_code === 0 ? "Nothing is wrong" : "The check could not finish"}</strong><p>{job.value.message}</p></div>
      )}
      {findings.map((finding) => <Row finding={finding} />)}
    </div>
  );
}

const SIGNS: Record<string, [string, string]> = { error: ["✕", "bad"], warning: ["⚠", "warned"], info: ["○", "muted"], ok: ["✓", "good"] };
const ORDER = ["error", "warning", "info", "ok"];

function Row({ finding }: { finding: Finding }) {
  const [sign, tone] = SIGNS[finding.level] ?? ["○", "muted"];
  return (
    <div class="check-row">
      <span class={tone} role="img" aria-label={finding.level}>{sign}</span>
      <div>
        <div>{finding.message}</div>
        {finding.evidence && <div class="muted small">{finding.evidence}</div>}
        {finding.fix && <div class="small">{finding.fix}</div>}
      </div>
      <span class="muted small">{finding.where ?? finding.code ?? ""}</span>
    </div>
  );
}

/** The findings of `weft check --json`, worst first. */
function findingsOf(job: api.Job | null): Finding[] {
  const given = job?.document as { findings?: Finding[]; problems?: Finding[] } | null | undefined;
  const found = given?.findings ?? given?.problems ?? [];
  return [...found].sort((a, b) => ORDER.indexOf(a.level) - ORDER.indexOf(b.level));
}
