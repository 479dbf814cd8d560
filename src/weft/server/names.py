"""Series and angle as names tell them, for projects whose mdocs are not yet imported."""

from __future__ import annotations

import re

__all__ = ["guess_series"]

_WITH_TILT = re.compile(r"(?P<series>.+)[_-]\d{1,4}_\[?(?P<tilt>[+-]\d+(?:\.\d+)?|\d+\.\d+)\]?(?:_.*)?")
_WITH_INDEX = re.compile(r"(?P<series>.+)_\d{1,4}")


def guess_series(name: str) -> tuple[str, float | None]:
    """Return the series and the tilt angle that a movie's name seems to tell; the angle may be None.

    Examples
    --------
    >>> guess_series("TS_01_039_-60.0"), guess_series("TS_03_000"), guess_series("grid")
    (('TS_01', -60.0), ('TS_03', None), ('', None))
    """
    found = _WITH_TILT.fullmatch(name)
    if found is not None:
        return found["series"], float(found["tilt"])
    found = _WITH_INDEX.fullmatch(name)
    return (found["series"], None) if found is not None else ("", None)
