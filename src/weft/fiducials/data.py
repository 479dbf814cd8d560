"""A user's images and masks as training examples: Warp's BoxNet TIFFs and plain pairs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from weft.errors import InputError
from weft.fiducials.flatten import Flat, flatten
from weft.fiducials.net import CLASSES, inputs_of
from weft.fiducials.sample import sample
from weft.fiducials.scenes import BACKGROUND, DIRT, GOLD
from weft.fiducials.train import Batch, Recipe, simulated_batches, to_batch, turned
from weft.io.image import read_image
from weft.io.masktiff import read_mask
from weft.io.tiff import read_tiff, read_tiff_header

__all__ = ["Example", "example_from_pair", "labelled_batches", "read_boxnet"]

_BOXNET_SLICES = 3  # image; labels 0 background, 1 particle, 2 mask; weights
_BOXNET_MASK = 2
_OWN_SHARE = 0.5  # of a batch; the rest are simulated scenes, so that nothing learnt before is forgotten


@dataclass(frozen=True, slots=True)
class Example:
    """An image as the network sees it, with the right answer.

    Parameters
    ----------
    name : str
        For messages.
    flat : Flat
        Its contrast, as the sphere fit takes it.
    inputs : ndarray, shape (2, y, x), float32
        See `weft.fiducials.net.inputs_of`.
    shares : ndarray, shape (3, y, x), float32
        Of background, gold and dirt in each pixel; they add up to 1.
    """

    name: str
    flat: Flat
    inputs: NDArray[np.float32]
    shares: NDArray[np.float32]


def read_boxnet(path: Path) -> Example:
    """Return the example of a BoxNet training TIFF: three slices at 8 Å a pixel.

    Parameters
    ----------
    path : Path
        Image; labels (0 background, 1 particle, 2 mask); weights, which are not used. What it masks counts as gold,
        particles as background.

    Raises
    ------
    InputError
        If it has not three slices of one size.
    """
    header = read_tiff_header(path, allow_packed_bytes=False)
    if header.nz < _BOXNET_SLICES:
        raise InputError(
            f"{path.name}: a BoxNet training file has 3 slices (image, labels, weights), this one {header.nz}; "
            "give plain pairs of image and mask instead"
        )
    image, labels = (read_tiff(path, page).astype(np.float32) for page in (0, 1))
    if image.shape != labels.shape:
        raise InputError(f"{path.name}: image and labels differ in size, {image.shape} and {labels.shape}")
    gold = (np.rint(labels) == _BOXNET_MASK).astype(np.float32)
    return _example(path.name, image, gold)


def example_from_pair(image: Path, mask: Path, pixel_size_A: float | None = None) -> Example:
    """Return the example of an average and the mask of its gold.

    Parameters
    ----------
    image : Path
        Average: MRC, TIFF or DM.
    mask : Path
        TIFF as Warp and Weft keep masks (``NAME.tif``, ``NAME.edit.tif``): rows turned round, not 0 = gold; any scale.
    pixel_size_A : float, optional
        Of the average; taken from its header if not given.

    Raises
    ------
    InputError
        If a file cannot be read, the pixel size is unknown, or the sides do not match.
    """
    average, found = read_image(image)
    pixel = pixel_size_A if pixel_size_A is not None else found
    if pixel is None or not pixel > 0:
        raise InputError(f"{image.name}: its header tells no pixel size; give it")
    marked = read_mask(mask)
    height, width = average.shape[-2:]
    if abs(height / width - marked.shape[0] / marked.shape[1]) > 0.02 * height / width:
        raise InputError(
            f"{mask.name}: {marked.shape[1]} × {marked.shape[0]} pixels do not cover the field of {image.name} "
            f"({width} × {height}); give the mask that belongs to it"
        )
    small = sample(np.asarray(average, dtype=np.float32), pixel)
    cover = sample(marked.astype(np.float32), small.step_A[1] * small.image.shape[1] / marked.shape[1])
    gold = cover.image / (cover.step_A[0] * cover.step_A[1] / cover.raw_pixel_size_A**2)
    return _example(image.name, small.image, _fitted(gold, small.image.shape))


def labelled_batches(examples: list[Example], recipe: Recipe, *, own_share: float = _OWN_SHARE) -> Iterator[Batch]:
    """Yield batches without end, partly pieces of the examples, partly simulated scenes.

    Parameters
    ----------
    examples : list of Example
        At least one.
    recipe : Recipe
        Batch size, side and seed.
    own_share : float
        Share of pieces of the examples.

    Raises
    ------
    InputError
        If there is no example.
    """
    if not examples:
        raise InputError("there are no images with masks to learn from; paint a few masks, or name the files")
    rng = np.random.default_rng(recipe.seed + 1)
    scenes = simulated_batches(recipe)
    own = max(1, round(own_share * recipe.batch))
    while True:
        pieces = [_piece(examples[int(i)], recipe.side, rng) for i in rng.integers(0, len(examples), own)]
        mine = to_batch(pieces)
        others = next(scenes)
        rest = recipe.batch - own
        yield Batch(
            torch.cat([mine.inputs, others.inputs[:rest]]),
            torch.cat([mine.shares, others.shares[:rest]]),
        )


def _piece(example: Example, side: int, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return a random square of an example, mirrored outwards where the image is smaller; half of them hold gold."""
    inputs, shares = example.inputs, example.shares
    missing = [max(0, side - n) for n in inputs.shape[1:]]
    if any(missing):
        width = [(0, 0), (0, missing[0]), (0, missing[1])]
        inputs, shares = (np.pad(a, width, mode="symmetric") for a in (inputs, shares))
    top, left = (int(rng.integers(0, n - side + 1)) for n in inputs.shape[1:])
    places = np.argwhere(shares[GOLD] > 0.5)
    if len(places) and rng.random() < 0.5:
        centre = places[int(rng.integers(len(places)))]
        jitter = rng.integers(-side // 3, side // 3 + 1, 2)
        top, left = (
            int(np.clip(c + j - side // 2, 0, n - side))
            for c, j, n in zip(centre, jitter, inputs.shape[1:], strict=True)
        )
    cut = np.s_[:, top : top + side, left : left + side]
    return turned(inputs[cut], shares[cut], rng)


def _example(name: str, image: NDArray[np.float32], gold: NDArray[np.float32]) -> Example:
    shares = np.zeros((CLASSES, *image.shape), np.float32)
    shares[GOLD] = np.clip(gold, 0, 1)
    shares[DIRT] = 0
    shares[BACKGROUND] = 1 - shares[GOLD]
    flat = flatten(image)
    return Example(name, flat, inputs_of(flat), shares)


def _fitted(image: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return an image cut or filled up with zeros by the pixel or two that rounding makes."""
    out = np.zeros(shape, np.float32)
    rows, columns = (min(a, b) for a, b in zip(image.shape, shape, strict=True))
    out[:rows, :columns] = image[:rows, :columns]
    return out
