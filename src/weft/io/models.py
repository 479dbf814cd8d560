"""Which bead detectors there are: names and files of weights. No network is loaded here, so the plan can ask."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from weft.errors import SettingsError

__all__ = ["CLASSIC", "GOLD_MODEL", "ModelInfo", "find_model", "list_models"]

GOLD_MODEL, CLASSIC = "gold", "classic"
_WEIGHTS = Path(__file__).parents[1] / "fiducials" / "weights"
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
    facts : dict
        How it was trained and what it scored, from the JSON file beside the weights; empty without one.
    """

    name: str
    path: Path | None
    description: str
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def is_shipped(self) -> bool:
        """Whether it came with Weft."""
        return self.path is None or self.path.parent == _WEIGHTS


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
        found.insert(0, ModelInfo(GOLD_MODEL, shipped, text, _facts(shipped)))
    else:
        found.insert(0, ModelInfo(GOLD_MODEL, None, "The same as classic: no network ships with this version."))
    if folder is not None and folder.is_dir():
        found += [_own(path) for path in sorted(folder.glob(f"*{_SUFFIX}"))]
    return found


def find_model(name: str, folder: Path | None = None, base: Path | None = None) -> ModelInfo:
    """Return the detector of a name or a path.

    Parameters
    ----------
    name : str
        A name of `list_models`, or the path of a ``.safetensors`` file.
    folder : Path, optional
        See `list_models`.
    base : Path, optional
        What relative paths start from.

    Raises
    ------
    SettingsError
        If there is none.
    """
    known = {model.name: model for model in reversed(list_models(folder))}  # our own names come first
    if name in known:
        return known[name]
    path = Path(name) if base is None else base / name
    if path.suffix == _SUFFIX and path.is_file():
        return _own(path)
    if path.suffix == _SUFFIX or len(Path(name).parts) > 1:
        raise SettingsError(f'fiducials.model = "{name}": there is no such file; give the path of a {_SUFFIX} file')
    near = difflib.get_close_matches(name, known, 1)
    hint = f'; did you mean "{near[0]}"?' if near else f"; there are {', '.join(known)}, or give a path"
    raise SettingsError(f'fiducials.model = "{name}": there is no such model{hint}')


def _own(path: Path) -> ModelInfo:
    return ModelInfo(path.stem, path, "A network of yours.", _facts(path))


def _facts(weights: Path) -> dict[str, Any]:
    """Return what the file beside the weights says; damaged ones say nothing, as the weights do not need it."""
    try:
        facts = json.loads(weights.with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}
