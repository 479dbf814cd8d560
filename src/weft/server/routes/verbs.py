"""Other verbs from the page: check, import, stacks and exports, handedness; each a child whose output is shown."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from weft.server.jobs import Job
from weft.server.models import JobOut
from weft.server.site import Site, site_of

router = APIRouter(prefix="/api/jobs", tags=["jobs"])
Here = Annotated[Site, Depends(site_of)]
Verb = Literal["check", "import", "stack", "export", "hand", "suggest", "report"]
Target = Literal["dynamo", "aretomo", "relion", "warp", "star"]
Name = Annotated[str, Field(min_length=1, max_length=400)]


class JobIn(BaseModel):
    """Which verb, about which series; only these arguments exist."""

    model_config = ConfigDict(extra="forbid")

    verb: Verb
    series: Annotated[list[Name], Field(max_length=10_000)] = []
    target: Target | None = None
    exposure_e_A2: Annotated[float | None, Field(gt=0, le=1000)] = None
    halves: bool = False
    force: bool = False
    dry_run: bool = False


@router.get("/latest/{verb}")
def get_latest_job(site: Here, verb: Verb) -> JobOut | None:
    """Return the newest job of a verb in this server's life."""
    job = site.jobs.latest(verb)
    return _out(job) if job else None


@router.get("/{job_id}")
def get_job(site: Here, job_id: str) -> JobOut:
    """Return a job with its document."""
    return _out(site.jobs.get(job_id))


@router.post("")
def start_job(site: Here, body: JobIn) -> JobOut:
    """Start a verb."""
    known = {place.series for place in site.store.snapshot.places.values()}
    words: list[str] = [body.target] if body.verb == "export" and body.target else []
    words += [name for name in body.series if name in known]
    if body.verb == "export" and body.exposure_e_A2 is not None:
        words.append(f"--exposure={body.exposure_e_A2:g}")
    words += [
        flag
        for flag, is_on in (("--halves", body.halves), ("--force", body.force), ("--dry-run", body.dry_run))
        if is_on
    ]
    return _out(site.jobs.start(body.verb, words))


@router.post("/{job_id}/stop")
def stop_job(site: Here, job_id: str) -> JobOut:
    """Ask a job to stop."""
    return _out(site.jobs.stop(job_id))


def _out(job: Job) -> JobOut:
    return JobOut(**job.facts())
