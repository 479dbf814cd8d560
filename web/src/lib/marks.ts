/** Moments that the benchmark reads: when something asked for was on the screen. Only the latest of each is kept. */
export function mark(name: "bar" | "image" | "items"): void {
  performance.clearMarks(`weft:${name}`);
  performance.mark(`weft:${name}`);
}
