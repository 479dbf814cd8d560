"""The project: where it is, what may be done, how the run stands."""

from __future__ import annotations

import glob
import shutil
import socket
from typing import Annotated

from fastapi import APIRouter, Depends

from weft import __version__
from weft.server.models import DiskOut, ProjectOut, RunOut
from weft.server.site import RECENT_S, Site, site_of
from weft.state.decisions import default_author

router = APIRouter(prefix="/api", tags=["project"])
Here = Annotated[Site, Depends(site_of)]


@router.get("/project")
def get_project(site: Here) -> ProjectOut:
    """Return the project and the state of its run."""
    site.look(max_age_s=RECENT_S)
    store, planner = site.store, site.planner
    project = store.project
    return ProjectOut(
        name=project.folder.name,
        folder=str(project.folder),
        out=str(project.out),
        version=__version__,
        read_only=site.read_only,
        author=default_author(),
        host=socket.gethostname(),
        settings_error=store.settings_error,
        disk=_disk(site),
        devices=_devices(),
        run=RunOut(**site.follower.summary()),
        plan_counts=planner.counts,
        plan_stages=planner.stages,
        plan_error=planner.error,
        series_imported=sum(1 for _ in (project.out / "series").glob("*.json")),
    )


def _disk(site: Site) -> DiskOut | None:
    folder = site.store.project.out
    try:
        usage = shutil.disk_usage(folder if folder.exists() else site.store.folder)
    except OSError:
        return None
    return DiskOut(free_bytes=usage.free, total_bytes=usage.total)


def _devices() -> list[str]:
    """Return the devices that a run could use, without asking torch."""
    gpus = glob.glob("/dev/nvidia[0-9]*")  # noqa: PTH207 (a device list, no files)
    return [*(f"cuda:{number}" for number in range(len(gpus))), "cpu"]
