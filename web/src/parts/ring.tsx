/** How many images are in each state, as a ring with its numbers beside it. */

import { counts, run } from "../state/store";
import { go } from "../state/route";

const RADIUS = 44;
const AROUND = 2 * Math.PI * RADIUS;

export function Ring() {
  const found = counts.value;
  const out = found.byHand + found.byRule;
  const parts: [string, number, string, string][] = [
    ["done", found.done, "var(--accent)", "state:done"],
    ["running", found.running, "color-mix(in srgb, var(--accent) 55%, var(--ground))", "state:running"],
    ["stale", found.stale, "var(--amber)", "state:stale"],
    ["failed", found.failed, "var(--red)", "state:failed"],
    ["waiting", found.waiting, "var(--line)", "state:waiting"],
  ];
  let turned = 0;
  const percent = found.all ? Math.floor((100 * (found.done + found.failed)) / found.all) : 0;
  return (
    <div class="row" style={{ gap: "18px" }}>
      <svg width="112" height="112" viewBox="0 0 112 112" role="img" aria-label={`${found.done} of ${found.all} done`}>
        {parts.map(([name, count, colour]) => {
          const length = found.all ? (count / found.all) * AROUND : 0;
          const dash = `${Math.max(0, length - (length > 3 ? 1.5 : 0))} ${AROUND}`;
          const circle = (
            <circle
              key={name} cx="56" cy="56" r={RADIUS} fill="none" stroke={colour} stroke-width="12"
              stroke-dasharray={dash} stroke-dashoffset={-turned} transform="rotate(-90 56 56)"
            />
          );
          turned += length;
          return circle;
        })}
        <text x="56" y="58" text-anchor="middle" fill="currentColor" font-size="20" font-weight="620">{percent} %</text>
        <text x="56" y="74" text-anchor="middle" fill="var(--muted)" font-size="10.5">
          {run.value?.is_running && run.value.per_minute ? `${(run.value.per_minute * 60).toFixed(0)} / h` : "processed"}
        </text>
      </svg>
      <ul class="stack" style={{ gap: "2px" }}>
        {parts.filter(([, count]) => count > 0).map(([name, count, colour, search]) => (
          <li>
            <button type="button" class="plain" style={{ minHeight: "22px", padding: "0 4px" }} onClick={() => go({ search })}>
              <svg width="9" height="9" aria-hidden="true"><rect width="9" height="9" rx="2" fill={colour} /></svg>{" "}
              <span class="num">{count}</span> {name}
            </button>
          </li>
        ))}
        {out > 0 && <li class="muted num" style={{ paddingLeft: "18px" }}>{out} left out</li>}
      </ul>
    </div>
  );
}
