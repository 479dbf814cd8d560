/** The image that a run made last, with its numbers: shown while it is going. */

import { useEffect, useRef } from "preact/hooks";
import { fixed, signed } from "../lib/format";
import { madeNow } from "../state/alarms";
import { METRICS } from "../state/metrics";
import { load } from "../state/previews";
import { go } from "../state/route";
import { revision, run, select, table } from "../state/store";

const SIDE = 236;
const SHOWN = ["defocus_um", "resolution_A", "motion_A"];

export function Newest() {
  revision.value;
  const canvas = useRef<HTMLCanvasElement>(null);
  const now = table.value;
  const at = run.value?.is_running ? (madeNow.value.findLast((one) => now.state[one] === 2) ?? -1) : -1;
  const version = now.version[at];
  useEffect(() => {
    if (at < 0) return;
    let isCurrent = true;
    void load(at, 256).then((bitmap) => {
      const context = canvas.current?.getContext("2d");
      if (!isCurrent || !bitmap || !context) return;
      const scale = Math.min(SIDE / bitmap.width, SIDE / bitmap.height);
      context.clearRect(0, 0, SIDE, SIDE);
      context.drawImage(bitmap, (SIDE - bitmap.width * scale) / 2, 0, bitmap.width * scale, bitmap.height * scale);
    });
    return () => { isCurrent = false; };
  }, [at, version]);
  if (at < 0) return null;
  const open = (): void => {
    select(at);
    go({ page: "real" });
  };
  return (
    <section class="card" data-testid="newest">
      <header><h2>Newest</h2><span class="quiet">{signed(now.number(at, "tilt_deg"), 1, "°")}</span></header>
      <button type="button" class="plain newest" onClick={open} title="Open in Real Space">
        <canvas ref={canvas} width={SIDE} height={SIDE} aria-hidden="true" />
        <span class="num">{now.names[at]}</span>
      </button>
      <p class="muted small num">
        {METRICS.filter((metric) => SHOWN.includes(metric.key)).map((metric) => `${metric.label} ${fixed(now.number(at, metric.key), metric.digits, metric.unit)}`).join(" · ")}
      </p>
    </section>
  );
}
