/** Where the page is: page, image, filter, order, in the address, so that Back works and a link can be sent. */

import { computed, signal } from "@preact/signals";
import type { Order } from "./table";

export const PAGES = ["overview", "fourier", "real", "series", "import", "export", "checks", "log"] as const;
export type Page = (typeof PAGES)[number];

export interface Route {
  page: Page;
  item: string | null;
  search: string;
  order: Order;
  settings: boolean;
}

const DEFAULT: Route = { page: "overview", item: null, search: "", order: "name", settings: false };

export function parseRoute(query: string): Route {
  const given = new URLSearchParams(query);
  const page = given.get("page") as Page;
  const order = given.get("order") as Order;
  return {
    page: PAGES.includes(page) ? page : DEFAULT.page,
    item: given.get("item"),
    search: given.get("q") ?? "",
    order: ["name", "tilt", "time"].includes(order) ? order : DEFAULT.order,
    settings: given.get("settings") === "1",
  };
}

export function routeQuery(route: Route): string {
  const query = new URLSearchParams();
  query.set("page", route.page);
  if (route.item) query.set("item", route.item);
  if (route.search) query.set("q", route.search);
  if (route.order !== DEFAULT.order) query.set("order", route.order);
  if (route.settings) query.set("settings", "1");
  return `?${query.toString()}`;
}

export const route = signal<Route>(typeof location === "undefined" ? DEFAULT : parseRoute(location.search));
export const page = computed(() => route.value.page);
export const currentName = computed(() => route.value.item);
export const searchText = computed(() => route.value.search);
export const orderBy = computed(() => route.value.order);
export const isSettingsOpen = computed(() => route.value.settings);

let written = 0;
let pending: ReturnType<typeof setTimeout> | undefined;

/** Change the route. A change of page is a step for Back; moving among images is not. */
export function go(change: Partial<Route>): void {
  const next = { ...route.value, ...change };
  const isStep = next.page !== route.value.page || next.settings !== route.value.settings;
  route.value = next;
  clearTimeout(pending);
  if (isStep) {
    history.pushState(null, "", routeQuery(next));
    written = Date.now();
    return;
  }
  // browsers refuse hundreds of changes in a few seconds, which holding an arrow key makes
  const wait = Math.max(0, 300 - (Date.now() - written));
  pending = setTimeout(() => {
    history.replaceState(null, "", routeQuery(route.value));
    written = Date.now();
  }, wait);
}

export function followHistory(): void {
  addEventListener("popstate", () => {
    route.value = parseRoute(location.search);
  });
}
