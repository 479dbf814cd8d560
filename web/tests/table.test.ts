import { expect, test } from "vitest";
import type { Columns } from "../src/api/client";
import { count, ordered, Table } from "../src/state/table";

function columns(): Columns {
  return {
    revision: 1,
    names: ["a_0", "a_1", "a_2", "b_0"],
    series_names: ["a", "b"],
    series: [0, 0, 0, 1],
    state: [2, 2, 4, 0],
    verdict: [1, 1, 3, 0],
    decision: [0, 2, 0, 0],
    version: ["1", "2", "3", "0"],
    reasons: { "2": "file ends at frame 5 of 8" },
    decision_reasons: { "1": "rule: motion > 9 Å" },
    decision_by: { "1": "me" },
    numbers: { tilt_deg: [3, -3, 0, null], order: [2, 1, 0, null] },
  };
}

test("counts tell what is used, out, failed and waiting", () => {
  const found = count(Table.from(columns()));
  expect(found).toMatchObject({ all: 4, used: 2, byRule: 1, byHand: 0, done: 2, failed: 1, waiting: 1 });
});

test("by tilt, series stay together and unknown angles come last", () => {
  const table = Table.from(columns());
  expect([...ordered(table, "tilt", null)]).toEqual([1, 2, 0, 3]);
  expect([...ordered(table, "time", null)]).toEqual([2, 1, 0, 3]);
});

test("a decision of a rule looks other than one by hand, and goes back to automatic", () => {
  const table = Table.from(columns());
  expect(table.word(1)).toBe("out by rule");
  table.setDecision(1, "drop", "grid bar", "me");
  expect(table.word(1)).toBe("out by hand");
  table.setDecision(1, "auto", "", "");
  expect(table.isUsed(1)).toBe(true);
});

test("an image that came since is told, so that all are fetched anew", () => {
  const table = Table.from(columns());
  const item = { name: "c_0", series: "c" } as unknown as Parameters<Table["update"]>[0];
  expect(table.update(item)).toBe(false);
});
