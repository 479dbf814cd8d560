"""The generated pages are what the code says; the scripts beside them can be read by bash."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("page", "function"), [("settings.md", "settings_page"), ("verbs.md", "verbs_page")])
def test_generated_pages_are_up_to_date(page: str, function: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert text == getattr(load("make_docs"), function)(), "run tools/make_docs.py"


@pytest.mark.parametrize("script", ["tools/setup.sh", "tools/demo", "tools/test", "tools/lock.sh", ".ci/run"])
def test_scripts_are_bash_and_executable(script: str) -> None:
    path = ROOT / script
    assert subprocess.run(["bash", "-n", str(path)], check=False).returncode == 0
    if script != "tools/setup.sh":  # which is sourced
        assert path.stat().st_mode & 0o111


def test_links_lead_somewhere() -> None:
    assert list(load("check_links").dead_links()) == []


def test_readme_starts_with_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text.index("./tools/demo") < text.index("./tools/test") < 400
