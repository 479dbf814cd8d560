"""Settings: the form, a check of new values, the file."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

from fastapi import APIRouter, Depends

from weft.errors import InputError, SettingsError
from weft.io.atomic import write_text
from weft.server.form import as_flags, check_changes, form_of, header_pixel_size_A, require_valid
from weft.server.models import CheckedSettings, SettingsChange, SettingsOut
from weft.server.plans import count_stages, dry_run
from weft.server.site import Site, site_of
from weft.settings.file import SETTINGS_FILE

router = APIRouter(prefix="/api/settings", tags=["settings"])
Here = Annotated[Site, Depends(site_of)]


@router.get("")
def get_settings(site: Here) -> SettingsOut:
    """Return the form and the file."""
    site.look()
    project = site.store.project
    return SettingsOut(
        hash=project.settings_hash,
        error=site.store.settings_error,
        text=(project.folder / SETTINGS_FILE).read_text(encoding="utf-8"),
        tables=form_of(project.settings),
        header_pixel_size_A=header_pixel_size_A(project),
        movies_found=len(project.found_movies()),
        mdocs_found=len(project.mdocs()),
    )


@router.post("/check")
def check_settings(site: Here, body: SettingsChange) -> CheckedSettings:
    """Say what new values would mean: what is wrong with them, what becomes stale; nothing is written."""
    folder = site.store.folder
    text = (folder / SETTINGS_FILE).read_text(encoding="utf-8")
    _, errors = check_changes(text, body.changes)
    known = {name: value for name, value in body.changes.items() if name not in errors}
    flags = as_flags(known)
    empty = CheckedSettings(errors=errors, message="", counts={}, stages={}, reasons={}, command="")
    if errors:
        return empty
    command = " ".join(["weft run", *(flag.replace("=", " ", 1).replace(",", " ") for flag in flags)])
    try:
        plan = dry_run(folder, flags)
    except InputError as error:
        return empty.model_copy(update={"message": str(error), "command": command})
    reasons = Counter(reason for item in plan["items"] if item["state"] == "stale" for reason in item["reasons"])
    return CheckedSettings(
        errors={},
        message="",
        counts=plan["counts"],
        stages=count_stages(plan),
        reasons=dict(reasons.most_common(12)),
        command=command,
    )


@router.put("")
def put_settings(site: Here, body: SettingsChange) -> SettingsOut:
    """Write new values (or the whole file) into ``weft.toml``; comments and order stay."""
    file = site.store.folder / SETTINGS_FILE
    if body.text is not None:
        require_valid(body.text)
        text = body.text
    else:
        text, errors = check_changes(file.read_text(encoding="utf-8"), body.changes)
        if errors:
            raise SettingsError("; ".join(errors.values()))
    write_text(file, text)
    return get_settings(site)
