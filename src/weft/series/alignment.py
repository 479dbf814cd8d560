"""The alignment of a tilt series, as another program found it: one line a movie, kept in ``series/alignment/NAME.json``.

It goes by the movies' names and never by line numbers, so that images left out later do not shift it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from weft.io.atomic import write_text
from weft.io.imod import Transform

__all__ = [
    "Alignment",
    "TiltAlignment",
    "alignment_path",
    "read_alignment",
    "rotation",
    "tlt_text",
    "write_alignment",
    "xf_text",
]

SCHEMA = "weft.series_alignment/1"


@dataclass(frozen=True, slots=True)
class TiltAlignment:
    """How one image lies.

    Parameters
    ----------
    movie : str
        Name.
    tilt_deg : float
        Refined; its sign is the mdoc's.
    a11, a12, a21, a22 : float
        What takes a place on the image, from its centre, to the aligned one: an ``.xf``'s matrix.
    shift_x_A, shift_y_A : float
        Added after that: an ``.xf``'s DX and DY in Å.
    """

    movie: str
    tilt_deg: float
    a11: float
    a12: float
    a21: float
    a22: float
    shift_x_A: float
    shift_y_A: float

    def transform(self, pixel_size_A: float) -> Transform:
        """Return the line of an ``.xf`` for a stack of this pixel size."""
        shift = (self.shift_x_A / pixel_size_A, self.shift_y_A / pixel_size_A)
        return Transform(self.a11, self.a12, self.a21, self.a22, *shift)

    @property
    def axis_deg(self) -> float:
        """Tilt axis from +y, counter-clockwise."""
        return self.transform(1.0).axis_deg

    @property
    def offset_A(self) -> tuple[float, float]:
        """The specimen's offset (x, y) on the image."""
        return self.transform(1.0).offset_px()


@dataclass(frozen=True, slots=True)
class Alignment:
    """The alignment of one series.

    Parameters
    ----------
    series : str
        Name.
    source : str
        The file it comes from.
    program : str
        ``imod``, ``aretomo`` or ``relion``: whose file that is.
    tilts : tuple of TiltAlignment
        Only images that were aligned, by ascending angle.
    notes : tuple of str
        What had to be decided, or is odd.
    """

    series: str
    source: str
    program: str
    tilts: tuple[TiltAlignment, ...]
    notes: tuple[str, ...] = ()

    @property
    def by_movie(self) -> dict[str, TiltAlignment]:
        """The images by name."""
        return {tilt.movie: tilt for tilt in self.tilts}

    @property
    def axis_deg(self) -> float:
        """Tilt axis, the mean direction of all images'."""
        x, y = (sum(f(math.radians(t.axis_deg)) for t in self.tilts) for f in (math.cos, math.sin))
        return math.degrees(math.atan2(y, x))

    @property
    def largest_offset_A(self) -> float:
        """The longest way of the specimen from an image's centre."""
        return max(math.hypot(*tilt.offset_A) for tilt in self.tilts)

    def to_json(self) -> dict[str, Any]:
        """Return plain lists and numbers; axis and offset stand beside what they follow from."""
        tilts = [
            asdict(tilt)
            | {
                "axis_deg": round(tilt.axis_deg, 6),
                "offset_x_A": round(tilt.offset_A[0], 6),
                "offset_y_A": round(tilt.offset_A[1], 6),
            }
            for tilt in self.tilts
        ]
        return {"schema": SCHEMA, **asdict(self), "tilts": tilts}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Alignment:
        """Return what `to_json` described.

        Raises
        ------
        KeyError, TypeError, ValueError
            If it is something else.
        """
        if data["schema"] != SCHEMA:
            raise ValueError(f"{data['schema']} is not {SCHEMA}")
        values = {key: value for key, value in data.items() if key != "schema"}
        follow = {"axis_deg", "offset_x_A", "offset_y_A"}
        tilts = tuple(
            TiltAlignment(**{key: value for key, value in tilt.items() if key not in follow}) for tilt in data["tilts"]
        )
        return cls(**{**values, "tilts": tilts, "notes": tuple(data["notes"])})


def rotation(axis_deg: float, offset_A: tuple[float, float]) -> Transform:
    """Return the transform, in Å, of an image that is only turned and shifted.

    Notes
    -----
    The offset o of the specimen on the image and the shift D of an ``.xf`` are bound by o = -A⁻¹ D.

    Examples
    --------
    >>> found = rotation(85.0, (10.0, -3.0))
    >>> round(found.axis_deg, 6), [round(value, 6) for value in found.offset_px()]
    (85.0, [10.0, -3.0])
    """
    c, s = math.cos(math.radians(axis_deg)), math.sin(math.radians(axis_deg))
    x, y = offset_A
    return Transform(c, s, -s, c, -(c * x + s * y), -(-s * x + c * y))


def alignment_path(out: Path, name: str) -> Path:
    """Return where a series' alignment is kept; deleting the file forgets it."""
    return out / "series" / "alignment" / f"{name}.json"


def write_alignment(out: Path, alignment: Alignment) -> None:
    """Write an alignment, whole or not at all.

    Raises
    ------
    MachineError
        If it cannot be written.
    """
    ordered = replace(alignment, tilts=tuple(sorted(alignment.tilts, key=lambda one: (one.tilt_deg, one.movie))))
    text = json.dumps(ordered.to_json(), indent=1, ensure_ascii=False) + "\n"
    write_text(alignment_path(out, alignment.series), text)


def read_alignment(out: Path, name: str) -> Alignment | None:
    """Return the alignment of a series, None if none was imported or the file is damaged."""
    try:
        found = Alignment.from_json(json.loads(alignment_path(out, name).read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if found.tilts else None


def xf_text(tilts: Sequence[TiltAlignment], pixel_size_A: float) -> str:
    """Return an ``.xf``, one line an image, shifts in pixels of the stack it stands beside."""
    lines = []
    for tilt in tilts:
        one = tilt.transform(pixel_size_A)
        matrix = "".join(f"{value:12.7f}" for value in (one.a11, one.a12, one.a21, one.a22))
        lines.append(f"{matrix}{one.dx:12.3f}{one.dy:12.3f}\n")
    return "".join(lines)


def tlt_text(tilts: Sequence[TiltAlignment]) -> str:
    """Return a ``.tlt``: the refined angles, one a line."""
    return "".join(f"{tilt.tilt_deg + 0.0:8.2f}\n" for tilt in tilts)
