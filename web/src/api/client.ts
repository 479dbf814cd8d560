/** The server, asked with the token; every error has one shape. */

import type { components } from "./schema";

export type Schemas = components["schemas"];
export type Item = Schemas["ItemOut"];
export type Columns = Schemas["Columns"];
export type ItemDetail = Schemas["ItemDetail"];
export type Project = Schemas["ProjectOut"];
export type Run = Schemas["RunOut"];
export type Job = Schemas["JobOut"];
export type SettingsOut = Schemas["SettingsOut"];
export type CheckedSettings = Schemas["CheckedSettings"];
export type KeyOut = Schemas["KeyOut"];
export type DecisionOut = Schemas["DecisionOut"];
export type DecisionEvent = Schemas["EventOut"];

let token = "";

export function setToken(value: string): void {
  token = value;
}

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** Thrown when the server cannot be reached at all. */
export class OfflineError extends Error {
  constructor() {
    super("the server does not answer");
  }
}

export async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  headers.set("authorization", `Bearer ${token}`);
  let response: Response;
  try {
    response = await fetch(path, { ...init, headers });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new OfflineError();
  }
  if (response.ok) return response;
  let code = "unknown";
  let message = `${response.status} ${response.statusText}`;
  try {
    const body = (await response.json()) as { error?: { code: string; message: string } };
    if (body.error) ({ code, message } = body.error);
  } catch {
    // the status is all there is
  }
  throw new ApiError(response.status, code, message);
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await (await ask(path, signal ? { signal } : {})).json()) as T;
}

export async function send<T>(method: "POST" | "PUT" | "DELETE", path: string, body?: unknown): Promise<T> {
  const init: RequestInit = { method };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { "content-type": "application/json" };
  }
  const response = await ask(path, init);
  return (response.status === 204 ? undefined : await response.json()) as T;
}

export function itemPath(name: string, part = ""): string {
  return `/api/items/${encodeURIComponent(name)}${part}`;
}
