/** Numbers of a series on one tilt axis. */

import { axisRange, drawOutliers } from "./outliers";
import { Plot, type Line } from "./plot";
import { METRICS } from "../state/metrics";
import { hovered, revision, select, table, current } from "../state/store";

const LINES: readonly Line[] = [
  { label: "used", colour: "accent", line: false, points: true, size: 5 },
  { label: "left out", colour: "faint", line: false, points: true, size: 5, hollow: true },
];
const SHOWN = ["defocus_um", "resolution_A", "motion_A", "mean_e", "masked_percent"];

export function SeriesPlots({ members }: { members: readonly number[] }) {
  revision.value;
  current.value;
  const now = table.value;
  const tilts = members.map((at) => now.number(at, "tilt_deg"));
  const isByTilt = tilts.some((tilt) => tilt !== null);
  const x = isByTilt ? tilts.map((tilt) => tilt ?? 0) : members.map((_, place) => place + 1);
  return (
    <>
      {METRICS.filter((metric) => SHOWN.includes(metric.key)).map((metric) => {
        const values = members.map((at) => now.number(at, metric.key));
        if (values.every((value) => value === null)) return null;
        const range = axisRange(values);
        const used = values.map((value, place) => (now.isUsed(members[place] as number) ? value : null));
        const out = values.map((value, place) => (now.isUsed(members[place] as number) ? null : value));
        return (
          <figure key={metric.key}>
            <figcaption class="small"><b>{metric.label}</b> <span class="muted">{metric.unit}</span></figcaption>
            <Plot
              label={`${metric.label} against tilt`} height={112} x={x} ys={[used, out]} lines={LINES}
              xRange={[Math.min(...x) - 2, Math.max(...x) + 2]}
              yRange={range}
              xTicks={(value) => value.toFixed(0).replace("-", "−")} yTicks={(value) => Number(value.toPrecision(3)).toString()}
              onHover={(index) => { hovered.value = index === null ? -1 : (members[index] ?? -1); }}
              onClick={(index) => select(members[index] as number)}
              over={(plot, context, colours) => {
                context.setLineDash([]);
                drawOutliers(plot, context, colours.accent, x, values, range);
                const place = members.indexOf(current.peek());
                const value = values[place];
                if (place < 0 || value === null || value === undefined) return;
                context.strokeStyle = colours.text;
                context.lineWidth = 1.5 * devicePixelRatio;
                context.beginPath();
                context.arc(plot.valToPos(x[place] as number, "x", true), plot.valToPos(value, "y", true), 5 * devicePixelRatio, 0, 7);
                context.stroke();
              }}
              pointed={() => {
                const place = members.indexOf(hovered.value);
                const value = values[place];
                return place < 0 || value === null || value === undefined ? null : [x[place] as number, value];
              }}
            />
          </figure>
        );
      })}
    </>
  );
}
