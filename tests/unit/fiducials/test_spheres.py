import numpy as np
import pytest

from weft.fiducials.flatten import Flat
from weft.fiducials.spheres import fit_at, fit_everywhere
from weft.fiducials.template import Optics


@pytest.mark.parametrize("shape", [(96, 110), (40, 31)])
def test_fits_at_places_equal_those_of_the_maps(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    contrast = rng.normal(0, 0.1, shape).astype(np.float32)  # white: the spread is 1 sigma in both, so nothing differs
    flat = Flat(contrast, np.full(shape, 0.2, np.float32), is_physical=True, is_blank=False)
    places = np.array([(0, 0), (20, 30), (shape[0] - 1, 7), (shape[0] - 2, shape[1] - 1)])
    sizes, optics = (60.0, 100.0), Optics(20_000.0)
    maps, values = fit_everywhere(flat, sizes, [optics], 0), fit_at(flat, sizes, optics, places)
    for whole, some in zip(maps, values, strict=True):
        assert whole.diameter_A == some.diameter_A
        for name in ("strength", "sigmas", "quality"):
            expected = getattr(whole, name)[places[:, 0], places[:, 1]]
            assert np.allclose(getattr(some, name), expected, atol=1e-4)  # float32 sums of some 1,000 products
