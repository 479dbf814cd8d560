/** What is known of the current image, and what was decided about it. */

import { useSignal } from "@preact/signals";
import { Copy } from "../parts/copy";
import { Segments } from "../parts/segments";
import { fixed, signed } from "../lib/format";
import { decide, reasons, rememberReason } from "../state/decisions";
import { detailOf, type RecordJson } from "../state/detail";
import { current, project, revision, table } from "../state/store";
import { VERBS, type Verb } from "../state/table";

export function ImageFacts() {
  revision.value;
  const at = current.value;
  const now = table.value;
  const found = detailOf(at);
  if (at < 0) return null;
  const suspect = now.suspects.get(at);
  return (
    <>
      <section class="stack">
        <h3>Use</h3>
        {suspect && now.decision[at] === 0 && <p class="warned">Suspected: {suspect}</p>}
        <Decision at={at} />
      </section>
      <section>
        <h3>Image</h3>
        <dl class="facts">
          <dt>Series</dt><dd>{now.seriesOf(at) || "–"}</dd>
          <dt>Tilt</dt><dd>{signed(now.number(at, "tilt_deg"), 1, "°")}</dd>
          <dt>Acquired as</dt><dd>{now.number(at, "order") === null ? "–" : `no. ${(now.number(at, "order") as number) + 1}`}</dd>
          <dt>Exposure before</dt><dd>{fixed(now.number(at, "pre_exposure_e_A2"), 1, "e⁻/Å²")}</dd>
          <Measured record={found?.record ?? null} />
        </dl>
      </section>
      {found && found.history.length > 0 && (
        <section>
          <h3>History</h3>
          <ul class="small">
            {found.history.slice(-6).reverse().map((event) => (
              <li><span class="muted">{event.at.slice(0, 16).replace("T", " ")}</span> {event.verb}{event.reason ? `: ${event.reason}` : ""} <span class="muted">{event.by}</span></li>
            ))}
          </ul>
        </section>
      )}
      <Copy text={`weft show ${now.names[at]}`} label="the same in a terminal" />
    </>
  );
}

function Decision({ at }: { at: number }) {
  revision.value;
  const now = table.value;
  const verb = VERBS[now.decision[at] ?? 0] as Verb;
  const reason = now.decisionReasons.get(at) ?? "";
  const typed = useSignal("");
  if (project.value?.read_only) return <p class="muted">{now.word(at)}{reason ? `: ${reason}` : ""}</p>;
  const give = (text: string): void => {
    if (!text.trim()) return;
    rememberReason(text.trim());
    decide([at], verb === "keep" ? "keep" : "drop", text.trim());
    typed.value = "";
  };
  return (
    <>
      <Segments
        label="Decision" value={verb} onChange={(next) => decide([at], next, next === "auto" ? "" : reason)}
        options={[["auto", "Automatic"], ["keep", "Keep"], ["drop", "Drop"]]}
      />
      {verb !== "auto" && (
        <div class="stack" style={{ gap: "6px" }}>
          {reason && <p class="small">Reason: {reason} <span class="muted">({now.decisionBy.get(at)})</span></p>}
          <input
            aria-label="Reason" placeholder={reason ? "another reason" : "reason (optional)"} value={typed.value} list="reasons"
            onInput={(event) => { typed.value = event.currentTarget.value; }}
            onKeyDown={(event) => {
              if (event.key === "Enter") give(typed.value);
              if (event.key === "Escape") event.currentTarget.blur();
            }}
          />
          <datalist id="reasons">{reasons.value.map((one) => <option value={one} />)}</datalist>
          <div class="row wrap" style={{ gap: "4px" }}>
            {reasons.value.slice(0, 6).map((one) => <button type="button" class="chip small" onClick={() => give(one)}>{one}</button>)}
          </div>
        </div>
      )}
    </>
  );
}

function Measured({ record }: { record: RecordJson | null }) {
  if (!record) return null;
  const { average, motion, ctf, mask, movie, failure } = record;
  const raw = movie.raw_pixel_size_A;
  return (
    <>
      {average && (
        <>
          <dt>Size</dt><dd>{average.width} × {average.height}</dd>
          <dt>Pixel size</dt><dd>{average.pixel_size_A.toFixed(3)} Å <span class="muted">(raw {raw.toFixed(3)})</span></dd>
          <dt>Frames</dt><dd>{average.first_frame + 1}–{average.last_frame + 1} of {movie.frames}</dd>
          <dt>Mean</dt><dd>{fixed(average.mean, 2, "e⁻/px")}</dd>
        </>
      )}
      {motion && (
        <>
          <dt>Motion</dt><dd>{fixed(motion.total_A, 1, "Å")}</dd>
          {(motion.late_A ?? 0) > 0 && <><dt title="Within the first 4 e⁻/Å² (the first third of the frames where the exposure is unknown), and after">early, late</dt><dd>{fixed(motion.early_A, 1)}, {fixed(motion.late_A, 1, "Å")}</dd></>}
          {motion.reason && <dd class="wide warned small">{motion.reason}</dd>}
        </>
      )}
      {ctf && (
        <>
          <dt>Defocus</dt>
          <dd>
            {ctf.fit.defocus_u_A === null ? "–" : `${(((ctf.fit.defocus_u_A ?? 0) + (ctf.fit.defocus_v_A ?? 0)) / 2e4).toFixed(3)} µm`}
            {ctf.fit.sigma["defocus_A"] ? <span class="muted"> ± {(ctf.fit.sigma["defocus_A"] / 1e4).toFixed(3)}</span> : null}
          </dd>
          <dt>CTF fits to</dt><dd>{fixed(ctf.fit.resolution_A, 1, "Å")}</dd>
          {ctf.reason && <dd class={`wide small ${ctf.verdict === "good" ? "muted" : "warned"}`}>{ctf.reason}</dd>}
        </>
      )}
      {mask && (
        <>
          <dt>Gold</dt><dd>{mask.beads.length} beads, {(100 * mask.masked_fraction).toFixed(2)} %</dd>
          {mask.reason && mask.verdict !== "good" && <dd class="wide warned small">{mask.reason}</dd>}
        </>
      )}
      {failure && <dd class="wide bad">{failure.message}</dd>}
    </>
  );
}
