/** Averaged with the neighbours (1 2 1 along either axis), so that the eye finds rings in the noise. */
export function smoothed(grey: Uint8Array, width: number, height: number): Uint8Array {
  const across = new Uint16Array(grey.length);
  for (let row = 0, at = 0; row < height; row++) {
    for (let column = 0; column < width; column++, at++) {
      const before = grey[column > 0 ? at - 1 : at] as number;
      const after = grey[column < width - 1 ? at + 1 : at] as number;
      across[at] = before + 2 * (grey[at] as number) + after;
    }
  }
  const out = new Uint8Array(grey.length);
  for (let at = 0; at < out.length; at++) {
    const above = across[at >= width ? at - width : at] as number;
    const below = across[at < out.length - width ? at + width : at] as number;
    out[at] = (above + 2 * (across[at] as number) + below + 8) >> 4;
  }
  return out;
}
