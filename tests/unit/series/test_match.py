"""From mdocs and movies to series: every dialect and every mishap of the field."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from weft.errors import SettingsError
from weft.series.match import build_series
from weft.series.names import nearest_name
from weft.series.table import TiltSeries, uses_of
from weft.settings.schema import InputSettings, SeriesSettings, Settings

TITLE = "[T =     Tilt axis angle = 85.3, binning = 1  spot = 8  camera = 0]"
ANGLES = (0.0, 3.0, -3.0, -6.0, 6.0)
Section = dict[str, Any]


def sections(angles: Sequence[float] = ANGLES, **changes: Any) -> list[Section]:
    """Return sections of a dose-symmetric series."""
    rows = []
    for i, angle in enumerate(angles):
        row: Section = {
            "TiltAngle": angle, "ExposureDose": 3, "TargetDefocus": -4,
            "SubFramePath": f"D:\\x\\TS_01_{i:03d}_{angle:.1f}.mrc", "DateTime": f"30-Nov-15  15:{20 + i}:38",
        }  # fmt: skip
        rows.append({**row, **changes})
    return rows


Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_mdoc(
        rows: Sequence[Section], name: str = "TS_01.mrc.mdoc", head: str = TITLE, kind: str = "ZValue"
    ) -> Path:
        text = head + "\n"
        for number, row in enumerate(rows):
            lines = "".join(f"{key} = {value}\n" for key, value in row.items() if value is not None)
            text += f"\n[{kind} = {number}]\n{lines}"
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)
        return path

    return write_mdoc


def movies(angles: Sequence[float] = ANGLES, suffix: str = ".mrc") -> list[Path]:
    return [Path("frames") / f"TS_01_{i:03d}_{angle:.1f}{suffix}" for i, angle in enumerate(angles)]


def build(*mdocs: Path, files: Sequence[Path] | None = None, **settings: Any) -> list[TiltSeries]:
    return list(build_series(mdocs, movies() if files is None else files, Settings(**settings)).series)


def test_rows_ascend_and_order_exposure_and_axis_are_told(write: Write) -> None:
    (one,) = build(write(sections()))
    assert one.name == "TS_01"
    assert [tilt.tilt_deg for tilt in one.tilts] == sorted(ANGLES)
    assert [tilt.order for tilt in one.tilts] == [3, 2, 0, 1, 4]
    assert [tilt.pre_exposure_e_A2 for tilt in one.tilts] == [9, 6, 0, 3, 12]
    assert (one.axis_deg, one.axis_source) == (85.3, "title of the mdoc")
    assert one.exposure_e_A2 == 15
    assert one.tilts[0].target_defocus_um == 4
    assert one.tilts[0].time == "2015-11-30T15:23:38"
    assert one.warnings == ()
    assert TiltSeries.from_json(one.to_json()) == one


@pytest.mark.parametrize("suffix", [".tif", ".eer", "_EER.eer", "_fractions.tiff", ".MRC"])
def test_movies_are_found_whatever_their_ending(write: Write, suffix: str) -> None:
    (one,) = build(write(sections()), files=movies(suffix=suffix))
    assert all(tilt.movie for tilt in one.tilts)


def test_movies_are_found_by_index_and_angle_when_renamed(write: Write) -> None:
    files = [Path(f"ts_01_{i:04d}_{angle:.2f}_Dec01_12.30.45.tif") for i, angle in enumerate(ANGLES)]
    (one,) = build(write(sections()), files=files)
    assert [tilt.movie for tilt in one.tilts if tilt.order == 2] == ["ts_01_0002_-3.00_Dec01_12.30.45"]


def test_names_with_dots_stay_apart(write: Write) -> None:
    files = [Path("TS_-3.0_Dec01.tif"), Path("TS_-3.5_Dec01.tif")]
    rows = [
        {"TiltAngle": angle, "SubFramePath": file.name, "DateTime": f"01-Dec-24 10:0{i}:00"}
        for i, (angle, file) in enumerate(zip((-3.0, -3.5), files, strict=True))
    ]
    (one,) = build(write(rows), files=files)
    assert [tilt.movie for tilt in one.tilts] == ["TS_-3.5_Dec01", "TS_-3.0_Dec01"]


def test_without_file_names_series_and_angle_tell(write: Write) -> None:
    (one,) = build(write(sections(SubFramePath=None)))
    assert [tilt.movie for tilt in one.tilts] == [
        f"TS_01_{i:03d}_{a:.1f}" for i, a in ((3, -6), (2, -3), (0, 0), (1, 3), (4, 6))
    ]


def test_an_absent_movie_is_left_out_but_its_exposure_counts(write: Write) -> None:
    (one,) = build(write(sections()), files=movies()[1:])
    first = next(tilt for tilt in one.tilts if tilt.order == 0)
    assert first.movie is None
    assert "TS_01_000_0.0.mrc is not among the movies" in first.problem
    assert [tilt.pre_exposure_e_A2 for tilt in one.tilts if tilt.order == 1] == [3]
    assert "1 of 5 tilts cannot be used" in one.warnings[0]
    assert "(4 fit input.movies, the nearest name is TS_01_004_6.0; correct input.movies" in one.warnings[0]


def test_the_nearest_name_is_found_among_very_many() -> None:
    names = [f"TS_{series:02d}_{index:03d}" for series in range(50) for index in range(41)]
    assert nearest_name(r"D:\\ts_37_002_fractions.tif", names) == "TS_37_002"
    assert nearest_name("atlas.tif", names) == ""


@pytest.mark.parametrize(
    ("changes", "source"),
    [
        ([{"TimeStamp": 1000 + i} for i in range(5)], "TimeStamp"),
        ([{"PriorRecordDose": 3 * i} for i in range(5)], "PriorRecordDose"),
        ([{} for _ in range(5)], "the counter in the names"),
    ],
)
def test_order_falls_back_with_a_warning(write: Write, changes: list[Section], source: str) -> None:
    rows = [{**row, "DateTime": None, **change} for row, change in zip(sections(), changes, strict=True)]
    shuffled = [rows[i] for i in (3, 2, 0, 1, 4)]
    (one,) = build(write(shuffled))
    assert one.order_source == source
    assert [tilt.order for tilt in one.tilts] == [3, 2, 0, 1, 4]
    assert f"the order comes from {source}" in one.warnings[0]


def test_equal_times_count_as_missing(write: Write) -> None:
    (one,) = build(write(sections(DateTime="30-Nov-15  15:20:00")))
    assert one.order_source == "the counter in the names"
    assert "all alike" in one.warnings[0]


def test_an_order_that_cannot_be_known_is_told(write: Write) -> None:
    rows = [
        {"TiltAngle": angle, "SubFramePath": f"im{chr(97 + i)}.tif"} for i, angle in enumerate((-6.0, -3.0, 0.0, 3.0))
    ]
    (one,) = build(write(rows), files=[Path(f"im{c}.tif") for c in "abcd"])
    assert one.order_source == "the order of the sections"
    assert any("may have been sorted by angle" in warning for warning in one.warnings)


def test_disagreeing_sources_are_told(write: Write) -> None:
    rows = [{**row, "TimeStamp": 100 - i} for i, row in enumerate(sections())]
    (one,) = build(write(rows))
    assert "TimeStamp tells another order than DateTime, which is used" in one.warnings


def test_exposure_chain(write: Write) -> None:
    frames = sections(ExposureDose=0, FrameDosesAndNumber="0.25 4  0.5 2")
    (one,) = build(write(frames))
    assert {(tilt.exposure_e_A2, tilt.exposure_source) for tilt in one.tilts} == {(2.0, "FrameDosesAndNumber")}
    (one,) = build(write(frames), input=InputSettings(exposure_e_A2=3))
    assert {(tilt.exposure_e_A2, tilt.exposure_source) for tilt in one.tilts} == {(3.0, "weft.toml")}
    assert "the mdoc tells 2 e⁻/Å² a tilt, weft.toml 3, which is used" in one.warnings
    (one,) = build(write(sections(ExposureDose=0)))
    assert one.exposure_e_A2 is None
    assert [tilt.pre_exposure_e_A2 for tilt in one.tilts] == [None, None, 0, None, None]
    assert "the exposure is unknown" in one.warnings[0]


def test_a_high_exposure_at_zero_tilt_stays_where_it_is(write: Write) -> None:
    rows = sections()
    rows[0]["ExposureDose"] = 15
    (one,) = build(write(rows))
    assert [tilt.pre_exposure_e_A2 for tilt in one.tilts] == [21, 18, 0, 15, 24]


def test_images_that_the_mdoc_no_longer_lists_count(write: Write) -> None:
    rows = [{**row, "PriorRecordDose": 3 * i} for i, row in enumerate(sections())]
    (one,) = build(write([row for i, row in enumerate(rows) if i != 1]))
    assert [tilt.pre_exposure_e_A2 for tilt in one.tilts] == [9, 6, 0, 12]
    assert any("PriorRecordDose tells of more exposure" in warning for warning in one.warnings)


@pytest.mark.parametrize(
    ("head", "changes", "axis", "source"),
    [
        ("[T = TiltAxisAngle = -86.68  Binning = 1  SpotSize = 7]", {}, -86.68, "title of the mdoc (Tomography 5)"),
        ("T = TiltAxisAngle = -176,73 Binning = 1", {}, -176.73, "title of the mdoc (Tomography 5)"),
        ("", {"RotationAngle": 175.3}, 85.3, "RotationAngle of the mdoc"),
        ("", {"RotationAngle": -120}, 150, "RotationAngle of the mdoc"),
        ("", {}, None, ""),
    ],
)
def test_axis_of_the_dialects(write: Write, head: str, changes: Section, axis: float | None, source: str) -> None:
    (one,) = build(write(sections(**changes), head=head))
    assert (one.axis_deg, one.axis_source) == (axis, source)
    if "Tomo" in source:
        assert any("it may be one of" in warning for warning in one.warnings)
    (one,) = build(write(sections(**changes), head=head), series=SeriesSettings(tilt_axis_deg=-93.5))
    assert (one.axis_deg, one.axis_source) == (-93.5, "weft.toml")


def test_an_angle_taken_twice_is_used_once(write: Write) -> None:
    angles = (0.0, 3.0, -3.0, 3.02)
    (one,) = build(write(sections(angles)), files=movies(angles))
    assert any("3.0° was taken 2 times" in warning for warning in one.warnings)
    assert sum(use.is_used for use in uses_of(one, {})) == 3
    assert _used(one, {}) == ["TS_01_002_-3.0", "TS_01_000_0.0", "TS_01_003_3.0"]
    assert _used(one, {"TS_01_001_3.0": "keep"})[-1] == "TS_01_001_3.0"
    assert _used(one, {"TS_01_003_3.0": "drop"})[-1] == "TS_01_001_3.0"
    assert len([use for use in uses_of(one, {}, rule="ask") if use.is_used]) == 4
    best = uses_of(one, {}, rule="best", resolution_A={"TS_01_001_3.0": 6.0, "TS_01_003_3.0": 9.0})
    assert [use.tilt.movie for use in best if use.is_used][-1] == "TS_01_001_3.0"


def _used(one: TiltSeries, decisions: dict[str, str]) -> list[str | None]:
    return [use.tilt.movie for use in uses_of(one, decisions) if use.is_used]


def test_two_sections_of_one_movie(write: Write) -> None:
    rows = [*sections(), {**sections()[1], "DateTime": "30-Nov-15  16:00:00"}]
    (one,) = build(write(rows))
    assert len([tilt for tilt in one.tilts if tilt.movie == "TS_01_001_3.0"]) == 1
    assert any("names the same movie" in tilt.problem for tilt in one.tilts)


@pytest.mark.parametrize(
    ("value", "problem"), [("NaN", ""), (None, ""), ("1e24", "beyond ±90°")], ids=["nan", "missing", "absurd"]
)
def test_angles_that_are_none(write: Write, value: str | None, problem: str) -> None:
    rows = sections()
    rows[1]["TiltAngle"] = value
    (one,) = build(write(rows))
    tilt = next(tilt for tilt in one.tilts if tilt.file == "TS_01_001_3.0.mrc")
    assert problem in tilt.problem
    if not problem:
        assert tilt.tilt_deg == 3.0


def test_a_growing_mdoc(write: Write) -> None:
    (one,) = build(write([*sections()[:3], {"TiltAngle": -6.0}]))
    assert len(one.tilts) == 3
    assert any("may still be being written" in warning for warning in one.warnings)


def test_files_that_are_no_series_are_told(write: Write, tmp_path: Path) -> None:
    (tmp_path / "empty.mdoc").write_text("")
    (tmp_path / "TS_09.mdoc").write_text("PixelSpacing = 1\n")
    found = build_series(
        [
            write(sections()),
            write(sections(), name="TS_01.mdoc"),
            write(sections(), name="TS_01_override.mdoc"),
            write(sections(), name="TS_01_unsorted.mrc.mdoc"),
            write(sections(), name="map.mrc.mdoc", head="Montage = 1"),
            write([{"FrameTSStartEndFrames": "1 5", "SubFramePath": "c.tif"}], name="c.tif.mdoc", kind="FrameSet"),
            tmp_path / "empty.mdoc",
            tmp_path / "TS_09.mdoc",
        ],
        [*movies(), Path("grid_map.mrc")],
        Settings(),
    )
    assert [one.name for one in found.series] == ["TS_01"]
    text = " | ".join(found.warnings)
    for words in ("same sections as", "TS_01_override", "montage", "while tilting"):
        assert words in text
    assert ["is empty" in found.unreadable[1], "describes no tilt series" in found.unreadable[0]] == [True, True]
    assert found.unmatched == (Path("grid_map.mrc"),)


def test_mdocs_of_single_movies_make_a_series(write: Write) -> None:
    paths = [
        write([row], name=f"{movies()[i].name}.mdoc", head="T = SerialEM", kind="FrameSet")
        for i, row in enumerate(sections(RotationAngle=175.3))
    ]
    (one,) = build(*paths)
    assert (one.name, len(one.tilts), one.axis_deg) == ("TS_01", 5, 85.3)
    found = build_series([*paths, write(sections())], movies(), Settings())
    assert [len(one.tilts) for one in found.series] == [5]
    assert not found.warnings


def test_halves_taken_from_zero_are_joined(write: Write) -> None:
    rows = sections()
    plus = write([rows[0], rows[1], rows[4]], name="TS_01_plus.mrc.mdoc")
    minus = write([rows[2], rows[3]], name="TS_01_minus.mrc.mdoc")
    (one,) = build(plus, minus)
    assert (one.name, [tilt.order for tilt in one.tilts]) == ("TS_01", [3, 2, 0, 1, 4])
    a, b = write(sections(), name="pos_a.mdoc"), write(sections(DateTime="30-Nov-15 15:20:00"), name="pos_b.mdoc")
    assert len(build_series([a, b], movies(), Settings()).warnings) == 1  # not halves: the same sections twice


def test_one_name_in_two_sessions(write: Write) -> None:
    first = write(sections(), name="day1/TS_01.mdoc")
    files = [Path(f"b_{i}.mrc") for i in range(5)]
    rows = [{**row, "SubFramePath": file.name} for row, file in zip(sections(), files, strict=True)]
    second = write(rows, name="day2/TS_01.mdoc")
    found = build(first, second, files=[*movies(), *files])
    assert [one.name for one in found] == ["TS_01", "day2_TS_01"]


def test_names_that_not_every_program_takes(write: Write) -> None:
    (one,) = build(write(sections(), name="pos 3+4.5.mdoc"))
    assert one.name == "pos_3_4_5"
    assert "not every program takes" in " ".join(one.warnings)


def test_series_without_mdocs_by_a_pattern() -> None:
    settings = Settings(series=SeriesSettings(pattern="{series}_{index}_{angle}"), input=InputSettings(exposure_e_A2=3))
    found = build_series([], [*movies(), Path("other.mrc")], settings)
    (one,) = found.series
    assert [tilt.order for tilt in one.tilts] == [3, 2, 0, 1, 4]
    assert one.exposure_e_A2 == 15
    assert found.unmatched == (Path("other.mrc"),)
    with pytest.raises(SettingsError, match="needs"):
        build_series([], movies(), Settings(series=SeriesSettings(pattern="{index}")))
