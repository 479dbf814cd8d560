"""TIFF movies: depths, compressions, BigTIFF, packed bytes, turned rows, what is cut off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from weft.errors import InputError
from weft.io.image import read_image
from weft.io.sniff import recognise
from weft.io.tiff import read_tiff, read_tiff_frames, read_tiff_header
from weft.movie.open import open_movie
from weft.settings.schema import InputSettings

RNG = np.random.default_rng(2)


def _write(path: Path, data: np.ndarray, *, bigtiff: bool = False, byteorder: Any = "<", **options: Any) -> None:
    with tifffile.TiffWriter(path, bigtiff=bigtiff, byteorder=byteorder) as writer:
        for frame in data:
            writer.write(frame, contiguous=False, photometric="minisblack", metadata=None, **options)


@pytest.mark.parametrize("compression", [None, "lzw", "deflate", "adobe_deflate"])
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "f4", "f2"])
def test_every_depth_and_compression_comes_back_with_turned_rows(
    tmp_path: Path, compression: str | None, dtype: str
) -> None:
    path = tmp_path / "m.tif"
    data = RNG.integers(0, 90, (3, 33, 47)).astype(dtype)
    _write(path, data, compression=compression)
    assert recognise(path) == "tiff"
    movie = open_movie(path, InputSettings())
    assert (movie.info.frames, movie.info.height, movie.info.width) == (3, 33, 47)
    frames = np.stack(list(movie.frames()))
    assert frames.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(frames, data[:, ::-1])


@pytest.mark.parametrize("options", [{"tile": (16, 16)}, {"rowsperstrip": 5}, {"predictor": 2, "compression": "lzw"}])
@pytest.mark.parametrize("container", [{"bigtiff": True}, {"byteorder": ">"}, {}], ids=["big", "motorola", "classic"])
def test_tiles_strips_and_containers(tmp_path: Path, options: dict[str, Any], container: dict[str, Any]) -> None:
    path = tmp_path / "m.tif"
    data = RNG.integers(0, 900, (2, 40, 56)).astype("u2")
    _write(path, data, **container, **options)
    frames = np.stack(list(read_tiff_frames(path, read_tiff_header(path))))
    assert frames.dtype.isnative
    np.testing.assert_array_equal(frames, data[:, ::-1])


def test_bytes_of_serialems_half_width_are_packed_four_bit(tmp_path: Path) -> None:
    path = tmp_path / "m.tif"
    packed = np.zeros((1, 7676, 3710), dtype="u1")
    packed[0, -1, :3] = [0x21, 0x43, 0x65]
    _write(path, packed, compression="lzw")
    movie = open_movie(path, InputSettings())
    assert (movie.info.height, movie.info.width) == (7676, 7420)
    assert "packed 4-bit" in movie.info.notes[0]
    assert next(movie.frames())[0, :6].tolist() == [1, 2, 3, 4, 5, 6]


def test_the_resolution_tags_tell_a_plausible_pixel_size(tmp_path: Path) -> None:
    path = tmp_path / "m.tif"
    _write(path, np.zeros((1, 8, 8), "u1"), resolution=(1e8 / 1.35, 1e8 / 1.35), resolutionunit="CENTIMETER")
    assert read_tiff_header(path).pixel_size_A == pytest.approx(1.35, rel=1e-4)
    _write(path, np.zeros((1, 8, 8), "u1"), resolution=(72, 72), resolutionunit="INCH")
    assert read_tiff_header(path).pixel_size_A is None


def test_a_file_that_is_still_being_copied_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.tif"
    _write(path, RNG.integers(0, 255, (6, 64, 64)).astype("u1"))
    whole = path.read_bytes()
    for part in (0.2, 0.6, 0.97):
        path.write_bytes(whole[: int(part * len(whole))])
        with pytest.raises(InputError) as caught:
            list(open_movie(path, InputSettings()).frames())
        assert str(caught.value).startswith("m.tif: ")
        assert "opy it again" in str(caught.value)


def test_a_damaged_frame_is_named(tmp_path: Path) -> None:
    path = tmp_path / "m.tif"
    _write(path, RNG.integers(0, 255, (3, 64, 64)).astype("u1"), compression="deflate")
    with tifffile.TiffFile(path) as file:
        offset = file.pages[1].dataoffsets[0]
    data = bytearray(path.read_bytes())
    data[offset : offset + 40] = bytes(40)
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match="frame 2 of 3 cannot be decoded"):
        list(open_movie(path, InputSettings()).frames())


def test_frames_of_several_sizes_and_colours_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.tif"
    with tifffile.TiffWriter(path) as writer:
        for side in (16, 20):
            writer.write(np.zeros((side, 16), "u1"), contiguous=False, photometric="minisblack", metadata=None)
    with pytest.raises(InputError, match="frame 2 has"):
        list(open_movie(path, InputSettings()).frames())
    tifffile.imwrite(path, np.zeros((16, 16, 3), "u1"), photometric="rgb")
    with pytest.raises(InputError, match="colours"):
        open_movie(path, InputSettings())


def test_one_page_is_read_with_or_without_turning_rows(tmp_path: Path) -> None:
    path = tmp_path / "x.gain"  # a Falcon's gain is a TIFF
    data = RNG.normal(1, 0.1, (1, 12, 15)).astype("f4")
    _write(path, data)
    np.testing.assert_array_equal(read_image(path)[0], data[0, ::-1])
    np.testing.assert_array_equal(read_image(path, flip_tiff=False)[0], data[0])
    with pytest.raises(InputError, match="page 3 cannot be decoded"):
        read_tiff(path, 3)
