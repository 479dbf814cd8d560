"""Bad pixels from images and lists."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from weft.errors import InputError, MissingError
from weft.io.defects import read_defects
from weft.movie.gain import load_correction
from weft.settings.schema import InputSettings

SHAPE = (20, 30)
SERIALEM = """CameraSizeX 30
CameraSizeY 20
RotationAndFlip 0
WasScaled 0
K2Type 1
FalconType 0
NumToAvgSuperRes 0
UsableArea 0 0 0 0
PartialBadColumn 7 2 3 5
PartialBadRow 11 1 20 24
BadPixels 0 0 29 19
BadColumns 15 16
BadRows 1
"""


def _serialem() -> np.ndarray:
    """Return the same, rows counted from the top."""
    bad = np.zeros(SHAPE, dtype=bool)
    bad[3:6, 7:9] = bad[11, 20:25] = bad[0, 0] = bad[19, 29] = bad[:, 15:17] = bad[1] = True
    return bad


def test_serialems_list_counts_rows_from_the_top(tmp_path: Path) -> None:
    path = tmp_path / "defects.txt"
    path.write_text(SERIALEM)
    found = read_defects(path, SHAPE)
    assert not found.is_image
    np.testing.assert_array_equal(found.map, _serialem()[::-1])


def test_a_list_of_counting_pixels_fits_super_resolution_frames_and_the_reverse(tmp_path: Path) -> None:
    path = tmp_path / "defects.txt"
    path.write_text(SERIALEM.replace("\n", "\r\n"))
    np.testing.assert_array_equal(
        read_defects(path, (40, 60)).map, np.kron(_serialem()[::-1], np.ones((2, 2), dtype=bool))
    )
    folded = _serialem()[::-1].reshape(10, 2, 15, 2).any(axis=(1, 3))
    np.testing.assert_array_equal(read_defects(path, (10, 15)).map, folded)


@pytest.mark.parametrize("code", [1, 3, 5, 7])
def test_a_turned_list_is_turned_back_where_only_that_fits(tmp_path: Path, code: int) -> None:
    path = tmp_path / "defects.txt"
    path.write_text(SERIALEM.replace("RotationAndFlip 0", f"RotationAndFlip {code}"))
    found = read_defects(path, (30, 20)).map
    native = found[::-1]
    again = np.rot90(native[:, ::-1] if code & 4 else native, code % 4)
    np.testing.assert_array_equal(again, _serialem())


def test_a_list_of_another_camera_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "defects.txt"
    path.write_text(SERIALEM)
    with pytest.raises(InputError, match="for a camera of 30 × 20 pixels, the frames are 31 × 20"):
        read_defects(path, (20, 31))


def test_rectangles_lie_as_the_movie_does(tmp_path: Path) -> None:
    path = tmp_path / "d.txt"
    path.write_text("# x y width height\n3 4 2 1\n\n10 0 1 20  # a column\n")
    expected = np.zeros(SHAPE, dtype=bool)
    expected[4, 3:5] = expected[:, 10] = True
    np.testing.assert_array_equal(read_defects(path, SHAPE).map, expected)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("1 2 3\n", "line 1: .* is no rectangle"), ("0 0 1 1\n29 0 2 1\n", "line 2: lies outside frames of 30 × 20")],
)
def test_other_lists_are_refused_by_line(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "d.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=sentence):
        read_defects(path, SHAPE)
    with pytest.raises(MissingError, match=r"input\.defects"):
        read_defects(tmp_path / "none.txt", SHAPE)


def test_a_map_lies_and_turns_as_the_gain_does(tmp_path: Path) -> None:
    path = tmp_path / "defects.tif"
    stored = np.zeros((30, 20), dtype="u1")
    stored[4, 17] = 255
    tifffile.imwrite(path, stored)
    given = InputSettings(defects=path, gain_transpose=True)
    bad = load_correction(given, SHAPE, is_eer=False).bad
    assert bad is not None
    np.testing.assert_array_equal(np.argwhere(bad), [[17, 29 - 4]])  # rows of a TIFF are turned, then transposed
    with pytest.raises(InputError, match="defect map is 20 × 30 pixels"):
        load_correction(InputSettings(defects=path), SHAPE, is_eer=False)


FALCON = b"""<?xml version="1.0"?>
<defects>
  <row>3-4,9</row><col>27</col>
  <area>5,12,8,13</area><point>0,0</point><nonmaskingpoint>2,17</nonmaskingpoint>
</defects>
"""


def _falcon() -> np.ndarray:
    """Return the same, rows as in the file."""
    bad = np.zeros(SHAPE, dtype=bool)
    bad[3:5] = bad[9] = bad[:, 27] = bad[12:14, 5:9] = bad[0, 0] = bad[17, 2] = True
    return bad


def _write_gain(path: Path, xml: bytes) -> None:
    tag = (65100, 7, len(xml), xml, True)
    tifffile.imwrite(path, np.ones(SHAPE, dtype=np.float32), extratags=[tag])


@pytest.mark.parametrize("is_eer", [True, False])
@pytest.mark.parametrize("fold", [1, 2, 4])
def test_a_falcons_gain_lists_bad_pixels_that_lie_as_it_does(tmp_path: Path, is_eer: bool, fold: int) -> None:
    _write_gain(tmp_path / "a.gain", FALCON)
    shape = (SHAPE[0] * fold, SHAPE[1] * fold)
    found = load_correction(InputSettings(gain=tmp_path / "a.gain"), shape, is_eer=is_eer)
    wanted = _falcon() if is_eer else _falcon()[::-1]
    np.testing.assert_array_equal(found.bad, np.kron(wanted, np.ones((fold, fold))).astype(bool))
    assert f"{_falcon().sum()} pixels of the gain reference are listed in it as bad" in found.notes


def test_a_falcons_list_turns_with_its_gain(tmp_path: Path) -> None:
    _write_gain(tmp_path / "a.gain", FALCON)
    given = InputSettings(gain=tmp_path / "a.gain", gain_flip_x=True, gain_transpose=True)
    found = load_correction(given, SHAPE[::-1], is_eer=True)
    np.testing.assert_array_equal(found.bad, _falcon()[:, ::-1].T)


@pytest.mark.parametrize(
    "xml", [b"<defects><point>1,2,3</point></defects>", b"<defects><row>x</row></defects>", b"<defects><row>3"]
)
def test_a_falcons_list_that_makes_no_sense_is_refused(tmp_path: Path, xml: bytes) -> None:
    _write_gain(tmp_path / "a.gain", xml)
    with pytest.raises(InputError, match=r"a\.gain: its list of bad pixels cannot be understood"):
        load_correction(InputSettings(gain=tmp_path / "a.gain"), SHAPE, is_eer=True)
