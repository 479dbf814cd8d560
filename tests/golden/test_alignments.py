"""Alignments come back: held to what WarpTools and RELION made of the same files, and to warpylib on ours."""

from __future__ import annotations

import json
import math
import re
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import starfile
from tests.export_project import ANGLES, PIXEL_A, Made, make_processed, movie_of, weft

from weft.io.imod import read_angles, read_tilt_com, read_xf
from weft.io.star import read_star
from weft.pipeline.decide import decide
from weft.series.alignment import read_alignment, rotation
from weft.series.alignment_files import Stack, find_alignment, read_relion_alignments
from weft.series.table import Tilt, TiltSeries
from weft.state.project import Project

Capture = pytest.CaptureFixture[str]
ACQUIRED = [movie_of(1, i, angle) for i, angle in enumerate(ANGLES)]
ASCENDING = [ACQUIRED[i] for i in (3, 2, 0, 1, 4)]
AXIS_DEG = 84.2


@pytest.fixture(scope="module")
def real(test_data: Path) -> Path:
    return test_data / "data" / "real"


def series_of(name: str, movies: dict[str, float], axis_deg: float) -> TiltSeries:
    tilts = [Tilt(movie, i, angle, i) for i, (movie, angle) in enumerate(movies.items())]
    return TiltSeries(name, "", tuple(sorted(tilts, key=lambda tilt: tilt.tilt_deg)), axis_deg)


def stack_of(series: TiltSeries, out: Path, pixel_size_A: float) -> Stack:
    return Stack(pixel_size_A, 3838, series.tilts, out)


@pytest.mark.data
def test_an_xf_means_to_us_what_it_meant_to_warptools(real: Path, tmp_path: Path) -> None:
    """The same .xf and .tlt, and the XML that WarpTools made of them at 10 Å a pixel."""
    folder = real / "warpylib" / "xf_import"
    text = (folder / "00254.xml").read_text(encoding="utf-8-sig")
    told = {tag: _list(text, tag) for tag in ("Angles", "AxisAngle", "AxisOffsetX", "AxisOffsetY", "MoviePath")}
    movies = [Path(path).stem for path in told["MoviePath"]]
    series = series_of("00254", dict(zip(movies, map(float, told["Angles"]), strict=True)), -4.3)
    found = find_alignment(folder, series, stack_of(series, tmp_path, 10.0))
    assert found is not None
    assert not found.notes
    for index, movie in enumerate(movies):
        one = found.by_movie[movie]
        assert one.tilt_deg == float(told["Angles"][index])
        assert one.axis_deg == pytest.approx(float(told["AxisAngle"][index]), abs=1e-5)
        offset = [float(told[f"AxisOffset{axis}"][index]) for axis in "XY"]
        assert one.offset_A == pytest.approx(offset, abs=2e-3)  # its arithmetic is of single precision


@pytest.mark.data
def test_relions_aligned_tables_come_back(real: Path) -> None:
    folder = real / "relion5-EMPIAR-10164" / "AlignTiltSeries"
    tables = {name: read_star(folder / f"{name}.star")[name].loop for name in ("TS_01", "TS_03", "TS_43")}
    every = []
    for name, loop in tables.items():
        assert loop is not None
        stems = [Path(path).stem for path in loop["rlnMicrographMovieName"]]
        every.append(series_of(name, dict(zip(stems, loop.numbers("rlnTomoNominalStageTiltAngle"), strict=True)), 85.3))
    found = read_relion_alignments(folder / "aligned_tilt_series.star", every)
    assert set(found) == set(tables)
    for name, loop in tables.items():
        assert loop is not None
        aligned = [found[name].by_movie[Path(path).stem] for path in loop["rlnMicrographMovieName"]]
        for label, values in {
            "rlnTomoYTilt": [one.tilt_deg for one in aligned],
            "rlnTomoZRot": [one.axis_deg for one in aligned],
            "rlnTomoXShiftAngst": [one.offset_A[0] for one in aligned],
            "rlnTomoYShiftAngst": [one.offset_A[1] for one in aligned],
        }.items():
            assert values == pytest.approx(loop.numbers(label), abs=1e-6)


