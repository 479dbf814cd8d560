/** The series around the image: defocus against tilt, and which hand the gradients speak for. */

import { useEffect } from "preact/hooks";
import { useComputed } from "@preact/signals";
import { signed } from "../lib/format";
import { axisRange, drawOutliers } from "../parts/outliers";
import { Plot, type Line } from "../parts/plot";
import { report } from "../state/notices";
import { hand, type HandOut, loadHand, loadSeries, loadSetHand, seriesList, seriesNamed, setHand } from "../state/series";
import { current, membersOf, revision, select, table } from "../state/store";

const DEFOCUS_LINES: readonly Line[] = [
  { label: "used", colour: "accent", line: false, points: true, size: 6 },
  { label: "left out", colour: "faint", line: false, points: true, size: 6, hollow: true },
  { label: "target", colour: "amber", dash: [5, 4], width: 1.2 },
];
const HAND_LINES: readonly Line[] = [
  { label: "measured", colour: "accent", line: false, points: true, size: 6 },
  { label: "hand +1", colour: "muted", width: 1.3 },
  { label: "hand −1", colour: "muted", width: 1.3, dash: [5, 4] },
];

export function SeriesDefocus() {
  useEffect(() => {
    if (seriesList.value.length === 0) void loadSeries().catch(report);
  }, []);
  const members = useComputed(() => {
    revision.value;
    const at = current.value;
    const tilt = table.value.column("tilt_deg");
    return at < 0 ? [] : membersOf(table.value.series[at] as number).filter((one) => !Number.isNaN(tilt[one] as number));
  });
  const series = table.value.seriesOf(current.value);
  return (
    <>
      <HandCard members={members.value} series={series} />
      <DefocusCard members={members.value} series={series} />
    </>
  );
}

function DefocusCard({ members, series }: { members: number[]; series: string }) {
  revision.value;
  const now = table.value;
  const x = members.map((at) => now.number(at, "tilt_deg") as number);
  const pick = (isOut: boolean) => members.map((at) => (now.isUsed(at) === !isOut ? now.number(at, "defocus_um") : null));
  const target = members.map((at) => absolute(now.number(at, "target_defocus_um")));
  const here = members.indexOf(current.value);
  const measured = members.map((at) => now.number(at, "defocus_um"));
  const range = axisRange([...measured, ...target]);
  return (
    <section class="card">
      <header>
        <h2>Defocus against tilt</h2>
        <span class="quiet">{series}; bars ± 1 σ, hollow left out{target.some((value) => value !== null) ? ", dashed target" : ""}</span>
      </header>
      <div class="fill">
        {members.length < 2 ? <NoTilts /> : (
          <Plot
            label={`Defocus against tilt of ${series}`} x={x} ys={[pick(false), pick(true), target]} lines={DEFOCUS_LINES}
            xLabel="tilt (°)" yLabel="µm" xRange={padded(x)} yRange={range} yTicks={(value) => value.toFixed(2)} xTicks={(value) => value.toFixed(0).replace("-", "−")}
            onClick={(index) => select(members[index] as number)}
            over={(plot, context, colours) => {
              context.setLineDash([]);
              context.strokeStyle = colours.accent;
              context.lineWidth = devicePixelRatio;
              members.forEach((at, p) => {
                const [value, sigma] = [now.number(at, "defocus_um"), now.number(at, "defocus_sigma_um")];
                if (value === null || sigma === null || !range || value < range[0] || value > range[1]) return;
                const px = plot.valToPos(x[p] as number, "x", true);
                context.globalAlpha = now.isUsed(at) ? 0.7 : 0.25;
                context.beginPath();
                context.moveTo(px, plot.valToPos(value - sigma, "y", true));
                context.lineTo(px, plot.valToPos(value + sigma, "y", true));
                context.stroke();
              });
              context.globalAlpha = 1;
              drawOutliers(plot, context, colours.accent, x, measured, range, (value) => `${value.toFixed(2)} µm`);
              ring(plot, context, colours.text, x[here], here < 0 ? null : now.number(current.value, "defocus_um"));
            }}
          />
        )}
      </div>
    </section>
  );
}

