"""Keys: what each stage depends on, so that equal key means no work.

A key is the hash of a plain dict (`inputs`): the stage and its version, the settings it reads, the key of the
stage before it, and the identity of the files it reads. The dict itself is kept in the record, so that a plan
can say what changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from weft.settings.schema import Settings

__all__ = ["STAGE_VERSIONS", "difference", "key_of", "stage_inputs"]

# raised when a stage gives other results for equal inputs
STAGE_VERSIONS = {"motion": 3, "average": 1, "ctf": 2, "mask": 2}

# settings that change the frames as everything after sees them; exposure_e_A2 only where it decides how EER is grouped
_FRAME_KEYS = (
    "raw_pixel_size_A", "bin", "gain_flip_x", "gain_flip_y", "gain_transpose", "gain_mode",
    "eer_exposure_per_fraction_e_A2", "eer_frames_per_fraction", "eer_fractions", "eer_supersampling",
    "xrays", "mrc_mode0",
)  # fmt: skip
_OUTPUT_KEYS = (
    "average", "halves", "aligned_stack", "collapse", "skip_first", "skip_last", "exposure_weighting", "dtype",
)  # fmt: skip

# those that only say which files are written, with their defaults: CTF and mask of the image stay
_FILES_ONLY = {"average": True, "halves": False, "aligned_stack": False, "collapse": 1}


def stage_inputs(
    settings: Settings,
    *,
    movie: str,
    gain: str | None,
    defects: str | None,
    pre_exposure_e_A2: float = 0.0,
    model: str | None = None,
    painted: str | None = None,
) -> dict[str, dict[str, Any]]:
    """Return for each stage the dict it depends on.

    Parameters
    ----------
    settings : Settings
        The project's settings.
    movie, gain, defects : str or None
        Identities of the files (`weft.io.identity`).
    pre_exposure_e_A2 : float
        Exposure before this movie; matters only with exposure weighting.
    model : str, optional
        Identity of the user's bead network; those that ship with Weft go by name and the stage's version.
    painted : str, optional
        Identity of the mask that a person painted; matters only where motion or CTF leave gold out.
    """
    data = settings.model_dump(mode="json")
    frames = {f"input.{key}": data["input"][key] for key in _FRAME_KEYS}
    if settings.input.eer_exposure_per_fraction_e_A2 is not None:
        frames["input.exposure_e_A2"] = data["input"]["exposure_e_A2"]
    motion: dict[str, Any] = {"movie": movie, "gain": gain, "defects": defects, **frames, **_table(data, "motion")}
    average: dict[str, Any] = {f"output.{key}": data["output"][key] for key in _OUTPUT_KEYS}
    if settings.output.exposure_weighting:
        average |= {
            "input.exposure_e_A2": data["input"]["exposure_e_A2"],
            "pre_exposure_e_A2": pre_exposure_e_A2,
            "optics.voltage_kV": data["optics"]["voltage_kV"],
        }
    mask = _table(data, "fiducials") | ({} if model is None else {"model": model})
    ctf = _table(data, "ctf") | _table(data, "optics")
    gold = {**mask, "mask version": STAGE_VERSIONS["mask"], **({} if painted is None else {"painted": painted})}
    if settings.motion.ignore_gold:
        fit = {key: value for key, value in ctf.items() if key != "ctf.ignore_gold"}
        motion |= {**gold, **fit, "ctf version": STAGE_VERSIONS["ctf"]}
    if settings.ctf.ignore_gold:
        ctf |= gold
    inputs = {"motion": motion, "average": average, "ctf": ctf, "mask": mask}
    for stage, what in inputs.items():
        what["version"] = STAGE_VERSIONS[stage]
    average["motion"] = key_of(stage="motion", inputs=motion)
    image = average | {f"output.{key}": value for key, value in _FILES_ONLY.items()}
    ctf["average"] = mask["average"] = key_of(stage="average", inputs=image)
    return inputs


def key_of(*, stage: str, inputs: Mapping[str, Any]) -> str:
    """Return the key of a stage's inputs: 16 hex digits."""
    text = json.dumps([stage, inputs], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return what changed between two dicts of inputs, one phrase a change."""
    changed = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
    return [_change(name, old.get(name), new.get(name)) for name in changed]


def _change(name: str, old: Any, new: Any) -> str:
    if name in {"movie", "gain", "defects", "model"}:
        return f"{name} file changed"
    if name == "painted":
        return "the painted mask changed"
    if name.endswith("version"):
        return "a newer version of Weft does this differently"
    if name in STAGE_VERSIONS:
        return f"{name} is redone"
    return f"{name}: {_show(old)} → {_show(new)}"


def _show(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, list):
        return " ".join(_show(entry) for entry in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _table(data: Mapping[str, Any], table: str) -> dict[str, Any]:
    """Return a table's settings; a switch that came later is named where it is on, so that older records stay valid."""
    return {f"{table}.{key}": value for key, value in data[table].items() if value or key != "ignore_gold"}
