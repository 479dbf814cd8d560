/** The stream of events, read with fetch so that it carries the token; goes on where it broke off. */

import { ask } from "./client";

export interface StreamEvent {
  kind: string;
  data: unknown;
}

export interface StreamState {
  isOpen: boolean;
  attempts: number;
}

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8000;

export function openStream(onEvent: (event: StreamEvent) => void, onState: (state: StreamState) => void): () => void {
  const stop = new AbortController();
  let lastId = "";
  let attempts = 0;

  const listen = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      try {
        const headers: Record<string, string> = lastId ? { "last-event-id": lastId } : {};
        const response = await ask("/api/events", { headers, signal: stop.signal });
        attempts = 0;
        onState({ isOpen: true, attempts });
        for await (const event of parse(response)) {
          if (event.id) lastId = event.id;
          onEvent({ kind: event.kind, data: JSON.parse(event.data) });
        }
      } catch {
        // told below
      }
      if (stop.signal.aborted) return;
      attempts += 1;
      onState({ isOpen: false, attempts });
      await new Promise((resume) => setTimeout(resume, Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(attempts, 5))));
    }
  };
  void listen();
  return () => stop.abort();
}

interface RawEvent {
  id: string;
  kind: string;
  data: string;
}

async function* parse(response: Response): AsyncGenerator<RawEvent> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += value;
    let end = rest.indexOf("\n\n");
    while (end >= 0) {
      const event = parseBlock(rest.slice(0, end));
      if (event) yield event;
      rest = rest.slice(end + 2);
      end = rest.indexOf("\n\n");
    }
  }
}

/** One block of a stream; null for comments. */
export function parseBlock(block: string): RawEvent | null {
  const event: RawEvent = { id: "", kind: "message", data: "" };
  let has = false;
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    if (colon <= 0) continue;
    const field = line.slice(0, colon);
    const value = line.slice(colon + 1).replace(/^ /, "");
    if (field === "id") event.id = value;
    else if (field === "event") event.kind = value;
    else if (field === "data") {
      event.data += (has ? "\n" : "") + value;
      has = true;
    }
  }
  return has ? event : null;
}
