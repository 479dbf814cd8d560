import numpy as np
import pytest
import scipy.fft as sfft
import scipy.ndimage as ndi
from scipy.optimize import minimize
from tests.export_project import a_fit

from weft.errors import InputError
from weft.fields import Bead
from weft.signal.fill import erase, erase_for_stack, halo_A

SCALE = 4  # average pixels a mask pixel


def coloured(rng: np.random.Generator, side: int) -> np.ndarray:
    """Electrons with a slope of thickness and a Thon-like spectrum."""
    k2 = sfft.fftfreq(side)[:, None] ** 2 + sfft.rfftfreq(side)[None, :] ** 2
    signal = sfft.irfft2(sfft.rfft2(rng.normal(size=(side, side))) * np.sin(90 * k2) * np.exp(-20 * k2))
    level = 20 * (1 + 0.3 * np.linspace(-1, 1, side))[:, None]
    return rng.poisson(np.maximum(level * (1 + 0.5 * signal), 0.1)).astype(np.float32)


def with_beads(image: np.ndarray, places: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.indices(image.shape)
    away = np.min([np.hypot(y - py, x - px) for py, px in places], axis=0)
    fringe = 0.3 * np.exp(-((away - radius - 5) ** 2) / 12)
    beads = np.where(away < radius, 0.2, 1 + fringe).astype(np.float32)
    my, mx = (np.arange(n // SCALE) * SCALE + SCALE // 2 for n in image.shape)
    return image * beads, away[np.ix_(my, mx)] < radius


def grid_places(side: int, step: int) -> np.ndarray:
    at = np.arange(step // 2, side - step // 3, step)
    return np.stack(np.meshgrid(at, at, indexing="ij"), -1).reshape(-1, 2)


def features(patch: np.ndarray) -> list[float]:
    side = len(patch)
    window = np.hanning(side + 2)[1:-1]
    power = np.abs(sfft.rfft2((patch - patch.mean()) * window[:, None] * window)) ** 2
    radius = np.hypot(sfft.fftfreq(side)[:, None], sfft.rfftfreq(side)[None, :])
    ring = np.digitize(radius.ravel(), np.linspace(0.02, 0.5, 9))
    rings = [np.log(power.ravel()[ring == i].mean()) for i in range(1, 9)]
    return [float(patch.mean()), float(np.log(patch.var())), *rings]


def accuracy(found: np.ndarray, is_filled: np.ndarray, rng: np.random.Generator) -> float:
    """Logistic regression, five-fold."""
    x = np.c_[(found - found.mean(0)) / found.std(0), np.ones(len(found))]
    sign, right, order = 2.0 * is_filled - 1, 0, rng.permutation(len(x))
    for fold in range(5):
        test = order[fold::5]
        train = np.setdiff1d(order, test)

        def cost(w: np.ndarray, train: np.ndarray = train) -> tuple[float, np.ndarray]:
            z = sign[train] * (x[train] @ w)
            gradient = -(x[train] * (sign[train] / (1 + np.exp(z)))[:, None]).mean(0)
            return float(np.logaddexp(0, -z).mean() + 1e-3 * w @ w), gradient + 2e-3 * w

        w = minimize(cost, np.zeros(x.shape[1]), jac=True).x
        right += int(((x[test] @ w > 0) == (sign[test] > 0)).sum())
    return right / len(x)


@pytest.mark.slow
def test_filled_places_cannot_be_told_from_others() -> None:
    rng = np.random.default_rng(4)
    side, step, size = 1024, 96, 40
    found, kind = [], []
    for number in range(5):
        image = coloured(rng, side)
        places = grid_places(side, step)
        beaded, mask = with_beads(image, places, 10.0)
        out = erase(beaded, mask, number)
        for y, x in places.tolist():
            for dy, filled in ((0, 1), (step // 2, 0)):  # between two beads lies an open place
                patch = out[y + dy - size // 2 : y + dy + size // 2, x + dy - size // 2 : x + dy + size // 2]
                if patch.shape == (size, size):
                    found.append(features(patch))
                    kind.append(filled)
    assert len(kind) >= 1000
    told_apart = accuracy(np.array(found), np.array(kind), rng)
    assert told_apart < 0.55 + 2 * np.sqrt(0.25 / len(kind))  # the limit, and two standard errors of counting


def test_nothing_changes_beyond_halo_and_seam() -> None:
    rng = np.random.default_rng(1)
    image = coloured(rng, 256)
    beaded, mask = with_beads(image, np.array([[128, 100]]), 12.0)
    out = erase(beaded, mask, 0)
    y, x = np.indices(image.shape)
    changed = out != beaded
    assert np.hypot(y - 128, x - 100)[changed].max() <= 12 + SCALE * (6 + 3 + 1.5)
    assert changed[120:136, 92:108].all()


def test_slope_goes_on_through_the_hole() -> None:
    rng = np.random.default_rng(2)
    image = (np.linspace(50, 150, 256)[:, None] + rng.normal(0, 1, (256, 256))).astype(np.float32)
    beaded, mask = with_beads(image, np.array([[128, 128]]), 14.0)
    out = ndi.gaussian_filter(erase(beaded, mask, 0), 6)
    assert out[128, 128] == pytest.approx(100, abs=1.5)
    assert out[140, 128] - out[116, 128] == pytest.approx(24 * 100 / 255, abs=2.5)  # most of the slope


def test_halves_get_noise_of_their_own() -> None:
    rng = np.random.default_rng(3)
    even, odd = coloured(rng, 256), coloured(rng, 256)
    beaded = [with_beads(half, np.array([[128, 128]]), 14.0) for half in (even, odd)]
    out = [erase(image, mask, seed)[112:144, 112:144] for seed, (image, mask) in enumerate(beaded)]
    assert abs(np.corrcoef(out[0].ravel(), out[1].ravel())[0, 1]) < 0.15  # 1024 pixels: 0.03 expected, slope added


def test_same_seed_same_filling_and_input_is_left_alone() -> None:
    image = coloured(np.random.default_rng(5), 128)
    beaded, mask = with_beads(image, np.array([[64, 64]]), 10.0)
    before = beaded.copy()
    assert np.array_equal(erase(beaded, mask, 7), erase(beaded, mask, 7))
    assert not np.array_equal(erase(beaded, mask, 7), erase(beaded, mask, 8))
    assert np.array_equal(beaded, before)


def test_edges_of_the_case() -> None:
    flat = np.full((64, 48), 3.0, np.float32)
    assert np.array_equal(erase(flat, np.zeros((8, 6), dtype=bool), 0), flat)
    assert np.allclose(erase(flat, np.ones((8, 6), dtype=bool), 0), flat)
    corner = np.zeros((8, 6), dtype=bool)
    corner[0, 0] = True
    assert np.allclose(erase(flat, corner, 0), flat)
    holed = flat.copy()
    holed[5, 5] = np.nan
    assert np.isfinite(erase(holed, corner, 0)).all()
    with pytest.raises(InputError, match="one image and one mask"):
        erase(flat[None], corner, 0)


def test_a_stack_is_erased_the_same_each_time_and_halves_differ() -> None:
    image = coloured(np.random.default_rng(6), 256)
    beaded, mask = with_beads(image, np.array([[128, 128]]), 12.0)
    made = {part: erase_for_stack(beaded, 2.0, mask, name="TS_01_000", part=part) for part in ("full", "even", "odd")}
    assert np.array_equal(made["even"], erase_for_stack(beaded, 2.0, mask, name="TS_01_000", part="even"))
    inside = np.s_[118:138, 118:138]
    noise = {part: (out - ndi.gaussian_filter(out, 3))[inside].ravel() for part, out in made.items()}
    for one, other in (("even", "odd"), ("full", "even"), ("full", "odd")):
        assert abs(np.corrcoef(noise[one], noise[other])[0, 1]) < 0.2  # 400 pixels: 0.05 expected
    assert not np.array_equal(made["even"], erase_for_stack(beaded, 2.0, mask, name="TS_01_001", part="even"))


def test_halo_follows_the_defocus_whatever_the_scale_of_the_mask() -> None:
    image = coloured(np.random.default_rng(7), 320)
    beaded, mask = with_beads(image, np.array([[160, 160]]), 12.0)  # 2 Å a pixel, mask of 8 Å
    y, x = np.indices(image.shape)
    away = np.hypot(y - 160, x - 160) * 2.0
    coarse = np.zeros((40, 40), dtype=bool)
    coarse[18:22, 18:22] = True
    for given, rim_A in ((mask, 24.0), (coarse, 32.0 * np.sqrt(2))):
        reach = []
        for defocus_A in (15_000.0, 60_000.0):
            changed = erase_for_stack(beaded, 2.0, given, name="a", ctf=a_fit(defocus_A)) != beaded
            assert away[changed].max() <= rim_A + halo_A(defocus_A) + 3 * 8 + 10  # mask, fringes, seam, rounding
            reach.append(away[changed].max())
        assert reach[1] - reach[0] == pytest.approx(halo_A(60_000.0) - halo_A(15_000.0), abs=6)


def test_rims_of_beads_whose_centre_lies_outside_are_erased() -> None:
    image = coloured(np.random.default_rng(8), 320)
    beaded, mask = with_beads(image, np.array([[-5, 160], [160, 325], [160, 160]]), 14.0)  # 2 Å a pixel
    mask[:10] = mask[:, 70:] = False  # as the detector leaves them
    sure, unlikely = Bead(-10.0, 320.0, 28.0, 0.44), Bead(320.0, 650.0, 28.0, 0.1)
    out = erase_for_stack(beaded, 2.0, mask, name="a", beads=(sure, unlikely))
    assert beaded[:8, 150:170].mean() < 0.4 * image[:8, 150:170].mean()
    assert out[:8, 150:170].mean() == pytest.approx(image[:8, 150:170].mean(), rel=0.1)
    assert out[:8, 150:170].std() == pytest.approx(image[:8, 150:170].std(), rel=0.2)
    assert np.array_equal(out[150:170, 312:], beaded[150:170, 312:])
    assert np.array_equal(out[250:], beaded[250:])
