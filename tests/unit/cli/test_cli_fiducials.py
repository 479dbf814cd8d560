from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from weft.cli.main import main
from weft.fiducials.net import GoldNet
from weft.fiducials.template import Optics, bead_contrast
from weft.io.masktiff import effective_mask, read_probability, write_mask
from weft.io.models import FACTS_KEY, find_model
from weft.io.mrc import read_mrc, write_mrc

BEAD = 1 + bead_contrast(50.0, Optics(20_000.0))


def with_beads(seed: int, side: int = 136, places: tuple[tuple[int, int], ...] = ((40, 44), (90, 100))) -> np.ndarray:
    beam = np.full((side, side), 120.0)
    half = len(BEAD) // 2
    for y, x in places:
        beam[y - half : y + half + 1, x - half : x + half + 1] *= BEAD
    image: np.ndarray = np.random.default_rng(seed).poisson(beam).astype(np.float32)
    return image


def disc_mask(side: int, places: tuple[tuple[int, int], ...], radius: float) -> np.ndarray:
    y, x = np.indices((side, side))
    inside: np.ndarray = np.any([np.hypot(y - py, x - px) < radius for py, px in places], axis=0)
    return inside


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for number in range(2):
        write_mrc(tmp_path / f"image_{number}.mrc", with_beads(number), 8.0, dtype="float32")
    return tmp_path


def make_project(folder: Path) -> None:
    (folder / "weft.toml").write_text("", encoding="utf-8")


def test_list_shows_ours_and_the_users(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_project(folder)
    own = folder / "weft/models/mine.safetensors"
    own.parent.mkdir(parents=True)
    facts = {"examples": 7, "score": 0.9, "score_before": 0.8}
    save_file(GoldNet((4, 4, 4, 4)).state_dict(), own, metadata={FACTS_KEY: json.dumps(facts)})
    (own.parent / "broken.safetensors").write_bytes(b"\xff" * 40)
    assert main(["fiducials", "list"]) == 0
    shown = capsys.readouterr().out
    assert [line.split("\t")[1] for line in shown.splitlines()[1:]] == ["gold", "classic", "broken", "mine"]
    assert "7 images, score 0.900 (before 0.800)" in shown
    assert main(["fiducials", "list", "--json"]) == 0
    models = {model["name"]: model for model in json.loads(capsys.readouterr().out)["models"]}
    assert models["gold"]["chosen"]
    assert models["mine"]["facts"] == facts


def test_apply_finds_beads_in_any_image_without_a_project(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fiducials", "apply", "image_0.mrc", "image_1.mrc", "--erase", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["images"]
    assert [(row["name"], row["beads"]) for row in rows] == [("image_0", 2), ("image_1", 2)]
    mask = effective_mask(folder / "masks", "image_0")
    assert mask is not None
    assert mask[40, 44]
    assert read_probability(folder / "masks/image_0.prob.tif").max() > 0.9
    erased, pixel_A = read_mrc(folder / "masks/image_0.mrc")
    assert pixel_A == pytest.approx(8.0)
    assert erased[37:44, 41:48].mean() == pytest.approx(120, rel=0.1)
    assert main(["fiducials", "apply", "image_0.mrc", "--fiducials.model", "clasic"]) == 3
    assert 'did you mean "classic"' in capsys.readouterr().err


def test_apply_says_what_is_missing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, text in (
        (["apply", "nothing.mrc"], "no such file"),
        (["apply"], "there are no images"),
        (["apply", "image_0.mrc", "--erase", "--out", "."], "would replace the image itself"),
        (["apply", "image_0.mrc", "--fiducials.threshold", "7"], "fiducials.threshold"),
    ):
        assert main(["fiducials", *words]) in {2, 3}
        assert text in capsys.readouterr().err
    assert sorted(path.name for path in folder.iterdir()) == ["image_0.mrc", "image_1.mrc"]


@pytest.mark.slow
def test_training_keeps_only_a_better_network(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Masks of a person who masks fringes, too: the network that ships is far off, one that learns comes nearer."""
    make_project(folder)
    places = ((40, 44), (90, 100))
    for number in range(2):
        write_mrc(folder / f"weft/average/image_{number}.mrc", with_beads(number), 8.0, dtype="float32")
        write_mask(folder / f"weft/mask/image_{number}.edit.tif", disc_mask(136, places, 6.0), 8.0)
    assert main(["fiducials", "train", "--steps", "2", "--json"]) == 1  # discs are what it finds already
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["event"] for event in events] == ["train", "train", "trained"]
    assert events[-1]["score_before"] > 0.8
    assert not (folder / "weft/models").exists()
    for number in range(2):
        write_mask(folder / f"weft/mask/image_{number}.edit.tif", disc_mask(136, places, 11.0), 8.0)
    assert main(["fiducials", "train", "--steps", "10", "--seed", "2"]) == 0
    assert "next: `weft config set fiducials.model mine`" in capsys.readouterr().err
    model = find_model("mine", folder / "weft/models")
    assert model.facts["score"] > model.facts["score_before"]
    assert main(["fiducials", "apply", "weft/average/image_0.mrc", "--fiducials.model", "mine"]) == 0


def test_training_refuses_what_makes_no_sense(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_project(folder)
    for words, text in (
        ([], "no images with masks to learn from"),
        (["--name", "gold"], "choose another name"),
        (["--name", "../x"], "give a plain name"),
        (["--images", "."], "go together"),
        (["--images", ".", "--masks", "."], "no image with a mask of its name"),
        (["--steps", "0"], "at least 1"),
    ):
        assert main(["fiducials", "train", *words]) in {2, 3}
        assert text in capsys.readouterr().err


def test_pairs_in_two_folders_are_found(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_project(folder)
    for number, end in enumerate((".tif", "_mask.tif")):
        write_mask(folder / f"labels/image_{number}{end}", disc_mask(136, ((40, 44), (90, 100)), 6.25), 8.0)
    torch.manual_seed(0)
    words = ["fiducials", "train", "--images", ".", "--masks", "labels", "--steps", "1", "--json"]
    assert main(words) in {0, 1}
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["examples"] == 2
