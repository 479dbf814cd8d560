"""What other programs get, as their own readers (starfile, mrcfile, mdocfile, warpylib) understand it."""

from __future__ import annotations

import json
import math
import sys
import types
from pathlib import Path
from typing import Any

import mdocfile
import mrcfile
import numpy as np
import pytest
import starfile
from tests.export_project import ANGLES, FRAMES, Made, a_fit, make_processed, movie_of, weft

from weft.conventions import expected_gradient, warp_hand_is_inverted
from weft.export.motionstar import relion_displacement
from weft.fields import Assessment, Verdict
from weft.io.star import read_star
from weft.pipeline.decide import decide
from weft.series.judgements import write_series_ctf
from weft.series.neighbours import share_ctf
from weft.series.store import read_series
from weft.state.project import Project
from weft.state.record import CtfFacts, Record
from weft.state.records import read_record, write_record

ACQUIRED = [movie_of(1, i, angle) for i, angle in enumerate(ANGLES)]
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = make_processed(Made(tmp_path / "p", series=2, settings={"series": {"hand": -1}}))
    assert weft(made, "import", "-q") == 0
    return made


def test_relion_rows_follow_the_acquisition(project: Project) -> None:
    assert weft(project, "export", "relion") == 0
    table = starfile.read(project.out / "relion" / "tilt_series" / "TS_01.star")
    assert list(starfile.read(project.out / "relion" / "tilt_series" / "TS_01.star", always_dict=True)) == ["TS_01"]
    assert [Path(name).stem for name in table["rlnMicrographName"]] == ACQUIRED
    assert table["rlnMicrographPreExposure"].tolist() == [0, 3, 6, 9, 12]
    assert table["rlnTomoNominalStageTiltAngle"].tolist() == pytest.approx([0.004, 3.004, -2.996, -5.996, 6.004])
    assert set(table["rlnTomoNominalTiltAxisAngle"]) == {85.3}
    assert set(table["rlnTomoNominalDefocus"]) == {-4.0}
    assert set(table["rlnTomoTiltMovieFrameCount"]) == {FRAMES}
    assert (table["rlnDefocusU"] - table["rlnDefocusV"]).tolist() == pytest.approx([300] * 5)
    assert all((project.folder / name).is_file() for name in table["rlnMicrographName"])
    assert all((project.folder / name).is_file() for name in table["rlnMicrographMetadata"])
    assert all((project.folder / name).is_file() for name in table["rlnMicrographNameEven"])


def test_relions_global_table(project: Project) -> None:
    weft(project, "export", "relion", "TS_01")
    weft(project, "export", "relion", "TS_02")
    table = starfile.read(project.out / "relion" / "tilt_series.star")
    assert table["rlnTomoName"].tolist() == ["TS_01", "TS_02"]
    assert table["rlnTomoHand"].tolist() == [-1, -1]
    assert table["rlnMicrographOriginalPixelSize"].tolist() == [0.675, 0.675]
    assert table["rlnTomoTiltSeriesPixelSize"].tolist() == [1.35, 1.35]
    assert all((project.folder / name).is_file() for name in table["rlnTomoTiltSeriesStarFile"])


def test_relion_paths_are_relative_to_its_project(project: Project, tmp_path: Path) -> None:
    root = tmp_path / "relion"
    root.mkdir()
    weft(project, "export", "relion", "--root", str(root))
    table = starfile.read(project.out / "relion" / "tilt_series.star")
    assert all((root / name).is_file() for name in table["rlnTomoTiltSeriesStarFile"])


def test_relion_has_a_ctf_in_every_row(project: Project) -> None:
    name = ACQUIRED[1]
    record = read_record(project.path("record", name))
    assert record is not None
    nan = float("nan")
    failed = a_fit(
        defocus_u_A=nan, defocus_v_A=nan, resolution_A=None, assessment=Assessment(Verdict.FAILED, "no rings")
    )
    ctf = CtfFacts(fit=failed.to_json(), verdict="failed", reason="no rings")
    write_record(project.path("record", name), record.model_copy(update={"ctf": ctf}))
    weft(project, "export", "relion", "TS_01")
    table = starfile.read(project.out / "relion" / "tilt_series" / "TS_01.star")
    row = table.iloc[1]
    neighbours = table["rlnDefocusU"][[0, 4]] - 150
    assert row["rlnDefocusU"] == row["rlnDefocusV"] == pytest.approx(neighbours.mean(), abs=1)
    assert (row["rlnCtfFigureOfMerit"], row["rlnCtfMaxResolution"]) == (0, 25)


