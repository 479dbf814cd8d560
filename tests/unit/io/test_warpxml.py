"""Warp's movie XML: read back by another program's reader, signs included; kept if somebody changed it."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from weft.fields import CtfFit, MotionField
from weft.io.warpxml import is_ours, movie_xml, selection_of, write_movie_xml, write_selection
from weft.settings.schema import InputSettings, Settings

SETTINGS = Settings(input=InputSettings(raw_pixel_size_A=0.675, bin=1, exposure_e_A2=3))
PIXEL_A = 1.35


def a_field(frames: int = 5) -> MotionField:
    rng = np.random.default_rng(1)
    path = rng.normal(0, 3, (frames, 2))
    nodes = rng.normal(0, 1, (3, 3, 4, 2))
    return MotionField(path - path.mean(0), np.full_like(path, 0.1), nodes, np.full_like(nodes, 0.1))


def a_fit(**changes: Any) -> CtfFit:
    values: dict[str, Any] = {
        "defocus_u_A": 31000.0, "defocus_v_A": 30000.0, "angle_deg": -40.5, "phase_shift_deg": 0.0, "gradient_x": 0.0,
        "gradient_y": 0.0, "grid_A": [[[31500.0, 30600.0], [30400.0, 29500.0]]], "sigma": {}, "score": 9.0,
        "resolution_A": 7.5, "pixel_size_A": PIXEL_A, "voltage_kV": 300.0, "cs_mm": 2.7, "amplitude_contrast": 0.07,
    }  # fmt: skip
    return CtfFit(**{**values, **changes})


def facts(field: MotionField | None = None, fit: CtfFit | None = None) -> dict[str, Any]:
    k = np.linspace(0, 0.5 / PIXEL_A, 64)
    curve = np.cos(40 * k) ** 2
    return {
        "name": "TS_01_000_0.0",
        "movie": {"path": "frames/TS_01_000_0.0.mrc", "frames": 5, "height": 7420, "width": 7676, "raw_pixel_size_A": 0.675},
        "motion": {"field": (field or a_field()).to_json()},
        "average": {"pixel_size_A": PIXEL_A},
        "ctf": {"fit": (fit or a_fit()).to_json(), "curves": {"k": k.tolist(), "experimental": curve.tolist(), "model": curve.tolist()}},
        "mask": {"masked_fraction": 0.0123},
    }  # fmt: skip


@pytest.fixture(scope="module")
def judge() -> Any:
    """Warp's files as warpylib reads them; its projector library, not needed here, may not load with this torch."""
    sys.modules.setdefault("torch_projectors", types.ModuleType("torch_projectors"))
    from warpylib.movie import Movie

    return Movie


def test_warpylib_reads_the_same_ctf_and_selection(tmp_path: Path, judge: Any) -> None:
    path = tmp_path / "TS_01_000_0.0.xml"
    write_movie_xml(path, facts(), SETTINGS, "drop")
    movie = judge(str(path.with_suffix(".mrc")))
    movie.load_meta(str(path))
    assert movie.unselect_manual is True
    assert movie.ctf_resolution_estimate == 7.5
    assert movie.mask_percentage == pytest.approx(1.23)
    assert (movie.ctf.defocus, movie.ctf.defocus_delta, movie.ctf.defocus_angle) == pytest.approx((3.05, 0.1, 139.5))
    assert movie.ctf.pixel_size == PIXEL_A
    assert movie.grid_ctf_defocus.dimensions == (2, 2, 1)
    assert movie.grid_ctf_defocus.values.numpy().ravel() == pytest.approx([3.15, 3.06, 3.04, 2.95])


def test_warps_movement_is_minus_the_displacement(tmp_path: Path, judge: Any) -> None:
    import torch

    field = a_field()
    path = tmp_path / "a.xml"
    write_movie_xml(path, facts(field), SETTINGS, None)
    movie = judge("a.mrc")
    movie.load_meta(str(path))
    places = [0.0, 0.21, 0.5, 0.93]
    d = field.displacement(places, places)
    at = [(x, y, f / 4) for f in range(5) for y in places for x in places]
    coordinates = torch.tensor(at, dtype=torch.float32)
    for axis, grids in (
        (1, (movie.grid_movement_x, movie.grid_local_x)),
        (0, (movie.grid_movement_y, movie.grid_local_y)),
    ):
        shift = sum(grid.get_interpolated(coordinates).numpy() for grid in grids)
        # float32 on their side
        assert shift.reshape(5, 4, 4) == pytest.approx(-d[..., axis], abs=2e-5)


def test_a_movie_without_rings_has_a_flat_grid_and_no_options(tmp_path: Path, judge: Any) -> None:
    nan = float("nan")
    text = movie_xml(facts(fit=a_fit(defocus_u_A=nan, defocus_v_A=nan, resolution_A=None)), SETTINGS).decode()
    assert "OptionsCTF" not in text
    assert "nan" not in text.lower().replace("name", "")
    (tmp_path / "a.xml").write_text(text)
    movie = judge("a.mrc")
    movie.load_meta(str(tmp_path / "a.xml"))
    assert movie.grid_ctf_defocus.dimensions == (2, 2, 1)
    assert movie.ctf_resolution_estimate == 0


@pytest.mark.parametrize("verb", ["drop", "keep", None])
def test_the_selection_follows_decisions_and_stays_ours(tmp_path: Path, verb: str | None) -> None:
    path = tmp_path / "a.xml"
    write_movie_xml(path, facts(), SETTINGS, "drop")
    write_selection(path, verb)
    assert selection_of(path) == verb
    assert is_ours(path.read_bytes())
    assert not write_movie_xml(path, facts(), SETTINGS, verb)


def test_a_file_that_another_program_changed_is_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "a.xml"
    write_movie_xml(path, facts(), SETTINGS, None)
    changed = path.read_bytes().replace(b'Name="Defocus" Value="3.05"', b'Name="Defocus" Value="2.5"')
    path.write_bytes(changed)
    assert "changed by another program" in write_movie_xml(path, facts(), SETTINGS, None)
    assert path.read_bytes() == changed
    assert "changed by another program" in caplog.text
    write_movie_xml(path, facts(), SETTINGS, "drop")
    assert selection_of(path) == "drop"
    assert b'Value="2.5"' in path.read_bytes()


def test_a_file_without_a_selection_gets_one(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes(b"<?xml version='1.0'?><Movie Weight=\"1\"></Movie>")
    write_selection(path, "keep")
    assert selection_of(path) == "keep"
