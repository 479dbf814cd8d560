"""ls, show, status and the neutral form, on records made by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from weft.cli.main import main
from weft.export.neutral import LATTICE, to_neutral
from weft.fields import CtfFit, MotionField
from weft.fields.verdict import Assessment, Verdict
from weft.state.record import AverageFacts, CtfFacts, Failure, MaskFacts, MotionFacts, MovieFacts, Record, Stage
from weft.state.records import write_record

FRAMES = 3


def movie_facts(name: str) -> MovieFacts:
    return MovieFacts(
        path=f"frames/{name}.mrc", format="mrc", frames=FRAMES, height=200, width=100, raw_pixel_size_A=2.0,
        size_bytes=1, identity="x",
    )  # fmt: skip


def make_record(name: str, *, defocus_A: float = 30000.0, verdict: Verdict = Verdict.GOOD) -> Record:
    nodes = np.zeros((1, 1, 2, 2))
    nodes[..., 0, :], nodes[..., 1, :] = (-0.5, -1.0), (0.5, 1.0)
    path = np.array([[-1.0, 2.0], [0.0, 0.0], [1.0, -2.0]])
    field = MotionField(path, np.full_like(path, np.nan), nodes, np.full_like(nodes, np.nan))
    why = "" if verdict is Verdict.GOOD else "few rings"
    fit = CtfFit(
        defocus_u_A=defocus_A + 100, defocus_v_A=defocus_A - 100, angle_deg=30.0, phase_shift_deg=0.0,
        gradient_x=0.5, gradient_y=-1.0, grid_A=[[[defocus_A]]], sigma={"defocus_A": 50.0}, score=12.0,
        resolution_A=6.0, pixel_size_A=2.0, voltage_kV=300.0, cs_mm=2.7, amplitude_contrast=0.07,
        assessment=Assessment(verdict, why),
    )  # fmt: skip
    return Record(
        name=name,
        movie=movie_facts(name),
        stages={
            "average": Stage(key="b", files=[f"average/{name}.mrc"]),
            "mask": Stage(key="d", files=[f"mask/{name}.tif", f"mask/{name}.prob.tif"]),
        },
        motion=MotionFacts(
            field=field.to_json(), total_A=4.5, early_A=3.0, late_A=1.5, mean_frame_A=2.2, largest_local_A=1.1,
            verdict="good", reason="",
        ),
        average=AverageFacts(
            height=200, width=100, pixel_size_A=2.0, first_frame=0, last_frame=2, mean=12.0, median=12.0, sigma=3.5,
            exposure_e_A2=None, hot_pixels=3, xrays=1, defect_pixels=0,
        ),
        ctf=CtfFacts(fit=fit.to_json(), verdict=str(verdict), reason=why),
        mask=MaskFacts(
            pixel_size_A=8.0, height=50, width=25, threshold=0.5, masked_fraction=0.0123, dirt_fraction=0.0,
            beads=[(10.0, 20.0, 50.0, 0.9)], model="gold", verdict="good", reason="",
        ),
    )  # fmt: skip


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "frames").mkdir()
    for name in ("a_1", "b_2", "c_3", "d_4"):
        (tmp_path / "frames" / f"{name}.mrc").write_bytes(b"\0" * 2048)
    (tmp_path / "weft.toml").write_text("")
    records = tmp_path / "weft" / "records"
    write_record(records / "a_1.json", make_record("a_1"))
    write_record(records / "b_2.json", make_record("b_2", defocus_A=20000.0, verdict=Verdict.WEAK))
    failure = Failure(stage="motion", message="c_3.mrc: is too short", identity="x")
    write_record(records / "c_3.json", Record(name="c_3", movie=movie_facts("c_3"), failure=failure))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def printed(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(words) == 0
    return capsys.readouterr().out


def test_ls_gives_a_line_per_movie(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [line.split("\t") for line in printed(["ls"], capsys).splitlines()]
    assert rows[0][:3] == ["movie", "tilt °", "defocus µm"]
    assert rows[1] == ["a_1", "–", "3.000", "0.020", "6.0", "4.5", "1.23", "done", ""]
    assert rows[2][7:] == ["weak", "CTF: few rings"]
    assert rows[3][7:] == ["failed", "c_3.mrc: is too short"]
    assert rows[4][7:] == ["new", ""]
    assert project.is_dir()


def test_ls_filters_and_sorts(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def names(*words: str) -> list[str]:
        return [line["name"] for line in json.loads(printed(["ls", "--json", *words], capsys))["movies"]]

    assert names("--sort", "defocus_um") == ["b_2", "a_1", "c_3", "d_4"]
    assert names("--sort", "-defocus_um") == ["a_1", "b_2", "c_3", "d_4"]
    assert names("--state", "weak,new") == ["b_2", "d_4"]
    assert names("a", "d_*") == ["a_1", "d_4"]
    assert project.is_dir()


def test_show_tells_everything_in_words(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(["show", "b"], capsys)
    for part in (
        "frames/b_2.mrc: mrc, 3 × 200 × 100, 2 Å/px",
        "4.5 Å in all, 3.0 Å early",
        "defocus 2.000 ± 0.005 µm, astigmatism 0.020 µm at 30°, rings to 6.0 Å (weak: few rings)",
        "1 beads, 1.23 % masked",
        "exposure unknown",
        str(project / "weft" / "average" / "b_2.mrc"),
    ):
        assert part in text


def test_show_of_a_failure_and_of_a_new_movie(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "failed     c_3.mrc: is too short" in printed(["show", "c"], capsys)
    assert "not processed yet" in printed(["show", "d"], capsys)
    assert project.is_dir()


def test_show_json_has_record_and_neutral_form(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(printed(["show", "a_1", "--json"], capsys))
    assert document["schema"] == "weft.show/1"
    assert document["record"]["schema"] == "weft.record/1"
    assert document["neutral"] == json.loads(json.dumps(to_neutral(make_record("a_1"), project / "weft")))


def test_status_counts(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    facts = json.loads(printed(["status", "--json"], capsys))
    assert facts["movies"]["all"] == 4
    assert facts["verdicts"] == {"good": 1, "weak": 1, "failed": 1}
    assert "4 movies" in printed(["status"], capsys)
    assert project.is_dir()


def test_neutral_pairs_are_x_y_on_the_lattice(tmp_path: Path) -> None:
    neutral = to_neutral(make_record("a_1"), tmp_path)
    moved = np.array(neutral["displacement_A"])
    assert moved.shape == (FRAMES, 7, 7, 2)
    assert neutral["lattice"] == {"x": list(LATTICE), "y": list(LATTICE)}
    assert np.allclose(LATTICE, np.arange(7) * 0.15 + 0.05)
    # the two nodes along x hold ∓0.5 Å in y and ∓1 Å in x; the path is (y, x) = (-1, 2) in the first frame
    assert moved[0, 3, 3] == pytest.approx([2.0, -1.0], abs=1e-4)
    assert moved[0, 3, 6, 0] > moved[0, 3, 3, 0]
    assert moved[0, 0, 6] == pytest.approx(moved[0, 6, 6])


def test_neutral_patches_follow_the_gradient(tmp_path: Path) -> None:
    ctf: dict[str, Any] = to_neutral(make_record("a_1"), tmp_path)["ctf"]
    assert (ctf["defocus_u_A"], ctf["defocus_v_A"], ctf["angle_deg"]) == (30100.0, 29900.0, 30.0)
    for patch in ctf["patches"]:
        # the field is 200 Å wide and 400 Å high
        expected = 30000 + 0.5 * (patch["x"] - 0.5) * 200 - 1.0 * (patch["y"] - 0.5) * 400
        assert patch["defocus_A"] == pytest.approx(expected, abs=0.06)  # kept to 0.1 Å


def test_neutral_names_the_probability_and_the_average(tmp_path: Path) -> None:
    neutral = to_neutral(make_record("a_1"), tmp_path)
    assert neutral["mask"] == str(tmp_path / "mask" / "a_1.prob.tif")
    assert neutral["average"] == str(tmp_path / "average" / "a_1.mrc")


@pytest.mark.parametrize(("verdict", "is_trusted"), [(Verdict.GOOD, True), (Verdict.WEAK, False)])
def test_neutral_trusts_good_verdicts_only(tmp_path: Path, verdict: Verdict, is_trusted: bool) -> None:
    assert to_neutral(make_record("a_1", verdict=verdict), tmp_path)["trusted"] is is_trusted


def test_neutral_of_a_failure_has_its_name_only(tmp_path: Path) -> None:
    failure = Failure(stage="motion", message="x", identity="x")
    record = Record(name="c_3", movie=movie_facts("c_3"), failure=failure)
    assert to_neutral(record, tmp_path) == {"name": "c_3", "trusted": False}


def test_neutral_without_rings_has_no_ctf(tmp_path: Path) -> None:
    record = make_record("a_1", defocus_A=float("nan"), verdict=Verdict.FAILED)
    assert "ctf" not in to_neutral(record, tmp_path)


def test_status_tells_how_far_a_living_run_is(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from weft.pipeline.progress import RunLog
    from weft.state.locks import claim

    out = project / "weft"
    held = claim(out / "claims" / "run-x.claim", settings="s")
    assert held is not None
    log = RunLog(out)
    log.emit("run_started", total=4, up_to_date=0, dropped=0)
    log.emit("item_done", item="a_1", done=1, total=4)
    with log.path.open("a") as file:
        file.write('{"t": "torn')
    runs = json.loads(printed(["status", "--json"], capsys))["runs"]
    assert [(run["done"], run["total"]) for run in runs] == [(1, 4)]
    assert ", 1 of 4" in printed(["status"], capsys)
    held.release()
    assert "at work" not in printed(["status", "--follow"], capsys)
