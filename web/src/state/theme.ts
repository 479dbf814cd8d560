/** Dark or light: as the system says, unless chosen. */

import { effect, signal } from "@preact/signals";

export type Theme = "dark" | "light";

const KEY = "weft-theme";
const stored = localStorage.getItem(KEY);
const system = matchMedia("(prefers-color-scheme: light)");

export const theme = signal<Theme>(stored === "dark" || stored === "light" ? stored : system.matches ? "light" : "dark");

export function toggleTheme(): void {
  theme.value = theme.value === "dark" ? "light" : "dark";
  localStorage.setItem(KEY, theme.value);
}

export function followTheme(): void {
  system.addEventListener("change", () => {
    if (!localStorage.getItem(KEY)) theme.value = system.matches ? "light" : "dark";
  });
  effect(() => {
    document.documentElement.dataset["theme"] = theme.value;
  });
}

export interface Palette {
  ground: string;
  panel: string;
  raised: string;
  line: string;
  text: string;
  muted: string;
  faint: string;
  accent: string;
  amber: string;
  pink: string;
  red: string;
}

const palettes = new Map<Theme, Palette>();

/** The colours of the present theme, for canvases. */
export function palette(): Palette {
  const now = theme.value;
  const known = palettes.get(now);
  if (known) return known;
  document.documentElement.dataset["theme"] = now;
  const style = getComputedStyle(document.documentElement);
  const read = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  const found = {
    ground: read("ground"),
    panel: read("panel"),
    raised: read("raised"),
    line: read("line"),
    text: read("text"),
    muted: read("muted"),
    faint: read("faint"),
    accent: read("accent"),
    amber: read("amber"),
    pink: read("pink"),
    red: read("red"),
  };
  palettes.set(now, found);
  return found;
}
