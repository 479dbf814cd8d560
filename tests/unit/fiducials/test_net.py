import itertools
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from safetensors.torch import save_file

from weft.engine.device import Engine
from weft.errors import InputError
from weft.fiducials import net as net_module
from weft.fiducials.agree import agree, pieces
from weft.fiducials.data import example_from_pair, labelled_batches, read_boxnet
from weft.fiducials.finetune import checked_by_fit, fine_tune, network_alone, score
from weft.fiducials.flatten import flatten
from weft.fiducials.models import load_net
from weft.fiducials.net import GoldNet, infer
from weft.fiducials.render import Spot, draw_spots
from weft.fiducials.scenes import GOLD, make_scene
from weft.fiducials.train import Recipe, simulated_batches, train
from weft.io.masktiff import write_mask
from weft.io.models import list_models

ENGINE = Engine(torch.device("cpu"), 1, 1 << 30)
SMALL = Recipe(steps=6, batch=2, side=64, fresh=1, pool=8, widths=(4, 4, 4, 4))


def test_scene_repeats_with_its_seed_and_holds_together() -> None:
    first, second = (make_scene(np.random.default_rng(5), 64) for _ in range(2))
    assert np.array_equal(first.expected, second.expected)
    for seed in range(12):
        scene = make_scene(np.random.default_rng(seed), 64)
        assert np.isfinite(scene.expected).all()
        assert (scene.expected >= 0).all()
        assert 0 <= scene.gold.min() <= scene.gold.max() <= 1
        assert not (scene.dirt & (scene.gold >= 0.5)).any()


def test_tiles_leave_no_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(1)
    net = GoldNet((4, 6, 8, 8)).eval()
    inputs = np.random.default_rng(0).normal(size=(2, 150, 205)).astype(np.float32)
    whole = infer(net, inputs, ENGINE)
    monkeypatch.setattr(net_module, "_TILE", 64)
    assert np.abs(infer(net, inputs, ENGINE) - whole).max() < 1e-5  # float32 rounding of another tiling
    assert whole.shape == (3, 150, 205)
    assert np.allclose(whole.sum(0), 1, atol=1e-5)


def test_equal_recipes_give_equal_weights() -> None:
    weights = []
    for _ in range(2):
        torch.manual_seed(3)
        trained = train(GoldNet(SMALL.widths), simulated_batches(SMALL), SMALL, ENGINE)
        weights.append(torch.cat([p.flatten() for p in trained.parameters()]))
    assert torch.equal(*weights)


def test_training_lowers_the_loss() -> None:
    torch.manual_seed(3)
    recipe = Recipe(steps=40, batch=4, side=64, fresh=1, pool=4, widths=(4, 4, 4, 4))
    same = itertools.repeat(next(simulated_batches(recipe)))
    losses: list[float] = []

    def keep(_step: int, loss: float, _net: GoldNet) -> bool:
        losses.append(loss)
        return False

    train(GoldNet(recipe.widths), same, recipe, ENGINE, report=keep, every=10)
    assert losses[-1] < 0.8 * losses[0]


def test_damaged_and_foreign_weights_are_refused(tmp_path: Path) -> None:
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"no weights")
    other = tmp_path / "other.safetensors"
    save_file({"layer": torch.zeros(3)}, other)
    pickled = tmp_path / "pickled.safetensors"
    torch.save({"a": 1}, pickled)
    for path in (broken, other, pickled):
        with pytest.raises(InputError, match="no weights of a bead network"):
            load_net(path, torch.device("cpu"))


def test_models_of_the_user_are_listed(tmp_path: Path) -> None:
    save_file(GoldNet().state_dict(), tmp_path / "mine.safetensors")
    assert [model.name for model in list_models(tmp_path)] == ["gold", "classic", "mine"]


