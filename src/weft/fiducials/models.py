"""Which detectors there are, and loading a network: weights only, never code."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from weft.errors import InputError, SettingsError
from weft.fiducials.net import GoldNet

__all__ = ["CLASSIC", "GOLD_MODEL", "ModelInfo", "find_model", "list_models", "load_net"]

GOLD_MODEL, CLASSIC = "gold", "classic"
_WEIGHTS = Path(__file__).parent / "weights"
_SUFFIX = ".safetensors"


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A detector that `fiducials.model` can name.

    Parameters
    ----------
    name : str
        What to write into the settings.
    path : Path or None
        Of its weights; None if it has none.
    description : str
        One sentence.
    """

    name: str
    path: Path | None
    description: str


def list_models(folder: Path | None = None) -> list[ModelInfo]:
    """Return the detectors there are.

    Parameters
    ----------
    folder : Path, optional
        With networks of the user's, ``NAME.safetensors``: a project's ``models`` folder.
    """
    found = [ModelInfo(CLASSIC, None, "Fits the image of a gold sphere under the fitted CTF; needs no network.")]
    shipped = _WEIGHTS / f"{GOLD_MODEL}{_SUFFIX}"
    if shipped.exists():
        text = "The network that ships with Weft and the sphere fit, each checking the other."
        found.insert(0, ModelInfo(GOLD_MODEL, shipped, text))
    else:
        found.insert(0, ModelInfo(GOLD_MODEL, None, "The same as classic: no network ships with this version."))
    if folder is not None and folder.is_dir():
        found += [ModelInfo(p.stem, p, "A network of yours.") for p in sorted(folder.glob(f"*{_SUFFIX}"))]
    return found


def find_model(name: str, folder: Path | None = None) -> ModelInfo:
    """Return the detector of a name or a path.

    Parameters
    ----------
    name : str
        A name of `list_models`, or the path of a ``.safetensors`` file.
    folder : Path, optional
        See `list_models`.

    Raises
    ------
    SettingsError
        If there is none.
    """
    known = {model.name: model for model in list_models(folder)}
    if name in known:
        return known[name]
    path = Path(name)
    if path.suffix == _SUFFIX and path.is_file():
        return ModelInfo(path.stem, path, "A network of yours.")
    if path.suffix == _SUFFIX or len(path.parts) > 1:
        raise SettingsError(f'fiducials.model = "{name}": there is no such file; give the path of a {_SUFFIX} file')
    near = difflib.get_close_matches(name, known, 1)
    hint = f'; did you mean "{near[0]}"?' if near else f"; there are {', '.join(known)}, or give a path"
    raise SettingsError(f'fiducials.model = "{name}": there is no such model{hint}')


def load_net(path: Path, device: torch.device) -> GoldNet:
    """Return the network of a file, on a device, in evaluation mode.

    Raises
    ------
    InputError
        If the file does not hold the weights of such a network.
    """
    return _load(path, path.stat().st_mtime_ns, str(device))


@lru_cache(maxsize=4)
def _load(path: Path, _changed: int, device: str) -> GoldNet:
    try:
        weights = load_file(path, device=device)
        net = GoldNet(_widths(weights))
        net.load_state_dict(weights)
    except (SafetensorError, RuntimeError, KeyError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{path.name}: holds no weights of a bead network ({reason}); make one with `weft fiducials train`"
        ) from error
    return net.to(device).eval()


def _widths(weights: dict[str, Tensor]) -> tuple[int, ...]:
    """Return the channels of the levels, read off the weights' shapes."""
    levels = sum(key.startswith("down.") and key.endswith(".0.weight") for key in weights)
    if not levels:
        raise KeyError("no level of a U-Net")
    return tuple(len(weights[f"down.{level}.0.weight"]) for level in range(levels))
