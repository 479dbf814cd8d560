"""Pixel size, binning, resolution limits: settings against headers and mdocs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

from weft.check.finding import Finding, Input, listed
from weft.conventions import binned_side

__all__ = ["check_pixels"]

_SAME = 0.01
_EQUAL = 1e-4  # in x and y
_UNLIKELY_A = 1.0  # programs write 1 when they do not know
_NYQUIST_SHARE = 0.98
_LEAST_BAND = 1.5  # the range begins at so many times the finest that pixels hold, at least
_SMALLEST_BINNED_PX = 256
_FINEST_LIKELY_A, _COARSEST_LIKELY_A = 0.2, 20.0


def check_pixels(given: Input) -> Iterator[Finding]:
    """Yield where pixel sizes contradict each other or the limits make no sense."""
    if not given.movies:
        return
    stated = given.project.settings.input.raw_pixel_size_A
    headers = Counter(round(info.pixel_size_A, 4) for info in given.movies.values() if info.pixel_size_A)
    yield from _header(stated, headers, given)
    raw = stated or (headers.most_common(1)[0][0] if headers else None)
    if raw is None:
        return
    yield from _mdocs(raw, given)
    yield from _limits(raw, given)
    yield from _eer(given)
    if not _FINEST_LIKELY_A <= raw <= _COARSEST_LIKELY_A:
        yield Finding(
            "warning", "pixel_odd", f"a raw pixel of {raw:g} Å is unusual", "input.raw_pixel_size_A is in Å, not in nm",
            "input.raw_pixel_size_A",
        )  # fmt: skip


def _header(stated: float | None, headers: Counter[float], given: Input) -> Iterator[Finding]:
    silent = [name for name, info in given.movies.items() if not info.pixel_size_A]
    if stated is None and len(silent) == len(given.movies):
        yield Finding(
            "error", "no_pixel_size", "neither weft.toml nor the movies' headers tell the pixel size",
            "`weft config set input.raw_pixel_size_A 0.675` with the value of the raw frames", "input.raw_pixel_size_A", "input",
        )  # fmt: skip
        return
    if stated is None and silent:
        yield Finding(
            "error", "no_pixel_size", f"{len(silent)} movies tell no pixel size in their headers: {listed(silent)}",
            "set input.raw_pixel_size_A", "input.raw_pixel_size_A",
        )  # fmt: skip
    if stated is None and len(headers) > 1:
        shown = ", ".join(f"{value:g} Å ({count})" for value, count in headers.most_common(4))
        yield Finding(
            "error", "pixel_sizes", f"the movies' headers tell different pixel sizes: {shown}",
            "set input.raw_pixel_size_A, or keep them in projects of their own", "input.raw_pixel_size_A",
        )  # fmt: skip
    if stated is None:
        return
    wrong = {value: count for value, count in headers.items() if abs(math.log(value / stated)) > _SAME}
    wrong.pop(_UNLIKELY_A, None)
    if wrong:
        value = max(wrong, key=lambda one: wrong[one])
        yield Finding(
            "warning", "pixel_header",
            f"input.raw_pixel_size_A is {stated:g}, but {wrong[value]} headers say {value:g} Å",
            "correct the setting if the header is right", "input.raw_pixel_size_A",
        )  # fmt: skip
    elif headers and _UNLIKELY_A not in headers:
        yield Finding(
            "ok", "pixel_header", f"pixel size {stated:g} Å as in the headers", where="input.raw_pixel_size_A"
        )


def _mdocs(raw: float, given: Input) -> Iterator[Finding]:
    """Compare with the mdocs; theirs may be that of images binned by 2 or 4, or of super-resolution."""
    told = {one.name: one.pixel_size_A for one in given.series.series if one.pixel_size_A} if given.series else {}
    wrong = []
    for name, value in told.items():
        power = math.log2(value / raw)
        if abs(power - round(power)) * math.log(2) > _SAME or not -1 <= round(power) <= 3:
            wrong.append(name)
    if wrong:
        yield Finding(
            "warning", "pixel_mdoc",
            f"the raw pixel is {raw:g} Å, but the mdocs of {listed(wrong)} say {told[wrong[0]]:g} Å, which is no binning of it",
            "check magnification and input.raw_pixel_size_A", "input.raw_pixel_size_A",
        )  # fmt: skip
        return
    finer = [name for name, value in told.items() if round(math.log2(value / raw)) == -1]
    if finer:
        yield Finding(
            "warning", "pixel_mdoc", f"the mdocs of {listed(finer)} say {told[finer[0]]:g} Å, half of the raw pixel of {raw:g} Å",
            "is input.raw_pixel_size_A that of the binned image? it is to be that of the frames as they lie on disk",
            "input.raw_pixel_size_A",
        )  # fmt: skip


def _limits(raw: float, given: Input) -> Iterator[Finding]:
    settings = given.project.settings
    info = next(iter(given.movies.values()))
    width, height = (binned_side(side, settings.input.bin) for side in (info.width, info.height))
    pixel = raw * info.width / max(1, width)
    if min(width, height) < _SMALLEST_BINNED_PX and settings.input.bin > 0:
        yield Finding(
            "error", "bin", f"input.bin = {settings.input.bin:g} leaves {width} × {height} pixels",
            "it is an exponent: 1 halves the side, 2 quarters it", "input.bin",
        )  # fmt: skip
    across = raw * info.height / max(1, height)
    if abs(math.log(pixel / across)) > _EQUAL:
        yield Finding(
            "warning", "pixel_shape",
            f"input.bin = {settings.input.bin:g} gives pixels of {pixel:.5g} × {across:.5g} Å, and files hold one size",
            "take an exponent that leaves both sides even: 0, 1 or 2 mostly do", "input.bin",
        )  # fmt: skip
    finest = 2 * pixel
    low, high = settings.ctf.range_A
    if settings.ctf.enabled and high < finest * _NYQUIST_SHARE:
        hopeless = low < finest * _LEAST_BAND
        yield Finding(
            "error" if hopeless else "info", "ctf_range",
            f"ctf.range_A ends at {high:g} Å, finer than {finest:.2f} Å, which pixels of {pixel:.3g} Å can hold",
            "bin less, or begin the range at 40 Å" if hopeless else "what is finer is not used", "ctf.range_A",
            "input" if hopeless else "",
        )  # fmt: skip
    motion = settings.motion.range_A
    if settings.motion.enabled and motion != "auto" and motion[1] < finest * _NYQUIST_SHARE:
        yield Finding(
            "info", "motion_range", f"motion.range_A ends at {motion[1]:g} Å, finer than the pixels hold ({finest:.2f} Å)",
            "what is finer is not used", "motion.range_A",
        )  # fmt: skip
    if settings.ctf.enabled and settings.ctf.window_px > min(width, height):
        yield Finding(
            "info", "ctf_window", f"ctf.window_px = {settings.ctf.window_px} is larger than the images ({width} × {height})",
            "as much as they hold is taken", "ctf.window_px",
        )  # fmt: skip


def _eer(given: Input) -> Iterator[Finding]:
    settings = given.project.settings.input
    names = [name for name, info in given.movies.items() if info.format == "eer"]
    if not names:
        return
    ways = (settings.eer_exposure_per_fraction_e_A2, settings.eer_frames_per_fraction, settings.eer_fractions)
    if not any(ways):
        info = given.movies[names[0]]
        yield Finding(
            "warning", "eer_fractions", f"no way of grouping EER frames is set; {info.frames} fractions are taken",
            "set input.eer_fractions (about 1 e⁻/Å² or less in one)", "input.eer_fractions",
        )  # fmt: skip
    yield Finding(
        "info", "eer_rows", "EER rows are read as they lie (TIFF rows are turned round): tilt axis and hand are those of EER",
        "`weft hand` tells both from the data", "input.movies",
    )  # fmt: skip
