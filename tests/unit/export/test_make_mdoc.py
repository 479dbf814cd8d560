"""Repaired mdocs, and mdocs from a table: read back as the same series, here and by mdocfile."""

from __future__ import annotations

from pathlib import Path

import mdocfile
import pytest
from tests.export_project import ANGLES, Made, make_processed, movie_of

from weft.cli.main import main
from weft.series.match import build_series
from weft.state.project import Project

ACQUIRED = [movie_of(1, i, angle) for i, angle in enumerate(ANGLES)]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_processed(Made(tmp_path / "p", halves=False))


def rows_of(project: Project, path: Path) -> list[tuple[str | None, float, int, float | None, float | None]]:
    (one,) = build_series([path], list(project.movies().values()), project.settings).series
    return [(t.movie, round(t.tilt_deg, 3), t.order, t.exposure_e_A2, t.pre_exposure_e_A2) for t in one.tilts]


def test_a_broken_mdoc_is_repaired(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    path = project.mdocs()[0]
    text = path.read_text().replace("DateTime", "NoTime").replace("[ZValue = 3]", "[ZValue = 2]") + "Extra = kept\n"
    text += f"\n[ZValue = 9]\nTiltAngle = 9\nExposureDose = 3\nSubFramePath = X:\\gone_9.0.tif\nNumSubFrames = {4}\n"
    path.write_text(text)
    assert main(["make-mdoc", "-C", str(project.folder)]) == 0
    said = capsys.readouterr().err
    assert "DateTime is made up" in said
    assert "1 of 6 sections are left out: gone_9.0.tif is not among the movies" in said
    made = project.out / "mdoc" / "TS_01.mrc.mdoc"
    table = mdocfile.read(made)
    assert table["ZValue"].tolist() == [0, 1, 2, 3, 4]
    assert [Path(str(name)).stem for name in table["SubFramePath"]] == ACQUIRED
    assert table["PriorRecordDose"].tolist() == [0, 3, 6, 9, 12]
    assert "Extra = kept" in made.read_text()
    assert rows_of(project, made) == [row for row in rows_of(project, path) if row[0]]
    assert path.read_text() == text


def test_a_table_becomes_mdocs(project: Project, tmp_path: Path) -> None:
    table = tmp_path / "tilts.csv"
    lines = [
        f"TS_01,{name}.mrc,{angle},{i},{3 + i}" for i, (name, angle) in enumerate(zip(ACQUIRED, ANGLES, strict=True))
    ]
    table.write_text("series,movie,angle,order,exposure\n" + "\n".join(reversed(lines)) + "\n")
    words = ["make-mdoc", "-q", "-C", str(project.folder), "--table", str(table), "--to", str(tmp_path / "new")]
    assert main([*words, "--series.tilt_axis_deg", "85.3"]) == 0
    made = tmp_path / "new" / "TS_01.mrc.mdoc"
    rows = rows_of(project, made)
    assert [row[2] for row in rows] == [3, 2, 0, 1, 4]
    assert [row[4] for row in rows] == [12, 7, 0, 3, 18]
    assert "Tilt axis angle = 85.3," in made.read_text()
    assert main(words) == 2  # is there already
    assert main([*words, "--force"]) == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("movie,angle\n", "holds no rows"),
        ("movie,degrees\na,1\n", 'no column "angle"'),
        ("movie,angle\na,\n", "line 2 lacks a movie or an angle"),
        ("movie\tangle\torder\na\t1\tx\n", "line 2 has no order"),
    ],
)
def test_tables_that_cannot_be_understood(
    project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, words: str
) -> None:
    (tmp_path / "t.csv").write_text(text)
    assert main(["make-mdoc", "-C", str(project.folder), "--table", str(tmp_path / "t.csv")]) == 3
    assert words in capsys.readouterr().err


def test_the_users_mdocs_are_never_replaced(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    before = project.mdocs()[0].read_bytes()
    assert main(["make-mdoc", "-C", str(project.folder), "--to", str(project.folder / "mdoc")]) == 2
    assert "is one of your mdocs" in capsys.readouterr().err
    assert project.mdocs()[0].read_bytes() == before
