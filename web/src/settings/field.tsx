/** One setting: label, control, unit, help, error. */

import type { KeyOut } from "../api/client";
import { checked, draft, type Value, valueOf } from "./draft";

const LABELS: Record<string, string> = {
  movies: "Movies", mdocs: "Mdoc files", raw_pixel_size_A: "Raw pixel size", bin: "Binning exponent", exposure_e_A2: "Exposure",
  gain: "Gain reference", gain_flip_x: "Flip gain in x", gain_flip_y: "Flip gain in y", gain_transpose: "Transpose gain",
  gain_mode: "Gain is", defects: "Defects", voltage_kV: "Voltage", cs_mm: "Cs", amplitude_contrast: "Amplitude contrast",
  enabled: "On", range_A: "Range", b_factor_A2: "B-factor", grid: "Model grid", window_px: "Window", defocus_um: "Defocus",
  phase_shift: "Phase shift", use_movie_sum: "Use movie sum", bead_diameter_nm: "Bead diameter", halves: "Odd / even averages",
  average: "Average", aligned_stack: "Aligned stack", skip_first: "Skip first", skip_last: "Skip last", xrays: "X-rays",
  eer_exposure_per_fraction_e_A2: "EER: exposure per fraction", eer_frames_per_fraction: "EER: frames per fraction",
  eer_fractions: "EER: fractions", eer_supersampling: "EER: supersampling", mrc_mode0: "8-bit MRC", tilt_axis_deg: "Tilt axis",
  min_tilts: "Fewest tilts", memory_GB: "Memory per worker",
};

const DETAILED = new Set(["number", "whole", "pair"]);

export function Field({ info, onChange }: { info: KeyOut; onChange: (value: Value) => void }) {
  const value = valueOf(info);
  const error = checked.value?.errors[info.name];
  const isDraft = info.name in draft.value;
  const isChanged = JSON.stringify(info.value) !== JSON.stringify(info.default);
  const title = [info.description, info.warp && `Warp: ${info.warp}.`, `Allowed: ${info.allowed}.`, `Default: ${shown(info.default)}.`].filter(Boolean).join(" ");
  const id = `set-${info.name}`;
  return (
    <div class={`field ${isDraft ? "draft" : isChanged ? "changed" : ""}`} title={title}>
      <label for={id}>
        {LABELS[info.key] ?? sentence(info.key)}
        {info.unit && <span class="unit"> {info.unit}</span>}
      </label>
      <span class="control"><Control id={id} info={info} value={value} onChange={onChange} /></span>
      {error && <span class="note bad" role="alert">{error}</span>}
    </div>
  );
}

function Control({ id, info, value, onChange }: { id: string; info: KeyOut; value: Value; onChange: (value: Value) => void }) {
  if (info.kind === "switch") {
    return <input id={id} type="checkbox" checked={value === true} onChange={(event) => onChange(event.currentTarget.checked)} />;
  }
  if (info.kind === "choice") {
    const isNumeric = typeof info.default === "number" || info.choices.every((choice) => /^-?\d+$/.test(choice));
    return (
      <select id={id} value={value === null ? "" : String(value)} onChange={(event) => onChange(chosen(event.currentTarget.value, isNumeric))}>
        {info.is_optional && <option value="">not set</option>}
        {info.choices.map((choice) => <option value={choice}>{choice}</option>)}
      </select>
    );
  }
  if (info.kind === "pair" && Array.isArray(value)) {
    const set = (place: 0 | 1) => (event: Event): void => {
      const next = [...value] as (number | null)[];
      next[place] = asNumber((event.currentTarget as HTMLInputElement).value);
      onChange(next);
    };
    return (
      <>
        <input id={id} inputMode="decimal" value={String(value[0] ?? "")} onChange={set(0)} aria-label={`${info.name}, first`} />
        <span class="muted">–</span>
        <input inputMode="decimal" value={String(value[1] ?? "")} onChange={set(1)} aria-label={`${info.name}, second`} />
      </>
    );
  }
  const isNumber = DETAILED.has(info.kind);
  return (
    <input
      id={id} value={value === null ? "" : String(value)} inputMode={isNumber ? "decimal" : "text"} spellcheck={false}
      placeholder={info.is_optional ? "not set" : undefined}
      onChange={(event) => onChange(parsed(event.currentTarget.value, info))}
    />
  );
}

function parsed(text: string, info: KeyOut): Value {
  const trimmed = text.trim();
  if (trimmed === "") return info.is_optional ? null : (info.default as Value);
  if (info.kind === "text") return trimmed;
  if (info.kind === "pair" && /^[\d.]+\s*[, –-]\s*[\d.]+$/.test(trimmed)) return trimmed.split(/\s*[, –-]\s*/).map(Number);
  const number = Number(trimmed);
  return Number.isNaN(number) ? trimmed : number;
}

function chosen(text: string, isNumeric: boolean): Value {
  if (text === "") return null;
  return isNumeric ? Number(text) : text;
}

function asNumber(text: string): number | null {
  const number = Number(text);
  return text.trim() === "" || Number.isNaN(number) ? null : number;
}

function shown(value: unknown): string {
  if (value === null || value === undefined) return "not set";
  return Array.isArray(value) ? value.join(" – ") : String(value);
}

function sentence(key: string): string {
  const words = key.replace(/_(A2|A|deg|px|um|nm|mm|kV|GB)$/, "").replace(/_/g, " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}
