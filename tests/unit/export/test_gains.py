"""The gain reference that RELION and Warp are told of does to frames, by their rules, what ours did."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import starfile
import tifffile
from numpy.typing import NDArray
from tests.export_project import SHAPE, Made, make_eer, make_processed, movie_of, weft

from weft.io.mrc import read_mrc, write_mrc
from weft.io.warpxml import movie_xml
from weft.movie.gain import load_correction
from weft.settings.warp import read_warp_settings
from weft.state.project import Project

Image = NDArray[np.floating[Any]]
FRAME = (2 * SHAPE[0], 2 * SHAPE[1])
FIRST = movie_of(1, 0, 0.0)
TURNS = list(itertools.product((False, True), repeat=3))


def a_gain(path: Path, shape: tuple[int, int] = FRAME) -> Path:
    """Write a gain reference with a dead pixel."""
    gain = np.random.default_rng(2).uniform(0.7, 1.4, shape).astype(np.float32)
    gain[3, 5] = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".mrc":
        write_mrc(path, gain, 0.675)
    else:
        tifffile.imwrite(path, gain)
    return path


def a_project(folder: Path, turns: tuple[bool, bool, bool] = (False, False, False), **given: Any) -> Project:
    x, y, transpose = turns
    a_gain(folder / "gain.mrc", FRAME[::-1] if transpose else FRAME)
    settings = {"gain": "gain.mrc", "gain_flip_x": x, "gain_flip_y": y, "gain_transpose": transpose, **given}
    project = make_processed(Made(folder, settings={"input": settings}))
    assert weft(project, "import", "-q") == 0
    return project


def ours(project: Project, *, is_eer: bool = False, scale: int = 1) -> Image:
    """Return what Weft multiplies frames by; 0 where a pixel is bad."""
    given = project.settings.input
    full = given.model_copy(update={"gain": project.folder / str(given.gain), "defects": None})
    correction = load_correction(full, (FRAME[0] * scale, FRAME[1] * scale), is_eer=is_eer)
    assert correction.factor is not None
    return correction.factor if correction.bad is None else np.where(correction.bad, 0, correction.factor)


def relions(project: Project, target: str = "relion") -> tuple[Path, Image]:
    """Return the file that RELION is told of, and what it makes of it."""
    assert weft(project, "export", target, "-q") == 0
    general = starfile.read(project.out / target / "motion" / f"{FIRST}.star")["general"]
    path = project.folder / general["rlnMicrographGainName"]
    if "rlnEERGrouping" not in general:
        return path, read_mrc(path)[0]
    if path.suffix == ".gain":
        return path, tifffile.imread(path)
    gain = read_mrc(path)[0]
    return path, np.divide(gain.mean(), gain, out=np.zeros_like(gain), where=gain != 0)


def warps(project: Project) -> tuple[Path, Image]:
    """Return the file that Warp is told of, and what it makes of it; a bad pixel is multiplied by 1."""
    assert weft(project, "export", "warp", "-q") == 0
    text = (project.out / "warp_frameseries.settings").read_text()
    options = {key: value for key, value in _options(text).items() if key.startswith("Gain")}
    path = (project.out / options["GainPath"]).resolve()
    gain = read_mrc(path)[0] if path.suffix == ".mrc" else tifffile.imread(path)[::-1]
    gain = gain / gain.mean()
    gain[gain == 0] = 1
    gain = gain[:, ::-1] if options["GainFlipX"] == "True" else gain
    gain = gain[::-1] if options["GainFlipY"] == "True" else gain
    return path, gain.T if options["GainTranspose"] == "True" else gain


def _options(text: str) -> dict[str, str]:
    return {part.split('"')[1]: part.split('"')[3] for part in text.split("<Param")[1:]}


def assert_same_up_to_scale(found: Image, wanted: Image) -> None:
    good = wanted > 0
    assert found.shape == wanted.shape
    ratio = found[good] / wanted[good]
    assert ratio == pytest.approx(np.full_like(ratio, ratio.mean()), rel=1e-5)


@pytest.mark.parametrize("turns", TURNS)
@pytest.mark.parametrize("mode", ["multiply", "divide"])
def test_both_multiply_by_what_weft_did(tmp_path: Path, turns: tuple[bool, bool, bool], mode: str) -> None:
    project = a_project(tmp_path, turns, gain_mode=mode)
    path, found = relions(project)
    assert_same_up_to_scale(found, ours(project))
    assert ((found == 0) == (ours(project) == 0)).all()
    assert (path == project.folder / "gain.mrc") == (mode == "multiply" and not any(turns))
    path, found = warps(project)
    assert_same_up_to_scale(found, ours(project))
    assert (path == project.folder / "gain.mrc") == (mode == "multiply")
    assert read_warp_settings(project.out / "warp_frameseries.settings").tables["input"]["gain_flip_y"] == turns[1]


@pytest.mark.parametrize("suffix", [".mrc", ".gain"])
@pytest.mark.parametrize("mode", ["multiply", "divide"])
@pytest.mark.parametrize("flip_y", [False, True])
@pytest.mark.parametrize("supersampling", [1, 2])
def test_both_treat_eer_as_weft_did(tmp_path: Path, suffix: str, mode: str, flip_y: bool, supersampling: int) -> None:
    a_gain(tmp_path / f"falcon{suffix}")
    project = make_eer(
        tmp_path, 8, eer_fractions=4, gain=f"falcon{suffix}", gain_mode=mode, gain_flip_y=flip_y,
        eer_supersampling=supersampling,
    )  # fmt: skip
    path, found = relions(project)
    if path.parent == project.folder and supersampling == 2:  # RELION repeats pixels itself
        found = found.repeat(2, axis=0).repeat(2, axis=1)
    assert_same_up_to_scale(found, ours(project, is_eer=True, scale=supersampling))
    is_alike = not flip_y and (suffix == ".gain") == (mode == "multiply")
    assert (path == project.folder / f"falcon{suffix}") == is_alike
    path, found = warps(project)
    if found.shape == FRAME and supersampling == 2:  # Warp scales it itself
        found = found.repeat(2, axis=0).repeat(2, axis=1)
    assert_same_up_to_scale(found, ours(project, is_eer=True, scale=supersampling))
    back = read_warp_settings(project.out / "warp_frameseries.settings").tables["input"]
    assert back["gain_flip_y"] == flip_y
    if mode == "multiply":
        xml = _options(
            movie_xml(project.records()[FIRST].model_dump(mode="json", by_alias=True), project.settings).decode()
        )
        assert xml["GainFlipY"] == str(flip_y != (suffix == ".gain"))


def test_a_map_of_defects_is_not_turned_with_a_falcons_gain(tmp_path: Path) -> None:
    a_gain(tmp_path / "falcon.gain")
    a_gain(tmp_path / "defects.mrc")
    project = make_eer(tmp_path, 8, eer_fractions=4, gain="falcon.gain", defects="defects.mrc")
    path, found = warps(project)
    assert path.suffix == ".mrc"
    assert_same_up_to_scale(found, ours(project, is_eer=True))
    options = _options((project.out / "warp_frameseries.settings").read_text())
    assert options["GainFlipY"] == "False"
    assert (project.out / options["DefectsPath"]).samefile(project.folder / "defects.mrc")


def test_a_gain_of_another_size_is_copied_in_that_of_the_frames(tmp_path: Path) -> None:
    project = a_project(tmp_path)
    a_gain(tmp_path / "gain.mrc", (2 * FRAME[0], 2 * FRAME[1]))
    for _, found in (relions(project), relions(project, "star"), warps(project)):
        assert_same_up_to_scale(found, ours(project))


def test_a_copy_is_written_once_and_anew_for_another_gain(tmp_path: Path) -> None:
    project = a_project(tmp_path, (True, False, False))
    first, _ = relions(project)
    made = first.stat().st_mtime_ns
    assert relions(project)[0] == first
    assert first.stat().st_mtime_ns == made
    write_mrc(tmp_path / "gain.mrc", np.full(FRAME, 2, np.float32) + np.eye(*FRAME, dtype=np.float32), 0.675)
    assert relions(project)[0] != first
    assert first.exists()


def test_a_gain_that_is_gone_is_named_all_the_same(tmp_path: Path) -> None:
    project = a_project(tmp_path, (True, False, False))
    (tmp_path / "gain.mrc").unlink()
    assert weft(project, "export", "relion", "-q") == 0
    general = starfile.read(project.out / "relion" / "motion" / f"{FIRST}.star")["general"]
    assert general["rlnMicrographGainName"] == "gain.mrc"


def test_nothing_is_said_of_a_gain_without_one(tmp_path: Path) -> None:
    project = make_processed(Made(tmp_path))
    weft(project, "import", "-q")
    weft(project, "export", "relion", "-q")
    weft(project, "export", "warp", "-q")
    general = starfile.read(project.out / "relion" / "motion" / f"{FIRST}.star")["general"]
    assert "rlnMicrographGainName" not in general
    assert _options((project.out / "warp_frameseries.settings").read_text())["CorrectGain"] == "False"
