"""Alignments of IMOD and AreTomo: ``.rawtlt``, ``.tlt``, ``.xf`` and ``.aln``, with their conventions.

``.xf`` takes an image to the aligned one: x' = A (x - c) + D + c, c the image's centre. The tilt axis is ψ = atan2(A12, A11)
from +y counter-clockwise; the specimen's offset projected on the image is o = -A⁻¹ D, in pixels of the aligned stack.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from weft.errors import InputError

__all__ = ["AlnFile", "Transform", "read_aln", "read_angles", "read_tilt_com", "read_xf"]

_STEEPEST_DEG = 90.0
_MOST_COLUMNS = 4  # AreTomo and others put order and exposure behind the angle


@dataclass(frozen=True, slots=True)
class Transform:
    """One line of an ``.xf``: ((a11, a12), (a21, a22)) and (dx, dy) in pixels of the stack it belongs to."""

    a11: float
    a12: float
    a21: float
    a22: float
    dx: float
    dy: float

    @property
    def axis_deg(self) -> float:
        """Tilt axis from +y, counter-clockwise."""
        return math.degrees(math.atan2(self.a12, self.a11))

    @property
    def scale(self) -> float:
        """Change of size."""
        return math.sqrt(abs(self.a11 * self.a22 - self.a12 * self.a21))

    def offset_px(self) -> tuple[float, float]:
        """Return the specimen's offset (x, y) on the image, in pixels."""
        matrix = np.array([[self.a11, self.a12], [self.a21, self.a22]])
        x, y = -np.linalg.solve(matrix, [self.dx, self.dy])
        return float(x), float(y)


@dataclass(frozen=True, slots=True)
class AlnFile:
    """An AreTomo alignment.

    Parameters
    ----------
    sections : tuple of int
        Of the stack that was aligned, counted from 0, one per transform.
    tilts_deg : tuple of float
        Refined.
    transforms : tuple of Transform
        As an ``.xf`` would have them.
    dark : tuple of int
        Sections that AreTomo left out, counted from 0.
    size : tuple of int
        Columns, rows and sections of the stack.
    """

    sections: tuple[int, ...]
    tilts_deg: tuple[float, ...]
    transforms: tuple[Transform, ...]
    dark: tuple[int, ...]
    size: tuple[int, int, int]


def read_angles(path: Path) -> list[float]:
    """Return the angles of a ``.rawtlt`` or ``.tlt``: the first column, further ones passed over.

    Raises
    ------
    InputError
        If the file is empty (a failed alignment leaves such), holds no numbers, or angles beyond ±90°.
    """
    rows = list(_rows(path))
    if len(rows[0]) > _MOST_COLUMNS:
        raise InputError(
            f"{path.name}: has {len(rows[0])} columns, so it is a table of another program (emClarity writes such) rather than "
            "a list of angles; give a file whose first column is the angle"
        )
    angles = [row[0] for row in rows]
    steep = next((angle for angle in angles if abs(angle) > _STEEPEST_DEG), None)
    if steep is not None:
        raise InputError(
            f"{path.name}: an angle of {steep:g}° is beyond ±90°; this is no list of tilt angles, or damaged"
        )
    return angles


def read_xf(path: Path) -> list[Transform]:
    """Return the transforms of an ``.xf``.

    Raises
    ------
    InputError
        If the file is empty, or a line has not six numbers, or turns the image inside out.
    """
    found = []
    for number, row in enumerate(_rows(path), 1):
        if len(row) != 6:
            raise InputError(
                f"{path.name}: {len(row)} numbers in row {number}, an .xf has 6 (a local one holds other things)"
            )
        one = Transform(*row)
        if one.scale < 0.1:
            raise InputError(f"{path.name}: row {number} squeezes the image to nothing; the alignment is damaged")
        found.append(one)
    return found


