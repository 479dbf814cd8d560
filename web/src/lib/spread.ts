/** Limits and ticks of plots: what most values span, so that one wild value does not flatten the others. */

const REACH = 3.5;
/** At most this share of the values lies beyond each limit. */
const TAIL = 0.05;

/** Limits that hold the values but for the few that lie far off the others; [0, 0] without values. */
export function robustLimits(values: readonly number[]): [number, number] {
  const sorted = [...values].sort((a, b) => a - b);
  if (sorted.length === 0) return [0, 0];
  const at = (part: number): number => sorted[Math.round(part * (sorted.length - 1))] as number;
  const [lower, upper] = [at(0.25), at(0.75)];
  const reach = REACH * (upper - lower);
  if (reach === 0) return [at(0.01), at(0.99)];
  const least = Math.min(at(TAIL), lower - reach);
  const most = Math.max(at(1 - TAIL), upper + reach);
  const inside = sorted.filter((value) => value >= least && value <= most);
  return [inside[0] as number, inside[inside.length - 1] as number];
}

const STEPS = [1, 2, 5, 10];

/** Round numbers between two limits, two to six of them, and the digits to write them with. */
export function niceTicks(low: number, high: number): { values: number[]; digits: number } {
  const span = high - low;
  if (!(span > 0)) return { values: [low], digits: 2 };
  for (let rough = span / 3; ; rough /= 2) {
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = (STEPS.find((factor) => factor * power >= rough * 0.999) as number) * power;
    const values: number[] = [];
    for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * span; k++) values.push(k * step + 0);
    if (values.length >= 2) return { values, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
  }
}
