/** What marks the image under the pointer in bar, plots and sheets: elements that are moved, so that no canvas is drawn again. */

import { useSignalEffect } from "@preact/signals";
import { useRef } from "preact/hooks";

export interface MarkBox {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** Put a frame around a box, or take it away. */
export function placeMark(element: HTMLElement | null, box: MarkBox | null): void {
  if (!element) return;
  const { style } = element;
  style.visibility = box ? "visible" : "hidden";
  if (!box) return;
  style.transform = `translate(${box.x.toFixed(1)}px, ${box.y.toFixed(1)}px)`;
  const [width, height] = [`${box.width.toFixed(1)}px`, `${box.height.toFixed(1)}px`];
  if (style.width !== width) style.width = width;
  if (style.height !== height) style.height = height;
}

export interface PointPlace {
  x: number;
  y: number;
  text?: string;
  /** Of the plot: words stay inside it. */
  width?: number;
}

/** A ring around a point, with words at the top of the plot. `place` reads signals; null if there is nothing to mark. */
export function PointMark({ place }: { place: () => PointPlace | null }) {
  const ring = useRef<HTMLDivElement>(null);
  const words = useRef<HTMLDivElement>(null);
  const latest = useRef(place);
  latest.current = place;
  useSignalEffect(() => {
    const found = latest.current();
    placeMark(ring.current, found && { x: found.x - 5.5, y: found.y - 5.5, width: 11, height: 11 });
    placeWords(words.current, found);
  });
  return (
    <>
      <div ref={ring} class="mark ring" />
      <div ref={words} class="mark words" />
    </>
  );
}

function placeWords(element: HTMLElement | null, found: PointPlace | null): void {
  if (!element) return;
  const isShown = found?.text !== undefined;
  element.style.visibility = isShown ? "visible" : "hidden";
  if (!found || !isShown) return;
  element.textContent = found.text ?? "";
  // right of the point in the left half, left of it in the right half: no width need be measured
  const isLeft = found.x < (found.width ?? Number.POSITIVE_INFINITY) / 2;
  element.style.transform = isLeft ? `translateX(${(found.x + 10).toFixed(1)}px)` : `translateX(calc(${(found.x - 10).toFixed(1)}px - 100%))`;
}