@pytest.mark.data
def test_a_real_alignment_of_fewer_images_finds_its_movies_by_angle(real: Path, tmp_path: Path) -> None:
    """TS_03 without the image that its authors left out: 40 lines for 41 tilts, exposures in a second column."""
    loop = read_star(real / "relion5-EMPIAR-10164" / "Import" / "TS_03.star")["TS_03"].loop
    assert loop is not None
    stems = [Path(path).stem for path in loop["rlnMicrographMovieName"]]
    series = series_of("TS_03", dict(zip(stems, loop.numbers("rlnTomoNominalStageTiltAngle"), strict=True)), 85.3)
    used = tuple(tilt for tilt in series.tilts if tilt.movie != "TS_03_039_-60.0")
    found = find_alignment(real / "cets-imod", series, Stack(1.35, 3838, used, tmp_path))
    assert found is not None
    assert {tilt.movie for tilt in found.tilts} == {tilt.movie for tilt in used}
    assert all(abs(tilt.tilt_deg - float(tilt.movie.split("_")[-1])) < 0.1 for tilt in found.tilts)
    assert found.axis_deg == pytest.approx(85.25, abs=0.1)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = make_processed(Made(tmp_path / "p", series=1, settings={"series": {"hand": -1}}))
    assert weft(made, "import", "-q") == 0
    assert weft(made, "stack", "-q") == 0
    return made


def offset_of(movie: str) -> tuple[float, float]:
    """What the invented alignment says of a movie, in Å."""
    index = ACQUIRED.index(movie)
    return 30.0 * index - 20.0, 11.0 - 7.0 * index


def align(folder: Path, movies: list[str], pixel_size_A: float = PIXEL_A, shift_deg: float = 0.4) -> None:
    """Write what IMOD would of a stack of these movies."""
    folder.mkdir(parents=True, exist_ok=True)
    lines, angles = [], []
    for movie in movies:
        one = rotation(AXIS_DEG, offset_of(movie))
        shift = f"{one.dx / pixel_size_A:12.4f}{one.dy / pixel_size_A:12.4f}"
        lines.append(f"{one.a11:12.7f}{one.a12:12.7f}{one.a21:12.7f}{one.a22:12.7f}{shift}\n")
        angles.append(f"{ANGLES[ACQUIRED.index(movie)] + shift_deg:.2f}\n")
    (folder / "TS_01.xf").write_text("".join(lines))
    (folder / "TS_01.tlt").write_text("".join(angles))


def imported(project: Project) -> dict[str, tuple[float, float, float, float]]:
    found = read_alignment(project.out, "TS_01")
    assert found is not None
    return {tilt.movie: (tilt.tilt_deg, tilt.axis_deg, *tilt.offset_A) for tilt in found.tilts}


def wanted(movies: list[str], shift_deg: float = 0.4) -> dict[str, Any]:
    return {
        movie: pytest.approx((ANGLES[ACQUIRED.index(movie)] + shift_deg, AXIS_DEG, *offset_of(movie)), abs=0.01)
        for movie in movies
    }


def test_an_alignment_goes_by_names_when_an_image_is_dropped_later(project: Project, tmp_path: Path) -> None:
    align(tmp_path / "aligned" / "TS_01", ASCENDING)
    decide(project, [ASCENDING[1]], "drop")
    assert weft(project, "import", "--alignments", str(tmp_path / "aligned")) == 0
    assert imported(project) == wanted(ASCENDING)
    assert weft(project, "stack", "-q") == 0
    left = [movie for movie in ASCENDING if movie != ASCENDING[1]]
    folder = project.out / "imod" / "TS_01"
    offsets = [one.offset_px() for one in read_xf(folder / "TS_01.xf")]
    assert np.array(offsets) * PIXEL_A == pytest.approx(np.array([offset_of(movie) for movie in left]), abs=0.01)
    assert read_angles(folder / "TS_01.tlt") == [-5.6, 0.4, 3.4, 6.4]


def test_an_alignment_of_an_earlier_stack_finds_its_movies(project: Project, tmp_path: Path) -> None:
    """Aligned without one image that is used again now: the table beside the stack, or the .rawtlt, tells which."""
    decide(project, [ASCENDING[0]], "drop")
    weft(project, "stack", "-q")
    decide(project, [ASCENDING[0]], "keep")
    align(tmp_path / "a", ASCENDING[1:])
    assert weft(project, "import", "--alignments", str(tmp_path / "a")) == 0
    assert imported(project) == wanted(ASCENDING[1:])
    weft(project, "stack", "-q")
    (tmp_path / "a" / "TS_01.rawtlt").write_text("-3.00\n0.00\n3.00\n6.00\n")
    assert weft(project, "import", "--alignments", str(tmp_path / "a")) == 0
    assert imported(project) == wanted(ASCENDING[1:])