def test_boxnet_slices_become_an_example(tmp_path: Path) -> None:
    image = np.random.default_rng(0).poisson(50, (64, 72)).astype(np.float32)
    labels = np.zeros((64, 72), np.float32)
    labels[10:20, 10:20], labels[40:50, 30:40] = 1, 2
    tifffile.imwrite(tmp_path / "a.tif", np.stack([image, labels, np.ones_like(image)]), photometric="minisblack")
    example = read_boxnet(tmp_path / "a.tif")
    assert example.shares[GOLD].sum() == 100  # the mask's pixels, not the particle's
    assert example.shares[GOLD][::-1][40:50, 30:40].all()  # rows turned round, as all TIFFs are read
    tifffile.imwrite(tmp_path / "b.tif", image)
    with pytest.raises(InputError, match="3 slices"):
        read_boxnet(tmp_path / "b.tif")


def test_pair_of_image_and_mask_becomes_an_example(tmp_path: Path) -> None:
    from weft.io.mrc import write_mrc

    image = np.random.default_rng(0).poisson(8, (256, 320)).astype(np.float32)
    mask = np.zeros((64, 80), dtype=bool)
    mask[20:30, 40:50] = True
    write_mrc(tmp_path / "a.mrc", image, 2.0, dtype="float32", label="test")
    write_mask(tmp_path / "a.tif", mask, 8.0)
    example = example_from_pair(tmp_path / "a.mrc", tmp_path / "a.tif")
    assert np.array_equal(example.shares[GOLD] > 0.5, mask)
    write_mask(tmp_path / "b.tif", mask[:, :40], 8.0)
    with pytest.raises(InputError, match="do not cover the field"):
        example_from_pair(tmp_path / "a.mrc", tmp_path / "b.tif")


def test_fine_tuning_replaces_only_by_what_is_better(tmp_path: Path) -> None:
    examples = []
    for number in range(3):
        scene = make_scene(np.random.default_rng(100 + number), 64)
        image = np.random.default_rng(number).poisson(scene.expected).astype(np.float32)
        labels = 2 * (scene.gold > 0.5)
        path = tmp_path / f"{number}.tif"
        tifffile.imwrite(path, np.stack([image, labels, labels]).astype(np.float32), photometric="minisblack")
        examples.append(read_boxnet(path))
    assert next(labelled_batches(examples, SMALL)).inputs.shape == (2, 2, 64, 64)
    torch.manual_seed(0)
    old = GoldNet(SMALL.widths).eval()
    out = fine_tune(old, examples, SMALL, ENGINE, every=2)
    assert len(out.held_out) == 1
    assert out.is_better == (out.after > out.before + 1e-4)
    held_out = [e for e in examples if e.name in out.held_out]
    detector = checked_by_fit if out.uses_sphere_fit else network_alone
    assert score(detector(out.net, ENGINE), held_out) == pytest.approx(out.after)
    perfect = fine_tune(old, examples, SMALL, ENGINE, every=2, rivals=[lambda example: example.shares[GOLD]])
    assert perfect.before == 1
    assert not perfect.is_better
    with pytest.raises(InputError, match="at least two"):
        fine_tune(old, examples[:1], SMALL, ENGINE)


def test_network_adds_what_the_fit_has_missed_and_doubts_what_it_does_not_see() -> None:
    first, second = Spot(20.0, 20.0, 6.0, 1.0), Spot(20.0, 28.0, 6.0, 1.0)
    flat = flatten(np.random.default_rng(0).poisson(100, (64, 64)).astype(np.float32))
    gold = draw_spots((64, 64), [first, second])
    both = agree(gold, flat, [first], 96.0)
    assert len(both.spots) == 2
    assert np.hypot(both.spots[1].y - 20, both.spots[1].x - 28) < 2
    alone = agree(np.zeros_like(gold), flat, [first], 96.0)
    assert alone.spots[0].probability < 0.5


def test_pieces_are_discs_of_equal_area() -> None:
    spots = pieces(draw_spots((64, 64), [Spot(20.0, 20.0, 6.0, 1.0), Spot(45.0, 40.0, 4.0, 0.9)]))
    assert len(spots) == 2
    assert spots[0].radius == pytest.approx(6.0, rel=0.05)
    assert (spots[1].y, spots[1].x) == pytest.approx((45.0, 40.0), abs=0.05)
    assert pieces(np.zeros((8, 8), np.float32)) == []
