"""Where patches lie and how they are windowed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weft.motion.copies import Copies

__all__ = ["Layout", "constant_side", "plan_layout"]

Array = NDArray[np.float64]

_OVERLAP = 1 / 3  # of a side; a sixth takes 0.8 of the time, but errors are 4 % larger (phaseplate, 6 movies)

_TURN = 0.1  # radians at the band's end, root mean square within a patch: 1 % of the information there is lost


@dataclass(frozen=True, slots=True)
class Layout:
    """Where patches lie on the copies' raster and how they are windowed.

    Parameters
    ----------
    starts_y, starts_x : ndarray, shape (row,) and (column,)
        First pixels.
    shape : tuple of int
        (y, x) of a patch.
    windows_y, windows_x : ndarray, shape (row, y) and (column, x), float32
        Factors; a patch's window is their product.
    """

    starts_y: NDArray[np.intp]
    starts_x: NDArray[np.intp]
    shape: tuple[int, int]
    windows_y: NDArray[np.float32]
    windows_x: NDArray[np.float32]

    @property
    def count(self) -> int:
        """Number of patches."""
        return len(self.starts_y) * len(self.starts_x)

    @property
    def share(self) -> float:
        """What a patch's likelihood counts, so that the information of all patches is that of the field they see.

        With W(p) the sum of the windows' squares, the noise of a sum over all patches is that of (∫W)²/∫W² pixels.
        """
        pixels = 1.0
        for starts, windows in ((self.starts_y, self.windows_y), (self.starts_x, self.windows_x)):
            covered = np.zeros(int(starts[-1]) + windows.shape[1])
            for start, window in zip(starts, windows, strict=True):
                covered[start : start + len(window)] += window.astype(np.float64) ** 2
            pixels *= covered.sum() ** 2 / (covered**2).sum() / windows.size
        return float(pixels)

    def centres_frac(self, copies: Copies) -> tuple[Array, Array]:
        """Return the centres of rows and columns of patches, as their windows see them, as fractions of the field."""
        y, x = (
            (starts + 0.5 + windows.astype(np.float64) ** 2 @ np.arange(windows.shape[1]) / (windows**2).sum(1))
            * copies.pixel_sizes_A[axis] / copies.field_A[axis]
            for axis, (starts, windows) in enumerate(((self.starts_y, self.windows_y), (self.starts_x, self.windows_x)))
        )  # fmt: skip
        return y, x


def plan_layout(copies: Copies, side_A: float | None, *, overlap: bool, path_A: Array | None = None) -> Layout:
    """Return patches that cover the field.

    Parameters
    ----------
    copies : Copies
        The frames.
    side_A : float or None
        Wanted side; None = one patch as large as the field.
    overlap : bool
        Windows with edges that overlap by about a third, sines, so that their squares sum to 1; else patches side by
        side with short tapers.
    path_A : ndarray, shape (frame, 2), optional
        Where frames have moved: patches then keep to what all frames show, as long as that is half the field.
    """
    axes = []
    for axis in (0, 1):
        length, pixel_A = copies.field_px[axis], copies.pixel_sizes_A[axis]
        inside = _seen_by_all(length, None if path_A is None else path_A[:, axis] / pixel_A)
        axes.append(_whole_axis(inside) if side_A is None else _axis(inside, side_A / pixel_A, overlap=overlap))
    (starts_y, windows_y), (starts_x, windows_x) = axes
    return Layout(starts_y, starts_x, (windows_y.shape[1], windows_x.shape[1]), windows_y, windows_x)


def constant_side(displacement: Array, field_A: tuple[float, float], resolution_A: float) -> float:
    """Return the side of the largest patches that displacements hardly distort.

    Parameters
    ----------
    displacement : ndarray, shape (row, column, frame, 2)
        On an even lattice over the field, Å.
    field_A : tuple of float
        (y, x) extent of the field.
    resolution_A : float
        End of the band.

    Returns
    -------
    float
        In Å: displacements within such a patch, less their mean, turn the phases at the band's end by 0.1 radians,
        root of the mean over places, frames and directions, squared.
    """
    spacing = (extent / count for extent, count in zip(field_A, displacement.shape[:2], strict=True))
    slopes = np.gradient(displacement, *spacing, axis=(0, 1))
    slope = np.sqrt(sum(np.mean(along**2) for along in slopes))
    return float(_TURN * resolution_A / (2 * np.pi) * np.sqrt(12) / max(slope, 1e-12))


def _seen_by_all(length: int, path_px: Array | None) -> range:
    """Return the part of an axis that lies inside every frame; all of it where that would be less than half."""
    if path_px is not None:
        before, after = (max(0, int(np.ceil(far))) for far in (-path_px.min(), path_px.max()))
        if before + after <= length // 2:
            return range(before, length - after)
    return range(length)


def _whole_axis(inside: range) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Return one patch."""
    side = max(size for size in _even_sizes(len(inside)) if size <= len(inside))
    return np.array([inside.start], dtype=np.intp), _tapered(side, max(2, side // 24))[None]


def _axis(inside: range, side_px: float, *, overlap: bool) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    side = min(len(inside) - len(inside) % 2, _even_good(side_px))
    if side >= 0.75 * len(inside):
        return _whole_axis(inside)
    if overlap:
        count = max(2, round((len(inside) - _OVERLAP * side) / (side - _OVERLAP * side)))
        edge = min(side // 2, max(2, side - (len(inside) - side) // (count - 1)))
        windows = np.repeat(_sine(side, edge, edge)[None], count, axis=0)
        outer = max(2, side // 24)  # nothing overlaps there
        windows[0], windows[-1] = _sine(side, outer, edge), _sine(side, edge, outer)
    else:
        count = max(2, round(len(inside) / side))
        windows = np.repeat(_tapered(side, max(2, side // 10))[None], count, axis=0)
    return inside.start + np.round(np.linspace(0, len(inside) - side, count)).astype(np.intp), windows


def _sine(side: int, rise: int, fall: int) -> NDArray[np.float32]:
    """Return a window that is 1 between edges of sines."""
    place = np.arange(side) + 0.5
    ramp = np.minimum(np.minimum(place / rise, 1), np.minimum(place[::-1] / fall, 1))
    return np.sin(0.5 * np.pi * ramp).astype(np.float32)


def _even_good(side: float) -> int:
    """Return the even size with factors 2, 3, 5, 7 nearest to the wanted one, at least 16."""
    return min((size for size in _even_sizes(int(2 * side) + 16) if size >= 16), key=lambda size: abs(size - side))


def _even_sizes(most: int) -> list[int]:
    """Return the even sizes with factors 2, 3, 5, 7 up to a limit; 2 at least."""
    sizes = {2}
    for factor in (2, 3, 5, 7):
        new = sizes
        while new:
            new = {size * factor for size in new if size * factor <= most} - sizes
            sizes |= new
    return sorted(sizes)


def _tapered(side: int, edge: int) -> NDArray[np.float32]:
    ramp = np.clip((np.arange(side) + 0.5) / edge, 0, 1)
    line = np.sin(0.5 * np.pi * ramp) ** 2
    return np.asarray(line * line[::-1], dtype=np.float32)
