import { describe, expect, test } from "vitest";
import { completions, parseSearch, SearchError, type Searchable } from "../src/lib/search";

function item(name: string, more: Partial<Searchable> & { numbers?: Record<string, number> } = {}): Searchable {
  const numbers = more.numbers ?? {};
  return {
    name,
    series: name.split("_").slice(0, 2).join("_"),
    state: "done",
    verdict: "good",
    used: true,
    decision: "auto",
    suspect: false,
    flagged: false,
    tags: "",
    number: (key) => numbers[key] ?? null,
    ...more,
  };
}

describe("search", () => {
  test("a plain word is found anywhere in the name", () => {
    expect(parseSearch("TS_01")(item("TS_01_039"))).toBe(true);
    expect(parseSearch("ts_01")(item("TS_02_039"))).toBe(false);
  });
  test("wildcards match whole names", () => {
    expect(parseSearch("TS_0[1-3]_*9")(item("TS_03_039"))).toBe(true);
    expect(parseSearch("TS_0[1-3]_*9")(item("TS_04_039"))).toBe(false);
    expect(parseSearch("TS_?1_*")(item("TS_01_0.5"))).toBe(true);
  });
  test("dots in names are dots", () => {
    expect(parseSearch("a.b")(item("aXb"))).toBe(false);
  });
  test("numbers compare, and unknown numbers never hold", () => {
    const tilted = item("TS_01_039", { numbers: { tilt_deg: 57 } });
    expect(parseSearch("tilt:>50")(tilted)).toBe(true);
    expect(parseSearch("tilt:50..60")(tilted)).toBe(true);
    expect(parseSearch("tilt:<-50")(tilted)).toBe(false);
    expect(parseSearch("res:>15")(tilted)).toBe(false);
  });
  test("all words must hold; a minus turns one round", () => {
    const dropped = item("TS_01_039", { used: false, state: "stale" });
    expect(parseSearch("TS_01 used:no state:stale")(dropped)).toBe(true);
    expect(parseSearch("TS_01 -state:stale")(dropped)).toBe(false);
  });
  test("an unfinished field lets everything through", () => {
    expect(parseSearch("tilt:")(item("x"))).toBe(true);
  });
  test("an unknown field is told", () => {
    expect(() => parseSearch("colour:red")).toThrow(SearchError);
  });
});

test("flagged images are found, and only those", () => {
  const test = parseSearch("flag:yes");
  expect([item("a", { flagged: true }), item("b")].map((one) => test(one))).toEqual([true, false]);
  expect(parseSearch("flag:no")(item("b"))).toBe(true);
});

test("words are completed as they are typed, behind those that stand already", () => {
  expect(completions("st")).toEqual(["state:"]);
  expect(completions("TS_01 -state:f")).toEqual(["TS_01 -state:failed"]);
  expect(completions("series:ts_0", ["TS_01", "TS_02", "other"])).toEqual(["series:TS_01", "series:TS_02"]);
  expect(completions("used:yes")).toEqual([]);
  expect(completions("tilt:>50 ")).toEqual([]);
});
