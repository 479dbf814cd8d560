"""Whether a folder has to be listed again: listing 10,000 files twice a second is work, asking for a folder's time is none."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

__all__ = ["FolderWatch", "folder_of_pattern"]

_STEP_S = 3.0  # times of files go in steps: 4 ms on local disks, up to 2 s on others
_ANYWAY_S = 20.0


class FolderWatch:
    """Says whether files in some folders may have come, gone or been replaced since they were listed.

    Notes
    -----
    Weft replaces files by renaming, which changes their folder's time. Two changes within one step of that time look like one,
    so a folder is listed until a listing was made well after its last change; and now and then in any case, for
    programs that write into a file where it lies.
    """

    def __init__(self) -> None:
        self._stamp: tuple[int, ...] | None = None
        self._since = self._listed = -1e9

    def is_due(self, folders: Sequence[Path]) -> bool:
        """Return whether to list the folders now; the answer counts as a listing.

        Parameters
        ----------
        folders : sequence of Path
            The same at every call; those that are missing count, too.
        """
        now = time.monotonic()
        stamp = tuple(_time_of(folder) for folder in folders)
        if stamp != self._stamp:
            self._stamp, self._since = stamp, now
        elif self._listed >= self._since + _STEP_S and now - self._listed < _ANYWAY_S:
            return False
        self._listed = now
        return True


def folder_of_pattern(root: Path, pattern: str) -> Path | None:
    """Return the one folder that all files of a pattern lie in; None if there may be several.

    Examples
    --------
    >>> folder_of_pattern(Path("/data"), "frames/*.mrc").as_posix()
    '/data/frames'
    >>> folder_of_pattern(Path("/data"), "grid_*/frames/*.mrc")
    """
    parent = Path(pattern).parent
    return None if any(letter in str(parent) for letter in "*?[") else root / parent


def _time_of(folder: Path) -> int:
    with suppress(OSError):
        return folder.stat().st_mtime_ns
    return 0
