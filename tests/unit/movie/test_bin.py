"""Fourier cropping: sizes, pixel sizes, sums, no ringing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from weft.engine.device import Engine
from weft.engine.fft import fit_spectrum
from weft.errors import SettingsError
from weft.movie.bin import bin_movie


def _flat(source_of: Any, shape: tuple[int, int], frames: int = 1) -> Any:
    return source_of(np.ones((frames, *shape), dtype=np.float32))


@pytest.mark.parametrize(
    ("raw", "exponent", "binned", "pixel_A"),
    [
        ((7676, 7420), 1.0, (3838, 3710), (1.35, 1.35)),
        ((5760, 4092), 0.0, (5760, 4092), (0.675, 0.675)),
        ((4092, 5760), 1.0, (2046, 2880), (1.35, 1.35)),
        ((3838, 3710), 0.5, (2714, 2622), (0.675 * 3838 / 2714, 0.675 * 3710 / 2622)),
        ((4096, 4096), 1.3, (1662, 1662), (0.675 * 4096 / 1662,) * 2),
        ((1021, 1023), 1.0, (510, 512), (0.675 * 1021 / 510, 0.675 * 1023 / 512)),
    ],
)
def test_sizes_are_warps_and_the_pixel_size_is_exact(
    engine: Engine,
    raw: tuple[int, int],
    exponent: float,
    binned: tuple[int, int],
    pixel_A: tuple[float, float],
) -> None:
    class Sized:
        info = type("Info", (), {"frames": 1, "height": raw[0], "width": raw[1]})

        def frames(self, into: Any = None) -> Any:  # noqa: ARG002 (as the protocol has it)
            raise AssertionError("nothing is read before it is needed")

    movie = bin_movie(Sized(), exponent, 0.675, engine)
    assert movie.shape == binned
    assert movie.pixel_sizes_A == pytest.approx(pixel_A, rel=1e-12)
    for padded, raw_padded, new, old in zip(movie.padded, movie._raw_padded, binned, raw, strict=True):
        assert padded >= new
        assert raw_padded <= 1.16 * old + 250
        assert abs(padded / raw_padded * old / new - 1) * old < 0.05  # px that the far end is off at most


@pytest.mark.parametrize("exponent", [0.0, 0.4, 1.0, 1.7])
def test_sums_and_levels_are_kept(engine: Engine, source_of: Any, exponent: float) -> None:
    movie = bin_movie(_flat(source_of, (120, 144)), exponent, 1.0, engine)
    image = movie.frame(0)
    per_pixel = 120 * 144 / (movie.height * movie.width)
    np.testing.assert_allclose(image.numpy(), per_pixel, rtol=2e-4)


@pytest.mark.parametrize("exponent", [0.4, 1.0])
def test_a_wave_below_the_new_nyquist_is_kept_where_it_is(
    engine: Engine, waves_of: Any, source_of: Any, exponent: float
) -> None:
    shape = (240, 300)
    waves = waves_of(0.4 * 2.0**-exponent)
    movie = bin_movie(
        source_of(waves.at(*np.mgrid[:240, :300].astype(float))[None].astype("f4")), exponent, 1.0, engine
    )
    fold = np.array([shape[0] / movie.height, shape[1] / movie.width])
    y, x = np.mgrid[: movie.height, : movie.width].astype(float)
    expected = waves.at(y * fold[0], x * fold[1]) * fold[0] * fold[1]
    difference = np.abs(movie.frame(0).numpy() - expected)[12:-12, 12:-12]
    # near the edges a sharp crop of waves that end there rings; noise, of which frames consist, does not show it
    assert np.sqrt(np.mean(difference**2)) < 0.02 * fold[0] * fold[1] * np.sqrt(5 / 2)


def test_opposite_edges_do_not_ring_into_each_other(engine: Engine, source_of: Any) -> None:
    ramp = np.broadcast_to(np.linspace(10, 30, 600, dtype=np.float32)[:, None], (600, 200))
    movie = bin_movie(source_of(ramp[None].copy()), 1.0, 1.0, engine)
    image = movie.frame(0).numpy()
    expected = 4 * (10 + 20 / 599 * 2 * np.arange(300))
    # a plain crop rings by 9 % of the step of 80 between the edges
    assert np.abs(image - expected[:, None]).max() < 0.4


def test_noise_above_the_new_nyquist_does_not_alias(engine: Engine, waves_of: Any, source_of: Any) -> None:
    waves = waves_of(0.3)
    waves = replace(waves, k=waves.k[[0, 2, 4]], phase=waves.phase[[0, 2, 4]])  # beyond 0.25 along an axis
    frame = waves.at(*np.mgrid[:256, :256].astype(float)).astype(np.float32)
    image = bin_movie(source_of(frame[None]), 1.0, 1.0, engine).frame(0).numpy()
    rest = (image - 4 * waves.level)[40:-40, 40:-40]
    assert np.sqrt(np.mean(rest**2)) < 0.02 * 4 * np.sqrt(3 / 2)  # what leaks in from the edges


def test_spectra_are_kept_when_they_fit_and_made_again_when_not(engine: Engine, source_of: Any) -> None:
    stack = np.random.default_rng(1).poisson(1, (3, 90, 80)).astype(np.float32)
    small = Engine(engine.device, 1, 1000)
    kept, again = bin_movie(source_of(stack), 1.0, 1.0, engine), bin_movie(source_of(stack), 1.0, 1.0, small)
    for _ in range(2):
        for one, other in zip(kept.spectra(), again.spectra(), strict=True):
            np.testing.assert_array_equal(one.numpy(), other.numpy())
    assert len(kept._kept) == 3
    assert not again._kept


@pytest.mark.parametrize("keep", [False, True])
def test_spectra_of_coarser_images_may_be_changed(engine: Engine, source_of: Any, keep: bool) -> None:
    stack = np.random.default_rng(2).poisson(1, (3, 90, 80)).astype(np.float32)
    movie = bin_movie(source_of(stack), 0.0, 1.0, engine)
    whole = [spectrum.clone() for spectrum in bin_movie(source_of(stack), 0.0, 1.0, engine).spectra()]
    for shape in ((48, 40), movie.padded):
        for _ in range(2):
            for spectrum, full in zip(movie.spectra(shape, keep=keep), whole, strict=True):
                wanted = fit_spectrum(full, movie.padded, shape).numpy()
                np.testing.assert_allclose(spectrum.numpy(), wanted, atol=1e-3)  # float32 sums of 10,000 values
                spectrum[:] = 0
    for spectrum, full in zip(movie.spectra(), whole, strict=True):
        np.testing.assert_allclose(spectrum.numpy(), full.numpy(), atol=1e-3)


def test_cropping_to_nothing_is_refused(engine: Engine, source_of: Any) -> None:
    with pytest.raises(SettingsError, match=r"input\.bin = 4: leaves 8 × 6 of 128 × 96 pixels"):
        bin_movie(_flat(source_of, (96, 128)), 4.0, 1.0, engine)
