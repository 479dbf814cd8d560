import { expect, test } from "vitest";
import { Lru } from "../src/lib/lru";

test("the entry not asked for longest goes first, and is disposed of", () => {
  const gone: string[] = [];
  const lru = new Lru<string>(2, (value) => gone.push(value));
  lru.set("a", "A", 1);
  lru.set("b", "B", 1);
  lru.get("a");
  lru.set("c", "C", 1);
  expect(gone).toEqual(["B"]);
  expect(lru.has("a") && lru.has("c")).toBe(true);
});

test("one entry too large for the limit is still kept until the next comes", () => {
  const lru = new Lru<number>(1);
  lru.set("large", 1, 5);
  expect(lru.get("large")).toBe(1);
  lru.set("small", 2, 1);
  expect(lru.has("large")).toBe(false);
  expect(lru.cost).toBe(1);
});
