"""Which tilts leave: the one list that stacks, rawtlt, STAR, tomostar and XML follow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from weft.errors import ItemFailed, MissingError
from weft.series.alignment import Alignment, read_alignment
from weft.series.store import read_series
from weft.series.table import Tilt, TiltSeries, Use, uses_of
from weft.state.ids import match_ids
from weft.state.project import Project
from weft.state.record import Record

__all__ = ["Chosen", "choose", "only_aligned", "require_images", "series_named"]

_DROPPED, _FAILED, _NO_MOVIE = "by a decision", "failed", "without a movie"
_TAKEN_AGAIN, _WAITING = "of angles taken again", "not processed"
# what lets a tilt left out for a reason come back
_WAYS = {
    _DROPPED: "`weft keep` some",
    _FAILED: "`weft retry`",
    _WAITING: "`weft run`",
    _NO_MOVIE: "bring the movies and `weft import` again",
}


@dataclass(frozen=True, slots=True)
class Chosen:
    """A series and what of it is used.

    Parameters
    ----------
    series : TiltSeries
        The table.
    used : tuple of Tilt
        By ascending angle; each has a movie.
    left_out : tuple of Use
        The others, with reasons.
    waiting : tuple of str
        Movies that nobody has processed yet.
    failed : mapping of str to str
        Movies that could not be processed, and why.
    records : mapping of str to Record
        Of the series' movies.
    alignment : Alignment or None
        As another program found it, if one was imported.
    """

    series: TiltSeries
    used: tuple[Tilt, ...]
    left_out: tuple[Use, ...]
    waiting: tuple[str, ...]
    failed: Mapping[str, str]
    records: Mapping[str, Record]
    alignment: Alignment | None = None

    @property
    def is_aligned(self) -> bool:
        """Whether every used tilt has an alignment."""
        known = self.alignment.by_movie if self.alignment is not None else {}
        return bool(self.used) and all(tilt.movie in known for tilt in self.used)


def only_aligned(chosen: Chosen) -> tuple[Chosen, str]:
    """Return a series without the tilts that its alignment does not know, and a sentence if there are any.

    Programs that go on from an alignment want it for every image; without an alignment nothing is left out.
    """
    if chosen.alignment is None or chosen.is_aligned:
        return chosen, ""
    known = chosen.alignment.by_movie
    without = [tilt for tilt in chosen.used if tilt.movie not in known]
    used = tuple(tilt for tilt in chosen.used if tilt.movie in known)
    left_out = (*chosen.left_out, *(Use(tilt, "not aligned") for tilt in without))
    shown = ", ".join(tilt.movie or "" for tilt in without[:3]) + (" …" if len(without) > 3 else "")
    return replace(chosen, used=used, left_out=left_out), (
        f"{chosen.series.name}: {len(without)} of {len(chosen.used)} images are left out, as its alignment has none for them ({shown})"
    )


def series_named(project: Project, patterns: Sequence[str]) -> list[TiltSeries]:
    """Return imported series by name, all if none is named.

    Raises
    ------
    MissingError
        If nothing is imported, or a name fits none.
    """
    found = {one.name: one for one in read_series(project.out)}
    if not found:
        raise MissingError(
            f"{project.out / 'series'}: no tilt series here; make them from the mdocs with `weft import`"
        )
    names = match_ids(patterns, sorted(found)) if patterns else sorted(found)
    return [found[name] for name in names]


def choose(project: Project, series: Sequence[TiltSeries], *, is_processed: bool = True) -> list[Chosen]:
    """Return for each series which tilts are used: not dropped, the chosen one of an angle taken twice, with an average.

    Parameters
    ----------
    project : Project
        Decisions, records and averages.
    series : sequence of TiltSeries
        As imported.
    is_processed : bool
        Leave out what has no average; without it, only what failed.
    """
    decisions = {name: decision.verb for name, decision in project.decisions().items()}
    records = project.records()
    resolutions = {name: r.ctf.to_fit().resolution_A for name, r in records.items() if r.ctf is not None}
    chosen = []
    for one in series:
        movies = [tilt.movie for tilt in one.tilts if tilt.movie]
        mine = {name: records[name] for name in movies if name in records}
        available = {
            name
            for name in movies
            if project.path("average", name).exists()
            or not (is_processed or (name in mine and mine[name].failure is not None))
        }
        uses = uses_of(
            one, decisions, rule=project.settings.series.duplicates, resolution_A=resolutions, available=available
        )
        lacking = [use.tilt.movie or "" for use in uses if use.left_out == "no average"]
        failed = {name: failure.message for name in lacking if name in mine and (failure := mine[name].failure)}
        waiting = tuple(name for name in lacking if name not in failed)
        used = tuple(use.tilt for use in uses if use.is_used)
        left_out = tuple(use for use in uses if not use.is_used)
        chosen.append(Chosen(one, used, left_out, waiting, failed, mine, read_alignment(project.out, one.name)))
    return chosen


def require_images(chosen: Chosen, least: int, *, incomplete: bool) -> None:
    """Make sure that a series can be written.

    Raises
    ------
    ItemFailed
        If movies wait to be processed (unless `incomplete`), or fewer than `least` tilts are used.
    """
    name, total = chosen.series.name, len(chosen.series.tilts)
    if chosen.waiting and not incomplete:
        shown = ", ".join(chosen.waiting[:3]) + (" …" if len(chosen.waiting) > 3 else "")
        raise ItemFailed(
            f"{name}: {len(chosen.waiting)} of {total} movies are not processed yet ({shown}); `weft run` does it, "
            "or --force goes on without them"
        )
    if len(chosen.used) < max(1, least):
        counts = _counts(chosen)
        told = f"left out: {', '.join(f'{count} {reason}' for reason, count in counts.items())}" if counts else ""
        why = told if total else "the mdoc lists no tilts"
        ways = [way for reason, way in _WAYS.items() if reason in counts]
        ways += ["lower series.min_tilts"] if least > 1 else []
        raise ItemFailed(
            f"{name}: {len(chosen.used)} of {total} tilts can be used{f' ({why})' if why else ''}, "
            f"at least {max(1, least)} are wanted{'; ' if ways else ''}{' or '.join(ways)}"
        )


def _counts(chosen: Chosen) -> dict[str, int]:
    """Return how many tilts are left out for which kind of reason, the most frequent first."""
    return dict(Counter(_kind(chosen, use) for use in chosen.left_out).most_common())


def _kind(chosen: Chosen, use: Use) -> str:
    """Return a reason without what it says of one tilt only, so that equal ones can be counted."""
    if use.tilt.movie is None:
        return _NO_MOVIE
    if use.left_out == "left out by a decision":
        return _DROPPED
    if use.left_out == "no average":
        return _FAILED if use.tilt.movie in chosen.failed else _WAITING
    return _TAKEN_AGAIN if "was taken again" in use.left_out else use.left_out
