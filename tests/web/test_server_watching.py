"""A folder is listed again when something may have changed in it, and not otherwise."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from weft.server.rows import RowCache
from weft.server.store import Store
from weft.server.watching import FolderWatch, folder_of_pattern


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time in seconds, which a test moves on."""
    now = [100.0]
    monkeypatch.setattr("weft.server.watching.time.monotonic", lambda: now[0])
    return now


def test_a_quiet_folder_is_listed_until_its_last_change_is_long_past(tmp_path: Path, clock: list[float]) -> None:
    watch = FolderWatch()
    assert watch.is_due([tmp_path])
    clock[0] += 0.5
    assert watch.is_due([tmp_path])  # a second change within the same step of the folder's time would look like none
    clock[0] += 3
    assert watch.is_due([tmp_path])
    clock[0] += 0.5
    assert not watch.is_due([tmp_path])


def test_a_listing_long_after_a_change_is_made_even_if_nobody_looked_meanwhile(
    tmp_path: Path, clock: list[float]
) -> None:
    watch = FolderWatch()
    watch.is_due([tmp_path])
    clock[0] += 10
    assert watch.is_due([tmp_path])
    clock[0] += 1
    assert not watch.is_due([tmp_path])


def test_a_change_is_seen_at_once_and_everything_now_and_then(tmp_path: Path, clock: list[float]) -> None:
    watch = FolderWatch()
    watch.is_due([tmp_path])
    clock[0] += 5
    watch.is_due([tmp_path])
    clock[0] += 1
    assert not watch.is_due([tmp_path])
    os.utime(tmp_path, ns=(1, 1))
    assert watch.is_due([tmp_path])
    clock[0] += 5
    watch.is_due([tmp_path])
    clock[0] += 25
    assert watch.is_due([tmp_path])


@pytest.mark.parametrize(
    ("pattern", "folder"), [("frames/*.mrc", "frames"), ("*.tif", "."), ("a*/frames/*.mrc", None), ("**/*.eer", None)]
)
def test_the_folder_of_a_pattern(pattern: str, folder: str | None) -> None:
    assert folder_of_pattern(Path("/data"), pattern) == (None if folder is None else Path("/data") / folder)


def test_nothing_new_is_the_same_snapshot(project_folder: Path) -> None:
    store = Store(project_folder)
    first, _, _ = store.refresh()
    again, changed, moved = store.refresh()
    assert again is first
    assert (changed, moved) == (set(), False)


def test_a_replaced_record_is_read_again(project_folder: Path) -> None:
    rows = RowCache(project_folder / "weft")
    before, _ = rows.refresh()
    record = project_folder / "weft" / "records" / "TS_01_000.json"
    fresh = record.with_suffix(".new")
    fresh.write_text(record.read_text().replace('"good"', '"weak"'))
    fresh.replace(record)
    after, changed = rows.refresh()
    assert changed == {"TS_01_000"}
    assert after is not before
