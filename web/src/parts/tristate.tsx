/** The decision about an image: automatic, keep, drop; a click goes round. */

import { decide } from "../state/decisions";
import { project, revision, table } from "../state/store";
import { VERBS, type Verb } from "../state/table";

const NEXT: Record<Verb, Verb> = { auto: "drop", drop: "keep", keep: "auto" };
const SAYS: Record<Verb, string> = { auto: "automatic: used", keep: "kept by hand", drop: "left out" };

export function TriState({ at }: { at: number }) {
  revision.value;
  if (at < 0) return null;
  const verb = VERBS[table.value.decision[at] ?? 0] as Verb;
  return (
    <button
      type="button" class={`tri ${verb}`} data-testid="decision" data-verb={verb} disabled={project.value?.read_only ?? false}
      aria-label={`${table.value.names[at]}: ${SAYS[verb]}; click for ${NEXT[verb]}`}
      title={`${SAYS[verb]} (X drop, K keep, U automatic)`}
      onClick={() => decide([at], NEXT[verb])}
    >
      <svg width="14" height="14" viewBox="0 0 14 14" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" aria-hidden="true">
        {verb === "drop" && <path d="M3 3l8 8M11 3l-8 8" />}
        {verb === "keep" && <path d="M2.500 7.500l3 3 6-7" />}
        {verb === "auto" && <path d="M3 7h8" opacity="0.55" />}
      </svg>
    </button>
  );
}