def test_a_list_that_is_one_image_off_is_not_taken_for_the_stacks(project: Project, tmp_path: Path) -> None:
    """Without the lowest tilt, while now the highest is dropped: as many lines as images in use, all of them one step off."""
    align(tmp_path / "a", ASCENDING[1:])
    (tmp_path / "a" / "TS_01.rawtlt").write_text("-3.00\n0.00\n3.00\n6.00\n")
    decide(project, [ASCENDING[-1]], "drop")
    weft(project, "stack", "-q")
    assert weft(project, "import", "--alignments", str(tmp_path / "a")) == 0
    assert imported(project) == wanted(ASCENDING[1:])
    (tmp_path / "a" / "TS_01.rawtlt").unlink()
    decide(project, [ASCENDING[-1]], "keep")
    decide(project, [ASCENDING[0]], "drop")
    assert (
        weft(project, "import", "--alignments", str(tmp_path / "a")) == 0
    )  # the stack's table is one off, those in use fit
    assert imported(project) == wanted(ASCENDING[1:])


def test_a_specimen_that_is_tilted_itself_is_told(project: Project, tmp_path: Path, capsys: Capture) -> None:
    align(tmp_path / "a", ASCENDING, shift_deg=11.0)
    assert weft(project, "import", "--alignments", str(tmp_path / "a")) == 0
    assert imported(project) == wanted(ASCENDING, 11.0)
    assert "all its angles are +11.0° off the mdoc's" in capsys.readouterr().err


def test_an_alignment_made_beside_the_stack_is_never_lost(project: Project, tmp_path: Path) -> None:
    """Weft's own .xf stands there; an aligner writes it anew; the stack is made again."""
    folder = project.out / "imod" / "TS_01"
    align(tmp_path / "a", ASCENDING)
    weft(project, "import", "--alignments", str(tmp_path / "a"))
    weft(project, "stack", "-q")
    assert (folder / "TS_01.xf").exists()
    theirs = (folder / "TS_01.xf").read_text().replace("0.1", "0.2")  # of equal size
    (folder / "TS_01.xf").write_text(theirs)
    assert weft(project, "stack", "-q") == 0  # up to date: nothing is touched
    assert (folder / "TS_01.xf").read_text() == theirs
    decide(project, [ASCENDING[1]], "drop")
    assert weft(project, "stack", "-q") == 0
    assert [path.read_text() for path in project.out.glob("imod_old/*/TS_01.xf")] == [theirs]


def test_the_table_of_series_shows_what_is_aligned(project: Project, tmp_path: Path, capsys: Capture) -> None:
    weft(project, "import")
    assert "\tno\t" in capsys.readouterr().out
    align(tmp_path / "a", ASCENDING)
    weft(project, "import", "--alignments", str(tmp_path / "a"))
    assert capsys.readouterr().out.splitlines()[1].split("\t")[:4] == ["TS_01", "5", "5", "5"]
    weft(project, "import", "--json")
    assert json.loads(capsys.readouterr().out)["series"][0]["aligned"] == 5


def test_nothing_is_written_by_a_dry_run(project: Project, tmp_path: Path) -> None:
    align(tmp_path / "a", ASCENDING)
    assert weft(project, "import", "--alignments", str(tmp_path / "a"), "-n") == 0
    assert read_alignment(project.out, "TS_01") is None


def test_a_binned_stack_is_told_by_its_pixel_size(project: Project, tmp_path: Path) -> None:
    align(tmp_path / "a", ASCENDING, pixel_size_A=8.0)
    weft(project, "import", "--alignments", str(tmp_path / "a"), "--alignment-pixel-A", "8")
    assert imported(project) == wanted(ASCENDING)


