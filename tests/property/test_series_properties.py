"""What holds for any mdoc, any order of its sections and any decisions."""

from __future__ import annotations

import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import mrcfile
import starfile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.export_project import ANGLES, Made, make_processed, movie_of

from weft.cli.main import main
from weft.io.mdoc import Entry, Mdoc, Section, mdoc_text, parse_mdoc
from weft.pipeline.decide import decide, redo, undo
from weft.series.match import build_series
from weft.series.table import TiltSeries, uses_of
from weft.settings.schema import Settings
from weft.state.project import Project

_VISIBLE = st.characters(codec="utf-8", categories=("L", "N", "P", "S"), exclude_characters="\ufeff")
_TEXT = st.text(_VISIBLE, max_size=20)
_KEY = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{1,12}", fullmatch=True).filter(lambda key: key != "T")
_ENTRIES = st.lists(st.builds(Entry, _KEY, _TEXT), max_size=5).map(tuple)
_VALUE = st.from_regex(r"[A-Za-z0-9_. -]{0,8}[A-Za-z0-9]", fullmatch=True).map(str.strip)
_SECTIONS = st.lists(st.builds(Section, st.sampled_from(["ZValue", "FrameSet"]), _VALUE, _ENTRIES), max_size=4)
_TITLE = st.text(_VISIBLE, min_size=1, max_size=30).filter(lambda text: not text.endswith("]"))
MDOCS = st.builds(Mdoc, _ENTRIES, st.lists(_TITLE, max_size=3).map(tuple), _SECTIONS.map(tuple))


@given(MDOCS)
def test_any_mdoc_is_read_back_as_it_was_written(mdoc: Mdoc) -> None:
    assert parse_mdoc(mdoc_text(mdoc).encode()) == mdoc


@given(st.binary(max_size=400))
def test_any_bytes_are_parsed_and_keep_their_meaning(data: bytes) -> None:
    mdoc = parse_mdoc(data)
    assert parse_mdoc(mdoc_text(mdoc).encode()) == parse_mdoc(mdoc_text(parse_mdoc(mdoc_text(mdoc).encode())).encode())


def sections_of(angles: list[float]) -> list[dict[str, Any]]:
    start = datetime(2024, 5, 31, 23, 50)  # noqa: DTZ001 (mdocs know no time zone)
    return [
        {
            "TiltAngle": f"{angle:.3f}",
            "ExposureDose": f"{2 + 0.01 * i:.2f}",
            "SubFramePath": f"X:\\{movie_of(1, i, angle)}.tif",
            "DateTime": (start + timedelta(seconds=70 * i)).isoformat(),
        }
        for i, angle in enumerate(angles)
    ]


def series_of(folder: Path, rows: list[dict[str, Any]]) -> TiltSeries:
    path = folder / "TS_01.mdoc"
    sections = [Section("ZValue", str(i), tuple(Entry(k, v) for k, v in row.items())) for i, row in enumerate(rows)]
    path.write_text(mdoc_text(Mdoc((), ("Tilt axis angle = 85, binning = 1",), tuple(sections))))
    (one,) = build_series([path], [Path(row["SubFramePath"].split("\\")[-1]) for row in rows], Settings()).series
    return one


ANGLE_LISTS = st.lists(st.integers(-20, 20).map(lambda n: 3.0 * n), min_size=2, max_size=12, unique=True)


@given(ANGLE_LISTS, st.randoms(use_true_random=False))
def test_the_order_of_the_sections_does_not_matter(angles: list[float], random: Any) -> None:
    rows = sections_of(angles)
    shuffled = list(rows)
    random.shuffle(shuffled)
    with tempfile.TemporaryDirectory() as folder:
        first, second = series_of(Path(folder), rows), series_of(Path(folder), shuffled)

    def told(one: TiltSeries) -> list[tuple[Any, ...]]:
        return [(t.movie, t.tilt_deg, t.order, t.exposure_e_A2, t.pre_exposure_e_A2) for t in one.tilts]

    assert told(first) == told(second)
    assert [t.tilt_deg for t in first.tilts] == sorted(angles)
    assert sorted(t.order for t in first.tilts) == list(range(len(angles)))