function HandCard({ members, series }: { members: number[]; series: string }) {
  revision.value;
  const now = table.value;
  const known = seriesNamed(series);
  const axis = known?.axis_deg ?? null;
  const x = members.map((at) => now.number(at, "tilt_deg") as number);
  const slope = members.map((at) => {
    const [gx, gy] = [now.number(at, "gradient_x"), now.number(at, "gradient_y")];
    if (gx === null || gy === null || axis === null || !now.isUsed(at)) return null;
    const a = (axis * Math.PI) / 180;
    return gx * Math.cos(a) + gy * Math.sin(a);
  });
  const expected = (hand: number) => x.map((tilt) => -hand * Math.tan((tilt * Math.PI) / 180));
  const stamp = members.map((at) => `${now.version[at]}${now.isUsed(at)}`).join();
  useEffect(() => {
    // a series that is not known yet has no verdict
    if (!known) return;
    void loadHand(series).catch(() => { hand.value = null; });
    void loadSetHand().catch(() => { setHand.value = null; });
  }, [series, known?.name, stamp]);
  const verdict = hand.value?.series === series ? hand.value : null;
  return (
    <section class="card">
      <header>
        <h2>Handedness</h2>
        <span class="quiet">{axis === null ? "" : `axis ${axis.toFixed(1)}°; line +1, dashed −1`}</span>
      </header>
      <SetVerdict />
      <div class="fill">
        {axis === null || members.length < 3 ? (
          <div class="empty"><p>{members.length < 3 ? "Needs the tilts of a series." : "Needs the tilt axis: import the mdocs, or set series.tilt_axis_deg."}</p></div>
        ) : (
          <Plot
            label={`Defocus gradient across the tilt axis against tilt of ${series}`} x={x} ys={[slope, expected(1), expected(-1)]} lines={HAND_LINES}
            xLabel="tilt (°)" yLabel="gradient" xRange={padded(x)} yTicks={(value) => value.toFixed(1).replace("-", "−")} xTicks={(value) => value.toFixed(0).replace("-", "−")}
            onClick={(index) => select(members[index] as number)}
          />
        )}
      </div>
      {axis !== null && <Verdict verdict={verdict} />}
    </section>
  );
}

const MOST_NAMED = 4;

/** What all series say together, those first that say something else. */
function SetVerdict() {
  const whole = setHand.value;
  const count = whole ? whole.agree.length + whole.disagree.length + whole.undecided.length : 0;
  if (!whole || count < 2) return null;
  return (
    <p class="small" data-testid="set-hand" title={whole.reason}>
      {whole.disagree.length > 0 && (
        <span class="bad" title="Its tilt axis is off by 180°, its angles have the other sign, or its images are mirrored">
          {whole.disagree.slice(0, MOST_NAMED).map((name) => (
            <><a href="#" onClick={(event) => { event.preventDefault(); openSeries(name); }}>{name}</a> </>
          ))}
          {whole.disagree.length > MOST_NAMED && `and ${whole.disagree.length - MOST_NAMED} more `}
          {whole.disagree.length === 1 ? "disagrees" : "disagree"}.{" "}
        </span>
      )}
      {whole.hand === null
        ? `All ${count} series: ${whole.reason}.`
        : `All: hand ${signed(whole.hand, 0)}, ${whole.agree.length} of ${count}, ${odds(whole.probability_plus)}${whole.undecided.length > 0 ? `; ${whole.undecided.length} cannot tell` : ""}.`}
    </p>
  );
}

function openSeries(name: string): void {
  const at = table.value.seriesNames.indexOf(name);
  const first = at < 0 ? undefined : membersOf(at)[0];
  if (first !== undefined) select(first);
}

function odds(probabilityPlus: number): string {
  const better = Math.max(probabilityPlus, 1 - probabilityPlus);
  return better > 0.9995 ? "p > 0.999" : `p = ${better.toFixed(3)}`;
}

/** The verdict in words: a hand with its odds, or why it cannot be told and what to look at. */
function Verdict({ verdict }: { verdict: HandOut | null }) {
  if (!verdict) return <p class="small muted" data-testid="hand">Not judged yet.</p>;
  const isOther = verdict.given !== null && verdict.hand !== null && verdict.given !== verdict.hand;
  return (
    <div class="small" data-testid="hand">
      <p>
        {verdict.hand === null
          ? <><span class="badge warn">cannot tell</span> {verdict.reason}.</>
          : <><span class="badge ok">hand {signed(verdict.hand, 0)}</span> {odds(verdict.probability_plus)}; {verdict.reason}.</>}
        {isOther && <span class="bad"> weft.toml says {signed(verdict.given as number, 0)}.</span>}
      </p>
      {verdict.causes.length > 0 && <p class="warned">Look at: {verdict.causes.join("; ")}.</p>}
    </div>
  );
}

function NoTilts() {
  return <div class="empty"><p>The tilt angles are not known yet: import the mdocs on the Import page.</p></div>;
}

function padded(x: readonly number[]): [number, number] | undefined {
  if (x.length === 0) return undefined;
  return [Math.min(...x) - 3, Math.max(...x) + 3];
}

function absolute(value: number | null): number | null {
  return value === null ? null : Math.abs(value);
}

function ring(plot: { valToPos(value: number, scale: string, canvas: boolean): number }, context: CanvasRenderingContext2D, colour: string, x: number | undefined, y: number | null): void {
  if (x === undefined || y === null) return;
  context.strokeStyle = colour;
  context.lineWidth = 1.6 * devicePixelRatio;
  context.beginPath();
  context.arc(plot.valToPos(x, "x", true), plot.valToPos(y, "y", true), 6 * devicePixelRatio, 0, 7);
  context.stroke();
}
