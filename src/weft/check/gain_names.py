"""How gain references are called: by the programs that write them, and by mdocs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from weft.errors import InputError
from weft.io.mdoc import Mdoc, read_mdoc

__all__ = ["is_gain_by_ending", "looks_like_gain", "named_gains", "sampled_mdocs"]

_GAIN_NAME = re.compile(r"gain|flat|(count|super)ref", re.IGNORECASE)  # CountRef_…, SuperRef_…: SerialEM's copies
_GAIN_ENDINGS = {".gain", ".dm4", ".dm3"}
_IMAGE_ENDINGS = {".mrc", ".mrcs", ".tif", ".tiff"}
_MOST_MDOCS = 20  # camera and reference are those of a session


def is_gain_by_ending(path: Path) -> bool:
    """Return whether a file of this ending is a gain reference, whatever its name."""
    return path.suffix.lower() in _GAIN_ENDINGS


def looks_like_gain(path: Path) -> bool:
    """Return whether a file is called as gain references are.

    Examples
    --------
    >>> [looks_like_gain(Path(name)) for name in ("CountRef_TS_01_000.mrc", "K3.dm4", "TS_01_000.mrc", "gain.txt")]
    [True, True, False, False]
    """
    by_name = path.suffix.lower() in _IMAGE_ENDINGS and _GAIN_NAME.search(path.stem) is not None
    return by_name or is_gain_by_ending(path)


def sampled_mdocs(paths: Sequence[Path]) -> list[Mdoc]:
    """Return some mdocs, spread evenly over all; those that cannot be read are passed over."""
    step = max(1, -(-len(paths) // _MOST_MDOCS))
    found = []
    for path in paths[::step]:
        try:
            found.append(read_mdoc(path))
        except InputError:
            continue
    return found


def named_gains(mdocs: Iterable[Mdoc]) -> list[str]:
    """Return the file names that mdocs give as GainReference, each once, without the folders of the camera's machine."""
    told = [
        text
        for mdoc in mdocs
        for text in (mdoc.get("GainReference"), *(one.get("GainReference") for one in mdoc.sections))
    ]
    names = [re.split(r"[\\/]", value.strip().strip('"'))[-1].strip() for value in told]
    return list(dict.fromkeys(name for name in names if name))