def test_relion_gets_the_ctf_that_the_series_settled_on(project: Project) -> None:
    (series, _) = read_series(project.out)
    shared = share_ctf(series, project.records())
    assert shared is not None
    write_series_ctf(project.out, shared, "stamp")
    weft(project, "export", "relion", "TS_01")
    table = starfile.read(project.out / "relion" / "tilt_series" / "TS_01.star")
    by_name = {image.movie: image for image in shared.images}
    wanted = [by_name[name].defocus_u_A for name in ACQUIRED]
    assert table["rlnDefocusU"].tolist() == pytest.approx(wanted, abs=1e-3)
    own = [r.ctf.to_fit().defocus_u_A for name in ACQUIRED if (r := project.records()[name]).ctf]
    assert wanted != pytest.approx(own, abs=1)
    weft(project, "config", "set", "series.shared_ctf", "false")
    weft(project, "export", "relion", "TS_01")
    table = starfile.read(project.out / "relion" / "tilt_series" / "TS_01.star")
    assert table["rlnDefocusU"].tolist() == pytest.approx(own, abs=1e-3)


def test_single_images_get_the_ctf_that_their_series_settled_on(project: Project) -> None:
    both = read_series(project.out)
    shared = share_ctf(both[0], project.records())
    assert shared is not None
    write_series_ctf(project.out, shared, "stamp")
    assert weft(project, "export", "star") == 0
    table = starfile.read(project.out / "star" / "micrographs_ctf.star")["micrographs"]
    found = dict(zip(table["rlnMicrographName"].map(lambda name: Path(name).stem), table["rlnDefocusU"], strict=True))
    own = {name: r.ctf.to_fit().defocus_u_A for name, r in project.records().items() if r.ctf}
    wanted = own | {image.movie: image.defocus_u_A for image in shared.images}
    assert found == pytest.approx(wanted, abs=1e-3)
    assert found != pytest.approx(own, abs=1)


def test_single_images_get_the_exposure_that_their_mdocs_tell(project: Project) -> None:
    weft(project, "export", "star")
    general = starfile.read(project.out / "star" / "motion" / f"{ACQUIRED[2]}.star")["general"]
    assert (general["rlnMicrographDoseRate"], general["rlnMicrographPreExposure"]) == (3 / FRAMES, 6)


def test_a_failed_single_image_takes_the_defocus_of_its_neighbours_in_angle(project: Project) -> None:
    name = movie_of(2, 4, 6.0)  # the highest tilt, whose only neighbour is the one at 3°
    record = read_record(project.path("record", name))
    assert record is not None
    nan = float("nan")
    ctf = CtfFacts(
        fit=a_fit(defocus_u_A=nan, defocus_v_A=nan, resolution_A=None).to_json(), verdict="failed", reason="no rings"
    )
    write_record(project.path("record", name), record.model_copy(update={"ctf": ctf}))
    weft(project, "export", "star")
    table = starfile.read(project.out / "star" / "micrographs_ctf.star")["micrographs"]
    found = dict(zip(table["rlnMicrographName"].map(lambda name: Path(name).stem), table["rlnDefocusU"], strict=True))
    assert found[name] == pytest.approx(found[movie_of(2, 1, 3.0)] - 150, abs=1)


def test_relion_is_refused_without_an_exposure(tmp_path: Path, capsys: Capture) -> None:
    project = make_processed(Made(tmp_path, exposure_e_A2=0))
    weft(project, "import", "-q")
    assert not project.path("tomostar", "TS_01").exists()
    for target in ("relion", "warp"):
        assert weft(project, "export", target) == 3
        assert "--exposure" in capsys.readouterr().err
    assert weft(project, "stack", "-q") == 0  # stacks do not need it
    assert weft(project, "export", "relion", "--exposure", "3") == 0
    table = starfile.read(project.out / "relion" / "tilt_series" / "TS_01.star")
    assert table["rlnMicrographPreExposure"].tolist() == [0, 3, 6, 9, 12]


