/** Fourier Space: do I believe this CTF? */

import { signal, useComputed, useSignalEffect } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { Plot, type Line } from "../parts/plot";
import { Spectrum } from "../parts/spectrum";
import { absCtf, type Defocus, type Optics, zeros } from "../lib/ctf";
import { detailOf, type FitRecord, followDetail } from "../state/detail";
import { current, revision, table } from "../state/store";
import { FitNumbers } from "./fourier_numbers";
import { SeriesDefocus } from "./fourier_series";
import { NoImages } from "./real";

/** Values under the user's hand; null shows the fit as it is. */
export const tuned = signal<Defocus | null>(null);
/** Range of the fit under the user's hand, lowest and highest resolution in Å. */
export const tunedRange = signal<[number, number] | null>(null);
/** What a trial fit found; nothing of it is kept. */
export interface Trial {
  item: string;
  fit: FitRecord;
  curves: Record<string, (number | null)[]>;
  verdict: string;
  reason: string;
}
export const trial = signal<Trial | null>(null);

export function defocusOf(fit: FitRecord): Defocus | null {
  if (fit.defocus_u_A === null || fit.defocus_v_A === null) return null;
  return { u_A: fit.defocus_u_A, v_A: fit.defocus_v_A, angle_deg: fit.angle_deg ?? 0, phase_shift_deg: fit.phase_shift_deg ?? 0 };
}

export function FourierPage({ isNarrow = false }: { isNarrow?: boolean }) {
  revision.value;
  useEffect(followDetail, []);
  // a hand-tuned value belongs to one image
  useSignalEffect(() => {
    table.value.names[current.value];
    tuned.value = null;
    trial.value = null;
  });
  const found = useComputed(() => detailOf(current.value));
  if (table.value.length === 0) return <NoImages />;
  const ctf = trial.value ?? found.value?.record?.ctf ?? null;
  const style = isNarrow ? { gridTemplate: "minmax(0, 1.2fr) minmax(0, 1fr) / minmax(0, 1fr)" } : {};
  return (
    <div class="fourier" style={style} data-testid="fourier">
      <section class="card spectrum">
        <header>
          <h2>Spectrum</h2>
          <span class="quiet">left measured (smoothed), right model</span>
        </header>
        <div class="fill"><Spectrum fit={ctf?.fit ?? null} /></div>
      </section>
      <section class="card">
        <header>
          <h2>Curves</h2>
          {ctf && <Legend />}
        </header>
        <div class="fill">{ctf ? <Curves fit={ctf.fit} curves={ctf.curves} /> : <NoFit />}</div>
      </section>
      {!isNarrow && (
        <>
          <section class="card numbers"><FitNumbers /></section>
          <SeriesDefocus />
        </>
      )}
    </div>
  );
}

function NoFit() {
  revision.value;
  const at = current.value;
  const now = table.value;
  const why = now.reasons.get(at);
  return (
    <div class="empty">
      <strong>{now.word(at) === "failed" ? "The CTF could not be fitted" : "CTF not run for this image"}</strong>
      <p>{why ?? "Start processing, or switch the CTF on in the settings."}</p>
    </div>
  );
}

function Legend() {
  const entries: [string, string, boolean][] = [["measured", "var(--muted)", false], ["model", "var(--accent)", false], ["agreement (right axis)", "var(--green)", false]];
  return (
    <span class="row small quiet" style={{ gap: "12px" }}>
      {entries.map(([name, colour]) => (
        <span class="row" style={{ gap: "5px" }}>
          <svg width="16" height="3" aria-hidden="true"><rect width="16" height="3" rx="1.5" fill={colour} /></svg>{name}
        </span>
      ))}
    </span>
  );
}

const LINES: readonly Line[] = [
  { label: "measured", colour: "muted", width: 1.2 },
  { label: "model", colour: "accent", width: 1.8 },
  { label: "agreement", colour: "#3fa873", width: 1.2, scale: "agreement" },
];

