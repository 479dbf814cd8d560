/** The contrast transfer function as weft.conventions states it: CTF = −sin γ, underfocus positive. */

export interface Optics {
  voltage_kV: number;
  cs_mm: number;
  amplitude_contrast: number;
}

export interface Defocus {
  u_A: number;
  v_A: number;
  /** Direction of U from +x towards +y. */
  angle_deg: number;
  phase_shift_deg: number;
}

export function wavelength_A(voltage_kV: number): number {
  const volts = voltage_kV * 1e3;
  return 12.264259654 / Math.sqrt(volts * (1 + 0.97847564e-6 * volts));
}

/** γ at spatial frequency k (1/Å) for a mean defocus along one direction. */
export function phase(k: number, defocus_A: number, optics: Optics, phase_shift_deg: number): number {
  const lambda = wavelength_A(optics.voltage_kV);
  const k2 = k * k;
  const cs_A = optics.cs_mm * 1e7;
  return (
    Math.PI * lambda * defocus_A * k2 -
    0.5 * Math.PI * cs_A * lambda ** 3 * k2 * k2 +
    (phase_shift_deg * Math.PI) / 180 +
    Math.asin(optics.amplitude_contrast)
  );
}

/** |CTF| along the mean of U and V. */
export function absCtf(k: number, defocus: Defocus, optics: Optics): number {
  return Math.abs(Math.sin(phase(k, 0.5 * (defocus.u_A + defocus.v_A), optics, defocus.phase_shift_deg)));
}

/** Defocus in the direction `angle_rad` from +x towards +y. */
export function defocusAlong(defocus: Defocus, angle_rad: number): number {
  const alpha = (defocus.angle_deg * Math.PI) / 180;
  return 0.5 * (defocus.u_A + defocus.v_A + (defocus.u_A - defocus.v_A) * Math.cos(2 * (angle_rad - alpha)));
}

/** Spatial frequencies (1/Å) of the zeros of the CTF up to `limit`. */
export function zeros(defocus: Defocus, optics: Optics, limit: number): number[] {
  const found: number[] = [];
  const mean = 0.5 * (defocus.u_A + defocus.v_A);
  const steps = 4000;
  let before = Math.sin(phase(0, mean, optics, defocus.phase_shift_deg));
  for (let step = 1; step <= steps && found.length < 60; step++) {
    const k = (limit * step) / steps;
    const now = Math.sin(phase(k, mean, optics, defocus.phase_shift_deg));
    if (before * now < 0) found.push(k - (limit / steps) * (now / (now - before)));
    before = now;
  }
  return found;
}
