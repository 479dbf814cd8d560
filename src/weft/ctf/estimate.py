"""From an average (or aligned frames) to the CTF with uncertainties, verdict and curves."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.ctf.background import Flat, flatten
from weft.ctf.field import GridField, make_field
from weft.ctf.fit import FINE, Model, Parameters, Solution, evaluate, expected_powers, make_model, refine
from weft.ctf.model import Optics, make_optics
from weft.ctf.resolution import Curves1D, curves_of, display_spectrum, supported_resolution
from weft.ctf.search import Reach, search
from weft.ctf.smooth import likeliest_stiffness
from weft.ctf.spectra import PatchSpectra, bin_cells, patch_spectra, without_dark_patches, without_hot_pixels
from weft.ctf.verdict import NO_RINGS_GAIN, assess
from weft.ctf.window import window_fade
from weft.engine.device import Engine
from weft.errors import SettingsError
from weft.fields import Assessment, CtfCurves, CtfFit, Verdict
from weft.settings.grid import parse_grid
from weft.settings.schema import CtfSettings, OpticsSettings

__all__ = ["estimate_ctf"]

Array = NDArray[np.float64]
Image = NDArray[np.float32]

PATCH_A = 700.0  # longer patches blur the rings of a steep tilt, shorter ones those of high frequencies
_SEARCH_A = 7.0  # the exhaustive start uses frequencies up to this
_NYQUIST_SHARE = 0.84  # beyond, interpolation along local motion takes from the noise
_LEAST_BAND_PX = 8  # frequency pixels of a patch that a band must span
_SECTORS = 12
_RINGS_PER_PX = 2.0
_STARTS = 6
_MOST_FULL = 3
_ROUNDS = 2
_LEAST_LEVEL = 0.1
_FORMS_A = 22.0  # frequencies of larger structures are left out in the end
_LEAST_LEFT = 0.7  # of what is known of each parameter, without them
_FIRST_STIFFNESS = (8000.0, 8000.0)  # about what the data tell in the end
_MOST_REVERSED = -0.3  # of the greatest D; past the thickness node it is -0.22 of what it was
_RIVAL = 0.5  # starts with less than this share of the best one's gain are not refined


@dataclass(frozen=True, slots=True)
class _Work:
    """What the steps share."""

    settings: CtfSettings
    optics: Optics
    spectra: PatchSpectra
    grid: GridField
    band_A: tuple[float, float]


def estimate_ctf(
    image: Image,
    pixel_size_A: float,
    settings: CtfSettings,
    optics: OpticsSettings,
    engine: Engine,
    frames: Iterator[Image] | None = None,
) -> tuple[CtfFit, CtfCurves]:
    """Return the CTF of one movie, and what is shown of it.

    Parameters
    ----------
    image : ndarray, shape (y, x), float32
        The average.
    pixel_size_A : float
        Of the average.
    settings : CtfSettings
        Window, range, limits, grid.
    optics : OpticsSettings
        Of the microscope.
    engine : Engine
        Where to transform.
    frames : iterator of ndarray, optional
        Aligned frames; the mean of their spectra is fitted in place of the average's. Needed for grids with more
        than one node in time; without them such a grid has one.

    Returns
    -------
    CtfFit
        ``failed`` with nan where there are no rings, ``weak`` where the answer is not to be trusted.
    CtfCurves
        For display.

    Raises
    ------
    SettingsError
        If nothing of the range lies below the image's Nyquist frequency.

    Notes
    -----
    Spectra of half-overlapping patches (`weft.ctf.spectra`), an exhaustive search over defocus, astigmatism, gradient
    (and phase) on rings up to 7 Å (`weft.ctf.search`), refinement of everything together up to the end of the range
    (`weft.ctf.fit`). Sources: Erickson & Klug 1971 (rings and defocus), Mindell & Grigorieff 2003 and Rohou &
    Grigorieff 2015 (CTFFIND: tiles, exhaustive astigmatism), Whittle 1953 (likelihood of power spectra).
    """
    image = without_hot_pixels(np.asarray(image, dtype=np.float32))
    band_A = _usable_band(settings.range_A, pixel_size_A)
    patch_px = _patch_side(image.shape, pixel_size_A, settings.window_px)
    _check_band(settings.range_A, band_A, patch_px * pixel_size_A, pixel_size_A)
    times = parse_grid(settings.grid, 100)[2] if frames is not None else 1
    sources = [image] if frames is None else (without_hot_pixels(frame) for frame in frames)
    spectra = patch_spectra(sources, pixel_size_A, patch_px, band_A, engine, most_groups=2 * times if times > 1 else 1)
    spectra = without_dark_patches(spectra)
    sides_A = (image.shape[0] * pixel_size_A, image.shape[1] * pixel_size_A)
    nx, ny, _ = parse_grid(settings.grid, 1)
    groups = len(np.unique(spectra.times))
    grid = make_field(spectra.places_A, spectra.times, sides_A, (nx, ny, min(times, groups)))
    work = _Work(settings, make_optics(optics), spectra, grid, band_A)
    found, flat = _fit(work)
    curves = curves_of(flat, grid.field, work.optics, found, 1.0 / (settings.window_px * pixel_size_A))
    resolution_A = supported_resolution(curves) if found.gain >= NO_RINGS_GAIN else None
    fit = _to_fit(work, found, resolution_A, pixel_size_A, optics)
    shown = display_spectrum(image, settings.window_px, engine.threads)
    return fit, _to_curves(shown, curves)


def _usable_band(range_A: tuple[float, float], pixel_size_A: float) -> tuple[float, float]:
    return range_A[0], max(range_A[1], 2 * pixel_size_A / _NYQUIST_SHARE)


def _check_band(range_A: tuple[float, float], band_A: tuple[float, float], side_A: float, pixel_size_A: float) -> None:
    if (1 / band_A[1] - 1 / band_A[0]) * side_A < _LEAST_BAND_PX:
        raise SettingsError(
            f"ctf.range_A = [{range_A[0]:g}, {range_A[1]:g}]: too little of it lies below the Nyquist frequency of the "
            f"average ({2 * pixel_size_A:.3g} Å at {pixel_size_A:.4g} Å a pixel) for spectra of {side_A:.0f} Å; "
            f"give a wider range that ends at {2.1 * pixel_size_A:.3g} Å or more"
        )


def _patch_side(shape: tuple[int, ...], pixel_size_A: float, window_px: int) -> int:
    """Return the side of the patches: even, about 700 Å, at most the window and the image."""
    wanted = min(window_px, round(PATCH_A / pixel_size_A), *shape)
    return max(8, 2 * (wanted // 2))


def _fit(work: _Work) -> tuple[Solution, Flat]:
    """Search, then refine up to 7 Å, then with everything."""
    spectra, field, optics = work.spectra, work.grid.field, work.optics
    fit_phase = work.settings.phase_shift
    coarse = flatten(bin_cells(_up_to(spectra, _SEARCH_A), 1.0, 8), spectra.share)
    limits = (work.settings.defocus_um[0] * 1e4, work.settings.defocus_um[1] * 1e4)
    starts = search(coarse, field, optics, Reach(limits, field.basis.shape[1] > 2, fit_phase), _STARTS)
    points = [start.at for start in starts if start.gain >= _RIVAL * starts[0].gain]
    flat = flatten(bin_cells(spectra, _RINGS_PER_PX, _SECTORS), spectra.share)
    if not fit_phase:  # with a free phase, few rings up to 7 Å lead astray
        model = make_model(coarse, field, optics, fit_phase=False)
        points = [_best([refine(model, at) for at in points]).at]
    model = make_model(flat, field, optics, fit_phase=fit_phase)
    best = _best([refine(model, at, steps=12) for at in points[:_MOST_FULL]])
    return _finish(work, flat, best)


def _best(tried: list[Solution]) -> Solution:
    """Return the likeliest fit; one whose rings change their sign strongly is none."""
    return max(tried, key=lambda one: (float(one.d.min()) > _MOST_REVERSED * float(one.d.max()), one.gain))


def _finish(work: _Work, first: Flat, best: Solution) -> tuple[Solution, Flat]:
    """Take account of the window, the cells' variances and how smooth noise and strength are, each from the last fit.

    The gain is told without them: it is what the verdict's limits are made for.
    """
    field, optics, fit_phase = work.grid.field, work.optics, work.settings.phase_shift
    flat, stiffness = first, _FIRST_STIFFNESS
    for left in reversed(range(_ROUNDS)):
        level = np.maximum(best.a, _LEAST_LEVEL)
        flat, best = flat.levelled(level), replace(best, a=best.a / level, d=best.d / level)
        fade = window_fade(work.spectra, flat, optics, best)
        model = make_model(flat, field, optics, fit_phase=fit_phase, splines=FINE, stiffness=stiffness, fade=fade)
        model = replace(model, expected=expected_powers(model, best))
        best = refine(model, best.at)
        if left:
            stiffness = likeliest_stiffness(best.linear, best.pull, model.counts)
    if not fit_phase:  # which the lowest rings tell
        best = _without_forms(model, best)
    lean = evaluate(make_model(first, field, optics, fit_phase=fit_phase, fade=fade), best.at)
    return replace(best, gain=lean.gain), flat


def _without_forms(model: Model, best: Solution) -> Solution:
    """Return the fit without the lowest frequencies, if they tell little.

    There, a few large objects (beads, membranes, large proteins) show the rings of their own form, and gold is no weak
    phase object: together 40 Å of defocus at tilts, and half of the astigmatism's error in thin ice.
    """
    flat = model.flat
    above = flat.cells.k[flat.ring] >= 1 / _FORMS_A
    rest = refine(replace(model, flat=replace(flat, weight=np.where(above, flat.weight, 0.0))), best.at)
    if np.any(np.diag(rest.information) < _LEAST_LEFT * np.diag(best.information)):
        return best
    return replace(evaluate(model, rest.at), covariance=rest.covariance)


def _up_to(spectra: PatchSpectra, resolution_A: float) -> PatchSpectra:
    k = np.hypot(spectra.ky, spectra.kx)
    keep = k <= max(1 / resolution_A, float(np.quantile(k, 0.3)))
    return replace(spectra, power=spectra.power[:, keep], ky=spectra.ky[keep], kx=spectra.kx[keep])


def _to_fit(
    work: _Work, found: Solution, resolution_A: float | None, pixel_size_A: float, optics: OpticsSettings
) -> CtfFit:
    at = found.at
    unit = work.grid.field.unit_A
    has_plane = len(at.field_A) > 2
    half, turn = math.hypot(at.a1_A, at.a2_A), 0.5 * math.degrees(math.atan2(at.a2_A, at.a1_A))
    mean = float(at.field_A[0])
    names, covariance = _covariance(work, found)
    sigma = _sigmas(names, covariance, at)
    assessment = assess(found, sigma, resolution_A, work.settings, work.optics)
    if assessment.verdict is Verdict.FAILED:
        return _without_answer(work, found, pixel_size_A, optics, assessment)
    details: dict[str, Any] = {
        **_facts(work, found),
        "parameters": names,
        "covariance": [[float(f"{v:.7g}") for v in row] for row in covariance],
    }
    return CtfFit(
        defocus_u_A=mean + half,
        defocus_v_A=mean - half,
        angle_deg=turn,
        phase_shift_deg=math.degrees(at.phase_rad) % 180.0 if work.settings.phase_shift else 0.0,
        gradient_x=float(at.field_A[1]) / unit if has_plane else 0.0,
        gradient_y=float(at.field_A[2]) / unit if has_plane else 0.0,
        grid_A=work.grid.grid_A(at.field_A),
        sigma=sigma,
        score=round(found.gain, 3),
        resolution_A=resolution_A,
        pixel_size_A=pixel_size_A,
        voltage_kV=optics.voltage_kV,
        cs_mm=optics.cs_mm,
        amplitude_contrast=optics.amplitude_contrast,
        assessment=assessment,
        details=details,
    )


def _facts(work: _Work, found: Solution) -> dict[str, Any]:
    return {
        "range_A": [work.band_A[0], round(work.band_A[1], 3)],
        "patch_A": round(work.spectra.side_A, 1),
        "patches": len(work.spectra.places_A),
        "noise": round(found.chi2, 4),
    }


def _without_answer(
    work: _Work, found: Solution, pixel_size_A: float, optics: OpticsSettings, assessment: Assessment
) -> CtfFit:
    """Return a fit without values; the best that noise offered is told in the details."""
    nan = math.nan
    t, y, x = work.grid.shape
    names = ("defocus_A", "astigmatism_A", "angle_deg", "phase_shift_deg", "gradient_x", "gradient_y")
    return CtfFit(
        defocus_u_A=nan,
        defocus_v_A=nan,
        angle_deg=nan,
        phase_shift_deg=nan,
        gradient_x=nan,
        gradient_y=nan,
        grid_A=[[[nan] * x for _ in range(y)] for _ in range(t)],
        sigma=dict.fromkeys(names, nan),
        score=round(found.gain, 3),
        resolution_A=None,
        pixel_size_A=pixel_size_A,
        voltage_kV=optics.voltage_kV,
        cs_mm=optics.cs_mm,
        amplitude_contrast=optics.amplitude_contrast,
        assessment=assessment,
        details=_facts(work, found) | {"best_defocus_A": round(float(found.at.field_A[0]), 1)},
    )


def _covariance(work: _Work, found: Solution) -> tuple[list[str], Array]:
    """Return names and covariance of (z, a1, a2, gx, gy[, phase]) in Å, Å per Å and degrees."""
    terms = len(found.at.field_A)
    names, rows, scale = ["defocus_A", "astigmatism_x_A", "astigmatism_y_A"], [0, terms, terms + 1], [1.0, 2.0, 2.0]
    if terms > 2:
        names += ["gradient_x", "gradient_y"]
        rows += [1, 2]
        scale += [1 / work.grid.field.unit_A] * 2
    if work.settings.phase_shift:
        names.append("phase_shift_deg")
        rows.append(terms + 2)
        scale.append(math.degrees(1))
    return names, found.covariance[np.ix_(rows, rows)] * np.outer(scale, scale)


def _sigmas(names: list[str], covariance: Array, at: Parameters) -> dict[str, float]:
    """Return standard deviations of what people read."""
    each = dict(zip(names, np.sqrt(np.maximum(np.diag(covariance), 0)).tolist(), strict=True))
    block = covariance[1:3, 1:3]
    size = 2 * math.hypot(at.a1_A, at.a2_A)
    along = np.array([at.a1_A, at.a2_A]) * 2 / max(size, 1e-9)
    across = np.array([-along[1], along[0]])
    isotropic = math.sqrt(max(0.0, float(np.trace(block)) / 2))
    along_sigma = math.sqrt(max(0.0, float(along @ block @ along))) if size > isotropic else isotropic
    across_sigma = math.sqrt(max(0.0, float(across @ block @ across)))
    angle = 0.5 * math.degrees(math.atan2(across_sigma, max(size, 1e-9)))
    return {
        "defocus_A": each["defocus_A"],
        "astigmatism_A": along_sigma,
        "angle_deg": min(angle, 52.0),  # that of an angle of which nothing is known, 180° / √12
        "phase_shift_deg": each.get("phase_shift_deg", 0.0),
        "gradient_x": each.get("gradient_x", 0.0),
        "gradient_y": each.get("gradient_y", 0.0),
    }


def _to_curves(spectrum: Image, curves: Curves1D) -> CtfCurves:
    zero = np.sqrt(np.maximum(curves.at_zeros, 0))
    return CtfCurves(
        spectrum=spectrum,
        k=curves.k,
        experimental=np.sqrt(np.maximum(curves.power, 0)) - zero,
        model=np.sqrt(np.maximum(curves.model, 0)) - zero,
        quality=curves.quality,
        background=zero,
    )
