import { expect, test } from "vitest";
import { absCtf, defocusAlong, wavelength_A, zeros } from "../src/lib/ctf";

const optics = { voltage_kV: 300, cs_mm: 2.7, amplitude_contrast: 0.07 };
const defocus = { u_A: 30500, v_A: 29500, angle_deg: 30, phase_shift_deg: 0 };

test("the wavelength at 300 kV", () => {
  expect(wavelength_A(300)).toBeCloseTo(0.019687, 6);
});

test("the model is the amplitude contrast at k = 0, and zero at its zeros", () => {
  expect(absCtf(0, defocus, optics)).toBeCloseTo(0.07, 6);
  const found = zeros(defocus, optics, 0.2);
  expect(found.length).toBeGreaterThan(10);
  for (const k of found) expect(absCtf(k, defocus, optics)).toBeLessThan(1e-3);
});

test("U lies along its angle, V across", () => {
  expect(defocusAlong(defocus, Math.PI / 6)).toBeCloseTo(30500, 6);
  expect(defocusAlong(defocus, Math.PI / 6 + Math.PI / 2)).toBeCloseTo(29500, 6);
});
