/** Every act that the keyboard knows. */

import { type KeyAct, letter, named, placed } from "../lib/keys";
import { range } from "../bar/bar";
import { decide, redo, toggleDrop, undo } from "./decisions";
import * as look from "./look";
import { markDone } from "./done";
import { toggleFlag } from "./flags";
import { announce, notify } from "./notices";
import { go, type Page, route } from "./route";
import { current, membersOf, position, step, stepSeries, select, table, view } from "./store";
import { NO_SERIES, type Order } from "./table";

let awaitsPage = 0;
const PAGE_KEYS: Record<string, Page> = {
  o: "overview", f: "fourier", r: "real", s: "series", i: "import", e: "export", c: "checks", l: "log",
};

function stepSuspect(by: number): void {
  const seen = view.value;
  for (let p = position.value + by; p >= 0 && p < seen.length; p += by) {
    const at = seen[p] as number;
    if (table.value.suspects.has(at) && table.value.decision[at] === 0) {
      select(at);
      return;
    }
  }
  notify(by > 0 ? "No further suspect in this view." : "No suspect before this one.");
}

/** Leave out what is suspected in the series on view. */
export function acceptSuspects(): void {
  const now = table.value;
  const members = membersOf(now.series[current.value] ?? 0);
  const bySuspicion = new Map<string, number[]>();
  for (const at of members) {
    const text = now.suspects.get(at);
    if (text === undefined || now.decision[at] !== 0) continue;
    bySuspicion.set(text, [...(bySuspicion.get(text) ?? []), at]);
  }
  if (bySuspicion.size === 0) notify("Nothing is suspected in this series.");
  for (const [text, items] of bySuspicion) decide(items, "drop", text);
}

function flagCurrent(): void {
  const name = table.value.names[current.value];
  if (name === undefined) return;
  announce(`${name} ${toggleFlag(name) ? "flagged" : "no longer flagged"}`);
}

/** Tick this series off and go to the next one. */
export function finishSeries(): void {
  if (current.value < 0) return;
  const name = table.value.seriesOf(current.value) || NO_SERIES;
  markDone(name);
  announce(`${name} done`);
  stepSeries(1);
}

/** Whether the key would press what has the focus; what leads to where one is already is not worth a press. */
function isPressable(event: KeyboardEvent): boolean {
  const target = event.target as HTMLElement | null;
  return target !== null && ["BUTTON", "A", "SUMMARY"].includes(target.tagName) && !target.hasAttribute("aria-current");
}

const decisionOf = (verb: "keep" | "auto") => () => {
  if (current.value >= 0) decide([current.value], verb);
};

