"""Which bead detectors there are: names and files of weights. No network is loaded here, so the plan can ask."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from weft.errors import SettingsError

__all__ = ["CLASSIC", "FACTS_KEY", "GOLD_MODEL", "ModelInfo", "find_model", "list_models"]

GOLD_MODEL, CLASSIC = "gold", "classic"
_WEIGHTS = Path(__file__).parents[1] / "fiducials" / "weights"
_SUFFIX = ".safetensors"
FACTS_KEY = "weft"  # of the header's metadata
_LONGEST_HEADER = 1 << 20


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
        How it was trained and what it scored, from the header of its file; empty if that says nothing.
    """

    name: str
    path: Path | None
    description: str
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def is_shipped(self) -> bool:
        """Whether it came with Weft."""
        return self.path is None or self.path.parent == _WEIGHTS

    @property
    def uses_sphere_fit(self) -> bool:
        """Whether the sphere fit checks what the network sees."""
        return self.is_shipped or bool(self.facts.get("uses_sphere_fit", False))


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
    """Return what the header of a safetensors file says, or the JSON file beside the shipped ones.

    A damaged file says nothing here: what loads the weights complains.
    """
    beside = weights.with_suffix(".json")
    try:
        if beside.exists() and weights.parent == _WEIGHTS:
            facts = json.loads(beside.read_text(encoding="utf-8"))
        else:
            facts = json.loads(_header(weights).get("__metadata__", {}).get(FACTS_KEY, "{}"))
    except (OSError, ValueError, AttributeError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _header(path: Path) -> dict[str, Any]:
    """Return the JSON header of a safetensors file: its length in 8 bytes, then the text."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > _LONGEST_HEADER:
            raise ValueError("no header")
        header = json.loads(file.read(length))
    return header if isinstance(header, dict) else {}
