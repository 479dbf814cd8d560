from __future__ import annotations

from pathlib import Path

import pytest

from weft.errors import MissingError
from weft.pipeline.plan import Plan, PlanItem, make_plan, settings_for
from weft.series.store import write_series
from weft.series.table import Tilt, TiltSeries
from weft.settings.schema import Settings
from weft.state import decisions
from weft.state.keys import key_of
from weft.state.project import Project
from weft.state.record import STAGES, Failure, MovieFacts, Record, Stage
from weft.state.records import write_record


@pytest.fixture
def project(tmp_path: Path) -> Project:
    frames = tmp_path / "frames"
    frames.mkdir()
    for name in ("a.mrc", "b.mrc"):
        (frames / name).write_bytes(name.encode())
    return Project(tmp_path, Settings())


def with_settings(project: Project, **tables: dict[str, object]) -> Project:
    return Project(project.folder, Settings.model_validate(tables))


def finish(project: Project, name: str, failure: str = "") -> None:
    """Write the record that a run would."""
    item = item_of(make_plan(project), name)
    facts = MovieFacts(
        path="", format="mrc", frames=1, height=1, width=1, raw_pixel_size_A=1, size_bytes=1,
        identity=item.inputs["motion"]["movie"],
    )  # fmt: skip
    stages = {
        stage: Stage(key=key_of(stage=stage, inputs=item.inputs[stage]), inputs=item.inputs[stage]) for stage in STAGES
    }
    record = Record(name=name, movie=facts, stages=stages)
    if failure:
        why = Failure(stage="ctf", message=failure, identity=facts.identity, inputs=item.inputs["ctf"])
        record = record.model_copy(update={"stages": {"motion": stages["motion"]}, "failure": why})
    write_record(project.path("record", name), record)


def item_of(plan: Plan, name: str) -> PlanItem:
    return next(item for item in plan.items if item.name == name)


def test_everything_is_to_do_at_first(project: Project) -> None:
    plan = make_plan(project)
    assert [(item.name, item.state, item.stages) for item in plan.to_run] == [
        ("a", "todo", STAGES),
        ("b", "todo", STAGES),
    ]


def test_what_is_done_is_not_done_again(project: Project) -> None:
    finish(project, "a")
    assert [item.name for item in make_plan(project).to_run] == ["b"]
    assert item_of(make_plan(project, redo=True), "a").stages == STAGES


def test_a_changed_setting_redoes_its_stage_and_says_why(project: Project) -> None:
    finish(project, "a")
    item = item_of(make_plan(with_settings(project, ctf={"range_A": [30, 5]})), "a")
    assert (item.state, item.stages, item.reasons) == ("stale", ("ctf",), ("ctf.range_A: 40 5 → 30 5",))


def test_a_changed_movie_is_done_again(project: Project) -> None:
    finish(project, "a")
    (project.folder / "frames" / "a.mrc").write_bytes(b"another")
    item = item_of(make_plan(project), "a")
    assert item.stages == STAGES
    assert item.reasons == ("movie file changed",)


def test_a_copied_project_stays_valid(project: Project, tmp_path: Path) -> None:
    finish(project, "a")
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("frames", "weft"):
        (tmp_path / name).rename(moved / name)
    assert item_of(make_plan(Project(moved, Settings())), "a").state == "done"


def test_a_stage_that_is_switched_off_is_not_asked_for(project: Project) -> None:
    item = item_of(make_plan(with_settings(project, ctf={"enabled": False})), "a")
    assert item.stages == ("motion", "average", "mask")


def test_a_missing_file_is_made_again(project: Project) -> None:
    finish(project, "a")
    file = project.path("record", "a")
    record = Record.model_validate_json(file.read_text())
    mask = record.stages["mask"].model_copy(update={"files": ["mask/a.tif"]})
    write_record(file, record.model_copy(update={"stages": {**record.stages, "mask": mask}}))
    item = item_of(make_plan(project), "a")
    assert (item.stages, item.reasons) == (("mask",), ("mask/a.tif is missing",))


