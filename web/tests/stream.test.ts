import { expect, test } from "vitest";
import { parseBlock } from "../src/api/stream";
import { parseRoute, routeQuery } from "../src/state/route";

test("a block of the stream gives kind, id and data; comments give nothing", () => {
  expect(parseBlock("id: run-1.jsonl:42\nevent: log\ndata: {\"a\":1}")).toEqual({ id: "run-1.jsonl:42", kind: "log", data: "{\"a\":1}" });
  expect(parseBlock(": still here")).toBeNull();
});

test("a route survives the address bar; nonsense gives the overview", () => {
  const route = { page: "real", item: "TS_01_0.5", search: "tilt:>50", order: "tilt", settings: true } as const;
  expect(parseRoute(routeQuery(route))).toEqual(route);
  expect(parseRoute("?page=evil&order=9").page).toBe("overview");
});
