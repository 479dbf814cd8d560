/** The settings: a form made from the schema, what a change would make stale, the file itself. */

import { useEffect } from "preact/hooks";
import { useSignal } from "@preact/signals";
import * as api from "../api/client";
import { plural } from "../lib/format";
import { Copy } from "../parts/copy";
import { notify, report } from "../state/notices";
import { project, run } from "../state/store";
import { change, checked, draft, isChecking, loadSettings, revert, saveDraft, settings } from "./draft";
import { Field } from "./field";

const TITLES: Record<string, string> = {
  input: "Input", optics: "Microscope", motion: "Motion", ctf: "CTF", fiducials: "Fiducials", output: "Output",
  series: "Tilt series", compute: "Computing",
};

export function SettingsPanel() {
  useEffect(() => {
    void loadSettings().catch(report);
  }, []);
  const isRaw = useSignal(false);
  const now = settings.value;
  if (!now) return <aside class="side pad muted">Reading the settings …</aside>;
  return (
    <aside class="side" aria-label="Settings" data-testid="settings">
      <div class="row pad">
        <h2>Settings</h2>
        <span class="spacer" />
        <button type="button" class="plain small" onClick={() => (isRaw.value = !isRaw.value)}>{isRaw.value ? "form" : "file"}</button>
      </div>
      {isRaw.value ? <RawFile /> : <Form />}
    </aside>
  );
}

function Form() {
  const now = settings.value as api.SettingsOut;
  return (
    <form onSubmit={(event) => event.preventDefault()}>
      <DraftBox />
      {now.tables.map((table, number) => {
        const changed = table.keys.filter((key) => JSON.stringify(key.value) !== JSON.stringify(key.default)).length;
        return (
          <details class="form-table" open={number < 4}>
            <summary>
              {TITLES[table.name] ?? table.name}
              {changed > 0 && <span class="badge" title="differ from the defaults">{changed} set</span>}
            </summary>
            <div class="fields">
              {table.keys.map((key) => <Field key={key.name} info={key} onChange={(value) => change(key, value)} />)}
              {table.name === "input" && <Derived />}
            </div>
          </details>
        );
      })}
    </form>
  );
}

/** What follows from the values: pixel size after binning, what was found. */
function Derived() {
  const now = settings.value as api.SettingsOut;
  const find = (name: string): number | null => {
    const key = now.tables.flatMap((table) => table.keys).find((one) => one.name === name);
    const value = name in draft.value ? draft.value[name] : key?.value;
    return typeof value === "number" ? value : null;
  };
  const raw = find("input.raw_pixel_size_A") ?? now.header_pixel_size_A ?? null;
  const bin = find("input.bin") ?? 0;
  return (
    <dl class="facts small">
      <dt>After binning</dt>
      <dd>{raw === null ? "pixel size unknown" : `${(raw * 2 ** bin).toFixed(4).replace(/0+$/, "").replace(/\.$/, "")} Å/px (÷ ${(2 ** bin).toFixed(2)})`}</dd>
      <dt>Seen in the header</dt>
      <dd>{now.header_pixel_size_A ? `${now.header_pixel_size_A.toFixed(4)} Å` : "nothing"}</dd>
      <dt>Found</dt>
      <dd>{plural(now.movies_found, "movie")}, {plural(now.mdocs_found, "mdoc")}</dd>
    </dl>
  );
}

function DraftBox() {
  const names = Object.keys(draft.value);
  if (names.length === 0) return null;
  const answer = checked.value;
  const hasErrors = answer !== null && Object.keys(answer.errors).length > 0;
  const save = async (): Promise<void> => {
    try {
      await saveDraft();
      notify(run.value?.is_running ? "Written; it holds for the next run." : "Written to weft.toml.");
    } catch (error) {
      report(error);
    }
  };
  return (
    <div class="pad stack" data-testid="draft">
      <div class="row wrap">
        <span class="warned">◐ {plural(names.length, "change")} not yet written</span>
        <span class="spacer" />
        <button type="button" class="plain small" onClick={revert}>revert</button>
        <button type="button" class="main" disabled={hasErrors || (project.value?.read_only ?? true)} onClick={() => void save()}>Save</button>
      </div>
      {isChecking.value && <p class="small muted">Looking what would become stale …</p>}
      {answer && !hasErrors && <Consequences answer={answer} />}
      {answer?.message && <p class="small bad">{answer.message}</p>}
    </div>
  );
}

function Consequences({ answer }: { answer: api.CheckedSettings }) {
  const stale = answer.counts["stale"] ?? 0;
  const stages = Object.entries(answer.stages).map(([stage, number]) => `${number} ${stage}`).join(", ");
  return (
    <>
      <p class="small" data-testid="consequences">
        {stale > 0 ? `Makes ${plural(stale, "image")} stale; a run would do ${stages}.` : "Makes nothing stale that is done."}
        {run.value?.is_running ? " Applies to the next run." : ""}
      </p>
      {answer.command && <Copy text={answer.command} label="the same for one run, as a command" />}
    </>
  );
}

function RawFile() {
  const now = settings.value as api.SettingsOut;
  const text = useSignal(now.text);
  const problem = useSignal("");
  const save = async (): Promise<void> => {
    try {
      settings.value = await api.send<api.SettingsOut>("PUT", "/api/settings", { text: text.value });
      problem.value = "";
      notify("Written to weft.toml.");
    } catch (error) {
      problem.value = error instanceof Error ? error.message : String(error);
    }
  };
  return (
    <div class="pad stack">
      <textarea
        class="mono" rows={28} spellcheck={false} aria-label="weft.toml" value={text.value} wrap="off"
        onInput={(event) => (text.value = event.currentTarget.value)}
      />
      {problem.value && <p class="bad small">{problem.value}</p>}
      <button type="button" class="main" disabled={text.value === now.text || (project.value?.read_only ?? true)} onClick={() => void save()}>Save</button>
    </div>
  );
}
