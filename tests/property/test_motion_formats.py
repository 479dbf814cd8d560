"""A motion field written for Warp and for RELION is the same field when it is read back, signs included."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.export.motionstar import MovieMotion, local_model, motion_blocks, relion_displacement
from weft.fields import MotionField
from weft.io.star import read_star, write_star
from weft.io.warpread import WarpMovie, read_warp_xml
from weft.io.warpxml import movie_xml
from weft.settings.schema import Settings

PLACES = [0.0, 0.25, 0.5, 1.0]
RAW_A = 0.675


@st.composite
def fields(draw: st.DrawFn) -> MotionField:
    """Return a field whose local part RELION's polynomial can hold: straight in x and y, growing with time."""
    frames = draw(st.integers(2, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    path = rng.normal(0, draw(st.sampled_from([0.1, 5.0, 200.0])), (frames, 2))
    if draw(st.booleans()):
        return MotionField.rigid(path - path.mean(0))
    growth = np.linspace(0, 1, 2)[:, None, None, None]
    nodes = growth * rng.normal(0, 3, (1, 2, 2, 2))
    return MotionField(path - path.mean(0), np.full_like(path, np.nan), nodes, np.full_like(nodes, np.nan))


@given(fields())
def test_warps_grids_and_relions_shifts_are_one_field(field: MotionField) -> None:
    facts = {
        "name": "a",
        "movie": {
            "path": "frames/a.mrc",
            "frames": field.frames,
            "height": 7420,
            "width": 7676,
            "raw_pixel_size_A": RAW_A,
        },
        "motion": {"field": field.to_json()},
    }
    relion = MovieMotion("a.mrc", 7676, 7420, field.frames, RAW_A, 2.0, 1.0, 0.0, 300.0)
    with tempfile.TemporaryDirectory() as folder:
        xml, star = Path(folder) / "a.xml", Path(folder) / "a.star"
        xml.write_bytes(movie_xml(facts, Settings()))
        write_star(star, motion_blocks(field, relion))
        warp, blocks = read_warp_xml(xml), read_star(star)
    assert isinstance(warp, WarpMovie)
    none = np.full_like(warp.local_A, np.nan)
    path = warp.path_of(field.frames)
    from_warp = MotionField(path, np.full_like(path, np.nan), warp.local_A, none).displacement(PLACES, PLACES)
    wanted = field.displacement(PLACES, PLACES)
    assert from_warp == pytest.approx(wanted, abs=1e-4)  # the record keeps 1e-5 Å
    from_relion = relion_displacement(blocks, PLACES, PLACES)
    assert from_relion == pytest.approx(wanted - wanted[0], abs=1e-4)
    model = local_model(field, relion)
    assert model is None or model.residual_px < 1e-5
