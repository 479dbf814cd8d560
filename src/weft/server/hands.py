"""Handedness for the page: what the gradients of one series say; judged again only when something about it changed."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from weft.errors import MissingError
from weft.series.handedness import HandVerdict, judge_hand
from weft.series.known import known_series
from weft.server.models_series import HandOut
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
        project, snapshot = self._store.project, self._store.snapshot
        one = next((series for series in known_series(project) if series.name == name), None)
        if one is None:
            raise MissingError(f"{name[:120]}: there is no such series; import the mdocs")
        movies = [tilt.movie for tilt in one.tilts if tilt.movie in snapshot.rows]
        dropped = {movie for movie in movies if movie and snapshot.is_dropped(movie)}
        stamp = (one, frozenset(dropped), tuple(snapshot.versions.get(movie or "", 0) for movie in movies))
        with self._lock:
            kept = self._kept.get(name)
            if kept is None or kept[0] != stamp:
                found = {movie: read_record(project.path("record", movie)) for movie in movies if movie}
                records = {movie: record for movie, record in found.items() if record is not None}
                kept = (stamp, judge_hand(one, records, dropped=dropped))
                self._kept[name] = kept
        verdict = kept[1]
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
            given=project.settings.series.hand,
        )
