"""Settings that are allowed one by one, but do not do together what they seem to say."""

from __future__ import annotations

from weft.settings.schema import Settings

__all__ = ["doubts_of"]


def doubts_of(settings: Settings) -> dict[str, str]:
    """Return a sentence (what; how to mend it) for each setting that another one makes void, by its name.

    Examples
    --------
    >>> from weft.settings.schema import CtfSettings
    >>> doubts_of(Settings(ctf=CtfSettings(grid="2x2x3")))["ctf.grid"].partition("; ")[0]
    'ctf.grid = "2x2x3": the 3 nodes in time are not used, as the CTF is fitted to the sum of the frames'
    >>> doubts_of(Settings())
    {}
    """
    found = {}
    ctf = settings.ctf
    nodes = ctf.grid.rpartition("x")[2]
    if ctf.enabled and ctf.use_movie_sum and nodes != "1":
        found["ctf.grid"] = (
            f'ctf.grid = "{ctf.grid}": the {nodes} nodes in time are not used, as the CTF is fitted to the sum of the frames; '
            "set ctf.use_movie_sum to false to fit the frames, or make the last number 1"
        )
    return found
