"""What must run, and why: settings and files against the records."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from weft.errors import InputError, MissingError
from weft.io.models import find_model
from weft.series.known import known_series
from weft.series.store import read_series
from weft.series.table import TiltSeries
from weft.settings.schema import Settings
from weft.state.index import Index
from weft.state.keys import difference, key_of, stage_inputs
from weft.state.project import Project
from weft.state.record import STAGES, Record, StageName

__all__ = ["Plan", "PlanItem", "enabled_stages", "exposures_of", "make_plan", "settings_for"]

State = Literal["todo", "stale", "done", "failed", "dropped", "impossible"]


@dataclass(frozen=True, slots=True)
class PlanItem:
    """One movie and what is to be done for it.

    Parameters
    ----------
    name : str
        The movie's name.
    path : Path
        Its file.
    state : str
        ``todo`` (never done), ``stale`` (done with other settings or files), ``done``, ``failed`` (nothing changed
        since; `weft retry`), ``dropped`` (by a decision), ``impossible`` (see the reason).
    stages : tuple of str
        Stages that would run, in order; empty unless ``todo`` or ``stale``.
    reasons : tuple of str
        Why, one phrase each.
    inputs : dict
        For each stage what it depends on.
    exposure_e_A2 : float or None
        Of this movie: as the settings or the imported series tell it.
    pre_exposure_e_A2 : float
        Exposure before this movie.
    """

    name: str
    path: Path
    state: State
    stages: tuple[StageName, ...]
    reasons: tuple[str, ...]
    inputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    exposure_e_A2: float | None = None
    pre_exposure_e_A2: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """All movies of a project in order of their names."""

    items: tuple[PlanItem, ...]

    @property
    def to_run(self) -> tuple[PlanItem, ...]:
        """Movies with something to do."""
        return tuple(item for item in self.items if item.stages)

    def count(self, state: State) -> int:
        """Return how many movies are in a state."""
        return sum(item.state == state for item in self.items)


def make_plan(
    project: Project, *, names: Collection[str] | None = None, retry: bool = False, redo: bool = False
) -> Plan:
    """Compare what the settings ask for with what has been made.

    Parameters
    ----------
    project : Project
        Settings and folder.
    names : collection of str, optional
        Only these movies.
    retry : bool
        Movies that failed are tried again though nothing changed.
    redo : bool
        Everything is done again.

    Raises
    ------
    MissingError
        If the gain reference or the defects file does not exist.
    SettingsError
        If there is no bead model of the name.
    """
    index = Index(project.out)
    correction = _Corrections.of(project, index)
    records, dropped = project.records(), project.dropped()
    exposures, model = exposures_of(project), _model_identity(project, index)
    items = []
    found = {name: paths for name, paths in project.found_movies().items() if names is None or name in names}
    identities = index.identities(paths[0] for paths in found.values() if len(paths) == 1)
    for name, paths in found.items():
        if len(paths) > 1:
            items.append(_contradiction(project, name, paths))
            continue
        identity = identities[paths[0]]
        if isinstance(identity, OSError):
            sentence = f"{paths[0].name}: cannot be read ({identity.strerror}); check the file and its permissions"
            items.append(PlanItem(name, paths[0], "impossible", (), (sentence,)))
            continue
        own, before = exposures.get(name, (project.settings.input.exposure_e_A2, 0.0))
        inputs = stage_inputs(
            settings_for(project.settings, own),
            movie=identity,
            gain=correction.gain,
            defects=correction.defects,
            pre_exposure_e_A2=before,
            model=model,
            painted=_painted(project, name, index),
        )
        record = None if redo else records.get(name)
        state, stages, reasons = _compare(project, record, inputs, identity, retry=retry)
        if name in dropped:
            state, stages, reasons = "dropped", (), ("left out by a decision",)
        items.append(PlanItem(name, paths[0], state, stages, reasons, inputs, own, before))
    return Plan(tuple(items))


def enabled_stages(project: Project) -> tuple[StageName, ...]:
    """Return the stages that the settings ask for; motion and average are always done (disabled motion is none)."""
    on = {
        "motion": True,
        "average": True,
        "ctf": project.settings.ctf.enabled,
        "mask": project.settings.fiducials.enabled,
    }
    return tuple(stage for stage in STAGES if on[stage])


def exposures_of(project: Project) -> dict[str, tuple[float | None, float]]:
    """Return the exposure of each movie of a series, and that before it (0 where it is unknown).

    The settings' exposure goes before the mdoc's, as it does in `weft import`. Where results hang on exposures, mdocs
    that are not imported yet are read, too.
    """
    given: float | None = project.settings.input.exposure_e_A2
    series: list[TiltSeries] = []
    weighted = project.settings.output.exposure_weighting
    if weighted or (given is None and project.settings.input.eer_exposure_per_fraction_e_A2 is not None):
        series = known_series(project)
    elif given is None:  # early and late motion are told by it
        with contextlib.suppress(InputError):
            series = read_series(project.out)
    tilts = [tilt for one in series for tilt in one.tilts]
    return {
        t.movie: (t.exposure_e_A2 if given is None else given, t.pre_exposure_e_A2 or 0.0) for t in tilts if t.movie
    }


def settings_for(settings: Settings, exposure_e_A2: float | None) -> Settings:
    """Return the settings as they hold for a movie of this exposure."""
    if settings.input.exposure_e_A2 == exposure_e_A2:
        return settings
    return settings.model_copy(update={"input": settings.input.model_copy(update={"exposure_e_A2": exposure_e_A2})})


@dataclass(frozen=True, slots=True)
class _Corrections:
    gain: str | None
    defects: str | None

    @classmethod
    def of(cls, project: Project, index: Index) -> _Corrections:
        return cls(
            *(
                None if path is None else _identity(project.folder / path, key, index)
                for key, path in (("gain", project.settings.input.gain), ("defects", project.settings.input.defects))
            )
        )


def _identity(path: Path, key: str, index: Index) -> str:
    try:
        return index.identity(path)
    except FileNotFoundError as error:
        raise MissingError(
            f"{path}: no such file, but input.{key} names it; correct the path or remove the key"
        ) from error


def _model_identity(project: Project, index: Index) -> str | None:
    """Return the identity of the user's bead network; None for those that ship with Weft."""
    if not (project.settings.fiducials.enabled or _ignores_gold(project)):
        return None
    model = find_model(project.settings.fiducials.model, project.out / "models", project.folder)
    return None if model.is_shipped or model.path is None else index.identity(model.path)