def test_a_failure_is_tried_again_only_when_something_changed(project: Project) -> None:
    finish(project, "a", failure="a: no rings at all")
    item = item_of(make_plan(project), "a")
    assert (item.state, item.stages, item.reasons) == ("failed", (), ("a: no rings at all",))
    assert item_of(make_plan(project, retry=True), "a").stages == ("average", "ctf", "mask")
    assert item_of(make_plan(with_settings(project, ctf={"range_A": [30, 5]})), "a").stages
    (project.folder / "frames" / "a.mrc").write_bytes(b"copied again")
    assert item_of(make_plan(project), "a").stages == STAGES


def with_series(project: Project) -> None:
    tilts = (Tilt("a", 0, 0.0, 0, 3.0, 0.0), Tilt("b", 1, 3.0, 1, 5.0, 3.0))
    write_series(project.out, [TiltSeries("one", "", tilts, 85.0)])


def test_exposures_of_the_mdoc_reach_the_movies(project: Project) -> None:
    with_series(project)
    weighted = with_settings(project, output={"exposure_weighting": True})
    items = [item_of(make_plan(weighted), name) for name in ("a", "b")]
    assert [(item.exposure_e_A2, item.pre_exposure_e_A2) for item in items] == [(3.0, 0.0), (5.0, 3.0)]
    assert [item.inputs["average"]["input.exposure_e_A2"] for item in items] == [3.0, 5.0]
    own = settings_for(weighted.settings, items[1].exposure_e_A2)
    assert own.input.exposure_e_A2 == 5.0
    assert own.motion == weighted.settings.motion


def test_a_given_exposure_goes_before_the_mdocs(project: Project) -> None:
    with_series(project)
    given = with_settings(project, input={"exposure_e_A2": 2.5}, output={"exposure_weighting": True})
    assert item_of(make_plan(given), "b").exposure_e_A2 == 2.5
    assert item_of(make_plan(given), "b").pre_exposure_e_A2 == 3.0


def test_an_exposure_counts_only_where_a_result_hangs_on_it(project: Project) -> None:
    finish(project, "a")
    with_series(project)
    assert item_of(make_plan(project), "a").state == "done"
    fractions: dict[str, object] = {"eer_exposure_per_fraction_e_A2": 0.5}
    assert (
        item_of(make_plan(with_settings(project, input=fractions)), "b").inputs["motion"]["input.exposure_e_A2"] == 5.0
    )


def test_dropped_movies_wait_and_come_back(project: Project) -> None:
    finish(project, "a")
    decisions.append(project.out, ["a", "b"], "drop")
    assert make_plan(project).to_run == ()
    assert make_plan(project).count("dropped") == 2
    decisions.append(project.out, ["a"], "keep")
    assert item_of(make_plan(project), "a").state == "done"


def test_two_movies_of_one_name_are_one_sentence_and_the_rest_goes_on(project: Project) -> None:
    (project.folder / "frames" / "a.tif").write_bytes(b"x")
    plan = make_plan(with_settings(project, input={"movies": "frames/*"}))
    assert item_of(plan, "a").reasons == (
        "a: 2 movies have this name (frames/a.mrc and frames/a.tif); rename or remove all but one",
    )
    assert [item.name for item in plan.to_run] == ["b"]


def test_half_copied_files_are_not_movies(project: Project) -> None:
    (project.folder / "frames" / ".c.mrc").write_bytes(b"")
    (project.folder / "frames" / "d.mrc.part").write_bytes(b"")
    plan = make_plan(with_settings(project, input={"movies": "frames/*"}))
    assert [item.name for item in plan.items] == ["a", "b"]


def test_a_gain_that_does_not_exist_stops_before_anything_starts(project: Project) -> None:
    with pytest.raises(MissingError, match=r"input\.gain names it"):
        make_plan(with_settings(project, input={"gain": "gain.mrc"}))
