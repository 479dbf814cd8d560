"""Everything one server holds, and the loop that looks at the project while somebody looks at the page."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import Request

from weft.server.advisor import Advisor
from weft.server.hands import HandJudge
from weft.server.jobs import Job, Jobs
from weft.server.plans import Planner
from weft.server.runs import RunFollower
from weft.server.store import Store

__all__ = ["RECENT_S", "Hub", "Site", "site_of"]

RECENT_S = 1.0

_LOOK_EVERY_S = 0.5
_MOST_IN_ONE_EVENT = 300
_QUEUE_LENGTH = 512


@dataclass
class Hub:
    """Hands events to every open stream; one that cannot follow is told to fetch everything anew."""

    queues: set[asyncio.Queue[tuple[str, str, str]]] = field(default_factory=set)
    loop: asyncio.AbstractEventLoop | None = None

    def publish(self, kind: str, data: Any, event_id: str = "") -> None:
        """Send an event to all streams; may be called from any thread."""
        if self.loop is None or not self.queues:
            return
        text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
        with contextlib.suppress(RuntimeError):  # the loop ended meanwhile
            self.loop.call_soon_threadsafe(self._put, (kind, text, event_id))

    def _put(self, event: tuple[str, str, str]) -> None:
        for queue in self.queues:
            if queue.full():
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(("resync", "{}", ""))
            else:
                queue.put_nowait(event)


class Site:
    """One project on show.

    Parameters
    ----------
    folder : Path
        The project's.
    read_only : bool
        Nothing can be changed from the page.
    """

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        self.read_only = read_only
        self.store = Store(folder)
        self.hub = Hub()
        self.advisor = Advisor(self.store, self._suggestions_changed)
        self.hands = HandJudge(self.store)
        self.jobs = Jobs(self.store.folder, self._job_changed)
        self.planner = Planner(self.store.folder, self._plan_made)
        self.follower = RunFollower(self.store.project.out)
        self._look = threading.Lock()
        self._settings_seen: Any = None
        self._looked = -1e9

    def look(self, *, force: bool = False, max_age_s: float = 0.0) -> None:
        """Look at the project once and publish what changed.

        Parameters
        ----------
        force : bool
            Look for new movies even if that was done a moment ago.
        max_age_s : float
            A look as recent as this is good enough: several requests come when a page is opened.
        """
        with self._look:
            if time.monotonic() - self._looked < max_age_s:
                return
            if self.follower.out != self.store.project.out:
                self.follower = RunFollower(self.store.project.out)
            events, run_changed = self.follower.poll()
            self.store.set_running(self.follower.in_hand)
            snapshot, changed, moved = self.store.refresh(look=force)
            for log, offset, event in events[-_MOST_IN_ONE_EVENT:]:
                self.hub.publish("log", {"log": log, "offset": offset, **event}, f"{log}:{offset}")
            if moved or len(changed) > _MOST_IN_ONE_EVENT:
                self.hub.publish("resync", {"revision": snapshot.revision})
            elif changed:
                items = [snapshot.item(name) for name in sorted(changed)]
                self.hub.publish("items", {"revision": snapshot.revision, "items": items})
            if events or run_changed:
                self.hub.publish("run", self.follower.summary())
            if self.hub.queues and (changed or moved):
                self.advisor.want()
            self._ask_for_plan(run_changed=run_changed)
            self._looked = time.monotonic()

    async def watch(self) -> None:
        """Look again and again while any page listens."""
        self.hub.loop = asyncio.get_running_loop()
        while True:
            if self.hub.queues:
                await asyncio.to_thread(self.look)
            await asyncio.sleep(_LOOK_EVERY_S)

    def _ask_for_plan(self, *, run_changed: bool) -> None:
        """Have a plan made when settings or movies changed, or a run ended; not during a run."""
        store = self.store
        settings = (store.project.settings_hash, store.settings_error)
        if settings != self._settings_seen or run_changed:
            self._settings_seen = settings
            self.hub.publish("settings", {"hash": settings[0], "error": settings[1]})
        # without a page that listens nobody needs a plan
        if self.hub.queues and not self.follower.summary()["is_running"]:
            self.planner.want((settings, store.snapshot.names, len(store.snapshot.rows)))

    def _plan_made(self, plan: Mapping[str, tuple[str, str]]) -> None:
        self.store.set_plan(plan)
        self.hub.publish("plan", {"counts": self.planner.counts, "stages": self.planner.stages})

    def _suggestions_changed(self) -> None:
        self.hub.publish("suggestions", {})

    def _job_changed(self, job: Job) -> None:
        self.hub.publish("job", {**job.facts(), "document": None})


def site_of(request: Request) -> Site:
    """Return the site of an application (a FastAPI dependency)."""
    site = request.app.state.site
    assert isinstance(site, Site)
    return site