def test_aretomos_alignment_is_the_same_as_its_xf(project: Project, tmp_path: Path) -> None:
    """x' = R(-ROT) (x - T), so the offset on the image is T; a dark image has no row."""
    rows = [f"# AreTomo Alignment / Priims bprmMn\n# RawSize = 16 12 5\n# DarkFrame =     2    2   {0:.2f}\n"]
    for section, movie in enumerate(ASCENDING):
        if section == 2:
            continue
        x, y = (value / (2 * PIXEL_A) for value in offset_of(movie))  # its stack was binned by 2: 16 of 32 columns
        angle = ANGLES[ACQUIRED.index(movie)] + 0.4
        rows.append(f"{section:5d}{AXIS_DEG:11.4f}    1.00000{x:11.3f}{y:11.3f}  1.0 1.0 1.0 0.0{angle:10.2f}\n")
    (tmp_path / "TS_01.aln").write_text("".join(rows))
    assert weft(project, "import", "--alignments", str(tmp_path)) == 0
    assert imported(project) == wanted([movie for movie in ASCENDING if movie != ASCENDING[2]])


def test_relion_gets_the_geometry(project: Project, tmp_path: Path) -> None:
    align(tmp_path / "a", ASCENDING)
    weft(project, "import", "--alignments", str(tmp_path / "a"))
    assert weft(project, "export", "relion") == 0
    star = project.out / "relion" / "tilt_series" / "TS_01.star"
    table = starfile.read(star)
    assert [Path(name).stem for name in table["rlnMicrographName"]] == ACQUIRED
    columns = ["rlnTomoYTilt", "rlnTomoZRot", "rlnTomoXShiftAngst", "rlnTomoYShiftAngst"]
    found = {name: tuple(row) for name, row in zip(ACQUIRED, table[columns].to_numpy(), strict=True)}
    assert found == wanted(ACQUIRED)
    assert set(table["rlnTomoXTilt"]) == {0.0}
    # and it comes back as it went
    assert weft(project, "import", "--alignments", str(project.out / "relion" / "tilt_series.star")) == 0
    assert imported(project) == wanted(ASCENDING)


def test_images_without_alignment_do_not_go_to_who_needs_one(project: Project, tmp_path: Path, capsys: Capture) -> None:
    align(tmp_path / "a", ASCENDING[1:])
    (tmp_path / "a" / "TS_01.rawtlt").write_text("-3.00\n0.00\n3.00\n6.00\n")
    weft(project, "import", "--alignments", str(tmp_path / "a"))
    capsys.readouterr()
    assert weft(project, "export", "relion") == 0
    assert f"1 of 5 images are left out, as its alignment has none for them ({ASCENDING[0]})" in capsys.readouterr().err
    assert len(starfile.read(project.out / "relion" / "tilt_series" / "TS_01.star")) == 4
    assert weft(project, "stack", "-q") == 0
    assert not (project.out / "imod" / "TS_01" / "TS_01.xf").exists()


@pytest.fixture(scope="module")
def warpylib() -> Any:
    """The judge; its projector library, not needed here, may not load with this torch."""
    sys.modules.setdefault("torch_projectors", types.ModuleType("torch_projectors"))
    import warpylib

    return warpylib


def test_warp_gets_geometry_and_ctf(project: Project, tmp_path: Path, warpylib: Any) -> None:
    from warpylib.tilt_series.import_alignments import import_alignments
    from warpylib.tilt_series.io import initialize_from_tomo_star, load_meta

    folder = tmp_path / "a"
    align(folder, ASCENDING)
    weft(project, "import", "--alignments", str(folder))
    assert weft(project, "export", "warp") == 0
    ours, listed, theirs = (warpylib.TiltSeries(n_tilts=5) for _ in range(3))
    load_meta(ours, str(project.out / "warp_tiltseries" / "TS_01.xml"))
    initialize_from_tomo_star(listed, str(project.path("tomostar", "TS_01")))
    import_alignments(theirs, str(folder / "TS_01.xf"), PIXEL_A)
    assert [Path(path).stem for path in ours.tilt_movie_paths] == ASCENDING
    assert ours.are_angles_inverted
    assert ours.dose.tolist() == [9, 6, 0, 3, 12]
    for one in (ours, listed):
        assert one.angles.tolist() == pytest.approx([5.6, 2.6, -0.4, -3.4, -6.4], abs=1e-4)
        assert one.tilt_axis_angles.tolist() == pytest.approx(theirs.tilt_axis_angles.tolist(), abs=2e-3)
        assert one.tilt_axis_offset_x.tolist() == pytest.approx(theirs.tilt_axis_offset_x.tolist(), abs=2e-3)
        assert one.tilt_axis_offset_y.tolist() == pytest.approx(theirs.tilt_axis_offset_y.tolist(), abs=2e-3)
    records = project.records()
    for index, movie in enumerate(ASCENDING):
        ctf = records[movie].ctf
        assert ctf is not None
        fit = ctf.to_fit()
        assert ours.get_tilt_defocus(index) * 1e4 == pytest.approx(fit.defocus_A, abs=1)
        assert ours.get_tilt_defocus_delta(index) * 1e4 == pytest.approx(fit.astigmatism_A, abs=1)
        assert ours.get_tilt_defocus_angle(index) == pytest.approx(fit.angle_deg, abs=1e-3)