def _ignores_gold(project: Project) -> bool:
    return project.settings.motion.ignore_gold or project.settings.ctf.ignore_gold


def _painted(project: Project, name: str, index: Index) -> str | None:
    """Return the identity of the mask that a person painted, where anything hangs on it."""
    path = project.path("edited_mask", name)
    return index.identity(path) if _ignores_gold(project) and path.exists() else None


def _contradiction(project: Project, name: str, paths: list[Path]) -> PlanItem:
    here = project.folder
    listed = " and ".join(str(path.relative_to(here) if path.is_relative_to(here) else path) for path in paths)
    sentence = f"{name}: {len(paths)} movies have this name ({listed}); rename or remove all but one"
    return PlanItem(name, paths[0], "impossible", (), (sentence,))


def _compare(
    project: Project, record: Record | None, inputs: Mapping[str, Mapping[str, Any]], identity: str, *, retry: bool
) -> tuple[State, tuple[StageName, ...], tuple[str, ...]]:
    """Return state, stages to run and reasons of one movie."""
    stages: list[StageName] = []
    reasons: list[str] = []
    for stage in enabled_stages(project):
        reason = _why(project, record, stage, inputs[stage])
        if reason is not None:
            stages.append(stage)
            reasons.extend(r for r in reason if r not in reasons and not r.endswith("is redone"))
    if not stages:
        return "done", (), ()
    failure = record.failure if record else None
    if (
        failure is not None
        and not retry
        and failure.identity == identity
        and failure.inputs == inputs.get(failure.stage)
    ):
        return "failed", (), (failure.message,)
    is_new = record is None or not record.stages
    return ("todo" if is_new else "stale"), tuple(stages), tuple(reasons)


def _why(project: Project, record: Record | None, stage: StageName, inputs: Mapping[str, Any]) -> list[str] | None:
    """Return why a stage must run, None if it need not."""
    done = record.stages.get(stage) if record else None
    if done is None:
        return ["not yet done"] if not (record and record.failure) else ["failed before"]
    if done.key != key_of(stage=stage, inputs=inputs):
        return difference(done.inputs, inputs)
    missing = [file for file in done.files if not (project.out / file).exists()]
    return [f"{missing[0]} is missing"] if missing else None
