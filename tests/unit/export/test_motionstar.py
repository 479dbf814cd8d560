"""RELION's motion of a movie: signs, unused frames, the local polynomial."""

from __future__ import annotations

import numpy as np
import pytest

from weft.export.motionstar import MovieMotion, accumulated_px, local_model, motion_blocks, relion_displacement
from weft.fields import MotionField

FACTS = MovieMotion("a.mrc", 7676, 7420, 8, 0.675, 2.0, 1.0, 0.0, 300.0)
PLACES = [0.0, 0.3, 0.5, 0.9]


def a_path(frames: int = 8) -> np.ndarray:
    path = np.random.default_rng(3).normal(0, 3, (frames, 2))
    return np.asarray(path - path.mean(0))


def with_local(nodes: np.ndarray) -> MotionField:
    return MotionField(a_path(), np.zeros((8, 2)), nodes, np.zeros_like(nodes))


def test_a_rigid_path_comes_back_against_its_first_frame() -> None:
    field = MotionField.rigid(a_path())
    blocks = {block.name: block for block in motion_blocks(field, FACTS)}
    assert blocks["general"].values["rlnMotionModelVersion"] == "0"
    assert "local_motion_model" not in blocks
    back = relion_displacement(blocks, PLACES, PLACES)
    assert back == pytest.approx(np.broadcast_to((field.path_A - field.path_A[0])[:, None, None], back.shape), abs=1e-6)
    shift = blocks["global_shift"].loop
    assert shift is not None
    # the sample went to +x in frame 2 relative to frame 1: the correction is the way back
    assert np.sign(shift.numbers("rlnMicrographShiftX")[1]) == -np.sign(field.path_A[1, 1] - field.path_A[0, 1])


def test_a_local_field_within_relions_family_comes_back() -> None:
    t, y, x = np.meshgrid(np.linspace(0, 1, 4), np.linspace(0, 1, 4), np.linspace(0, 1, 4), indexing="ij")
    # straight in x and y, so that the natural spline is exact; cubic at the nodes in time
    nodes = np.stack([2 * t * (y - 0.5) - t * (x - 0.5), 1.5 * t * (x - 0.5) + 0.5 * t], axis=-1)
    field = with_local(nodes)
    blocks = {block.name: block for block in motion_blocks(field, FACTS)}
    assert blocks["general"].values["rlnMotionModelVersion"] == "1"
    wanted = field.displacement(PLACES, PLACES)
    assert relion_displacement(blocks, PLACES, PLACES) == pytest.approx(wanted - wanted[0], abs=1e-5)
    model = local_model(field, FACTS)
    assert model is not None
    assert model.residual_px < 1e-6


def test_any_local_field_comes_back_as_well_as_the_polynomial_can() -> None:
    nodes = np.random.default_rng(4).normal(0, 0.5, (4, 3, 3, 2))
    field = with_local(nodes)
    model = local_model(field, FACTS)
    assert model is not None
    blocks = {block.name: block for block in motion_blocks(field, FACTS)}
    wanted = field.displacement(PLACES, PLACES)
    off = relion_displacement(blocks, PLACES, PLACES) - (wanted - wanted[0])
    plain = wanted - wanted[0] - (field.path_A - field.path_A[0])[:, None, None]
    # nodes of white noise are the worst that can come
    assert np.sqrt((off**2).mean()) < 0.6 * np.sqrt((plain**2).mean())
    assert 0 < model.residual_px < 1


def test_frames_not_in_use_are_marked() -> None:
    facts = MovieMotion("a.mrc", 7676, 7420, 8, 0.675, 2.0, 1.0, 0.0, 300.0, first_frame=2, last_frame=6)
    blocks = {block.name: block for block in motion_blocks(MotionField.rigid(a_path()), facts)}
    assert blocks["general"].values["rlnMicrographStartFrame"] == "3"
    back = relion_displacement(blocks, [0.5], [0.5])[:, 0, 0]
    assert np.isnan(back[[0, 1, 7]]).all()
    assert back[2] == pytest.approx([0, 0])


def test_early_motion_counts_as_relion_does() -> None:
    """Steps whose frames begin before 4 e⁻/Å², that before the movie included: three of a first tilt's at 1 e⁻/Å²."""
    field = MotionField.rigid(a_path())
    steps = np.linalg.norm(np.diff(field.path_A, axis=0), axis=1) / 0.675
    assert accumulated_px(field, FACTS) == pytest.approx((steps.sum(), steps[:3].sum(), steps[3:].sum()))
    later = MovieMotion("a.mrc", 7676, 7420, 8, 0.675, 2.0, 1.0, 3.0, 300.0)
    assert accumulated_px(field, later)[1] == 0
