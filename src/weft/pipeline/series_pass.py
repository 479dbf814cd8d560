"""What follows when the movies of a series are done: its CTF as a whole, outliers fitted again, its handedness."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from weft.errors import WeftError
from weft.fields import CtfFit
from weft.io.masktiff import effective_mask
from weft.series.handedness import judge_hand
from weft.series.judgements import read_hand, read_series_ctf, stamp_of, write_hand, write_series_ctf
from weft.series.known import known_series
from weft.series.neighbours import ImageCtf, SeriesCtf, share_ctf, with_refits
from weft.series.table import TiltSeries
from weft.state.project import Project
from weft.state.record import Record

__all__ = ["judge_series"]

Tell = Callable[..., None]


def judge_series(project: Project, *, tell: Tell | None = None) -> list[str]:
    """Judge every series whose movies are all done and that has changed since; return their names.

    Parameters
    ----------
    project : Project
        Its records are read, ``series/ctf`` and ``series/hand`` written; records stay as they are.
    tell : callable, optional
        Called with an event's name and its facts.
    """
    records, dropped = project.records(), project.dropped()
    judged = []
    for series in known_series(project):
        if not _is_complete(series, records, dropped):
            continue
        stamp = stamp_of(series, records, dropped)
        hand, ctf = read_hand(project.out, series.name), read_series_ctf(project.out, series.name)
        if hand is not None and hand[1] == stamp and ctf is not None and ctf[1] == stamp:
            continue
        write_hand(project.out, judge_hand(series, records, dropped=dropped), stamp)
        shared = _shared(project, series, records, dropped)
        if shared is not None:
            write_series_ctf(project.out, shared, stamp)
            if tell is not None:
                tell("series_done", series=series.name, outliers=[image.movie for image in shared.outliers])
        judged.append(series.name)
    return judged


def _is_complete(series: TiltSeries, records: Mapping[str, Record], dropped: set[str]) -> bool:
    """Whether each movie of a series is done, has failed or is left out, and at least one has a CTF."""
    names = [tilt.movie for tilt in series.tilts if tilt.movie]
    done = [record for name in names if (record := records.get(name)) is not None]
    open_ = [n for n in names if n not in records and n not in dropped]
    return not open_ and all(record.ctf or record.failure for record in done) and any(record.ctf for record in done)


def _shared(project: Project, series: TiltSeries, records: Mapping[str, Record], dropped: set[str]) -> SeriesCtf | None:
    first = share_ctf(series, records, dropped=dropped)
    if first is None:
        return None
    refits: dict[str, CtfFit] = {}
    for image in first.images:
        if image.source != "neighbours" or image.movie in dropped or not image.is_foretold:
            continue
        fit = _refit(project, image)
        if fit is not None:
            refits[image.movie] = fit
    return with_refits(series, records, refits, dropped=dropped)


def _refit(project: Project, image: ImageCtf) -> CtfFit | None:
    """Return the fit within the range that the neighbours allow; None if there is no average to fit."""
    path = project.path("average", image.movie)
    if not path.exists():
        return None
    from weft.pipeline.series_stages import fit_near

    try:
        ignores_gold = project.settings.ctf.ignore_gold
        gold = effective_mask(project.path("mask", image.movie).parent, image.movie) if ignores_gold else None
        return fit_near(path, project.settings, image.expected_defocus_A, image.expected_sigma_A, gold)
    except WeftError:
        return None
