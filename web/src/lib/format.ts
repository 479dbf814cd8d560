/** Numbers as people read them: units, signs, fixed digits; a dash where there is none. */

export const DASH = "–";

export function fixed(value: number | null | undefined, digits: number, unit = ""): string {
  if (value === null || value === undefined || Number.isNaN(value)) return DASH;
  const text = value.toFixed(digits).replace("-", "−");
  return unit ? `${text} ${unit}` : text;
}

export function signed(value: number | null | undefined, digits: number, unit = ""): string {
  if (value === null || value === undefined || Number.isNaN(value)) return DASH;
  const rounded = Number(value.toFixed(digits));
  const sign = rounded > 0 ? "+" : rounded < 0 ? "−" : "";
  return `${sign}${Math.abs(rounded).toFixed(digits)}${unit}`;
}

export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return DASH;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  const hours = Math.floor(seconds / 3600);
  return `${hours} h ${String(Math.round((seconds - hours * 3600) / 60)).padStart(2, "0")} min`;
}

export function bytes(count: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = count;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value >= 100 || unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

export function clock(iso: string): string {
  const date = new Date(iso);
  return Number.isNaN(date.getTime()) ? iso : date.toLocaleTimeString("en-GB");
}
