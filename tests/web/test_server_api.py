"""What the page asks for: items, pictures, decisions, settings, logs."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_project import share_series_ctf
from PIL import Image
from starlette.testclient import TestClient

from weft.io.masktiff import read_mask
from weft.io.mrc import read_mrc
from weft.server.advisor import Advisor
from weft.server.form import as_flags, check_changes
from weft.server.names import guess_series
from weft.server.site import Site
from weft.server.store import Store
from weft.settings.file import with_value
from weft.signal.picture import shrink
from weft.state import decisions

NAME = "TS_01_003"


def _drop(client: TestClient, *names: str, **more: Any) -> dict[str, Any]:
    answer = client.post("/api/decisions", json={"items": list(names), "verb": "drop", **more})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_the_project_tells_where_it_is_and_how_the_run_stands(client: TestClient, project_folder: Path) -> None:
    found = client.get("/api/project").json()
    assert found["folder"] == str(project_folder)
    assert found["read_only"] is False
    assert found["run"]["is_running"] is False


def test_columns_hold_all_images_with_their_numbers(client: TestClient) -> None:
    found = client.get("/api/items").json()
    assert len(found["names"]) == 10
    assert found["names"] == sorted(found["names"])
    assert all(len(values) == 10 for values in found["numbers"].values())
    assert set(found["state"]) == {2}
    assert found["series_names"] == ["TS_01", "TS_02"]
    record = json.loads((client.get(f"/api/items/{NAME}")).text)["record"]
    fit = record["ctf"]["fit"]
    expected = (fit["defocus_u_A"] + fit["defocus_v_A"]) / 2e4
    assert found["numbers"]["defocus_um"][found["names"].index(NAME)] == pytest.approx(expected, abs=1e-4)


def test_an_image_tells_what_its_series_says_of_its_defocus(client: TestClient, project_folder: Path) -> None:
    assert client.get(f"/api/items/{NAME}").json()["in_series"] is None
    path = project_folder / "weft" / "records" / f"{NAME}.json"
    record = json.loads(path.read_text())
    fit = record["ctf"]["fit"]
    fit |= {"defocus_u_A": fit["defocus_u_A"] + 9000, "defocus_v_A": fit["defocus_v_A"] + 9000}
    path.write_text(json.dumps(record))
    share_series_ctf(project_folder)
    found = client.get(f"/api/items/{NAME}").json()["in_series"]
    assert found["source"] == "neighbours"
    assert found["is_outlier"] is True
    assert found["defocus_um"] == pytest.approx((fit["defocus_u_A"] + fit["defocus_v_A"]) / 2e4 - 0.9, abs=0.3)
    assert 0 < found["defocus_sigma_um"] < 0.3
    assert "µm off what the neighbours say" in found["reason"]
    assert found["is_exported"] is True
    toml = project_folder / "weft.toml"
    toml.write_text(with_value(toml.read_text(), "series.shared_ctf", False))
    client.app.state.site.look()  # type: ignore[attr-defined]
    neighbour = client.get("/api/items/TS_01_001").json()["in_series"]
    assert neighbour["is_exported"] is False
    assert (neighbour["source"], neighbour["reason"]) == ("shared", "")
    # of a fit that came later the series says nothing
    path.write_text(json.dumps({**record, "ctf": {**record["ctf"], "fit": {**fit, "defocus_u_A": 30_000}}}))
    assert client.get(f"/api/items/{NAME}").json()["in_series"] is None


def test_a_new_movie_and_a_new_record_are_seen(client: TestClient, project_folder: Path) -> None:
    (project_folder / "frames" / "TS_03_000.mrc").write_bytes(b"new")
    (project_folder / "weft" / "records" / f"{NAME}.json").unlink()
    client.app.state.site.look(force=True)  # type: ignore[attr-defined]
    found = client.get("/api/items").json()
    states = dict(zip(found["names"], found["state"], strict=True))
    assert states["TS_03_000"] == 0
    assert states[NAME] == 0


def test_a_failed_record_is_failed_with_its_sentence(client: TestClient, project_folder: Path) -> None:
    path = project_folder / "weft" / "records" / f"{NAME}.json"
    record = json.loads(path.read_text())
    record["failure"] = {
        "stage": "motion",
        "message": f"{NAME}.mrc: ends at frame 5 of 8",
        "identity": "x",
        "inputs": {},
    }
    path.write_text(json.dumps(record))
    item = client.get(f"/api/items/{NAME}").json()["item"]
    client.app.state.site.look()  # type: ignore[attr-defined]
    item = client.get(f"/api/items/{NAME}").json()["item"]
    assert item["state"] == "failed"
    assert "frame 5 of 8" in item["reason"]


def test_a_damaged_record_does_not_take_the_page_down(client: TestClient, project_folder: Path) -> None:
    (project_folder / "weft" / "records" / f"{NAME}.json").write_text("{ torn")
    client.app.state.site.look()  # type: ignore[attr-defined]
    assert client.get("/api/items").status_code == 200
    assert client.get(f"/api/items/{NAME}").json()["record"] is None


def test_thumbnails_come_in_the_asked_size(client: TestClient) -> None:
    for size in (128, 256, 512):
        answer = client.get(f"/api/items/{NAME}/thumbnail?size={size}&v=1")
        image = Image.open(io.BytesIO(answer.content))
        assert max(image.size) == size
        assert "immutable" in answer.headers["cache-control"]
    assert "no-store" in client.get(f"/api/items/{NAME}/thumbnail").headers["cache-control"]


def test_a_tile_is_the_average_upside_down(client: TestClient, project_folder: Path) -> None:
    answer = client.get(f"/api/items/{NAME}/tile?level=0&column=0&row=0&exact=true")
    width, height = int(answer.headers["x-width"]), int(answer.headers["x-height"])
    low, high = float(answer.headers["x-low"]), float(answer.headers["x-high"])
    grey = np.frombuffer(answer.content, np.uint8).reshape(height, width)
    average, _ = read_mrc(project_folder / "weft" / "average" / f"{NAME}.mrc")
    shown = low + grey / 255.0 * (high - low)
    expected = np.clip(average[::-1], low, high)
    assert shown.shape == expected.shape
    assert float(np.abs(shown - expected).max()) <= (high - low) / 255


def test_tiles_meet_without_seams_under_a_filter(project_folder: Path) -> None:
    from weft.io.mrc import write_mrc
    from weft.server.filters import Filter
    from weft.server.pictures import tile

    rng = np.random.default_rng(3)
    path = project_folder / "weft" / "average" / "large.mrc"
    write_mrc(path, rng.normal(10, 3, (700, 1100)).astype(np.float32), 1.35)
    left, right = (tile(path, 0, column, 0, Filter(20.0)) for column in (0, 1))

    def edge(part: Any, column: int) -> Any:
        return part.low + part.data[:, column] / 255.0 * (part.high - part.low)

    # smoothed to 20 Å, neighbouring pixels differ by much less than pixels far apart
    across = float(np.abs(edge(left, -1) - edge(right, 0)).mean())
    within = float(np.abs(edge(left, -1) - edge(left, -2)).mean())
    assert across < 1.5 * within


def test_odd_sizes_shrink_to_true_means() -> None:
    image = np.arange(35, dtype=np.float32).reshape(5, 7)
    slow = [[image[y : y + 2, x : x + 2].mean() for x in range(0, 7, 2)] for y in range(0, 5, 2)]
    assert np.allclose(shrink(image, 2), slow)


def test_levels_are_fourfold_smaller_and_what_lies_outside_is_told(client: TestClient) -> None:
    whole = client.get(f"/api/items/{NAME}/tile?level=0&column=0&row=0").headers
    half = client.get(f"/api/items/{NAME}/tile?level=1&column=0&row=0").headers
    assert int(half["x-width"]) == -(-int(whole["x-width"]) // 2)
    assert client.get(f"/api/items/{NAME}/tile?level=0&column=9&row=0").status_code == 404
    for query in ("level=-1&column=0&row=0", "level=0&column=0&row=0&low_pass_A=nan", "level=99&column=0&row=0"):
        assert client.get(f"/api/items/{NAME}/tile?{query}").status_code == 422


def test_a_deconvolved_tile_shows_more_contrast_at_low_resolution(client: TestClient) -> None:
    plain = client.get(f"/api/items/{NAME}/tile?level=0&column=0&row=0&exact=true")
    answer = client.get(f"/api/items/{NAME}/tile?level=0&column=0&row=0&exact=true&deconvolve=true")
    assert answer.status_code == 200
    assert answer.content != plain.content


def test_the_spectrum_has_its_last_row_at_zero(client: TestClient) -> None:
    answer = client.get(f"/api/items/{NAME}/spectrum")
    assert (answer.headers["x-width"], answer.headers["x-height"]) == ("512", "256")
    assert len(answer.content) == 512 * 256


def test_a_painted_mask_is_kept_beside_the_found_one_and_can_be_taken_back(
    client: TestClient, project_folder: Path
) -> None:
    found = client.get(f"/api/items/{NAME}/mask")
    width, height = int(found.headers["x-width"]), int(found.headers["x-height"])
    values = np.frombuffer(found.content, np.uint8).reshape(height, width).copy()
    values[0, :] = 1  # the top row of the picture is the last row of the array
    put = client.put(f"/api/items/{NAME}/mask?width={width}&height={height}", content=values.tobytes())
    assert put.status_code == 204
    edited = project_folder / "weft" / "mask" / f"{NAME}.edit.tif"
    assert read_mask(edited)[-1].all()
    assert client.get(f"/api/items/{NAME}").json()["mask_is_edited"] is True
    again = client.get(f"/api/items/{NAME}/mask")
    assert again.headers["x-edited"] == "1"
    assert client.delete(f"/api/items/{NAME}/mask").status_code == 204
    assert not edited.exists()
    assert client.get(f"/api/items/{NAME}/mask").content == found.content


def test_a_mask_of_another_size_than_told_is_refused(client: TestClient) -> None:
    assert client.put(f"/api/items/{NAME}/mask?width=10&height=10", content=b"x").status_code == 422


def test_a_decision_is_on_disk_when_it_is_answered(client: TestClient, project_folder: Path) -> None:
    answer = _drop(client, NAME, reason="grid bar", by="ann")
    assert answer["items"][0]["decision"] == "drop"
    held = decisions.effective(decisions.read(project_folder / "weft"))
    assert (held[NAME].verb, held[NAME].reason, held[NAME].by) == ("drop", "grid bar", "ann")
    detail = client.get(f"/api/items/{NAME}").json()
    assert [event["reason"] for event in detail["history"]] == ["grid bar"]


def test_undo_and_redo_go_back_and_forth(client: TestClient) -> None:
    _drop(client, NAME, "TS_01_004")
    undone = client.post("/api/decisions/undo", json={}).json()
    assert [item["decision"] for item in undone["items"]] == ["auto", "auto"]
    redone = client.post("/api/decisions/redo", json={}).json()
    assert [item["decision"] for item in redone["items"]] == ["drop", "drop"]
    assert client.post("/api/decisions/redo", json={}).status_code == 404


def test_a_decision_sent_twice_is_written_once(client: TestClient) -> None:
    first = _drop(client, NAME, key="abc123")
    second = _drop(client, NAME, key="abc123")
    assert first["event"] == second["event"]
    assert len(client.get("/api/decisions").json()) == 1


def test_decisions_of_the_command_line_are_seen(client: TestClient, project_folder: Path) -> None:
    client.get("/api/items")
    decisions.append(project_folder / "weft", [NAME], "keep", reason="good enough", by="cli")
    client.app.state.site.look()  # type: ignore[attr-defined]
    assert client.get(f"/api/items/{NAME}").json()["item"]["decision"] == "keep"


def test_the_form_has_every_key_with_kind_and_limits(client: TestClient) -> None:
    found = client.get("/api/settings").json()
    keys = {key["name"]: key for table in found["tables"] for key in table["keys"]}
    assert keys["ctf.range_A"]["kind"] == "pair"
    assert keys["ctf.enabled"]["kind"] == "switch"
    assert keys["output.dtype"]["choices"] == ["float32", "float16"]
    assert keys["ctf.window_px"]["minimum"] == 64
    assert keys["input.raw_pixel_size_A"]["value"] == 0.675
    assert keys["series.hand"]["kind"] == "choice"
    assert found["movies_found"] == 10


def test_new_values_are_written_and_comments_stay(client: TestClient, project_folder: Path) -> None:
    body = {"changes": {"ctf.range_A": [30, 6], "motion.grid": "2x2xn", "input.exposure_e_A2": 3}}
    answer = client.put("/api/settings", json=body)
    assert answer.status_code == 200, answer.text
    text = (project_folder / "weft.toml").read_text()
    assert "range_A = [30, 6]" in text
    assert "# Side of the power spectra." in text
    back = client.put("/api/settings", json={"changes": {"input.exposure_e_A2": None}})
    assert back.status_code == 200
    assert "# exposure_e_A2 =" in (project_folder / "weft.toml").read_text()


def test_wrong_values_are_told_at_their_field_and_not_written(client: TestClient, project_folder: Path) -> None:
    before = (project_folder / "weft.toml").read_text()
    body = {"changes": {"ctf.window_px": 63, "ctf.range_A": [5, 40], "optics.voltage_kV": 200}}
    found = client.post("/api/settings/check", json=body).json()
    assert set(found["errors"]) == {"ctf.window_px", "ctf.range_A"}
    assert client.put("/api/settings", json=body).status_code == 422
    assert client.put("/api/settings", json={"text": "[ctf]\nrange_A = 5"}).status_code == 422
    assert client.put("/api/settings", json={"changes": {"ctf.nonsense": 1}}).status_code == 422
    assert (project_folder / "weft.toml").read_text() == before


def test_limits_that_are_right_only_together_are_taken_together() -> None:
    _, errors = check_changes("[ctf]\ndefocus_um = [1, 2]\n", {"ctf.defocus_um": [3, 4]})
    assert not errors


def test_a_draft_tells_what_becomes_stale(client: TestClient) -> None:
    found = client.post("/api/settings/check", json={"changes": {"ctf.range_A": [30, 5]}}).json()
    assert found["errors"] == {}
    assert found["counts"]["stale"] == 10
    assert found["stages"] == {"ctf": 10}
    assert found["command"] == "weft run --ctf.range_A 30 5"


def test_values_become_the_words_of_flags() -> None:
    assert as_flags({"output.skip_first": 2, "fiducials.bead_diameter_nm": 9.5}) == [
        "--output.skip_first=2",
        "--fiducials.bead_diameter_nm=9.5",
    ]


def test_logs_are_read_from_an_offset(client: TestClient, project_folder: Path) -> None:
    path = project_folder / "weft" / "log" / "run-20261101-101010-host-1.jsonl"
    path.write_text('{"t":"2026-11-01T10:10:10Z","event":"run_started","total":2}\n{"t":"x","event":"item_st')
    assert [log["name"] for log in client.get("/api/logs").json()] == [path.name]
    found = client.get(f"/api/logs/{path.name}").json()
    assert [event["event"] for event in found["events"]] == ["run_started"]
    assert found["is_end"] is False
    path.write_text(path.read_text() + 'arted","item":"a"}\n')
    more = client.get(f"/api/logs/{path.name}?offset={found['offset']}").json()
    assert [event["event"] for event in more["events"]] == ["item_started"]
    assert more["is_end"] is True


def test_errors_have_one_shape(client: TestClient) -> None:
    for answer in (
        client.get("/api/items/nobody"),
        client.get("/api/nowhere"),
        client.post("/api/decisions", json={"verb": "drop"}),
        client.post("/api/decisions", content=b"not json"),
        client.delete("/api/items"),
    ):
        assert answer.status_code >= 400
        assert set(answer.json()) == {"error"}
        assert set(answer.json()["error"]) == {"code", "message"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("TS_01_039_-60.0", ("TS_01", -60.0)),
        ("TS_01_039", ("TS_01", None)),
        ("Position_12_003_9.00", ("Position_12", 9.0)),
        ("tomo5_007[-12.00]", ("", None)),
        ("grid", ("", None)),
    ],
)
def test_names_tell_series_and_tilt(name: str, expected: tuple[str, float | None]) -> None:
    assert guess_series(name) == expected


def test_settings_that_break_keep_the_page_alive(client: TestClient, site: Site, project_folder: Path) -> None:
    (project_folder / "weft.toml").write_text("[ctf]\nrange_A = 3\n")
    site.look()
    assert "range_A" in client.get("/api/project").json()["settings_error"]
    assert len(client.get("/api/items").json()["names"]) == 10


def test_suggestions_come_from_the_verb_and_are_kept(project_folder: Path) -> None:
    # the shared project may have been served before, and its suggestions kept
    (project_folder / "weft" / "cache" / "suggestions.json").unlink(missing_ok=True)
    told: list[str] = []
    advisor = Advisor(_looked_at(project_folder), lambda: told.append("more"))
    first = advisor.all()
    assert _comes_true((project_folder / "weft" / "cache" / "suggestions.json").exists)
    assert _comes_true(lambda: bool(told))
    known = advisor.all().suggestions
    said = json.loads((project_folder / "weft" / "cache" / "suggestions.json").read_text())
    assert set(said["series"]) == {"TS_01", "TS_02"}
    again = Advisor(_looked_at(project_folder), lambda: None).all()
    assert again.suggestions == known
    assert first.note == again.note == ""


def _looked_at(folder: Path) -> Store:
    store = Store(folder)
    store.refresh(look=True)
    return store


def _comes_true(condition: Callable[[], bool], seconds: float = 60.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        threading.Event().wait(0.05)
    return condition()


def test_the_hand_of_a_series_is_told_with_its_odds(client: TestClient) -> None:
    verdict = client.get("/api/series/TS_01/hand").json()
    assert verdict["images"] == 5
    assert verdict["axis_deg"] == pytest.approx(85.3)
    assert verdict["probability_plus"] < 0.5
    assert client.get("/api/series/nothing/hand").status_code == 404


def test_a_trial_keeps_nothing_and_says_why_it_failed(client: TestClient, project_folder: Path) -> None:
    before = (project_folder / "weft" / "records" / f"{NAME}.json").read_bytes()
    answer = client.post(f"/api/items/{NAME}/try_ctf", json={"range_A": [40, 90]})
    assert answer.status_code == 422
    assert "range_A" in answer.json()["error"]["message"]
    answer = client.post(f"/api/items/{NAME}/try_ctf", json={"range_A": [300, 60]})
    assert answer.status_code in {200, 422}
    assert (project_folder / "weft" / "records" / f"{NAME}.json").read_bytes() == before
    assert not list((project_folder / "weft" / ".staging").glob("trial-*"))
