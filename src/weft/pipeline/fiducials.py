"""Bead networks of the user's own: learning from masks, and trying a detector on any images.

Results of `train_network` go to the project's ``models`` folder, those of `find_beads` to a folder of their own;
records and masks of the project are made by a run alone.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save

from weft import __version__
from weft.engine.device import Engine, make_engine
from weft.errors import InputError, MissingError, UsageError
from weft.fiducials.data import Example, example_from_pair, read_boxnet
from weft.fiducials.finetune import Detector, FineTuned, checked_by_fit, fine_tune, network_alone
from weft.fiducials.models import load_net
from weft.fiducials.segment import segment
from weft.fiducials.train import Recipe
from weft.fields import BeadMask, CtfFit
from weft.io.atomic import write_bytes
from weft.io.image import read_image
from weft.io.masktiff import write_mask, write_probability
from weft.io.models import FACTS_KEY, ModelInfo, find_model, list_models
from weft.io.mrc import write_mrc
from weft.settings.schema import ComputeSettings, FiducialSettings
from weft.signal.fill import erase_for_stack

__all__ = ["Found", "Labels", "Trained", "find_beads", "train_network"]

_STEPS, _LEARNING_RATE = 400, 1e-3
_MASK_ENDS = (".edit.tif", "_mask.tif", ".mask.tif", ".tif", ".tiff")
_IMAGE_ENDS = (".mrc", ".tif", ".tiff", ".dm3", ".dm4")


@dataclass(frozen=True, slots=True)
class Labels:
    """Where images with masks lie.

    Parameters
    ----------
    boxnet : tuple of Path
        BoxNet training TIFFs of Warp's.
    images, masks : Path or None
        Folders of averages and of masks of the same names.
    painted : Path or None
        A project's output folder: averages with painted masks.
    pixel_size_A : float or None
        Of the averages, if their headers do not tell it.
    """

    boxnet: tuple[Path, ...] = ()
    images: Path | None = None
    masks: Path | None = None
    painted: Path | None = None
    pixel_size_A: float | None = None


@dataclass(frozen=True, slots=True)
class Trained:
    """What training gave; `path` is None if the new network was not better and nothing was written."""

    name: str
    path: Path | None
    examples: int
    outcome: FineTuned
    seconds: float


@dataclass(frozen=True, slots=True)
class Found:
    """Beads of one image, and the files written."""

    name: str
    mask: BeadMask
    files: tuple[Path, ...]


def train_network(
    labels: Labels,
    models: Path,
    name: str,
    compute: ComputeSettings,
    *,
    start: str | None = None,
    steps: int = _STEPS,
    seed: int = 1,
    report: Callable[[dict[str, Any]], None] | None = None,
) -> Trained:
    """Go on with a network on images with masks, and keep the new one if it is better on some it has not seen.

    Parameters
    ----------
    labels : Labels
        Images with masks.
    models : Path
        Folder of the user's networks.
    name : str
        Of the new network; one of that name is replaced only by a better one.
    compute : ComputeSettings
        Where to compute.
    start : str, optional
        Network to start from; the one of that name if there is one, else the one that ships with Weft.
    steps, seed : int
        At most; it stops early when nothing is gained. Equal seeds give equal networks on one machine.
    report : callable, optional
        Called with plain values: ``step``, ``steps``, ``loss``, ``score``.

    Raises
    ------
    UsageError
        If the name cannot be used.
    InputError
        If there are fewer than two images with masks, or one cannot be read.
    SettingsError
        If there is no network to start from.
    MachineError
        If it cannot be written.
    """
    began = time.monotonic()
    target = _target(models, name)
    engine = make_engine(compute)
    examples = _examples(labels)
    first = find_model(start or (name if target.exists() else "gold"), models)
    net, rivals = _to_start_with(first, engine)
    if target.exists() and first.path != target:
        rivals.append(_to_start_with(find_model(name, models), engine)[1][0])
    recipe = Recipe(steps=steps, seed=seed, learning_rate=_LEARNING_RATE, averaging=0.98)
    every = max(1, min(50, steps // 8))

    def tell(step: int, loss: float, score: float) -> None:
        if report is not None:
            report({"event": "train", "step": step, "steps": steps, "loss": round(loss, 4), "score": round(score, 4)})

    torch.manual_seed(seed)
    outcome = fine_tune(net, examples, recipe, engine, rivals=rivals, report=tell, every=every)
    seconds = time.monotonic() - began
    if not outcome.is_better:
        return Trained(name, None, len(examples), outcome, seconds)
    write_bytes(target, _weights(outcome, _facts(name, first, recipe, outcome, examples, seconds)))
    return Trained(name, target, len(examples), outcome, seconds)


def find_beads(
    image: Path,
    out: Path,
    settings: FiducialSettings,
    compute: ComputeSettings,
    *,
    pixel_size_A: float | None = None,
    ctf: CtfFit | None = None,
    erased: bool = False,
) -> Found:
    """Find beads in one image and write ``NAME.tif`` and ``NAME.prob.tif``, on request the image without its gold.

    Parameters
    ----------
    image : Path
        MRC, TIFF or DM.
    out : Path
        Folder to write to.
    settings : FiducialSettings
        Model (name of ours or path), threshold, diameter.
    compute : ComputeSettings
        Where to compute.
    pixel_size_A : float, optional
        If the header does not tell it.
    ctf : CtfFit, optional
        Of the image, if known.
    erased : bool
        Whether to write ``NAME.mrc`` without gold, too.

    Raises
    ------
    InputError
        If it cannot be read, or its pixel size is unknown.
    """
    values, found_A = read_image(image)
    average = np.asarray(values, dtype=np.float32)
    pixel = pixel_size_A if pixel_size_A is not None else found_A
    if pixel is None or not pixel > 0:
        raise InputError(f"{image.name}: its header tells no pixel size; give it with --pixel-size-A")
    if erased and (out / f"{image.stem}.mrc").resolve() == image.resolve():
        raise UsageError(f"{image}: erasing would replace the image itself; name another folder with --out")
    mask = segment(average, pixel, settings, make_engine(compute), ctf=ctf)
    files = [out / f"{image.stem}.tif", out / f"{image.stem}.prob.tif"]
    write_mask(files[0], mask.mask, mask.pixel_size_A)
    write_probability(files[1], mask.probability, mask.pixel_size_A)
    if erased:
        files.append(out / f"{image.stem}.mrc")
        beads = mask.likely_beads
        without = erase_for_stack(average, pixel, mask.mask, name=image.stem, beads=beads, ctf=ctf)
        write_mrc(files[2], without, pixel, dtype="float32")
    return Found(image.stem, mask, tuple(files))


def _target(models: Path, name: str) -> Path:
    """Return the file of a new network.

    Raises
    ------
    UsageError
        If the name is one of ours, or no file name.
    """
    if name in {model.name for model in list_models()}:
        raise UsageError(f'--name {name}: "{name}" ships with Weft; choose another name')
    if not name or Path(name).name != name or name.startswith("."):
        raise UsageError(f"--name {name}: give a plain name, such as mine")
    return models / f"{name}.safetensors"


def _to_start_with(model: ModelInfo, engine: Engine) -> tuple[Any, list[Detector]]:
    """Return a model's network, and the model as the detector that the new one must beat.

    Raises
    ------
    InputError
        If it has no network.
    """
    if model.path is None:
        raise InputError(f'--start {model.name}: "{model.name}" is no network; start from gold or from one of yours')
    net = load_net(model.path, engine.device)
    return net, [(checked_by_fit if model.uses_sphere_fit else network_alone)(net, engine)]


def _examples(labels: Labels) -> list[Example]:
    """Return all examples.

    Raises
    ------
    InputError
        If there are none, or one cannot be read.
    """
    found = [read_boxnet(path) for path in labels.boxnet]
    pairs = []
    if labels.images is not None and labels.masks is not None:
        pairs += _pairs(labels.images, labels.masks)
    if labels.painted is not None:
        painted = sorted((labels.painted / "mask").glob("*.edit.tif"))
        pairs += [(labels.painted / "average" / f"{_stem(path)}.mrc", path) for path in painted]
    found += [example_from_pair(image, mask, labels.pixel_size_A) for image, mask in pairs if image.exists()]
    if not found:
        raise InputError(
            "there are no images with masks to learn from; paint a few masks in the browser (`weft serve`), "
            "or name --boxnet FILES, or folders with --images and --masks"
        )
    return found


def _pairs(images: Path, masks: Path) -> list[tuple[Path, Path]]:
    """Return images and masks of the same name.

    Raises
    ------
    MissingError
        If no name of one folder is in the other.
    """
    by_name: dict[str, Path] = {}
    for path in sorted(masks.glob("*.tif*")):
        if not path.name.endswith(".prob.tif") and (path.name.endswith(".edit.tif") or _stem(path) not in by_name):
            by_name[_stem(path)] = path  # a person's mask wins over the detector's
    there = [path for path in sorted(images.glob("*")) if path.suffix.lower() in _IMAGE_ENDS]
    pairs = [(path, by_name[path.stem]) for path in there if path.stem in by_name and path != by_name[path.stem]]
    if not pairs:
        raise MissingError(
            f"{images}: holds no image with a mask of its name in {masks}; NAME.mrc goes with NAME.tif, NAME_mask.tif "
            "or NAME.edit.tif"
        )
    return pairs


def _stem(mask: Path) -> str:
    end = next(end for end in _MASK_ENDS if mask.name.endswith(end))
    return mask.name.removesuffix(end)


def _facts(
    name: str, first: ModelInfo, recipe: Recipe, outcome: FineTuned, examples: list[Example], seconds: float
) -> dict[str, Any]:
    return {
        "name": name,
        "start": first.name,
        "recipe": recipe.to_json(),
        "steps_done": outcome.steps,
        "examples": len(examples),
        "held_out": list(outcome.held_out),
        "score_before": round(outcome.before, 4),
        "score": round(outcome.after, 4),
        "uses_sphere_fit": outcome.uses_sphere_fit,
        "minutes": round(seconds / 60, 1),
        "weft": __version__,
        "torch": torch.__version__,
    }


def _weights(outcome: FineTuned, facts: dict[str, Any]) -> bytes:
    """Return the file of a network: weights, and in its header how it was made. One file, so that both fit."""
    state = {key: value.detach().cpu().contiguous() for key, value in outcome.net.state_dict().items()}
    data: bytes = save(state, metadata={FACTS_KEY: json.dumps(facts)})
    return data
