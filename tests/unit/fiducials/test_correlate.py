import numpy as np
import pytest

from weft.fiducials.correlate import Correlator, sums_in_field


def slow(image: np.ndarray, kernel: np.ndarray, rim: int) -> np.ndarray:
    """The definition."""
    half = len(kernel) // 2
    padded = np.pad(image, rim + half)
    height, width = (side + 2 * rim for side in image.shape)
    return np.array(
        [
            [(padded[y : y + len(kernel), x : x + len(kernel)] * kernel).sum() for x in range(width)]
            for y in range(height)
        ]
    )


@pytest.mark.parametrize(("shape", "side", "rim"), [((23, 30), 7, 4), ((40, 9), 11, 0), ((5, 6), 13, 3)])
def test_fast_sums_equal_the_slow_ones(shape: tuple[int, int], side: int, rim: int) -> None:
    rng = np.random.default_rng(0)
    image, kernel = (rng.normal(size=s).astype(np.float32) for s in (shape, (side, side)))
    found = Correlator(image, rim, side // 2).with_kernel(kernel)
    assert np.allclose(found, slow(image, kernel, rim), atol=1e-4)  # float32 sums of up to 169 products
    assert np.allclose(sums_in_field(shape, kernel, rim), slow(np.ones(shape), kernel, rim), atol=1e-4)
