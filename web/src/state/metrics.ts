/** The numbers that plots and the bar's lower row can show. */

import { signal } from "@preact/signals";

export interface Metric {
  key: string;
  label: string;
  unit: string;
  digits: number;
  /** Which side is bad, for a threshold. */
  bad: "high" | "low" | "both";
  /** A word for rules and reasons. */
  word: string;
}

export const METRICS: readonly Metric[] = [
  { key: "defocus_um", label: "Defocus", unit: "µm", digits: 2, bad: "both", word: "defocus" },
  { key: "resolution_A", label: "CTF fits to", unit: "Å", digits: 1, bad: "high", word: "fit resolution" },
  { key: "motion_A", label: "Motion", unit: "Å", digits: 1, bad: "high", word: "motion" },
  { key: "masked_percent", label: "Masked", unit: "%", digits: 2, bad: "high", word: "masked area" },
  { key: "mean_e", label: "Mean intensity", unit: "e⁻/px", digits: 2, bad: "low", word: "mean intensity" },
  { key: "astigmatism_um", label: "Astigmatism", unit: "µm", digits: 3, bad: "high", word: "astigmatism" },
  { key: "phase_shift_deg", label: "Phase shift", unit: "°", digits: 1, bad: "both", word: "phase shift" },
];

export function metricOf(key: string): Metric {
  return METRICS.find((metric) => metric.key === key) ?? (METRICS[0] as Metric);
}

export const barMetric = signal("resolution_A");
