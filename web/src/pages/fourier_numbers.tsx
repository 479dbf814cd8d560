/** The numbers of a fit, to be turned by hand; a trial fit that keeps nothing. */

import { useSignal } from "@preact/signals";
import * as api from "../api/client";
import { Copy } from "../parts/copy";
import { fixed } from "../lib/format";
import { detailOf } from "../state/detail";
import { report } from "../state/notices";
import { go } from "../state/route";
import { current, project, revision, table } from "../state/store";
import { change, keyOf, loadSettings, settings } from "../settings/draft";
import { defocusOf, fitRange, type Trial, trial, tuned, tunedRange } from "./fourier";

export function FitNumbers() {
  revision.value;
  const at = current.value;
  const found = detailOf(at);
  const ctf = trial.value ?? found?.record?.ctf ?? null;
  const name = table.value.names[at];
  if (!ctf) {
    return (
      <>
        <h2>{name}</h2>
        <p class="muted">No fit.</p>
        <TrialBox />
      </>
    );
  }
  const { fit } = ctf;
  const now = tuned.value ?? defocusOf(fit);
  const mean = now ? 0.5 * (now.u_A + now.v_A) : null;
  const astigmatism = now ? now.u_A - now.v_A : 0;
  const target = table.value.number(at, "target_defocus_um");
  const set = (defocus_um: number, astigmatism_um: number, angle: number, shift: number): void => {
    tuned.value = {
      u_A: (defocus_um + astigmatism_um / 2) * 1e4, v_A: (defocus_um - astigmatism_um / 2) * 1e4, angle_deg: angle, phase_shift_deg: shift,
    };
  };
  const value = [(mean ?? 0) / 1e4, astigmatism / 1e4, now?.angle_deg ?? 0, now?.phase_shift_deg ?? 0] as const;
  const row = (label: string, place: 0 | 1 | 2 | 3, unit: string, digits: number, step: number) => (
    <>
      <label for={`fit-${place}`}>{label}</label>
      <input
        id={`fit-${place}`} type="number" step={step} value={value[place].toFixed(digits)}
        onInput={(event) => {
          const next = [...value] as [number, number, number, number];
          next[place] = Number(event.currentTarget.value);
          if (Number.isFinite(next[place])) set(...next);
        }}
      />
      <span class="unit">{unit}</span>
    </>
  );
  return (
    <>
      <div>
        <h2>{name}</h2>
        <Verdict verdict={ctf.verdict} reason={ctf.reason} isTrial={trial.value !== null} />
      </div>
      <div class="number-edit">
        {row("Defocus", 0, "µm", 3, 0.01)}
        {row("Astigmatism", 1, "µm", 3, 0.01)}
        {row("Angle", 2, "°", 1, 1)}
        {row("Phase shift", 3, "°", 1, 1)}
      </div>
      {tuned.value && (
        <div class="row small">
          <span class="warned">by hand, only shown</span>
          <span class="spacer" />
          <button type="button" class="plain small" onClick={() => { tuned.value = null; }}>back to the fit</button>
        </div>
      )}
      <dl class="facts">
        <dt>uncertainty</dt><dd>{fit.sigma["defocus_A"] ? `± ${(fit.sigma["defocus_A"] / 1e4).toFixed(3)} µm` : "–"}</dd>
        <InSeries found={found?.in_series ?? null} />
        {target !== null && <><dt>target</dt><dd>{fixed(Math.abs(target), 2, "µm")}</dd></>}
        {target !== null && mean !== null && <><dt>off target</dt><dd title="Measured − target">{fixed(mean / 1e4 - Math.abs(target), 2, "µm")}</dd></>}
        <dt>fits to</dt><dd>{fixed(fit.resolution_A, 1, "Å")}</dd>
        <dt>score</dt><dd>{fixed(fit.score, 0)}</dd>
        <dt>gradient x, y</dt><dd>{fixed(fit.gradient_x, 2)}, {fixed(fit.gradient_y, 2)}</dd>
      </dl>
      <TrialBox />
      <Copy text={`weft hand ${table.value.seriesOf(at)}`} />
    </>
  );
}

