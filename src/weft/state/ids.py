"""Names as people type them: exact, glob, or a unique beginning."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Iterable, Sequence

from weft.errors import MissingError, UsageError

__all__ = ["match_ids"]


def match_ids(patterns: Iterable[str], names: Sequence[str]) -> list[str]:
    """Return the names that the patterns mean, in the order of `names`.

    Parameters
    ----------
    patterns : iterable of str
        Exact names, globs, or beginnings that end before ``_`` or ``.`` and fit one name only.
    names : sequence of str
        Known names.

    Raises
    ------
    MissingError
        If a pattern fits nothing; the nearest name is given.
    UsageError
        If a beginning fits several; they are listed.

    Examples
    --------
    >>> match_ids(["TS_01_039"], ["TS_01_038_57.0", "TS_01_039_-60.0"])
    ['TS_01_039_-60.0']
    """
    wanted: set[str] = set()
    for pattern in patterns:
        wanted.update(_match(pattern, names))
    return [name for name in names if name in wanted]


def _match(pattern: str, names: Sequence[str]) -> list[str]:
    if pattern in names:
        return [pattern]
    if any(sign in pattern for sign in "*?["):
        found = fnmatch.filter(names, pattern)
    else:
        found = [name for name in names if name.startswith(pattern) and name[len(pattern)] in "_."]
        if len(found) > 1:
            listed = ", ".join(found[:8]) + (f" and {len(found) - 8} more" if len(found) > 8 else "")
            raise UsageError(
                f'"{pattern}" fits {len(found)} items: {listed}; write more of it, or "{pattern}*" for all'
            )
    if not found and not names:
        raise MissingError(f'"{pattern}" fits nothing, as there is nothing yet; `weft check` tells why')
    if not found:
        near = difflib.get_close_matches(pattern, names, 1, 0.3)
        hint = f"; the nearest name is {near[0]}" if near else ""
        raise MissingError(f'"{pattern}" fits none of {len(names)} items{hint}')
    return found