function Curves({ fit, curves }: { fit: FitRecord; curves: Record<string, (number | null)[]> }) {
  const k = (curves["k"] ?? []) as number[];
  const optics: Optics = fit;
  const defocus = tuned.value ?? defocusOf(fit);
  const given = curves["model"] ?? [];
  const model = tuned.value ? scaledModel(k, given, tuned.value, optics) : given;
  const range = tunedRange.value ?? fitRange(fit);
  const last = k[k.length - 1] ?? 0.3;
  const measured = curves["experimental"] ?? [];
  const top = quantile(measured, k, range, 0.995);
  return (
    <Plot
      label={`Measured spectrum, model and agreement of ${table.value.names[current.value]}`}
      x={k} ys={[measured, model, curves["quality"] ?? []]} lines={LINES}
      xLabel="resolution (Å)" xRange={[0, last]} yRange={[-0.35 * top, 1.25 * top]}
      xTicks={(value) => (value <= 0 ? "∞" : (1 / value).toFixed(value < 0.1 ? 0 : 1))}
      yTicks={(value) => String(Number(value.toPrecision(2))).replace("-", "−")}
      rightAxis={{ scale: "agreement", label: "agreement", range: [-1.2, 1.05] }}
      handles={{
        at: [1 / range[0], 1 / range[1]],
        onDrag: (which, value) => {
          const next = [...range] as [number, number];
          next[which] = Number((1 / Math.min(last, Math.max(0.002, value))).toPrecision(3));
          if (next[0] > next[1] * 1.2) tunedRange.value = next;
        },
      }}
      under={(plot, context, colours) => {
        const x = (value: number): number => plot.valToPos(value, "x", true);
        const { left, top: above, width, height } = plot.bbox;
        context.save();
        context.beginPath();
        context.rect(left, above, width, height);
        context.clip();
        context.fillStyle = colours.accent;
        context.globalAlpha = 0.08;
        context.fillRect(x(1 / range[0]), above, x(1 / range[1]) - x(1 / range[0]), height);
        context.globalAlpha = 0.9;
        for (const edge of range) context.fillRect(x(1 / edge) - devicePixelRatio, above, 2 * devicePixelRatio, height);
        context.globalAlpha = 0.5;
        context.strokeStyle = colours.faint;
        context.lineWidth = 1;
        if (defocus) {
          for (const zero of zeros(defocus, optics, last)) {
            context.beginPath();
            context.moveTo(x(zero), above + height);
            context.lineTo(x(zero), above + height - 7 * devicePixelRatio);
            context.stroke();
          }
        }
        context.globalAlpha = 1;
        if (fit.resolution_A) {
          context.setLineDash([5, 4]);
          context.strokeStyle = colours.amber;
          context.beginPath();
          context.moveTo(x(1 / fit.resolution_A), above);
          context.lineTo(x(1 / fit.resolution_A), above + height);
          context.stroke();
          context.setLineDash([]);
          context.fillStyle = colours.muted;
          context.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
          context.fillText(`fits to ${fit.resolution_A.toFixed(1)} Å`, x(1 / fit.resolution_A) + 5, above + 12 * devicePixelRatio);
        }
        context.restore();
      }}
    />
  );
}

/** Range that the fit used, in Å: as the record tells, else Warp's advice for tilt images. */
export function fitRange(fit: FitRecord): [number, number] {
  const told = fit.details["range_A"];
  return Array.isArray(told) && told.length === 2 ? [Number(told[0]), Number(told[1])] : [40, 5];
}

/** The tuned |CTF| under the envelope of the model that was fitted. */
function scaledModel(k: readonly number[], given: readonly (number | null)[], defocus: Defocus, optics: Optics): number[] {
  const envelope = new Float64Array(k.length);
  const reach = 9;
  for (let at = 0; at < k.length; at++) {
    let most = 0;
    for (let near = Math.max(0, at - reach); near <= Math.min(k.length - 1, at + reach); near++) most = Math.max(most, given[near] ?? 0);
    envelope[at] = most;
  }
  return k.map((value, at) => absCtf(value, defocus, optics) * (envelope[at] as number));
}

function quantile(values: readonly (number | null)[], k: readonly number[], range: readonly [number, number], part: number): number {
  const inside = values.filter((value, at): value is number => value !== null && (k[at] ?? 0) > 1 / range[0] && (k[at] ?? 0) < 1 / range[1]);
  inside.sort((a, b) => a - b);
  return inside[Math.floor(part * (inside.length - 1))] || 1;
}