def test_an_xml_that_another_program_changed_is_kept(project: Project, capsys: Capture) -> None:
    weft(project, "export", "warp")
    path = project.out / "warp_tiltseries" / "TS_01.xml"
    theirs = path.read_bytes().replace(b'LevelAngleX="0"', b'LevelAngleX="2"')
    path.write_bytes(theirs)
    capsys.readouterr()
    assert weft(project, "export", "warp") == 0
    assert "changed by another program" in capsys.readouterr().err
    assert path.read_bytes() == theirs


@pytest.mark.parametrize(
    ("xf", "tlt", "sentence"),
    [
        ("", "", "is empty; the alignment failed"),
        ("1 0 0 1 0 0\n" * 5, None, "turns and shifts no image, because its stack is aligned already"),
        ("0.1 1 -1 0.1 4 5\n" * 3, None, "has 3 lines, which fit no list of TS_01's images by number and angle (5 in"),
        ("0.1 1 -1 0.1 4 5\n" * 5, "0\n3\n", "has 2 angles, but TS_01.xf has 5 lines"),
        ("0.1 1 -1 0.1 4 5\n" * 5, "-60\n-30\n0\n30\n60\n", "fit no list"),
    ],
)
def test_what_cannot_be_an_alignment_of_the_series_is_one_sentence(
    project: Project, tmp_path: Path, capsys: Capture, xf: str, tlt: str | None, sentence: str
) -> None:
    (tmp_path / "TS_01.xf").write_text(xf)
    if tlt is not None:
        (tmp_path / "TS_01.tlt").write_text(tlt)
    assert weft(project, "import", "--alignments", str(tmp_path)) == 1
    assert sentence in capsys.readouterr().err
    assert read_alignment(project.out, "TS_01") is None


def test_what_etomo_leaves_out_is_told(project: Project, tmp_path: Path, capsys: Capture) -> None:
    align(tmp_path / "a" / "TS_01", ASCENDING)
    (tmp_path / "a" / "TS_01" / "tilt.com").write_text("$tilt -StandardInput\nOFFSET -4.5\nEXCLUDELIST2 1,4-5\n")
    assert weft(project, "import", "--alignments", str(tmp_path / "a")) == 0
    told = capsys.readouterr().err
    assert f"tilt.com leaves {ASCENDING[0]}, {ASCENDING[3]}, {ASCENDING[4]} out of the tomogram" in told
    assert "tilt.com turns the tomogram by -4.5°" in told
    assert imported(project) == wanted(ASCENDING)


@pytest.mark.data
def test_a_real_tilt_com_adds_nothing(real: Path) -> None:
    assert read_tilt_com(real / "cryoCAT" / "TS_017" / "tilt.com") == (0.0, ())


def test_what_is_odd_about_an_alignment_is_told(project: Project, tmp_path: Path, capsys: Capture) -> None:
    c, s = math.cos(math.radians(40)), math.sin(math.radians(40))
    (tmp_path / "TS_01.xf").write_text(f"{c:.7f} {s:.7f} {-s:.7f} {c:.7f} 3 4\n" * 5)
    (tmp_path / "TS_01.tlt").write_text("0\n" * 5)
    assert weft(project, "import", "--alignments", str(tmp_path)) == 0
    told = capsys.readouterr().err
    assert "its tilt axis is 40.0°, that of the series 85.3°" in told
    assert "all its angles are 0, so the mdoc's are taken" in told
    assert weft(project, "import", "--alignments", str(project.folder / "mdoc")) == 3
    assert "holds no alignment of TS_01" in capsys.readouterr().err


def _list(text: str, tag: str) -> list[str]:
    found = re.search(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
    assert found is not None
    return found[1].split("\n")
