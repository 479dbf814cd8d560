"""Watching a folder: when it ends, how, and what it tells."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.commands import ONE_THREAD, WEFT, read_json, run_weft
from tests.export_project import ANGLES, Made, make_processed, mdoc_of, movie_of

from weft.cli.main import main
from weft.errors import BusyError, Interrupted
from weft.export.imod import StackResult
from weft.pipeline.live import watch
from weft.pipeline.live_stacks import LiveStacks
from weft.server.runs import RunFollower, start_run
from weft.state.project import Project


def project(folder: Path, movies: int) -> Path:
    """A project whose movies say nothing."""
    (folder / "frames").mkdir()
    for number in range(movies):
        (folder / "frames" / f"TS_01_{number:03}.mrc").write_text("no movie\n" * 300)
    (folder / "weft.toml").write_text("[ctf]\nenabled = false\n[fiducials]\nenabled = false\n")
    return folder


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_ends_the_watching_even_from_a_shell_that_ignores_it(tmp_path: Path, number: signal.Signals) -> None:
    words = [*WEFT, "-C", str(project(tmp_path, 0)), "watch", "--interval-s", "60"]
    with subprocess.Popen(
        ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *words], stderr=subprocess.PIPE, text=True, env=ONE_THREAD
    ) as process:
        assert process.stderr is not None
        assert "Ctrl-C ends it" in process.stderr.readline()
        # the sentence comes just before the handlers
        while process.poll() is None and number not in _caught(process.pid):
            pass
        process.send_signal(number)
        assert process.wait(30) == 130
        assert "stopped watching after 0 movies" in process.stderr.read()


def test_movies_that_fail_are_listed_at_the_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = project(tmp_path, 2)
    code = main(["watch", "-C", str(folder), "--interval-s", "0.05", "--quiet-min", "0", "--compute.workers", "1"])
    out, err = capsys.readouterr()
    assert code == 1
    assert out == "0 movies processed\n"
    assert "2 failed:" in err
    assert "TS_01_001.mrc: is a text file" in err


def test_who_watches_holds_the_project_between_looks_too(tmp_path: Path) -> None:
    folder = project(tmp_path, 1)
    watched = Project.open(folder)
    said: list[Any] = []

    def look(_now: float | None) -> None:
        if said:
            return
        refused = run_weft(folder, "run", "--ctf.enabled", code=6)
        (run,) = read_json(folder, "status")["runs"]
        with pytest.raises(BusyError, match="takes new movies by itself"):
            start_run(watched, [])
        run_weft(folder, "run", code=1)  # equal settings may share the work; the movie is no movie
        said.extend([refused.stderr, run["watches"]])

    watch(watched, interval_s=0.01, quiet_s=0, each_look=look)
    assert "`weft watch`, process" in said[0]
    assert "other settings" in said[0]
    assert said[1] is True
    assert read_json(folder, "status")["runs"] == []


def test_a_watch_is_one_run_for_the_page_however_its_movies_arrive(tmp_path: Path) -> None:
    watched = Project.open(project(tmp_path, 0))
    follower, told = RunFollower(watched.out), list[dict[str, Any]]()

    def look(_now: float | None) -> None:
        follower.poll()
        told.append(follower.summary())
        if told[-1]["done"] == 2:
            later = RunFollower(watched.out)  # a page that is opened only now
            later.poll()
            told.append(later.summary())
            raise Interrupted("enough seen")
        movie = tmp_path / "frames" / f"TS_01_{told[-1]['done']:03}.mrc"
        if not movie.exists():
            movie.write_text("no movie\n" * 300)

    with pytest.raises(Interrupted, match="enough seen"):
        watch(watched, interval_s=0.01, each_look=look)
    first, *_, last, late = told
    assert (first["is_running"], first["watches"], first["total"]) == (True, True, 0)
    assert (last["done"], last["total"], last["failed"]) == (2, 2, 2)
    assert {summary["began"] for summary in told} == {first["began"]}
    assert late == last
    follower.poll()
    assert follower.summary()["is_running"] is False


def test_a_stack_comes_once_and_not_before_its_mdoc_stands_still(tmp_path: Path) -> None:
    made = make_processed(Made(tmp_path / "p"))
    mdoc = made.folder / "mdoc" / "TS_01.mrc.mdoc"
    live = LiveStacks(made, still_s=60)
    stack = made.path("imod", "TS_01") / "TS_01.st"
    mdoc.write_text(mdoc_of(1, ANGLES[:3]))
    assert not [*live.look(0), *live.look(50)]
    mdoc.write_text(mdoc_of(1, ANGLES))
    assert not [*live.look(65), *live.look(120)]
    assert not stack.exists()
    (result,) = live.look(126)
    assert isinstance(result, StackResult)
    assert (result.path, result.sections, result.is_new) == (stack, 5, True)
    assert made.path("tomostar", "TS_01").exists()
    assert not [*live.look(1000)]


def test_a_stack_waits_for_all_movies_of_its_series(tmp_path: Path) -> None:
    made = make_processed(Made(tmp_path / "p", series=2))
    late = made.path("average", movie_of(1, 2, ANGLES[2]))
    image = late.read_bytes()
    late.unlink()
    live = LiveStacks(made, still_s=3600)
    assert [result.name for result in live.look(None) if isinstance(result, StackResult)] == ["TS_02"]
    late.write_bytes(image)
    assert [result.name for result in live.look(None) if isinstance(result, StackResult)] == ["TS_01"]


def _caught(pid: int) -> set[int]:
    """Return the signals that a process handles."""
    status = Path(f"/proc/{pid}/status").read_text()
    mask = int(next(line for line in status.splitlines() if line.startswith("SigCgt")).split()[1], 16)
    return {number for number in range(1, 65) if mask >> (number - 1) & 1}