def read_aln(path: Path) -> AlnFile:
    """Return what an AreTomo ``.aln`` says, as transforms of an ``.xf``.

    Raises
    ------
    InputError
        If it is no such file, or an angle is beyond ±90°.

    Notes
    -----
    With θ = -ROT: A = ((cos θ, -sin θ), (sin θ, cos θ)), D = A (-TX, -TY). Sections count from 1 in AreTomo3, in some
    versions of AreTomo2 from 0; the least number over rows and dark frames tells. Where rows and dark frames share numbers,
    rows count the images that were kept.
    """
    lines = _text(path).splitlines()
    if not any("AreTomo" in line for line in lines[:2]):
        raise InputError(f"{path.name}: does not begin as an AreTomo alignment does; give its .aln file")
    size, dark, rows = (0, 0, 0), [], []
    for line in lines:
        words = line.replace("=", " = ").split()
        if line.startswith("# Local Alignment"):
            break
        if line.startswith("# RawSize"):
            size = tuple(int(word) for word in words[-3:])  # type: ignore[assignment]
        elif line.startswith("# DarkFrame"):
            dark.append(int(float(words[3])))
        elif words and not line.lstrip().startswith("#"):
            rows.append(_numbers(path, words))
    if not rows or any(len(row) < 10 for row in rows):
        raise InputError(f"{path.name}: holds no rows of ten numbers; AreTomo did not finish, or the file is cut")
    if any(abs(row[9]) > _STEEPEST_DEG for row in rows):
        raise InputError(f"{path.name}: holds angles beyond ±90°; AreTomo failed on this series")
    first = min([*dark, *(int(row[0]) for row in rows)])
    base = 1 if first >= 1 else 0
    sections = tuple(int(row[0]) - base for row in rows)
    left_out = {number - base for number in dark}
    if left_out & set(sections):  # they count the images that were kept
        kept = [number for number in range(max(size[2], len(left_out) + len(rows))) if number not in left_out]
        sections = tuple(kept[number] for number in sections)
    return AlnFile(
        sections,
        tuple(row[9] for row in rows),
        tuple(_of_aln(row[1], row[3], row[4]) for row in rows),
        tuple(number - base for number in dark),
        size,
    )


def read_tilt_com(path: Path) -> tuple[float, tuple[int, ...]]:
    """Return what etomo's ``tilt.com`` adds to an alignment: the tomogram's tilt offset, and sections left out of it, from 0.

    Raises
    ------
    InputError
        If a list of views makes no sense.
    """
    offset, views = 0.0, set[int]()
    for line in _text(path).splitlines():
        key, _, rest = line.strip().partition(" ")
        if key.upper() == "OFFSET":
            offset = _numbers(path, rest.split() or ["0"])[0]
        elif key.upper() in {"EXCLUDELIST", "EXCLUDELIST2", "EXCLUDE"}:
            for part in rest.replace(",", " ").split():
                first, _, last = part.partition("-")
                low, high = (int(value) for value in _numbers(path, [first, last or first]))
                views.update(range(low, high + 1))
    return offset, tuple(sorted(view - 1 for view in views))


def _of_aln(rotation_deg: float, tx: float, ty: float) -> Transform:
    theta = -math.radians(rotation_deg)
    c, s = math.cos(theta), math.sin(theta)
    return Transform(c, -s, s, c, -c * tx + s * ty, -s * tx - c * ty)


def _rows(path: Path) -> Iterator[Sequence[float]]:
    text = _text(path)
    if not text.strip():
        raise InputError(f"{path.name}: is empty; the alignment failed, look at its log")
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            yield _numbers(path, line.split())


def _numbers(path: Path, words: Sequence[str]) -> list[float]:
    try:
        values = [float(word) for word in words]
    except ValueError as error:
        raise InputError(
            f'{path.name}: "{" ".join(words)[:40]}" is no row of numbers; the file is of another kind'
        ) from error
    if not all(math.isfinite(value) for value in values):
        raise InputError(f"{path.name}: holds values that are no numbers (NaN or infinite); the alignment failed")
    return values


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"{path.name}: cannot be read ({error.strerror})") from error