@given(ANGLE_LISTS, st.data())
def test_an_absent_movie_changes_nobody_elses_exposure(angles: list[float], data: st.DataObject) -> None:
    rows = sections_of(angles)
    absent = data.draw(st.integers(0, len(rows) - 1))
    with tempfile.TemporaryDirectory() as name:
        whole = series_of(Path(name), rows)
        files = [Path(row["SubFramePath"].split("\\")[-1]) for i, row in enumerate(rows) if i != absent]
        (less,) = build_series([Path(name) / "TS_01.mdoc"], files, Settings()).series
    assert [t.pre_exposure_e_A2 for t in less.tilts] == [t.pre_exposure_e_A2 for t in whole.tilts]
    assert sum(use.is_used for use in uses_of(less, {})) == len(rows) - 1


NAMES = [movie_of(1, i, angle) for i, angle in enumerate((*ANGLES, 3.1))]  # one angle twice


class DecidedExports(RuleBasedStateMachine):
    """Whatever is dropped, kept and undone: stack, rawtlt, STAR, tomostar and XML hold the effective list."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.project: Project = make_processed(Made(Path(self.folder.name), angles=(*ANGLES, 3.1), halves=False))
        self.weft("import")
        self.events = 0
        self.is_written = False

    def weft(self, *words: str) -> None:
        assert main([words[0], "-q", "-C", str(self.project.folder), *words[1:]]) == 0

    def teardown(self) -> None:
        self.folder.cleanup()

    @rule(
        names=st.lists(st.sampled_from(NAMES), min_size=1, max_size=2, unique=True),
        verb=st.sampled_from(["drop", "keep", "auto"]),
    )
    def decide(self, names: list[str], verb: Any) -> None:
        decide(self.project, names, verb)
        self.events += 1
        self.is_written = False

    @precondition(lambda self: self.events > 0)
    @rule()
    def undo_and_redo(self) -> None:
        before = self.project.decisions()
        undo(self.project)
        redo(self.project)
        assert self.project.decisions() == before

    @precondition(lambda self: self.events > 0)
    @rule()
    def undo(self) -> None:
        undo(self.project)
        self.events -= 1
        self.is_written = False

    @precondition(lambda self: bool(self.used()))
    @rule()
    def write(self) -> None:
        self.weft("stack")
        for target in ("relion", "warp"):
            self.weft("export", target)
        self.is_written = True

    def used(self) -> list[str]:
        verbs = {name: decision.verb for name, decision in self.project.decisions().items()}
        from weft.series.store import read_series

        (one,) = read_series(self.project.out)
        return [use.tilt.movie or "" for use in uses_of(one, verbs) if use.is_used]

    @invariant()
    def xml_says_what_is_decided(self) -> None:
        dropped = {name for name in NAMES if b'UnselectManual="True"' in self.project.path("xml", name).read_bytes()}
        assert dropped == self.project.dropped()

    @invariant()
    def exports_hold_the_effective_list(self) -> None:
        if not self.is_written:
            return
        used, out = self.used(), self.project.out
        folder = out / "imod" / "TS_01"
        with mrcfile.open(folder / "TS_01.st", header_only=True) as file:
            assert int(file.header.nz) == len(used)
        assert len((folder / "TS_01.rawtlt").read_text().split()) == len(used)
        rows = (folder / "TS_01_sections.csv").read_text().splitlines()[1:]
        assert [row.split(",")[1] for row in rows] == used
        relion = starfile.read(out / "relion" / "tilt_series" / "TS_01.star", always_dict=True)["TS_01"]
        assert sorted(Path(name).stem for name in relion["rlnMicrographName"]) == sorted(used)
        warp = starfile.read(out / "tomostar" / "TS_01.tomostar", always_dict=True)[""]
        assert [Path(name).stem for name in warp["wrpMovieName"]] == used


TestDecidedExports = DecidedExports.TestCase
TestDecidedExports.settings = settings(max_examples=5, stateful_step_count=10, deadline=None)