export const ACTS: readonly KeyAct[] = [
  {
    label: "go to a page: o f r s i e c l", keys: "G then a letter", group: "Pages",
    match: (event) => {
      if (Date.now() - awaitsPage < 1500 && PAGE_KEYS[event.key.toLowerCase()] && !event.ctrlKey && !event.metaKey) return true;
      return letter("g")(event);
    },
    run: (event) => {
      const page = Date.now() - awaitsPage < 1500 ? PAGE_KEYS[event.key.toLowerCase()] : undefined;
      awaitsPage = page ? 0 : Date.now();
      if (page) go({ page });
    },
  },
  { label: "previous image", keys: "← PgUp", group: "Move", repeats: true, match: named("ArrowLeft", "PageUp"), run: () => step(-1) },
  { label: "next image", keys: "→ PgDn", group: "Move", repeats: true, match: named("ArrowRight", "PageDown"), run: () => step(1) },
  { label: "previous series", keys: "↑", group: "Move", repeats: true, match: named("ArrowUp"), run: () => stepSeries(-1) },
  { label: "next series", keys: "↓", group: "Move", repeats: true, match: named("ArrowDown"), run: () => stepSeries(1) },
  { label: "first image", keys: "Home", group: "Move", match: named("Home"), run: () => step(-1e9) },
  { label: "last image", keys: "End", group: "Move", match: named("End"), run: () => step(1e9) },
  { label: "next suspect", keys: "N", group: "Move", repeats: true, match: letter("n"), run: () => stepSuspect(1) },
  { label: "previous suspect", keys: "Shift+N", group: "Move", repeats: true, match: letter("n", true), run: () => stepSuspect(-1) },
  {
    label: "series done, next", keys: "Enter", group: "Move",
    match: (event) => named("Enter")(event) && !isPressable(event), run: finishSeries,
  },
  {
    label: "search", keys: "/", group: "Move", match: (event) => event.key === "/" && !event.ctrlKey && !event.metaKey,
    run: () => document.getElementById("search")?.focus(),
  },
  { label: "drop, or take the drop back", keys: "X", group: "Decide", match: letter("x"), run: () => toggleDrop() },
  {
    label: "drop and go on", keys: "Shift+X", group: "Decide", match: letter("x", true),
    run: () => {
      if (current.value >= 0) decide([current.value], "drop");
      step(1);
    },
  },
  { label: "keep, whatever rules say", keys: "K", group: "Decide", match: letter("k"), run: decisionOf("keep") },
  { label: "back to automatic", keys: "U", group: "Decide", match: letter("u"), run: decisionOf("auto") },
  { label: "flag, to come back to (search flag:yes)", keys: "F", group: "Decide", match: letter("f"), run: flagCurrent },
  { label: "drop this series' suspects", keys: "Shift+A", group: "Decide", match: letter("a", true), run: acceptSuspects },
  { label: "undo", keys: "Z", group: "Decide", match: letter("z"), run: undo },
  { label: "redo", keys: "Shift+Z", group: "Decide", match: letter("z", true), run: redo },
  {
    label: "tilt movie, while held", keys: "Space", group: "Look",
    match: (event) => named(" ")(event) && !isPressable(event), run: () => { look.isPlaying.value = true; },
  },
  { label: "more contrast", keys: "]", group: "Look", repeats: true, match: placed("BracketRight"), run: () => look.stretch(0.85) },
  { label: "less contrast", keys: "[", group: "Look", repeats: true, match: placed("BracketLeft"), run: () => look.stretch(1 / 0.85) },
  {
    label: "contrast: series, image", keys: "\\", group: "Look", match: placed("Backslash"),
    run: () => { look.sigmas.value = 2.5; look.contrast.value = look.contrast.value === "series" ? "image" : "series"; },
  },
  { label: "invert", keys: "I", group: "Look", match: letter("i"), run: () => { look.invert.value = !look.invert.value; } },
  { label: "low-pass 0, 20, 40 Å", keys: "L", group: "Look", match: letter("l"), run: look.cycleLowPass },
  { label: "deconvolve", keys: "D", group: "Look", match: letter("d"), run: () => { look.deconvolve.value = !look.deconvolve.value; } },
  { label: "gold mask", keys: "M", group: "Look", match: letter("m"), run: () => { look.showMask.value = !look.showMask.value; } },
  { label: "motion track", keys: "T", group: "Look", match: letter("t"), run: () => { look.showTrack.value = !look.showTrack.value; } },
  { label: "unfiltered, while held", keys: "C", group: "Look", match: letter("c"), run: () => { look.isBlinking.value = true; } },
  { label: "zoom in", keys: "+", group: "Look", repeats: true, match: (event) => event.key === "+" || event.key === "=", run: () => { look.zoomWish.value = { act: "in" }; } },
  { label: "zoom out", keys: "−", group: "Look", repeats: true, match: (event) => event.key === "-", run: () => { look.zoomWish.value = { act: "out" }; } },
  { label: "whole image", keys: "0", group: "Look", match: (event) => event.key === "0", run: () => { look.zoomWish.value = { act: "fit" }; } },
  { label: "one pixel for one", keys: "1", group: "Look", match: (event) => event.key === "1", run: () => { look.zoomWish.value = { act: "one" }; } },
  { label: "Fourier beside Real Space", keys: "V", group: "Look", match: letter("v"), run: () => { look.isSplit.value = !look.isSplit.value; } },
  {
    label: "order: name, tilt, time", keys: "O", group: "Look", match: letter("o"),
    run: () => {
      const orders: Order[] = ["name", "tilt", "time"];
      go({ order: orders[(orders.indexOf(route.value.order) + 1) % 3] as Order });
    },
  },
  {
    label: "sheet or single image", keys: "S", group: "Look", match: letter("s"),
    run: () => go({ page: route.value.page === "series" ? "real" : "series" }),
  },
  { label: "these keys", keys: "?", group: "Pages", match: (event) => event.key === "?", run: () => { look.isHelpOpen.value = !look.isHelpOpen.value; } },
  {
    label: "back", keys: "Esc", group: "Pages", match: named("Escape"),
    run: () => {
      if (range.value) range.value = null;
      else if (look.painting.value !== "off") look.painting.value = "off";
      else if (look.isHelpOpen.value) look.isHelpOpen.value = false;
      else if (route.value.search) go({ search: "" });
    },
  },
];