/** The value that exports use, where it comes from, and why the image's own one is not believed. */
function InSeries({ found }: { found: api.Schemas["InSeriesOut"] | null }) {
  if (!found) return <><dt>in the series</dt><dd class="muted" title="A series is judged when all its images are done">not judged yet</dd></>;
  const from = { shared: "own fit and neighbours", neighbours: "the neighbours", refit: "fitted again near the neighbours" }[found.source] ?? found.source;
  const use = found.is_exported ? "exports use the series' value" : "exports use its own value: series.shared_ctf is off";
  return (
    <>
      <dt>in the series</dt>
      <dd data-testid="in-series" class="unbroken" title={`${from}; ${use}`}>{fixed(found.defocus_um, 3)} ± {fixed(found.defocus_sigma_um, 3, "µm")}</dd>
      {found.expected_um != null && <><dt>foretold</dt><dd class="unbroken" title="By the other images alone">{fixed(found.expected_um, 3)} ± {fixed(found.expected_sigma_um, 3, "µm")}</dd></>}
      {found.reason && <dd class={`wide small ${found.is_outlier ? "warned" : "muted"}`} data-testid="in-series-reason">{found.reason}; {use}</dd>}
    </>
  );
}

function Verdict({ verdict, reason, isTrial }: { verdict: string; reason: string; isTrial: boolean }) {
  const tone = verdict === "good" ? "ok" : verdict === "weak" ? "warn" : "fail";
  return (
    <div class="stack" style={{ gap: "3px" }}>
      <span class="row"><span class={`badge ${tone}`}>{verdict || "no verdict"}</span>{isTrial && <span class="badge warn">trial, not kept</span>}</span>
      {reason && <span class="small muted">{reason}</span>}
    </div>
  );
}

/** Other limits tried on this image alone; nothing is kept until they are taken over for all. */
function TrialBox() {
  const isBusy = useSignal(false);
  const found = detailOf(current.value);
  const fit = found?.record?.ctf?.fit;
  const range = (tunedRange.value ?? (fit ? fitRange(fit) : [40, 5])).map((value) => Number(value.toPrecision(3))) as [number, number];
  if (!found?.has_average || project.value?.read_only) return null;
  const set = (place: 0 | 1) => (event: Event): void => {
    const next = [...range] as [number, number];
    next[place] = Number((event.currentTarget as HTMLInputElement).value);
    if (next[0] > next[1] && next[1] > 0) tunedRange.value = next;
  };
  const attempt = async (): Promise<void> => {
    isBusy.value = true;
    try {
      const name = found.item.name;
      const answer = await api.send<Trial>("POST", api.itemPath(name, "/try_ctf"), { range_A: range });
      if (table.value.names[current.value] === name) trial.value = { ...answer, item: name };
    } catch (error) {
      report(error);
    } finally {
      isBusy.value = false;
    }
  };
  const takeOver = async (): Promise<void> => {
    if (!settings.value) await loadSettings();
    const key = keyOf("ctf.range_A");
    if (key) change(key, [...range]);
    go({ settings: true });
  };
  return (
    <section class="stack" style={{ gap: "7px" }}>
      <h3>Try on this image</h3>
      <div class="row">
        <input type="number" aria-label="Range, lowest resolution" value={range[0]} style={{ width: "66px" }} onChange={set(0)} />
        <span class="muted">–</span>
        <input type="number" aria-label="Range, highest resolution" value={range[1]} step={0.5} style={{ width: "66px" }} onChange={set(1)} />
        <span class="muted small">Å</span>
      </div>
      <div class="row wrap">
        <button type="button" disabled={isBusy.value} onClick={() => void attempt()}>{isBusy.value ? "Fitting …" : "Try"}</button>
        {(trial.value || tunedRange.value) && <button type="button" class="plain" onClick={() => void takeOver()}>Use for all …</button>}
        {trial.value && <button type="button" class="plain" onClick={() => { trial.value = null; tunedRange.value = null; }}>Forget</button>}
      </div>
    </section>
  );
}
