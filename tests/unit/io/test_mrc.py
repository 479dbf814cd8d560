"""MRC: every mode, both byte orders, old headers, IMOD's and MRC2014's bytes, what is cut off, what is written."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from weft.errors import InputError, MissingError
from weft.io.mrc import (
    IMOD_STAMP,
    MrcStackWriter,
    read_mrc,
    read_mrc_header,
    read_sections,
    unpack_4bit,
    write_mrc,
)
from weft.io.sniff import recognise

RNG = np.random.default_rng(1)


def _read(path: Path, **options: Any) -> NDArray[Any]:
    header = read_mrc_header(path, **options)
    return np.stack(list(read_sections(path, header)))


def _recognise_and_read(path: Path) -> None:
    recognise(path)
    read_mrc_header(path)


def _write_misfits(path: Path) -> None:
    with MrcStackWriter(path, (4, 5), 1.5) as writer:
        writer.append(np.zeros((4, 5), "f4"))
        writer.append(np.zeros((5, 4), "f4"))


def _header(
    shape: tuple[int, int, int], mode: int, *, order: str = "<", extended: int = 0, pixel_A: float = 1.5
) -> bytearray:
    """Return a header made by hand, as MRC2014 lays it out."""
    nz, ny, nx = shape
    out = bytearray(1024)
    struct.pack_into(f"{order}4i", out, 0, nx, ny, nz, mode)
    struct.pack_into(f"{order}3i3f", out, 28, nx, ny, nz, nx * pixel_A, ny * pixel_A, nz * pixel_A)
    struct.pack_into(f"{order}3i", out, 64, 1, 2, 3)
    struct.pack_into(f"{order}3f", out, 76, 0.0, -1.0, -2.0)  # dmax < dmin: not determined
    struct.pack_into(f"{order}i", out, 92, extended)
    out[208:212] = b"MAP "
    out[212:216] = b"\x44\x44\0\0" if order == "<" else b"\x11\x11\0\0"
    return out


@pytest.mark.parametrize(("mode", "dtype"), [(0, "i1"), (1, "i2"), (2, "f4"), (6, "u2"), (12, "f2")], ids=str)
def test_every_mode_is_read_as_mrcfile_wrote_it(tmp_path: Path, mode: int, dtype: str) -> None:
    path = tmp_path / "m.mrc"
    data = RNG.integers(-50, 90, (3, 20, 31)).clip(0 if dtype == "u2" else -50).astype(dtype)
    with mrcfile.new(path, data) as file:
        file.voxel_size = 1.35
    assert recognise(path) == "mrc"
    header = read_mrc_header(path)
    assert (header.mode, header.nx, header.ny, header.nz) == (mode, 31, 20, 3)
    assert header.pixel_size_A == pytest.approx(1.35)
    found = _read(path)
    assert found.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(found, data)


@pytest.mark.parametrize(("mode", "dtype"), [(1, "i2"), (2, "f4"), (6, "u2"), (12, "f2")])
@pytest.mark.parametrize("extended", [0, 768 * 3 + 131])
def test_big_endian_and_extended_headers(tmp_path: Path, mode: int, dtype: str, extended: int) -> None:
    path = tmp_path / "m.mrc"
    data = RNG.integers(0, 90, (2, 17, 12)).astype(dtype)
    head = _header(data.shape, mode, order=">", extended=extended)
    path.write_bytes(bytes(head) + RNG.bytes(extended) + data.astype(">" + dtype).tobytes())
    found = _read(path)
    assert found.dtype.isnative
    np.testing.assert_array_equal(found, data)


@pytest.mark.parametrize("order", ["<", ">"])
def test_headers_from_before_the_map_stamp(tmp_path: Path, order: str) -> None:
    path = tmp_path / "old.mrc"
    data = RNG.integers(-900, 900, (2, 9, 14)).astype("i2")
    head = _header(data.shape, 1, order=order)
    head[208:216] = bytes(8)
    struct.pack_into(f"{order}3i", head, 64, 0, 0, 0)
    path.write_bytes(bytes(head) + data.astype(f"{order}i2").tobytes())
    assert recognise(path) == "mrc"
    np.testing.assert_array_equal(_read(path), data)


def test_four_bit_rows_have_the_left_pixel_in_the_low_half(tmp_path: Path) -> None:
    path = tmp_path / "m.mrc"
    data = RNG.integers(0, 16, (3, 5, 7)).astype("u1")
    padded = np.zeros((3, 5, 8), dtype="u1")
    padded[..., :7] = data
    path.write_bytes(bytes(_header(data.shape, 101)) + (padded[..., 0::2] | (padded[..., 1::2] << 4)).tobytes())
    header = read_mrc_header(path)
    assert header.pixel_size_A == pytest.approx(1.5)
    np.testing.assert_array_equal(_read(path), data)


def test_bytes_of_serialems_half_width_are_packed_four_bit(tmp_path: Path) -> None:
    path = tmp_path / "m.mrc"
    packed = np.zeros((7676, 3710), dtype="u1")
    packed[0, :3] = [0x21, 0x43, 0x65]
    path.write_bytes(bytes(_header((1, 7676, 3710), 0, pixel_A=1.35)) + packed.tobytes())
    header = read_mrc_header(path)
    assert (header.ny, header.nx) == (7676, 7420)
    assert "packed 4-bit" in header.notes[0]
    assert header.pixel_size_A == pytest.approx(0.675)
    assert next(read_sections(path, header))[0, :6].tolist() == [1, 2, 3, 4, 5, 6]
    assert read_mrc_header(path, allow_packed_bytes=False).nx == 3710


def _bytes_movie(path: Path, values: NDArray[np.uint8], *, imod: int | None = None, limits: Any = None) -> None:
    head = _header((1, *values.shape), 0)
    if imod is not None:
        struct.pack_into("<ii", head, 152, IMOD_STAMP, imod)
    if limits is not None:
        struct.pack_into("<2f", head, 76, *limits)
    path.write_bytes(bytes(head) + values.tobytes())


@pytest.mark.parametrize(
    ("values", "imod", "limits", "dtype", "note"),
    [
        ([0, 5, 200], 0, None, "u1", ""),
        ([0, 5, 200], 1, None, "i1", ""),
        ([0, 5, 200], None, (0.0, 200.0), "u1", ""),
        ([0, 5, 200], None, (-56.0, 5.0), "i1", ""),
        ([0, 5, 127], None, None, "i1", ""),
        ([0, 5, 200], None, None, "i1", 'input.mrc_mode0 = "unsigned"'),
        (list(range(160)), None, None, "u1", "run on beyond 127"),
    ],
    ids=["imod unsigned", "imod signed", "limits unsigned", "limits signed", "both agree", "gap", "continuous"],
)
def test_the_sign_of_bytes_is_found_out(
    tmp_path: Path, values: list[int], imod: int | None, limits: Any, dtype: str, note: str
) -> None:
    path = tmp_path / "m.mrc"
    _bytes_movie(path, np.array([values], dtype="u1"), imod=imod, limits=limits)
    header = read_mrc_header(path)
    assert header.dtype == np.dtype(dtype)
    assert note in " ".join(header.notes)
    for sign, forced in (("signed", "i1"), ("unsigned", "u1")):
        assert _read(path, sign=sign).dtype == np.dtype(forced)


@pytest.mark.parametrize(
    ("cell", "samples"), [(0.0, 10), (10.0, 10), (5.0, 0), (float("nan"), 10)], ids=["none", "one", "empty", "nan"]
)
def test_a_pixel_size_that_is_not_told_is_unknown(tmp_path: Path, cell: float, samples: int) -> None:
    path = tmp_path / "m.mrc"
    head = _header((1, 4, 10), 2)
    struct.pack_into("<3i3f", head, 28, samples, samples, 1, cell, cell, 1.0)
    path.write_bytes(bytes(head) + bytes(160))
    assert read_mrc_header(path).pixel_size_A is None


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda data: data[: 1024 + 450], r"promises 4 frames \(1,664 bytes\), the file holds 2\.8"),
        (lambda data: data[:700], "700 bytes long|700 bytes are too few"),
        (lambda data: data[:12] + struct.pack("<i", 4) + data[16:], "complex numbers"),
        (lambda data: data[:12] + struct.pack("<i", 3) + data[16:], "complex integers"),
        (lambda data: data[:12] + struct.pack("<i", 77) + data[16:], "mode 77 is unknown"),
        (lambda data: struct.pack("<i", -3) + data[4:], "-3 × 8 × 4"),
    ],
    ids=["truncated", "no header", "complex", "complex integers", "unknown mode", "negative"],
)
def test_what_cannot_be_read_is_refused_in_a_sentence(tmp_path: Path, change: Any, sentence: str) -> None:
    path = tmp_path / "m.mrc"
    data = bytes(_header((4, 8, 10), 1)) + bytes(4 * 8 * 10 * 2)
    path.write_bytes(change(data))
    with pytest.raises(InputError, match=sentence) as caught:
        _recognise_and_read(path)
    assert str(caught.value).startswith("m.mrc: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"this is a list of movies\n" * 60, "is a text file"),
        (b"", "is empty"),
        (b"\x1f\x8b" + bytes(2000), "gzip"),
        (b"\x89PNG\r\n\x1a\n" + bytes(2000), "picture"),
        (bytes(5000), "unknown kind"),
    ],
    ids=["text", "empty", "gzip", "png", "zeros"],
)
def test_other_files_named_mrc_are_told_apart(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "m.mrc"
    path.write_bytes(content)
    with pytest.raises(InputError, match=sentence):
        recognise(path)


def test_a_missing_file_and_a_folder_say_so(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no such file"):
        recognise(tmp_path / "none.mrc")
    with pytest.raises(InputError, match="is a folder"):
        recognise(tmp_path)


def test_a_section_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.mrc"
    write_mrc(path, np.zeros((2, 4, 4), "f4"), 1.5)
    assert read_mrc(path, 1)[0].shape == (4, 4)
    with pytest.raises(InputError, match="has 2 sections"):
        read_mrc(path, 2)


@given(
    hnp.arrays(
        "f4", hnp.array_shapes(min_dims=3, max_dims=3, max_side=9), elements=st.integers(-1000, 1000).map(float)
    ),
    st.floats(0.1, 20),
)
def test_what_is_written_comes_back_and_other_readers_agree(
    tmp_path_factory: pytest.TempPathFactory, data: NDArray[np.float32], pixel_A: float
) -> None:
    path = tmp_path_factory.mktemp("mrc") / "m.mrc"
    write_mrc(path, data, pixel_A, label="Weft")
    np.testing.assert_array_equal(_read(path), data)
    assert mrcfile.validate(path, print_file=open("/dev/null", "w", encoding="ascii"))  # noqa: PTH123, SIM115
    with mrcfile.open(path) as file:
        np.testing.assert_array_equal(file.data.reshape(data.shape), data)
        assert float(file.voxel_size.x) == pytest.approx(pixel_A, rel=1e-5)
        assert float(file.header.dmean) == pytest.approx(float(data.mean(dtype="f8")), abs=0.05)


def test_half_floats_fall_back_where_they_would_overflow(tmp_path: Path) -> None:
    path = tmp_path / "m.mrc"
    write_mrc(path, np.full((4, 4), 1000.0, "f4"), 1.5, dtype="float16")
    assert read_mrc_header(path).mode == 12
    write_mrc(path, np.full((4, 4), 70000.0, "f4"), 1.5, dtype="float16")
    assert read_mrc_header(path).mode == 2


def test_a_stack_that_fails_midway_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "s.mrcs"
    with pytest.raises(ValueError, match="does not fit"):
        _write_misfits(path)
    assert list(tmp_path.iterdir()) == []


@given(hnp.arrays("u1", hnp.array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.integers(0, 15)))
def test_unpacking_undoes_packing(data: NDArray[np.uint8]) -> None:
    even = np.pad(data, ((0, 0), (0, data.shape[1] % 2)))
    packed = (even[:, 0::2] | (even[:, 1::2] << 4)).astype(np.uint8)
    np.testing.assert_array_equal(unpack_4bit(packed, data.shape[1]), data)
