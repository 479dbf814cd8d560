"""Transforms, sizes, cropping and shifting of spectra."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from weft.engine.device import Engine, make_engine
from weft.engine.fft import cropped_rfft2, fit_spectrum, good_size, ifft_rows, irfft2, rfft2, shift_phases
from weft.errors import MachineError
from weft.settings.schema import ComputeSettings


@pytest.fixture(name="engine", scope="module")
def _engine() -> Engine:
    return Engine(torch.device("cpu"), 1, 1 << 30)


def test_transforms_equal_numpys(engine: Engine) -> None:
    images = np.random.default_rng(1).normal(size=(2, 9, 14)).astype(np.float32)
    spectra = rfft2(torch.from_numpy(images), engine)
    np.testing.assert_allclose(spectra.numpy(), np.fft.rfft2(images), atol=1e-4)  # float32, 126 terms of size 1
    np.testing.assert_allclose(irfft2(spectra, (9, 14), engine).numpy(), images, atol=1e-5)


@pytest.mark.parametrize("has_mkl", [False, True])
def test_both_libraries_transform_alike(engine: Engine, monkeypatch: pytest.MonkeyPatch, has_mkl: bool) -> None:
    image = torch.from_numpy(np.random.default_rng(2).normal(size=(54, 60)).astype(np.float32))
    monkeypatch.setattr("weft.engine.fft._has_mkl", lambda: has_mkl)
    spectrum = rfft2(image, engine)
    np.testing.assert_allclose(spectrum.numpy(), np.fft.rfft2(image.numpy()), atol=1e-3)  # float32 sums of 3240 values
    np.testing.assert_allclose(irfft2(spectrum, (54, 60), engine).numpy(), image.numpy(), atol=1e-5)
    rows = np.roll(image.numpy(), 7, axis=0)[:15]
    np.testing.assert_allclose(ifft_rows(spectrum, 7, (54, 60), engine).numpy(), rows, atol=1e-5)


@pytest.mark.parametrize("new", [(30, 32), (54, 32), (30, 60), (54, 60)])
@pytest.mark.parametrize("has_mkl", [False, True])
def test_columns_that_are_cropped_need_no_transform(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, has_mkl: bool, new: tuple[int, int]
) -> None:
    monkeypatch.setattr("weft.engine.fft._has_mkl", lambda: has_mkl)
    image = torch.from_numpy(np.random.default_rng(3).normal(size=(54, 60)).astype(np.float32))
    wanted = fit_spectrum(rfft2(image, engine), (54, 60), new)
    np.testing.assert_allclose(cropped_rfft2(image, new, engine).numpy(), wanted.numpy(), atol=1e-4)  # float32 sums


def test_some_rows_of_an_image_equal_those_of_all(engine: Engine) -> None:
    image = torch.from_numpy(np.random.default_rng(4).normal(size=(18, 20)).astype(np.float32))
    spectrum = rfft2(image, engine)
    before = spectrum.clone()
    np.testing.assert_allclose(irfft2(spectrum, (18, 20), engine, rows=7).numpy(), image[:7].numpy(), atol=1e-6)
    np.testing.assert_array_equal(spectrum.numpy(), before.numpy())
    spoiled = irfft2(spectrum, (18, 20), engine, overwrite=True)
    np.testing.assert_allclose(spoiled.numpy(), image.numpy(), atol=1e-6)


@pytest.mark.parametrize(("n", "size"), [(1, 2), (1021, 1024), (3838, 3840), (5761, 5832)])
def test_good_sizes_are_even_and_not_smaller(n: int, size: int) -> None:
    found = good_size(n)
    assert found % 2 == 0
    assert n <= found <= size


@pytest.mark.parametrize("old", [(16, 18), (17, 19), (16, 19)])
@pytest.mark.parametrize("new", [(10, 12), (11, 13), (10, 13)])
def test_cropping_keeps_a_wave_below_the_new_nyquist(
    engine: Engine, old: tuple[int, int], new: tuple[int, int]
) -> None:
    def wave(shape: tuple[int, int]) -> torch.Tensor:
        y, x = (np.arange(side) / side for side in shape)
        image = 2 + np.cos(2 * np.pi * (3 * y[:, None] - 4 * x[None, :]) + 0.7)
        return torch.from_numpy(image.astype(np.float32))

    cropped = irfft2(fit_spectrum(rfft2(wave(old), engine), old, new), new, engine)
    fold = old[0] * old[1] / (new[0] * new[1])
    np.testing.assert_allclose(cropped.numpy(), fold * wave(new).numpy(), atol=1e-5)
    padded = irfft2(fit_spectrum(rfft2(wave(new), engine), new, old), old, engine)
    np.testing.assert_allclose(padded.numpy(), wave(old).numpy() / fold, atol=1e-5)


def test_padding_then_cropping_gives_back_the_image(engine: Engine) -> None:
    image = torch.from_numpy(np.random.default_rng(2).normal(size=(15, 21)).astype(np.float32))
    spectrum = rfft2(image, engine)
    back = fit_spectrum(fit_spectrum(spectrum, (15, 21), (20, 32)), (20, 32), (15, 21))
    np.testing.assert_allclose(back.numpy(), spectrum.numpy(), atol=1e-6)


def test_phases_sample_a_wave_at_p_plus_the_shift(engine: Engine) -> None:
    y, x = np.arange(24)[:, None] / 24, np.arange(32)[None, :] / 32
    shift = np.array([0.37, -1.81])

    def wave(dy: float, dx: float) -> np.ndarray:
        return np.asarray(np.cos(2 * np.pi * (5 * (y + dy / 24) + 7 * (x + dx / 32))))

    spectrum = rfft2(torch.from_numpy(wave(0, 0).astype(np.float32)), engine)
    phase_y, phase_x = shift_phases(torch.from_numpy(shift), (24, 32))
    moved = irfft2(spectrum * phase_y * phase_x, (24, 32), engine)
    np.testing.assert_allclose(moved.numpy(), wave(*shift), atol=1e-5)


def test_a_machine_without_a_gpu_says_so() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(MachineError, match="set it to auto or cpu"):
        make_engine(ComputeSettings(device="cuda"))
    assert make_engine(ComputeSettings(threads=1, memory_GB=2)).memory_bytes == 2_000_000_000
