"""Handedness for the page: what the gradients of a series say, and of all; judged again only when something changed."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from weft.errors import InputError, MissingError
from weft.series.handedness import HandVerdict, judge_hand, judge_set
from weft.series.judgements import read_hand
from weft.series.known import known_series
from weft.series.table import TiltSeries
from weft.server.models_series import HandOut, SetHandOut
from weft.state.record import Record
from weft.state.records import read_record

if TYPE_CHECKING:
    from weft.server.store import Store

__all__ = ["HandJudge"]


class HandJudge:
    """Judges series and keeps the verdicts.

    Parameters
    ----------
    store : Store
        What is known of the project.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: dict[str, tuple[Any, HandVerdict]] = {}
        self._lock = threading.Lock()

    def judge(self, name: str) -> HandOut:
        """Return the verdict about a series.

        Raises
        ------
        MissingError
            If there is no such series.
        """
        one = next((series for series in known_series(self._store.project) if series.name == name), None)
        if one is None:
            raise MissingError(f"{name[:120]}: there is no such series; import the mdocs")
        verdict = self._verdict(one)
        return HandOut(
            series=name,
            hand=verdict.hand,
            probability_plus=verdict.probability_plus,
            images=verdict.images,
            axis_deg=verdict.axis_deg,
            measured_axis_deg=verdict.measured_axis_deg,
            axis_sigma_deg=verdict.axis_sigma_deg,
            scale=verdict.scale,
            scale_sigma=verdict.scale_sigma,
            offset_deg=verdict.offset_deg,
            astray=list(verdict.astray),
            reason=verdict.reason,
            causes=list(verdict.causes),
            given=self._store.project.settings.series.hand,
        )

    def judge_all(self) -> SetHandOut:
        """Return what all series together say."""
        project = self._store.project
        whole = judge_set([self._verdict(one) for one in known_series(project)])
        return SetHandOut(
            hand=whole.hand,
            probability_plus=whole.probability_plus,
            agree=list(whole.agree),
            disagree=list(whole.disagree),
            undecided=list(whole.undecided),
            reason=whole.reason,
            given=project.settings.series.hand,
        )

    def _verdict(self, one: TiltSeries) -> HandVerdict:
        snapshot = self._store.snapshot
        movies = [tilt.movie for tilt in one.tilts if tilt.movie in snapshot.rows]
        dropped = {movie for movie in movies if movie and snapshot.is_dropped(movie)}
        stamp = (one, frozenset(dropped), tuple(snapshot.versions.get(movie or "", 0) for movie in movies))
        with self._lock:
            kept = self._kept.get(one.name)
        if kept is not None and kept[0] == stamp:
            return kept[1]
        verdict = self._from_disk(one.name, movies)
        if verdict is None:
            verdict = judge_hand(one, self._records(movies), dropped=dropped)
        with self._lock:
            self._kept[one.name] = (stamp, verdict)
        return verdict

    def _records(self, movies: Sequence[str | None]) -> dict[str, Record]:
        found: dict[str, Record] = {}
        for movie in movies:
            with suppress(InputError):  # one damaged record does not silence the others
                record = read_record(self._store.project.path("record", movie)) if movie else None
                found |= {record.name: record} if record else {}
        return found

    def _from_disk(self, name: str, movies: Sequence[str | None]) -> HandVerdict | None:
        """Return what a run wrote, if all that it follows from is older: ten thousand records take long to read."""
        out = self._store.project.out
        try:
            made = (out / "series" / "hand" / f"{name}.json").stat().st_mtime_ns
            series = (out / "series" / f"{name}.json").stat().st_mtime_ns
        except OSError:
            return None
        with suppress(FileNotFoundError):
            series = max(series, (out / "decisions.jsonl").stat().st_mtime_ns)
        newest = max([series, *(self._store.snapshot.versions.get(movie or "", 0) for movie in movies)])
        found = read_hand(out, name) if made > newest else None
        return found[0] if found else None
