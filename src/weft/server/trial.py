"""A CTF fit with other limits, on one image, of which nothing is kept.

The server does not compute. It makes a project of one movie in the staging folder, in which everything but the CTF is
done already, and has ``weft run`` do the rest: a trial is the same fit as in a run with these settings.
"""

from __future__ import annotations

import glob
import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from weft.errors import InputError, MissingError
from weft.server.models import TrialIn, TrialOut
from weft.server.runs import command, verb_environment
from weft.settings.file import SETTINGS_FILE, read_settings, settings_text
from weft.state.project import Project
from weft.state.records import read_record

__all__ = ["try_ctf"]

_PATIENCE_S = 180.0


def try_ctf(project: Project, name: str, asked: TrialIn) -> TrialOut:
    """Return what the fit finds with other limits.

    Parameters
    ----------
    project : Project
        Where.
    name : str
        One of its movies.
    asked : TrialIn
        The limits; those not given are as in the settings.

    Raises
    ------
    MissingError
        If the image was not made yet.
    InputError
        If the fit fails, or takes too long.
    SettingsError
        If the limits make no sense.
    """
    record, average = project.path("record", name), project.path("average", name)
    movie = project.movies().get(name)
    if movie is None or not record.is_file() or not average.is_file():
        raise MissingError(f"{name}: a trial needs the average and the movie; run `weft run {name}` first")
    staging = project.out / ".staging"
    staging.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="trial-", dir=staging))
    try:
        out = _prepare(project, folder, movie, asked)
        for place, source in (("records", record), ("average", average)):
            (out / place).mkdir(parents=True)
            if place == "records":
                shutil.copy2(source, out / place / source.name)
            else:
                (out / place / source.name).symlink_to(source.resolve())
        _run(folder, name)
        return _found(out / "records" / record.name, name)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _prepare(project: Project, folder: Path, movie: Path, asked: TrialIn) -> Path:
    """Write the settings of the trial and return its output folder."""
    given = {key: value for key, value in asked.model_dump().items() if value is not None}
    inputs: dict[str, Any] = {"movies": glob.escape(str(movie.resolve())), "mdocs": "none"}
    for key in ("gain", "defects"):
        path = getattr(project.settings.input, key)
        if path is not None:
            inputs[key] = str(project.folder / path)
    overrides = {
        "input": inputs,
        "ctf": {"enabled": True, **given},
        "fiducials": {"enabled": False},
        "output": {"folder": "weft"},
    }
    settings = read_settings(project.folder / SETTINGS_FILE, overrides)
    (folder / SETTINGS_FILE).write_text(settings_text(settings), encoding="utf-8")
    return folder / "weft"


def _run(folder: Path, name: str) -> None:
    child = subprocess.Popen(  # noqa: S603 (our own program, the name checked against the project)
        command("run", "--json", "-C", str(folder), name),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=verb_environment(),
        start_new_session=True,
    )
    try:
        _, said = child.communicate(timeout=_PATIENCE_S)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        raise InputError(f"{name}: the fit took longer than {_PATIENCE_S:.0f} s and was stopped") from None
    if child.returncode not in {0, 1}:
        lines = said.strip().splitlines()
        raise InputError(lines[-1] if lines else f"{name}: the trial ended with code {child.returncode}")


def _found(path: Path, name: str) -> TrialOut:
    record = read_record(path)
    if record is None or record.ctf is None:
        failure = record.failure if record is not None else None
        raise InputError(failure.message if failure else f"{name}: the trial found no fit")
    ctf = record.ctf
    return TrialOut(item=name, fit=ctf.fit, curves=ctf.curves, verdict=ctf.verdict, reason=ctf.reason)
