"""Every mdoc, STAR, angle list, alignment and Warp XML of the real files: read as other readers do, or refused in one sentence."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mdocfile
import numpy as np
import pytest
import starfile

from weft.errors import InputError
from weft.io.imod import read_aln, read_angles, read_xf
from weft.io.mdoc import mdoc_text, parse_mdoc, read_mdoc
from weft.io.star import read_star
from weft.io.warpread import WarpSeries, read_warp_xml
from weft.series.match import build_series
from weft.settings.schema import Settings

pytestmark = pytest.mark.data

# what is of another kind than its ending says
REFUSED = {
    "imod/BB/BBalocal.xf": "9 numbers in row 1",
    "emClarity/riboNew05_ali1_ctf.tlt": "22 columns",
    "emClarity/riboNew06_ali1_ctf.tlt": "22 columns",
    "emClarity/riboNew07_ali1_ctf.tlt": "22 columns",
}


@pytest.fixture(scope="session")
def real(test_data: Path) -> Path:
    return test_data / "data" / "real"


def each(real: Path, *endings: str) -> list[Path]:
    found = [path for path in sorted(real.rglob("*")) if path.name.endswith(endings)]
    assert found
    return found


def read(real: Path, path: Path, reader: Callable[[Path], Any]) -> Any:
    """Return what a file says; None if it is refused as it should be."""
    name = path.relative_to(real).as_posix()
    if name not in REFUSED:
        return reader(path)
    with pytest.raises(InputError) as caught:
        reader(path)
    assert REFUSED[name] in str(caught.value)
    assert "\n" not in str(caught.value)
    return None


def test_mdocs(real: Path) -> None:
    for path in each(real, ".mdoc"):
        mdoc = read_mdoc(path)
        table = mdocfile.read(path)
        assert len(mdoc.sections) == len(table), path
        assert parse_mdoc(mdoc_text(mdoc).encode()) == mdoc, path
        told = [section.number("TiltAngle") for section in mdoc.sections]
        assert told == pytest.approx(table["TiltAngle"].tolist()), path


def test_mdocs_become_series_or_are_told(real: Path) -> None:
    paths = each(real, ".mdoc")
    movies = [
        Path(section.file_name()) for path in paths for section in read_mdoc(path).sections if section.file_name()
    ]
    found = build_series(paths, sorted(set(movies)), Settings())
    lengths = {one.name: len(one.tilts) for one in found.series}
    assert lengths == {
        "TS_001": 3, "TS_01": 41, "TS_017": 60, "TS_019": 61, "TS_41": 40, "TS_minimal": 2, "TS_t_section_space": 1,
        "TS_t_section_text": 1, "close-TS_run1": 9, "test_000": 2, "test_001": 2,
    }  # fmt: skip
    assert not found.unreadable
    told = " | ".join(found.warnings)
    for words in (
        "montage_section.mdoc: a montage",
        "tilt_series.mdoc: has the same sections",
        "one movie, not a tilt series",
    ):
        assert words in told
    by_name = {one.name: one for one in found.series}
    # its order is that of the files' own counters, its exposures those of the microscope's own sum
    series = by_name["TS_017"]
    prior = [section.number("PriorRecordDose") for section in read_mdoc(Path(series.mdoc)).sections]
    for tilt in series.tilts:
        assert tilt.pre_exposure_e_A2 == pytest.approx(prior[tilt.section], abs=0.08)  # PriorRecordDose has six digits
    assert by_name["TS_019"].axis_deg == pytest.approx(82.9)
    assert [t.order for t in by_name["TS_019"].tilts] == [int(t.file.split("_")[2]) for t in by_name["TS_019"].tilts]


def test_star_files(real: Path) -> None:
    for path in each(real, ".star", ".tomostar"):
        found = read_star(path)
        theirs = starfile.read(path, always_dict=True)
        assert list(found) == list(theirs), path
        for name, block in found.items():
            if block.loop is None:
                assert set(block.values) == set(theirs[name]), path
                continue
            table = theirs[name]
            assert list(block.loop.columns) == list(table.columns), path
            for label in table.columns:
                if table[label].dtype.kind in "fi":
                    assert block.loop.numbers(label) == pytest.approx(table[label].tolist(), nan_ok=True), (path, label)
                else:
                    assert list(block.loop[label]) == table[label].astype(str).tolist(), (path, label)


def test_angles_and_transforms(real: Path) -> None:
    for path in each(real, ".tlt", ".rawtlt", ".xtilt"):
        angles = read(real, path, read_angles)
        if angles is not None:
            assert angles == pytest.approx(np.loadtxt(path, ndmin=2)[:, 0].tolist()), path
    for path in each(real, ".xf"):
        transforms = read(real, path, read_xf)
        if transforms is not None:
            rows = [(t.a11, t.a12, t.a21, t.a22, t.dx, t.dy) for t in transforms]
            assert np.array(rows) == pytest.approx(np.loadtxt(path, ndmin=2)), path
            assert all(0.9 < t.scale < 1.1 for t in transforms), path
    aligned = read_aln(real / "cryoet-alignment" / "test.aln")
    assert aligned.dark == (0, 1, 87, 88)
    assert aligned.sections == (2, 3, 4, 5)
    assert aligned.transforms[0].axis_deg == pytest.approx(-12.6611)


def test_transforms_tell_what_relion_wrote(real: Path) -> None:
    """RELION's aligned table holds axis and shifts that it took from an ``.xf`` in the same way."""
    table = starfile.read(real / "relion5-EMPIAR-10164" / "AlignTiltSeries" / "TS_03.star")
    transforms = read_xf(real / "cets-imod" / "TS_03.xf")
    axes = sorted(t.axis_deg for t in transforms)
    assert np.median(axes) == pytest.approx(float(table["rlnTomoZRot"].median()), abs=1.0)


def test_warps_xml(real: Path) -> None:
    sys.modules.setdefault("torch_projectors", types.ModuleType("torch_projectors"))
    import warpylib

    for path in each(real, ".xml"):
        found = read_warp_xml(path)
        assert isinstance(found, WarpSeries)
        theirs = warpylib.TiltSeries()
        theirs.load_meta(str(path))
        assert found.warp_angles_deg == pytest.approx(theirs.angles.tolist(), abs=1e-4), path
        assert found.exposures_e_A2 == pytest.approx(theirs.dose.tolist(), abs=1e-3), path
        assert list(found.uses) == theirs.use_tilt.tolist(), path
        assert found.is_inverted == theirs.are_angles_inverted, path
