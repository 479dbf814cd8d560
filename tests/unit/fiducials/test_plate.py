import numpy as np
import pytest
import scipy.ndimage as ndi
import torch

from weft.engine.device import Engine
from weft.fiducials import segment
from weft.fiducials.flatten import Flat
from weft.fiducials.likeness import likeness
from weft.fiducials.template import Optics, bead_contrast, shifted_contrasts
from weft.fields import BeadMask, CtfFit
from weft.settings.schema import FiducialSettings

PLATE = Optics(8000.0, 300.0, 2.7, 90.0)
FIT = CtfFit(8000.0, 8000.0, 0.0, 90.0, 0.0, 0.0, [[[8000.0]]], {}, 10.0, 8.0, 8.0, 300.0, 2.7, 0.07)
SIGMA = 0.07


def transmission(places: list[tuple[float, float]], diameter_A: float, side: int = 200) -> np.ndarray:
    out = np.ones((side + 80, side + 80))
    for y, x in places:
        row, column = round(y), round(x)
        bead = 1 + bead_contrast(diameter_A / 2, PLATE, offset_px=(y - row, x - column))
        half = len(bead) // 2
        out[row + 40 - half : row + 41 + half, column + 40 - half : column + 41 + half] *= bead
    return out[40:-40, 40:-40]


def proteins(count: int, side: int, seed: int) -> np.ndarray:
    """Transmission of blobs as wide as a bead of 5 nm and as dark, each of several lumps."""
    rng = np.random.default_rng(seed)
    lumps = np.repeat(rng.uniform(6, side - 6, (count, 2)), 12, 0) + rng.normal(0, 1.6, (12 * count, 2))
    total = np.zeros((side, side))
    np.add.at(total, tuple(np.rint(lumps).astype(int).T), 0.45)
    return 1 - np.minimum(ndi.gaussian_filter(total, 0.7), 0.9)


def flat_of(seen: np.ndarray) -> Flat:
    noise = np.random.default_rng(1).normal(0, SIGMA, seen.shape)
    return Flat((seen - 1 + noise).astype(np.float32), np.full(seen.shape, SIGMA, np.float32), True, False)


def find(seen: np.ndarray, model: str = "gold") -> BeadMask:
    image = np.random.default_rng(2).poisson(seen / SIGMA**2).astype(np.float32)
    engine = Engine(torch.device("cpu"), 1, 1 << 30)
    return segment(image, 8.0, FiducialSettings(model=model), engine, ctf=FIT)


def test_shifts_are_those_of_the_sphere() -> None:
    shifted = shifted_contrasts(30.0, PLATE, 3, margin_A=40.0)
    assert np.allclose(shifted[3, 3], bead_contrast(30.0, PLATE, margin_A=40.0), atol=1e-6)
    assert np.allclose(shifted[5, 0], bead_contrast(30.0, PLATE, offset_px=(0.5, -0.75), margin_A=40.0), atol=1e-6)


def test_what_lies_over_a_part_takes_only_that_part_away() -> None:
    clean = transmission([(50.0, 50.0)], 60.0, 100)
    covered, lump = clean.copy(), np.ones_like(clean)
    covered[:, 51:] *= 0.6
    y, x = np.indices(lump.shape)
    lump -= 0.45 * np.exp(-((y - 50) ** 2 + (x - 50) ** 2) / 18)
    here = np.array([[50, 50]])
    free, part, other = (likeness(flat_of(seen), here, 60.0, [PLATE]) for seen in (clean, covered, lump))
    assert free.whole[0] > 0.7
    assert part.half[0] > 0.68
    assert part.whole[0] < free.whole[0] - 0.1
    assert other.whole[0] < 0.66
    assert other.half[0] < 0.68


def test_protein_is_brighter_than_gold_somewhere_or_dark_beyond_its_rim() -> None:
    y, x = np.indices((100, 100))
    away2 = (y - 50) ** 2 + (x - 50) ** 2
    bead = transmission([(50.0, 50.0)], 60.0, 100)
    covered = np.where(x > 50, 0.6, 1) * bead
    narrow, wide = (1 - 0.45 * np.exp(-away2 / spread) for spread in (6, 60))
    here = np.array([[50, 50]])
    free, part, lump, broad = (likeness(flat_of(seen), here, 60.0, [PLATE]) for seen in (bead, covered, narrow, wide))
    assert part.bright[0] < free.bright[0] + 0.5 < lump.bright[0] - 0.5
    assert broad.beside[0] < free.beside[0] - 1


def test_the_centre_is_followed_and_places_without_gold_gain_nothing() -> None:
    flat = flat_of(transmission([(50.3, 48.6)], 60.0, 100))
    found = likeness(flat, np.array([[52, 47], [20, 80], [-40, 300]]), 60.0, [PLATE])
    assert found.y[0] == pytest.approx(50.3, abs=0.3)
    assert found.x[0] == pytest.approx(48.6, abs=0.3)
    assert found.gain[0] > 0.3
    assert found.gain[1] < 0
    assert found.whole[2] == 0


@pytest.mark.parametrize("model", ["gold", "classic"])
@pytest.mark.parametrize("diameter_A", [50.0, 100.0])
def test_beads_among_proteins_as_dark_as_gold(model: str, diameter_A: float) -> None:
    places = [(30.2, 40.0), (50.0, 150.5), (100.0, 100.0), (140.3, 30.0), (160.0, 170.0), (180.0, 90.0)]
    found = find(transmission(places, diameter_A) * proteins(60, 200, 3), model)
    assert found.details["bead_diameter_nm"] == pytest.approx(diameter_A / 10, rel=0.06)
    for bead in found.beads:
        assert min(np.hypot(bead.y_A / 8 - y, bead.x_A / 8 - x) for y, x in places) < 1
    assert len(found.beads) >= 5  # one may lie under a protein


def test_proteins_alone_are_not_masked() -> None:
    found = find(proteins(100, 200, 4))
    assert not found.mask.any()
    assert found.details["bead_diameter_nm"] is None


@pytest.mark.parametrize("count", [1, 2])
def test_one_bead_alone_is_kept_as_doubtful(count: int) -> None:
    found = find(transmission([(50.0, 60.0), (140.0, 120.0)][:count], 100.0))
    assert [bool(found.beads), bool(found.doubtful)] == [count == 2, count == 1]
