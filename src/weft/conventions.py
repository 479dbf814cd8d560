"""Axes, signs and units: stated here and nowhere else; every format converts at its border.

- Arrays are ``[frame, y, x]``; row 0 is the first row of the MRC data block. TIFF rows are flipped on reading,
  EER rows are not.
- A position is in Å from the centre of pixel (0, 0), or a fraction (0..1) of the field between the outer pixel
  edges. A pair in an array is (y, x).
- Displacement d: what lies at p in the reference geometry is seen at p + d in frame t; zero mean over the
  frames. Warp stores -d (Å), RELION -d in raw pixels.
- CTF = -sin γ, γ(k) = π λ Δf(φ) k² - ½ π Cs λ³ k⁴ + phase shift + arcsin(amplitude contrast);
  Δf(φ) = ½ (U + V + (U - V) cos 2(φ - α)); underfocus positive, U ≥ V, α from +x towards +y.
- θ is the mdoc's TiltAngle, a the tilt axis from +y counter-clockwise. s = x cos a + y sin a is a pixel's signed
  distance from the axis through the centre; handedness +1 means defocus = defocus(centre) - tan θ · s.
- Å, degrees, kV, mm, e⁻/Å² in settings and files; µm of defocus where people read.
"""

from __future__ import annotations

import math

__all__ = ["binned_side", "electron_wavelength_A", "expected_gradient", "warp_hand_is_inverted"]


def electron_wavelength_A(voltage_kV: float) -> float:
    """Return the relativistic wavelength of the electron in Å.

    Notes
    -----
    λ = h / √(2 m e V (1 + e V / (2 m c²))), CODATA 2018 constants.

    Examples
    --------
    >>> round(electron_wavelength_A(300), 6)
    0.019687
    """
    volts = voltage_kV * 1e3
    return 12.264259654 / math.sqrt(volts * (1 + 0.97847564e-6 * volts))


def binned_side(side_px: int, bin_exponent: float) -> int:
    """Return the even side after Fourier cropping by 2^n, as Warp rounds it.

    Examples
    --------
    >>> binned_side(7676, 1), binned_side(7420, 1), binned_side(3838, 0.5)
    (3838, 3710, 2714)
    """
    return 2 * int(round(side_px * 2.0**-bin_exponent) / 2)


def expected_gradient(tilt_deg: float, axis_deg: float, hand: int) -> tuple[float, float]:
    """Return the change of defocus along +x and +y (Å per Å) that a tilt of the given hand makes."""
    slope = -hand * math.tan(math.radians(tilt_deg))
    axis = math.radians(axis_deg)
    return slope * math.cos(axis), slope * math.sin(axis)


def warp_hand_is_inverted(hand: int) -> bool:
    """Return WarpTools' AreAnglesInverted for a hand, given tomostar angles of -θ."""
    return hand < 0
