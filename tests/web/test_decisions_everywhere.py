"""Whatever is decided and taken back: the page, the stacks, the tilt list, STAR, tomostar and XML say the same."""

from __future__ import annotations

import shutil
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import mrcfile
import numpy as np
import pytest
from fake_project import TOKEN, FakeProject, make_project, movie_name
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from starlette.testclient import TestClient

from weft.export.chosen import choose, series_named
from weft.export.imod import StackOptions, write_stack
from weft.export.relion import RelionOptions, write_relion_series
from weft.export.tomostar import write_series_list
from weft.pipeline import decide as deciding
from weft.pipeline.outputs import write_warp_xml
from weft.server.app import make_app
from weft.server.exports import exports_of
from weft.server.security import GuardSettings
from weft.server.site import Site
from weft.state import decisions
from weft.state.project import Project

TILTS = 5
NAMES = tuple(movie_name(1, index) for index in range(TILTS))


@pytest.fixture(scope="module")
def one_series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A processed series with averages, imported."""
    folder = tmp_path_factory.mktemp("one") / "hiv"
    make_project(FakeProject(folder, series=1, tilts=TILTS, pictures=True, shrink=32))
    project = Project.open(folder)
    for record in project.records().values():
        write_warp_xml(project.out, record, project.settings)
    return folder


class Decisions(RuleBasedStateMachine):
    """Two browsers and a command line decide about one series."""

    template: Path
    scratch: Path
    count = 0

    @initialize()
    def begin(self) -> None:
        Decisions.count += 1
        self.folder = self.scratch / f"run{Decisions.count}"
        shutil.copytree(self.template, self.folder)
        self.site = Site(self.folder)
        headers = {"authorization": f"Bearer {TOKEN}"}
        app = make_app(self.site, GuardSettings(TOKEN))
        self.clients = [TestClient(app, base_url="http://localhost:1", headers=headers) for _ in range(2)]
        self.before: list[dict[str, str]] = []
        self.held: dict[str, str] = {}

    @rule(who=st.integers(0, 2), name=st.sampled_from(NAMES), verb=st.sampled_from(["drop", "keep", "auto"]))
    def decide(self, who: int, name: str, verb: Any) -> None:
        self.before.append(dict(self.held))
        if who == 2:
            deciding.decide(Project.open(self.folder), [name], verb)
        else:
            answer = self.clients[who].post("/api/decisions", json={"items": [name], "verb": verb})
            assert answer.status_code == 200, answer.text
        self.held = {**self.held, name: verb}
        if verb == "auto":
            self.held.pop(name)

    @rule(who=st.integers(0, 1))
    def undo(self, who: int) -> None:
        answer = self.clients[who].post("/api/decisions/undo", json={})
        assert (answer.status_code == 200) == bool(self.before), answer.text
        if self.before:
            self.held = self.before.pop()

    @invariant()
    def file_and_page_say_the_same(self) -> None:
        read = decisions.effective(decisions.read(self.folder / "weft"))
        assert {name: decision.verb for name, decision in read.items()} == self.held
        self.site.look(force=True)
        columns = self.clients[0].get("/api/items").json()
        verbs = [("auto", "keep", "drop")[code] for code in columns["decision"]]
        shown = dict(zip(columns["names"], verbs, strict=True))
        assert {name: verb for name, verb in shown.items() if verb != "auto"} == self.held

    def teardown(self) -> None:
        used = {name for name in NAMES if self.held.get(name) != "drop"}
        if used:
            _compare_exports(self.folder, used)
            row = self.clients[0].get("/api/exports?target=imod").json()[0]
            assert (row["used"], row["written"], row["stale"]) == (len(used), len(used), "")
        shutil.rmtree(self.folder)


def _compare_exports(folder: Path, used: set[str]) -> None:
    project = Project.open(folder)
    chosen = choose(project, series_named(project, []))[0]
    names = [tilt.movie for tilt in chosen.used]
    assert set(names) == used
    result = write_stack(project, chosen, StackOptions())
    angles = np.atleast_1d(np.loadtxt(result.path.with_suffix(".rawtlt")))
    assert len(angles) == len(used)
    assert (np.diff(angles) > 0).all()
    with mrcfile.open(result.path) as mrc:
        stack = np.atleast_3d(mrc.data).reshape(len(used), *mrc.data.shape[-2:])
        for section, name in zip(stack, names, strict=True):
            with mrcfile.open(folder / "weft" / "average" / f"{name}.mrc") as average:
                assert np.array_equal(section, average.data)
    write_series_list(project, chosen)
    text = (folder / "weft" / "tomostar" / "TS_01.tomostar").read_text()
    listed = [name for name in NAMES if f"{name}." in text]
    assert set(listed) == used
    for name in NAMES:
        root = ET.parse(folder / "weft" / f"{name}.xml").getroot()
        assert (root.get("UnselectManual") == "True") == (name not in used)
    star = write_relion_series(project, chosen, RelionOptions(root=folder))
    rows = [name for name in NAMES if f"{name}.mrc" in star.read_text(encoding="utf-8")]
    assert set(rows) == used


def test_undo_takes_back_and_everything_says_the_same(one_series: Path, tmp_path: Path) -> None:
    Decisions.template, Decisions.scratch = one_series, tmp_path
    run_state_machine_as_test(
        Decisions,
        settings=settings(
            max_examples=12, stateful_step_count=10, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


def test_a_stack_of_as_many_but_other_images_is_stale(one_series: Path, tmp_path: Path) -> None:
    folder = tmp_path / "hiv"
    shutil.copytree(one_series, folder)
    project = Project.open(folder)
    deciding.decide(project, [NAMES[0]], "drop")
    _compare_exports(folder, set(NAMES[1:]))
    deciding.decide(project, [NAMES[1]], "drop")
    deciding.undo(project, event_id=decisions.read(project.out)[0].id)
    site = Site(folder)
    site.look(force=True)
    assert exports_of(site.store.project, site.store.snapshot, "imod")[0].stale == f"holds {NAMES[1]}, lacks {NAMES[0]}"
