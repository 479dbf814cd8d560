/** Strips under the top line: no connection, wrong settings, results made with other settings. */

import { useEffect } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { duration, plural } from "../lib/format";
import { unsent } from "../state/decisions";
import { go } from "../state/route";
import { counts, lastContact, plan, project, run, stream } from "../state/store";

export function Banners() {
  const error = project.value?.settings_error;
  return (
    <div class="banners">
      <Offline />
      {project.value?.read_only && <div class="banner offline"><span class="text">Read-only: look at everything, change nothing.</span></div>}
      {error && <div class="banner error" role="alert"><span class="text">weft.toml: {error}</span></div>}
      {run.value?.message && <div class="banner error" role="alert"><span class="text">{run.value.message}</span></div>}
      <Stale />
    </div>
  );
}

function Offline() {
  const now = useSignal(Date.now());
  useEffect(() => {
    const timer = setInterval(() => (now.value = Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  // a moment without the stream is nothing to speak of
  if (stream.value.isOpen || stream.value.attempts < 2) return null;
  const since = Math.max(0, (now.value - lastContact.value) / 1000);
  return (
    <div class="banner offline" role="status" data-testid="offline">
      <span class="text">
        The server does not answer (since {duration(since)}, asked {plural(stream.value.attempts, "time")}).
        {unsent.value > 0 ? ` ${plural(unsent.value, "decision")} wait here and will be sent.` : " Processing goes on without it."}
      </span>
    </div>
  );
}

function Stale() {
  const stale = counts.value.stale;
  if (stale === 0 || run.value?.is_running) return null;
  const stages = Object.entries(plan.value.stages).map(([stage, number]) => `${number} ${stage}`).join(", ");
  return (
    <div class="banner" data-testid="stale">
      <span class="text">
        {plural(stale, "image")} made with other settings or files{stages ? `; a run would redo: ${stages}` : ""}.
      </span>
      <button type="button" onClick={() => go({ search: "state:stale" })}>See them</button>
      <button type="button" onClick={() => go({ settings: true })}>Settings</button>
    </div>
  );
}
