import { describe, expect, test } from "vitest";
import type { Columns } from "../src/api/client";
import { findAlarms, findQuiet, madeSince } from "../src/lib/alarms";
import { METRICS } from "../src/state/metrics";
import { Table } from "../src/state/table";

interface Shot {
  mean?: number;
  defocus?: number;
  target?: number;
  motion?: number;
  state?: number;
  decision?: number;
  madeMs?: number;
}

/** Images of a run, in the order of their making. */
function tableOf(shots: readonly Shot[]): Table {
  const all = <T>(read: (shot: Shot, at: number) => T): T[] => shots.map(read);
  return Table.from({
    revision: 1, names: all((_, at) => `TS_${at}`), series_names: ["TS"], series: all(() => 0), state: all((shot) => shot.state ?? 2),
    verdict: all(() => 1), decision: all((shot) => shot.decision ?? 0), version: all((shot, at) => String((shot.madeMs ?? at + 1) * 1e6)),
    reasons: {}, decision_reasons: {}, decision_by: {},
    numbers: {
      tilt_deg: all(() => 0), mean_e: all((shot) => shot.mean ?? 20), defocus_um: all((shot) => shot.defocus ?? 3),
      target_defocus_um: all((shot) => shot.target ?? 3), motion_A: all((shot) => shot.motion ?? 4),
    },
  } as Columns);
}

function alarmsOf(shots: readonly Shot[], limits = {}): { kind: string; items: number[] }[] {
  const table = tableOf(shots);
  return findAlarms(table, madeSince(table, 0), limits, METRICS).map(({ kind, items }) => ({ kind, items }));
}

const good = (count: number): Shot[] => Array.from({ length: count }, () => ({}));

describe("alarms of a run", () => {
  test("nothing is wrong with good images", () => {
    expect(alarmsOf(good(30))).toEqual([]);
  });

  test("three dark images in a row are told, two are not", () => {
    const dark = { mean: 2 };
    expect(alarmsOf([...good(6), dark, dark, {}, dark])).toEqual([]);
    expect(alarmsOf([...good(6), dark, dark, dark, {}])).toEqual([{ kind: "dark", items: [6, 7, 8] }]);
  });

  test("three images off the target, and none for one that was dropped", () => {
    const off = { defocus: 4.2 };
    expect(alarmsOf([...good(2), off, off, off])).toEqual([{ kind: "target", items: [2, 3, 4] }]);
    expect(alarmsOf([...good(2), off, { ...off, decision: 2 }, off])).toEqual([]);
  });

  test("motion that doubled", () => {
    const moving = Array.from({ length: 5 }, () => ({ motion: 9 }));
    expect(alarmsOf([...good(10), ...moving])).toEqual([{ kind: "motion", items: [10, 11, 12, 13, 14] }]);
    expect(alarmsOf([...good(9), ...moving])).toEqual([]);
  });

  test("a number beyond a limit that somebody set", () => {
    const limits = { motion_A: { low: null, high: 5 } };
    expect(alarmsOf([...good(3), { motion: 6 }], limits)).toEqual([{ kind: "limit:motion_A", items: [3] }]);
  });

  test("only what the run itself made counts, in the order of making", () => {
    const table = tableOf([{ madeMs: 50 }, { madeMs: 200 }, { madeMs: 150 }, { madeMs: 300, state: 0 }]);
    expect(madeSince(table, 100)).toEqual([2, 1]);
  });

  test("ten minutes without a word", () => {
    expect(findQuiet(0, 9 * 60_000)).toEqual([]);
    expect(findQuiet(0, 11 * 60_000)).toMatchObject([{ kind: "quiet", text: "Nothing has come for 11 minutes" }]);
    expect(findQuiet(Number.NaN, 11 * 60_000)).toEqual([]);
  });
});
