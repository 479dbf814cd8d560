"""STAR files, and alignments of IMOD and AreTomo."""

from __future__ import annotations

from pathlib import Path

import pytest
import starfile

from weft.errors import InputError
from weft.io.imod import read_aln, read_angles, read_xf
from weft.io.star import Block, Loop, read_star, write_star

ALN = """# AreTomo Alignment / Priims bprmMn
# RawSize = 100 80 5
# NumPatches = 0
# DarkFrame =     1    0   -66.00
# SEC     ROT         GMAG       TX          TY      SMEAN     SFIT    SCALE     BASE     TILT
    2   -12.0    1.00000     24.786     -2.677     1.00     1.00     1.00     0.00    -61.50
    3   -12.0    1.00000     34.451     -8.599     1.00     1.00     1.00     0.00    -60.00
# Local Alignment
   0   0  -558.42   -802.00   -100.07     24.43   1.0
"""


def test_star_files_are_read_back_and_by_starfile(tmp_path: Path) -> None:
    blocks = [
        Block("general", {"rlnImageSizeX": "7420", "rlnMicrographMovieName": "frames/a b.mrc"}),
        Block("TS_01", loop=Loop({"rlnName": ["1@a.mrcs", "_odd", "x'y"], "rlnValue": ["1.5", "-2", "3e4"]})),
    ]
    path = tmp_path / "a.star"
    write_star(path, blocks)
    found = read_star(path)
    assert found["general"].values == blocks[0].values
    loop = found["TS_01"].loop
    assert loop is not None
    assert dict(loop.columns) == {"rlnName": ["1@a.mrcs", "_odd", "x'y"], "rlnValue": ["1.5", "-2", "3e4"]}
    assert loop.numbers("rlnValue") == [1.5, -2, 30000]
    assert "rlnName" in loop
    assert len(loop) == 3
    theirs = starfile.read(path)
    assert theirs["general"]["rlnMicrographMovieName"] == "frames/a b.mrc"
    assert theirs["TS_01"]["rlnValue"].tolist() == [1.5, -2, 30000]


@pytest.mark.parametrize("text", ["", "not a star\n", "data_a\nloop_\n_x #1\n_y #2\n1 2 3\n"])
def test_what_is_no_star_is_refused_in_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.star").write_text(text)
    with pytest.raises(InputError, match=r"^a\.star: "):
        read_star(tmp_path / "a.star")


def test_angles_with_further_columns(tmp_path: Path) -> None:
    (tmp_path / "a.tlt").write_text("# angles\n-57.00 117\n 3 0\n")
    assert read_angles(tmp_path / "a.tlt") == [-57, 3]


def test_transforms_tell_axis_and_offset(tmp_path: Path) -> None:
    (tmp_path / "a.xf").write_text("0.0856836 0.9963228 -0.9963228 0.0856836 116.328 -191.695\n")
    (one,) = read_xf(tmp_path / "a.xf")
    assert one.axis_deg == pytest.approx(85.085, abs=1e-3)
    assert one.scale == pytest.approx(1, abs=1e-4)
    x, y = one.offset_px()
    # A (x, y) + D = 0: the offset is what the transform brings to the centre
    assert (one.a11 * x + one.a12 * y + one.dx, one.a21 * x + one.a22 * y + one.dy) == pytest.approx((0, 0), abs=1e-9)


def test_aretomo_alignments(tmp_path: Path) -> None:
    (tmp_path / "a.aln").write_text(ALN)
    found = read_aln(tmp_path / "a.aln")
    assert (found.sections, found.dark, found.size) == ((1, 2), (0,), (100, 80, 5))
    assert found.tilts_deg == (-61.5, -60.0)
    assert found.transforms[0].axis_deg == pytest.approx(-12)
    assert found.transforms[0].offset_px() == pytest.approx((24.786, -2.677))
    (tmp_path / "b.aln").write_text(
        ALN.replace("=     1 ", "=     0 ").replace("    2   -12", "    1   -12").replace("    3   -12", "    2   -12")
    )
    assert read_aln(tmp_path / "b.aln").sections == (1, 2)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.tlt", "", "is empty; the alignment failed"),
        ("a.tlt", "1e24\n", "beyond ±90°"),
        ("a.tlt", "nan\n", "no numbers"),
        ("a.tlt", "hello\n", "no row of numbers"),
        ("a.xf", "1 0 0 1 0\n", "an .xf has 6"),
        ("a.xf", "0 0 0 0 1 1\n", "squeezes"),
        ("a.aln", "hello\n", "does not begin as"),
        ("a.aln", "# AreTomo\n", "no rows of ten"),
        ("a.aln", ALN.replace("-61.50", "1e24"), "beyond ±90°"),
    ],
)
def test_failed_alignments_are_refused(tmp_path: Path, name: str, text: str, words: str) -> None:
    (tmp_path / name).write_text(text)
    reader = {"tlt": read_angles, "xf": read_xf, "aln": read_aln}[name.split(".")[1]]
    with pytest.raises(InputError, match=words):
        reader(tmp_path / name)
