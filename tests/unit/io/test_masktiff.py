from pathlib import Path

import numpy as np
import pytest
import tifffile

from weft.errors import InputError, MissingError
from weft.io.masktiff import effective_mask, read_mask, read_probability, write_mask, write_probability


@pytest.fixture
def mask() -> np.ndarray:
    out = np.zeros((6, 8), dtype=bool)
    out[0, 2] = out[1, 2:5] = True
    return out


def _holds(folder: Path, threshold: float | None = None) -> np.ndarray:
    found = effective_mask(folder, "a", threshold=threshold)
    assert found is not None
    return found


def test_mask_comes_back_with_the_rows_of_the_average(tmp_path: Path, mask: np.ndarray) -> None:
    write_mask(tmp_path / "mask" / "a.tif", mask, 8.0)
    assert np.array_equal(read_mask(tmp_path / "mask" / "a.tif"), mask)


def test_file_is_laid_out_as_warp_does(tmp_path: Path, mask: np.ndarray) -> None:
    write_mask(tmp_path / "a.tif", mask, 8.0)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        page = file.pages[0]
        assert page.dtype == np.uint8
        assert page.tags["Orientation"].value == 4
        assert page.compression == tifffile.COMPRESSION.LZW
        stored = page.asarray()
    assert np.array_equal(stored, mask[::-1].astype(np.uint8))  # the last row of the average comes first


def test_warps_float_masks_are_read(tmp_path: Path, mask: np.ndarray) -> None:
    tifffile.imwrite(tmp_path / "a.tif", mask[::-1].astype(np.float32))
    assert np.array_equal(read_mask(tmp_path / "a.tif"), mask)


def test_probability_keeps_half_exactly_and_its_rows(tmp_path: Path) -> None:
    given = np.linspace(0, 1, 48, dtype=np.float32).reshape(6, 8)
    given[0, 0] = 0.5
    write_probability(tmp_path / "a.prob.tif", given, 8.0)
    stored = tifffile.imread(tmp_path / "a.prob.tif")
    assert stored.dtype == np.float32
    assert stored[0, 0] == 0.5
    assert np.abs(stored - given).max() <= 0.5 / 250 + 1e-6  # half a step
    assert np.array_equal(read_probability(tmp_path / "a.prob.tif"), stored)


def test_probability_that_is_not_a_number_counts_as_none(tmp_path: Path) -> None:
    write_probability(tmp_path / "a.prob.tif", np.full((2, 2), np.nan, np.float32), 8.0)
    assert not read_probability(tmp_path / "a.prob.tif").any()


def test_same_mask_same_bytes(tmp_path: Path, mask: np.ndarray) -> None:
    write_mask(tmp_path / "a.tif", mask, 8.0)
    write_mask(tmp_path / "b.tif", mask, 8.0)
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()


def test_what_a_person_painted_goes_first(tmp_path: Path, mask: np.ndarray) -> None:
    assert effective_mask(tmp_path, "a") is None
    write_mask(tmp_path / "a.tif", mask, 8.0)
    write_probability(tmp_path / "a.prob.tif", 0.4 * mask.astype(np.float32), 8.0)
    assert np.array_equal(_holds(tmp_path), mask)
    assert np.array_equal(_holds(tmp_path, 0.3), mask)
    assert not np.any(_holds(tmp_path, 0.5))
    write_mask(tmp_path / "a.edit.tif", ~mask, 8.0)
    assert np.array_equal(_holds(tmp_path, 0.3), ~mask)


def test_missing_and_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no such mask"):
        read_mask(tmp_path / "a.tif")
    (tmp_path / "a.tif").write_text("no image", encoding="utf-8")
    with pytest.raises(InputError, match=r"a\.tif"):
        read_mask(tmp_path / "a.tif")
    tifffile.imwrite(tmp_path / "c.tif", np.zeros((4, 4, 3), np.uint8), photometric="rgb")
    with pytest.raises(InputError, match="one grey channel"):
        read_mask(tmp_path / "c.tif")
