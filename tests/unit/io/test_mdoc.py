"""Mdocs as they are met, and written back."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import mdocfile
import pytest

from weft.errors import InputError
from weft.io.mdoc import Entry, Section, mdoc_text, parse_mdoc, parse_time, read_mdoc, write_mdoc

SERIALEM = b"""PixelSpacing = 1.35
Voltage = 300

[T = SerialEM: Digitized on a Krios 30-Nov-15  15:14:20    ]

[T =     Tilt axis angle = 85.3, binning = 1  spot = 8  camera = 2]

[ZValue = 0]
TiltAngle = 0.000999877
SubFramePath = D:\\DATA\\a b\\TS_01_000_0.0.mrc
FrameDosesAndNumber = 0.023687 3  0.035531 7
SomethingNew = 1 = 2
DateTime = 30-Nov-15  15:21:38

[ZValue = 1]
TiltAngle = NaN
ChannelName =\x20
"""


def test_everything_is_kept_with_line_numbers() -> None:
    mdoc = parse_mdoc(SERIALEM)
    first, second = mdoc.sections
    assert mdoc.number("PixelSpacing") == 1.35
    assert mdoc.titles[1] == "Tilt axis angle = 85.3, binning = 1  spot = 8  camera = 2"
    assert (first.line, first.entries[0].line, second.line) == (8, 9, 15)
    assert first.file_name() == "TS_01_000_0.0.mrc"
    assert first.numbers("FrameDosesAndNumber") == (0.023687, 3, 0.035531, 7)
    assert first.get("SomethingNew") == "1 = 2"
    assert second.number("TiltAngle") is None
    assert Entry("ChannelName", "") in second.entries


@pytest.mark.parametrize(
    ("data", "angle"),
    [
        (b"\xef\xbb\xbf[ZValue = 0]\r\nTiltAngle = 3\r\n", 3),
        ("[ZValue = 0]\nTiltAngle = 3,5\nNote = 5 µm".encode("cp1252"), 3.5),
        ("[ZValue = 0]\nTiltAngle = -3".encode("utf-16"), -3),
        (b"[ZValue = 0]\rTiltAngle = 1e1\r", 10),
        (b"T = Tomography_5.24\n[ZValue = 0\nTiltAngle=2   \n\0\0", 2),
        (b"  [ ZValue=0 ]\nTiltAngle =2", 2),
    ],
    ids=["bom", "latin", "utf16", "mac", "cut brackets", "blanks"],
)
def test_odd_encodings_and_brackets(data: bytes, angle: float) -> None:
    mdoc = parse_mdoc(data)
    assert [section.number("TiltAngle") for section in mdoc.sections] == [angle]


@pytest.mark.parametrize(
    "path", [r"D:\a\x y.tif", r"\\host\share\\x y.tif", "/mnt/a/x y.tif", r"..\a/x y.tif", '"./x y.tif"']
)
def test_file_names_of_any_machine(path: str) -> None:
    assert Section("ZValue", "0", (Entry("SubFramePath", path),)).file_name() == "x y.tif"


@pytest.mark.parametrize(
    "text",
    ["01-Aug-24  15:27:36", "01-Aug-2024 15:27:36", "1-August-2024 15:27:36", "2024-08-01T15:27:36", "2024-08-01 15:27-36", "2024/08/01 15:27:36.25"],
)  # fmt: skip
def test_times_of_five_programs(text: str) -> None:
    assert parse_time(text) == datetime(2024, 8, 1, 15, 27, 36)  # noqa: DTZ001 (mdocs know no time zone)


@pytest.mark.parametrize("text", ["", "soon", "31-Feb-24 10:00:00", "01-Foo-24 10:00:00"])
def test_what_is_no_time(text: str) -> None:
    assert parse_time(text) is None


def test_duplicate_sections_and_stray_lines_are_noted() -> None:
    mdoc = parse_mdoc(b"[ZValue = 0]\nTiltAngle = 1\nwhat is this\n[ZValue = 0]\nTiltAngle = 2\n")
    assert len(mdoc.sections) == 2
    assert mdoc.notes[0].startswith('line 3: "what is this"')
    assert "line 4: [ZValue = 0] stands already in line 1" in mdoc.notes[1]


def test_written_mdocs_say_the_same_here_and_to_mdocfile(tmp_path: Path) -> None:
    mdoc = parse_mdoc(SERIALEM.replace(b"NaN", b"3.0"))
    write_mdoc(tmp_path / "a.mdoc", mdoc)
    assert read_mdoc(tmp_path / "a.mdoc") == mdoc
    table = mdocfile.read(tmp_path / "a.mdoc")
    assert table["TiltAngle"].tolist() == [0.000999877, 3.0]
    assert table["SubFramePath"].tolist()[0].name.endswith("TS_01_000_0.0.mrc")


def test_values_are_replaced_in_place() -> None:
    section = parse_mdoc(SERIALEM).sections[0].with_values(TiltAngle="1", New="x")
    assert section.entries[0] == Entry("TiltAngle", "1")
    assert section.entries[-1] == Entry("New", "x")
    assert "[ZValue = 0]\nTiltAngle = 1\n" in mdoc_text(parse_mdoc(SERIALEM).__class__(sections=(section,)))


@pytest.mark.parametrize(
    ("data", "words"), [(b"", "is empty"), (b"\n \n", "is empty"), (b"no mdoc at all\n", "is no mdoc")]
)
def test_what_is_no_mdoc_is_refused_in_one_sentence(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "a.mdoc").write_bytes(data)
    with pytest.raises(InputError, match=words):
        read_mdoc(tmp_path / "a.mdoc")
    with pytest.raises(InputError, match="cannot be read"):
        read_mdoc(tmp_path / "absent.mdoc")