def test_relions_motion_is_the_correction_in_raw_pixels(project: Project) -> None:
    weft(project, "export", "relion", "TS_01")
    record = read_record(project.path("record", ACQUIRED[0]))
    assert record is not None
    assert record.motion is not None
    field = record.motion.to_field()
    blocks = starfile.read(project.out / "relion" / "motion" / f"{ACQUIRED[0]}.star")
    d = field.path_A - field.path_A[0]
    assert blocks["global_shift"]["rlnMicrographShiftX"].tolist() == pytest.approx(-d[:, 1] / 0.675, abs=1e-5)
    assert blocks["global_shift"]["rlnMicrographShiftY"].tolist() == pytest.approx(-d[:, 0] / 0.675, abs=1e-5)
    assert blocks["general"]["rlnMicrographDoseRate"] == 0.75
    assert blocks["general"]["rlnImageSizeX"] == 64
    assert blocks["general"]["rlnMicrographBinning"] == 2
    table = starfile.read(project.out / "relion" / "tilt_series" / "TS_01.star")
    steps = np.linalg.norm(np.diff(d, axis=0), axis=1) / 0.675
    assert table["rlnAccumMotionTotal"][0] == pytest.approx(steps.sum(), abs=1e-4)
    places = [0.1, 0.5, 0.8]
    back = relion_displacement(read_star(project.out / "relion" / "motion" / f"{ACQUIRED[0]}.star"), places, places)
    wanted = field.displacement(places, places)
    assert back == pytest.approx(wanted - wanted[0], abs=2e-5)


def test_images_for_single_particles(project: Project) -> None:
    decide(project, [ACQUIRED[2]], "drop")
    assert weft(project, "export", "star") == 0
    blocks = starfile.read(project.out / "star" / "micrographs_ctf.star")
    assert list(blocks) == ["optics", "micrographs"]
    assert len(blocks["micrographs"]) == 9
    assert not blocks["micrographs"]["rlnMicrographName"].str.contains(ACQUIRED[2]).any()
    assert (
        blocks["optics"]["rlnMicrographPixelSize"].tolist() == [1.35]
        or blocks["optics"]["rlnMicrographPixelSize"] == 1.35
    )


def test_aretomo_gets_order_and_exposure_of_each_section(project: Project) -> None:
    assert weft(project, "export", "aretomo", "TS_01", "--halves") == 0
    folder = project.out / "aretomo" / "TS_01"
    rows = [line.split() for line in (folder / "TS_01_TLT.txt").read_text().splitlines()]
    assert rows == [
        ["-6.00", "4", "3.00"],
        ["-3.00", "3", "3.00"],
        ["0.00", "1", "3.00"],
        ["3.00", "2", "3.00"],
        ["6.00", "5", "3.00"],
    ]
    for name in ("TS_01.mrc", "TS_01_EVN.mrc", "TS_01_ODD.mrc"):
        assert mrcfile.validate(folder / name)
    assert (folder / "TS_01.rawtlt").exists()


def test_dynamo_gets_a_folder_of_its_own(project: Project) -> None:
    assert weft(project, "export", "dynamo") == 0
    folder = project.out / "dynamo" / "TS_02"
    assert mrcfile.validate(folder / "TS_02.st")
    assert (folder / "TS_02_dose.txt").read_text() == "9\n6\n0\n3\n12\n"
    assert mdocfile.read(folder / "TS_02.st.mdoc")["TiltAngle"].is_monotonic_increasing


def test_every_target_follows_one_list(project: Project) -> None:
    decide(project, [ACQUIRED[3]], "drop", reason="dark")
    left = [name for name in ACQUIRED if name != ACQUIRED[3]]
    assert weft(project, "stack", "-q") == 0
    for target in ("relion", "warp", "aretomo", "dynamo"):
        assert weft(project, "export", target, "-q") == 0
    assert _movies_of(project) == {target: sorted(left) for target in _movies_of(project)}


def _movies_of(project: Project) -> dict[str, list[str]]:
    def sections(folder: str) -> list[str]:
        path = project.out / folder / "TS_01" / "TS_01_sections.csv"
        return sorted(line.split(",")[1] for line in path.read_text().splitlines()[1:])

    relion = starfile.read(project.out / "relion" / "tilt_series" / "TS_01.star")["rlnMicrographName"]
    warp = starfile.read(project.path("tomostar", "TS_01"))["wrpMovieName"]
    xml = [name for name in ACQUIRED if b'UnselectManual="True"' not in project.path("xml", name).read_bytes()]
    return {
        "imod": sections("imod"), "aretomo": sections("aretomo"), "dynamo": sections("dynamo"),
        "relion": sorted(Path(name).stem for name in relion), "warp": sorted(Path(name).stem for name in warp), "xml": sorted(xml),
    }  # fmt: skip


@pytest.fixture(scope="module")
def warpylib() -> Any:
    """The judge; its projector library, not needed here, may not load with this torch."""
    sys.modules.setdefault("torch_projectors", types.ModuleType("torch_projectors"))
    import warpylib

    return warpylib


