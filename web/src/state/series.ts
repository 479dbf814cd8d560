/** Tilt series as the server tells them: angles, problems, handedness. */

import { signal } from "@preact/signals";
import * as api from "../api/client";

export type SeriesOut = api.Schemas["SeriesOut"];
export type TiltOut = api.Schemas["TiltOut"];
export type ExportOut = api.Schemas["ExportOut"];

export const seriesList = signal<SeriesOut[]>([]);
export const seriesLoaded = signal(false);

export async function loadSeries(): Promise<void> {
  seriesList.value = await api.get<SeriesOut[]>("/api/series");
  seriesLoaded.value = true;
}

export function seriesNamed(name: string): SeriesOut | undefined {
  return seriesList.value.find((one) => one.name === name);
}

export type HandOut = api.Schemas["HandOut"];
/** What the gradients of the series on view say; null while it is not known. */
export const hand = signal<HandOut | null>(null);

/** What the gradients of all series together say. */
export const setHand = signal<api.Schemas["SetHandOut"] | null>(null);

export async function loadHand(series: string): Promise<void> {
  if (hand.peek()?.series !== series) hand.value = null;
  hand.value = await api.get<HandOut>(`/api/series/${encodeURIComponent(series)}/hand`);
}

export async function loadSetHand(): Promise<void> {
  setHand.value = await api.get<api.Schemas["SetHandOut"]>("/api/hand");
}
