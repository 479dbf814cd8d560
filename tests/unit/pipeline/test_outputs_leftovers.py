from __future__ import annotations

from pathlib import Path

from weft.pipeline.outputs import remove_leftovers


def test_only_the_movies_own_half_written_results_go(tmp_path: Path) -> None:
    gone = [".a[1].mrc.0123abcd.tmp", ".a[1].mrc.00000000.tmp"]
    kept = ["a[1].mrc", ".a[1].5.mrc.0123abcd.tmp", ".a[1].edit.tif.0123abcd.tmp", ".b.mrc.0123abcd.tmp"]
    (tmp_path / "average").mkdir()
    for name in (*gone, *kept):
        (tmp_path / "average" / name).write_bytes(b"")
    remove_leftovers(tmp_path, "a[1]")
    assert sorted(path.name for path in (tmp_path / "average").iterdir()) == sorted(kept)