def test_warpylib_reads_the_tomostar(project: Project, warpylib: Any) -> None:
    from warpylib.tilt_series.io import initialize_from_tomo_star

    assert weft(project, "export", "warp") == 0
    series = warpylib.TiltSeries(n_tilts=5)
    initialize_from_tomo_star(series, str(project.path("tomostar", "TS_01")))
    assert series.angles.tolist() == pytest.approx([6.0, 3.0, 0.0, -3.0, -6.0], abs=0.01)
    assert series.dose.tolist() == [9, 6, 0, 3, 12]
    assert series.tilt_axis_angles.tolist() == pytest.approx([85.3] * 5)
    assert [Path(path).stem for path in series.tilt_movie_paths] == [ACQUIRED[i] for i in (3, 2, 0, 1, 4)]
    folder = project.path("tomostar", "TS_01").parent
    for path in series.tilt_movie_paths:
        assert (folder / path).with_suffix(".xml").resolve().is_file()


def test_settings_for_warptools_come_back_as_ours(project: Project) -> None:
    from weft.settings.warp import read_warp_settings

    weft(project, "export", "warp")
    found = read_warp_settings(project.out / "warp_frameseries.settings")
    given = project.settings
    assert found.tables["input"] == {"movies": "../frames/*.mrc", "raw_pixel_size_A": 0.675, "bin": 1.0}
    assert found.tables["ctf"]["range_A"] == given.ctf.range_A
    assert found.tables["optics"] == {"voltage_kV": 300, "cs_mm": 2.7, "amplitude_contrast": 0.07}
    items = json.loads((project.out / "processed_items.json").read_text())
    assert [item["ProcessingStatus"] for item in items] == [1] * 10
    assert items[0]["CTF"]["Defocus"] == pytest.approx(4, abs=0.2)


def test_pixel_sizes_are_those_read_from_the_movies_headers(project: Project) -> None:
    from weft.settings.warp import read_warp_settings

    assert weft(project, "config", "set", "input.raw_pixel_size_A", "none") == 0
    first = min(project.records())
    record = read_record(project.path("record", first))
    assert record is not None
    unread = record.movie.model_copy(update={"width": 0, "height": 0, "raw_pixel_size_A": 0.0})
    write_record(project.path("record", first), Record(name=first, movie=unread))
    project.path("average", first).unlink()
    assert weft(project, "export", "warp", "--force") == 0
    for name in ("warp_frameseries.settings", "warp_tiltseries.settings"):
        assert read_warp_settings(project.out / name).tables["input"]["raw_pixel_size_A"] == 0.675
    assert 'Name="DimensionsZ" Value="2814"' in (project.out / "warp_tiltseries.settings").read_text()
    assert weft(project, "export", "relion", "--force") == 0
    assert (
        starfile.read(project.out / "relion" / "tilt_series.star")["rlnMicrographOriginalPixelSize"].tolist()
        == [0.675] * 2
    )


@pytest.mark.parametrize("hand", [1, -1])
@pytest.mark.parametrize(("tilt_deg", "axis_deg"), [(30.0, 85.3), (-42.0, 85.3), (25.0, -5.0)])
def test_the_hand_means_the_same_to_warp(warpylib: Any, hand: int, tilt_deg: float, axis_deg: float) -> None:
    import torch
    from warpylib.tilt_series.positions import get_positions_in_one_tilt

    size = torch.tensor([4000.0, 3600.0, 1000.0])
    series = warpylib.TiltSeries(n_tilts=1, image_dimensions_physical=size[:2], volume_dimensions_physical=size)
    series.angles = torch.tensor([-tilt_deg])
    series.tilt_axis_angles = torch.tensor([axis_deg])
    series.are_angles_inverted = warp_hand_is_inverted(hand)
    offsets = torch.tensor([[0.0, 0.0, 0.0], [500.0, 0.0, 0.0], [0.0, 400.0, 0.0], [-300.0, 700.0, 0.0]])
    found = get_positions_in_one_tilt(series, size / 2 + offsets, 0).numpy().astype(np.float64)
    gradient_x, gradient_y = expected_gradient(tilt_deg, axis_deg, hand)
    x, y, defocus_A = found[:, 0] - 2000, found[:, 1] - 1800, (found[:, 2] - found[0, 2]) * 1e4
    assert defocus_A == pytest.approx(gradient_x * x + gradient_y * y, abs=0.3)  # float32 µm on their side
    assert math.hypot(*(found[1, :2] - found[0, :2])) <= 500.001
