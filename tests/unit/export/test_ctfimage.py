"""Pictures of the CTF for RELION: planes from half planes, the model as the conventions say."""

from __future__ import annotations

from pathlib import Path

import mrcfile
import numpy as np
import pytest
import starfile
from tests.commands import call_weft
from tests.export_project import Made, a_fit, make_processed

from weft.export.ctfimage import ctf_amplitude, whole_plane
from weft.fields import CtfCurves
from weft.pipeline.outputs import write_spectrum

SIDE = 64


def _curves(plane: np.ndarray) -> CtfCurves:
    """Return what an estimate hands over: the plane's right half, k_y = 0 in the middle row."""
    nothing = np.zeros(1)
    right = np.concatenate([plane[:, SIDE // 2 :], plane[:, :1]], axis=1)
    return CtfCurves(right.astype(np.float32), nothing, nothing, nothing, nothing, nothing)


def test_the_plane_that_was_halved_comes_back(tmp_path: Path) -> None:
    fit = a_fit(30000.0, pixel_size_A=4.0, angle_deg=25.0)
    plane = ctf_amplitude(SIDE, fit)
    write_spectrum(tmp_path, "m", _curves(plane))
    with mrcfile.open(tmp_path / "powerspectrum" / "m.mrc") as file:
        back = whole_plane(np.array(file.data))
    np.testing.assert_allclose(back[1:, 1:], plane[1:, 1:], atol=1e-6)


def test_the_model_is_stretched_along_the_stronger_defocus() -> None:
    """Along U the first zero comes at a lower frequency than across it."""
    amplitude = ctf_amplitude(
        256, a_fit(0.0, defocus_u_A=30000.0, defocus_v_A=20000.0, angle_deg=90.0, pixel_size_A=2.0)
    )
    up, right = amplitude[128:, 128], amplitude[128, 128:]
    first = [int(np.argmax((line[1:-1] < line[2:]) & (line[1:-1] < line[:-2]))) for line in (up, right)]
    assert first[0] < first[1]
    assert amplitude[128, 128] == pytest.approx(0.07, abs=1e-6)  # the amplitude contrast


def test_without_a_fit_there_is_no_model() -> None:
    nan = float("nan")
    assert not ctf_amplitude(SIDE, a_fit(defocus_u_A=nan, defocus_v_A=nan)).any()


@pytest.mark.parametrize("target", ["relion", "star"])
def test_relion_finds_the_pictures(tmp_path: Path, target: str) -> None:
    project = make_processed(Made(tmp_path, settings={"series": {"hand": -1}}))
    assert call_weft(tmp_path, "import", "-q") == 0
    records = project.records()
    for record in records.values():
        assert record.ctf is not None
        write_spectrum(project.out, record.name, _curves(ctf_amplitude(SIDE, record.ctf.to_fit())))
    assert call_weft(tmp_path, "export", target, "-q") == 0
    if target == "relion":
        table = starfile.read(project.out / "relion" / "tilt_series" / "TS_01.star")
    else:
        table = starfile.read(project.out / "star" / "micrographs_ctf.star")["micrographs"]
    for spectrum, image in zip(table["rlnCtfPowerSpectrum"], table["rlnCtfImage"], strict=True):
        assert mrcfile.validate(tmp_path / spectrum)
        assert image.endswith(".ctf:mrc")
        with mrcfile.open(tmp_path / image.removesuffix(":mrc")) as file:
            assert file.data.shape == (SIDE, SIDE)
            assert file.voxel_size.x == pytest.approx(1.35)
            left, right = file.data[1:, 1 : SIDE // 2], file.data[1:, SIDE // 2 + 1 :][::-1, ::-1]
        assert np.corrcoef(left[:-1].ravel(), right[:-1].ravel())[0, 1] > 0.9
    project.path("spectrum", min(records)).unlink()
    assert call_weft(tmp_path, "export", target, "-q") == 0
    text = next((project.out / target).rglob("*TS_01.star" if target == "relion" else "*ctf.star")).read_text()
    assert "rlnCtfImage" not in text  # all rows or none
