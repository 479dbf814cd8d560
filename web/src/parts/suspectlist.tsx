/** Suspects of a series: what is suspected, and why; accepted or rejected with one click. */

import { useSignalEffect } from "@preact/signals";
import { useRef } from "preact/hooks";
import { Copy } from "./copy";
import { plural, signed } from "../lib/format";
import { acceptSuspects } from "../state/acts";
import { decide } from "../state/decisions";
import { arrivals, peekAny, want } from "../state/previews";
import { pendingSeries } from "../state/suspects";
import { project, revision, select, table } from "../state/store";

export function SuspectList({ members }: { members: readonly number[] }) {
  revision.value;
  const now = table.value;
  const found = members.filter((at) => now.suspects.has(at) && now.decision[at] === 0);
  const isLocked = project.value?.read_only ?? true;
  const series = now.seriesOf(members[0] ?? -1);
  return (
    <section>
      <div class="row">
        <h3>Suspects</h3>
        <span class="spacer" />
        {found.length > 0 && !isLocked && <button type="button" class="plain small" title="Shift+A" onClick={acceptSuspects}>Drop all {found.length}</button>}
      </div>
      {pendingSeries.value > 0 && <p class="muted small">{plural(pendingSeries.value, "series", "series")} still to be judged …</p>}
      {found.length === 0 && pendingSeries.value === 0 && <p class="muted small">Nothing suspicious is left in this series.</p>}
      {found.map((at) => (
        <div class="suspect" key={now.names[at]}>
          <Small at={at} />
          <button type="button" class="who" onClick={() => select(at)}>
            <div class="num">{signed(now.number(at, "tilt_deg"), 1, "°")} <span class="muted">{now.names[at]}</span></div>
            <div class="small warned">{now.suspects.get(at)}</div>
          </button>
          <span class="actions">
            <button type="button" disabled={isLocked} onClick={() => decide([at], "drop", now.suspects.get(at))}>Drop</button>
            <button type="button" disabled={isLocked} onClick={() => decide([at], "keep", "not bad")}>Keep</button>
          </span>
        </div>
      ))}
      {found.length > 0 && <Copy text={`weft suggest ${series}`} />}
    </section>
  );
}

function Small({ at }: { at: number }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useSignalEffect(() => {
    arrivals.value;
    const bitmap = peekAny(at);
    if (!bitmap) {
      want(at, 128, 1);
      return;
    }
    const context = canvas.current?.getContext("2d");
    const scale = Math.min(104 / bitmap.width, 104 / bitmap.height);
    context?.drawImage(bitmap, (104 - bitmap.width * scale) / 2, (104 - bitmap.height * scale) / 2, bitmap.width * scale, bitmap.height * scale);
  });
  return <canvas ref={canvas} width={104} height={104} aria-hidden="true" />;
}
