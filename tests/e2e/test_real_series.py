"""A real series' mdoc with small movies under its real names, from import to stack, beside RELION's own import of it."""

from __future__ import annotations

from pathlib import Path

import mrcfile
import numpy as np
import pytest
import starfile
from tests.commands import call_weft

from weft.io.mdoc import read_mdoc
from weft.io.mrc import write_mrc

pytestmark = [pytest.mark.data, pytest.mark.slow]

FRAMES = 8


@pytest.fixture(scope="module")
def project(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """EMPIAR-10164's TS_01: its real mdoc, made movies, processed without CTF and beads."""
    folder = tmp_path_factory.mktemp("TS_01")
    real = test_data / "data" / "real" / "tomo_preprocessing" / "TS_01.mrc.mdoc"
    (folder / "mdoc").mkdir()
    (folder / "mdoc" / real.name).write_bytes(real.read_bytes())
    rng = np.random.default_rng(10164)
    for section in read_mdoc(real).sections:
        movie = rng.poisson(2, (FRAMES, 128, 128)).astype(np.int8)
        write_mrc(folder / "frames" / section.file_name(), movie, 0.675, dtype="int8")
    given = ["--input.exposure_e_A2", "3", "--ctf.no-enabled", "--fiducials.no-enabled", "--motion.no-enabled"]
    assert call_weft(folder, "init", "-q", "--input.raw_pixel_size_A", "0.675", "--input.bin", "1", *given) == 0
    assert call_weft(folder, "run", "-q") == 0
    assert call_weft(folder, "import", "-q") == 0
    return folder


def test_names_order_angles_and_exposures_are_relions(project: Path, test_data: Path) -> None:
    relion = starfile.read(test_data / "data" / "real" / "relion5-EMPIAR-10164" / "Import" / "TS_01.star")
    assert call_weft(project, "export", "relion", "--series.hand", "-1", "-q") == 0
    ours = starfile.read(project / "weft" / "relion" / "tilt_series" / "TS_01.star")
    for label in ("rlnMicrographMovieName", "rlnTomoTiltMovieFrameCount"):
        assert ours[label].tolist() == relion[label].tolist()
    for label in ("rlnTomoNominalStageTiltAngle", "rlnMicrographPreExposure", "rlnTomoNominalDefocus"):
        assert ours[label].tolist() == pytest.approx(relion[label].tolist(), abs=1e-6)
    assert set(ours["rlnTomoNominalTiltAxisAngle"]) == {85.3}  # the mdoc's; 85 was typed in for RELION
    theirs = starfile.read(test_data / "data" / "real" / "relion5-EMPIAR-10164" / "Import" / "tilt_series.star")
    table = starfile.read(project / "weft" / "relion" / "tilt_series.star", always_dict=True)["global"]
    assert table["rlnTomoHand"].tolist() == [-1] == theirs["rlnTomoHand"].tolist()[:1]
    assert table["rlnMicrographOriginalPixelSize"].tolist() == [0.675]


def test_dropping_an_image_leaves_forty(project: Path) -> None:
    stack = project / "weft" / "imod" / "TS_01" / "TS_01.st"
    assert call_weft(project, "stack", "-q") == 0
    assert _sections(stack) == 41
    assert call_weft(project, "drop", "TS_01_039", "--reason", "grid bar", "-q") == 0
    assert call_weft(project, "stack", "-q") == 0
    assert _sections(stack) == 40
    angles = [float(line) for line in stack.with_suffix(".rawtlt").read_text().split()]
    assert len(angles) == 40
    assert angles == sorted(angles)
    assert angles[0] == -57.0
    assert call_weft(project, "undo", "-q") == 0
    assert call_weft(project, "stack", "-q") == 0
    assert _sections(stack) == 41


def _sections(path: Path) -> int:
    assert mrcfile.validate(path)
    with mrcfile.open(path, header_only=True) as file:
        assert file.voxel_size.x == pytest.approx(1.35)
        return int(file.header.nz)
