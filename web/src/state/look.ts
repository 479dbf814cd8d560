/** How pictures are shown: the same on every page, and kept while moving among images. */

import { signal } from "@preact/signals";

export type Contrast = "series" | "image" | "absolute";
export type Which = "average" | "even" | "odd";

export const LOW_PASSES = [0, 20, 40] as const;

export const lowPass = signal<number>(20);
export const deconvolve = signal(false);
export const invert = signal(false);
export const showMask = signal(true);
export const showTrack = signal(false);
export const showDefocus = signal(false);
export const contrast = signal<Contrast>("series");
/** Half of the shown range in standard deviations. */
export const sigmas = signal(2.5);
/** Shown limits when contrast is absolute, in electrons per pixel. */
export const limits = signal<[number, number] | null>(null);
export const which = signal<Which>("average");
export const painting = signal<"off" | "add" | "erase">("off");
export const brush_A = signal(120);
/** C held: the picture as it was before filters. */
export const isBlinking = signal(false);

export type ZoomAct = "in" | "out" | "fit" | "one";
/** The latest wish of the keyboard for the viewer; a new object each time. */
export const zoomWish = signal<{ act: ZoomAct } | null>(null);
export const isPlaying = signal(false);
/** Fourier and Real Space beside each other. */
export const isSplit = signal(false);
export const isHelpOpen = signal(false);

export function cycleLowPass(): void {
  const next = LOW_PASSES[(LOW_PASSES.indexOf(lowPass.value as (typeof LOW_PASSES)[number]) + 1) % LOW_PASSES.length];
  lowPass.value = next ?? 0;
}

export function stretch(factor: number): void {
  sigmas.value = Math.min(8, Math.max(0.5, sigmas.value * factor));
}
