"""Every movie, image and gain file of the real ones is read as other readers read it, or refused in one sentence."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pytest
import tifffile

from weft.errors import InputError
from weft.io.image import read_image
from weft.io.sniff import recognise
from weft.movie.open import open_movie
from weft.settings.schema import InputSettings

# mrcfile warns about files from before 2000
pytestmark = [pytest.mark.data, pytest.mark.filterwarnings("ignore::RuntimeWarning")]


@dataclass(frozen=True)
class Read:
    """What must come out: frames, rows, columns, type of a pixel, pixel size."""

    shape: tuple[int, int, int]
    dtype: str
    pixel_A: float | None = None


@dataclass(frozen=True)
class Refused:
    """A part of the sentence."""

    sentence: str


OUTCOMES: dict[str, Read | Refused] = {
    "TARDIS/mrc3D.mrc": Read((78, 64, 32), "uint8", 23.2),
    "cisTEM/hiv_image_80x80x1.mrc": Read((1, 80, 80), "float32"),
    "cisTEM/hiv_images_shift_noise_80x80x10.mrc": Read((10, 80, 80), "float32"),
    "cryodrgn/empiar_10076_7.mrc": Read((7, 320, 320), "float32"),
    "cryoet-montage/W1106_G3_target86_tilt_4_tilt015_large.png": Refused("is a picture (PNG or JPEG)"),
    "etomofiles/TS_001.st": Read((40, 1, 1), "float32"),
    "etspy/BF_001.dm3": Refused("read as a gain reference but not as a movie"),
    "imod/BBa_preali_autofidseed4.jpg": Refused("is a picture (PNG or JPEG)"),
    "imod/headerTest.st": Refused("the file holds 0"),
    "leginon/07jan05b_12gr_02en_00.dwn.mrc": Read((1, 512, 512), "float32"),
    "leginon/edge.mrc": Read((1, 512, 512), "int16"),
    "leginon/tilt1.mrc": Read((1, 512, 512), "float32"),
    "leginon/tilt2.mrc": Read((1, 512, 512), "float32"),
    "micrograph_cleaner_em/Ucsf_stack_1142_DW_mask.mrc": Read((1, 927, 959), "float32"),
    "micrograph_cleaner_em/Ucsf_stack_1142_DW_mic.mrc": Read((1, 927, 959), "float32"),
    "mrcfile/EMD-3197.map": Read((20, 20, 20), "float32", 11.4),
    "mrcfile/EMD-3197.map.bz2": Refused("packed with bzip2 (unpack it first)"),
    "mrcfile/emd_3197.map.gz": Refused("packed with gzip (unpack it first)"),
    "mrcfile/fei-extended_crop2048.mrc": Read((1, 2048, 2048), "uint16", 0.85378),
    "openNCEM/08_carbon.dm3": Refused("read as a gain reference but not as a movie"),
    "openNCEM/dmTest_3D_int16_64,65,66.dm4": Refused("read as a gain reference but not as a movie"),
    "rosettasciio/20241021_00405_final.mrc": Read((1, 4, 8), "float32"),
    "rosettasciio/20241021_00405_movie.mrc": Read((32, 4, 8), "uint16"),
    "rosettasciio/HAADFscan.mrc": Read((1, 16, 16), "uint16", 56.7913),
    "rosettasciio/dm/2D_test-1.dm4": Refused("read as a gain reference but not as a movie"),
    "rosettasciio/dm/2D_test-10.dm4": Refused("read as a gain reference but not as a movie"),
    "rosettasciio/dm/3D_test-2.dm4": Refused("read as a gain reference but not as a movie"),
    "warpylib/ctf_reference.mrc": Read((2, 256, 129), "float32"),
    "xmipp/KLH.tif": Read((1, 844, 760), "uint8"),
}
DM_IMAGES = {
    "etspy/BF_001.dm3": ((128, 128), "float32"),
    "openNCEM/08_carbon.dm3": ((1, 2048), "float32"),
    "openNCEM/dmTest_3D_int16_64,65,66.dm4": ((65, 64), "int16"),
    "rosettasciio/dm/2D_test-1.dm4": ((2, 2), "int16"),
    "rosettasciio/dm/2D_test-10.dm4": ((2, 2), "uint16"),
    "rosettasciio/dm/3D_test-2.dm4": ((2, 2), "float32"),
}
_IMAGE_ENDINGS = {
    ".mrc",
    ".st",
    ".map",
    ".tif",
    ".tiff",
    ".eer",
    ".gain",
    ".dm3",
    ".dm4",
    ".gz",
    ".bz2",
    ".png",
    ".jpg",
    ".mrcs",
}


@pytest.fixture(name="real", scope="session")
def _real(test_data: Path) -> Path:
    return test_data / "data/real"


def test_no_image_is_missing_in_the_table(real: Path) -> None:
    images = {str(p.relative_to(real)) for p in real.rglob("*") if p.suffix.lower() in _IMAGE_ENDINGS}
    assert images == set(OUTCOMES)


@pytest.mark.parametrize("name", [name for name, outcome in OUTCOMES.items() if isinstance(outcome, Read)])
def test_what_is_read_agrees_with_other_readers(real: Path, name: str) -> None:
    outcome = OUTCOMES[name]
    assert isinstance(outcome, Read)
    movie = open_movie(real / name, InputSettings())
    frames = np.stack(list(movie.frames()))
    assert frames.shape == outcome.shape
    assert str(frames.dtype) == outcome.dtype
    assert movie.info.pixel_size_A == (outcome.pixel_A and pytest.approx(outcome.pixel_A, rel=1e-4))
    expected = _judge(real / name)
    if outcome.dtype == "uint8" and expected.dtype == np.int8:
        expected = expected.view(np.uint8)
    np.testing.assert_array_equal(frames, expected.reshape(frames.shape))


def _judge(path: Path) -> Any:
    """Return what mrcfile or tifffile reads, rows of a TIFF turned."""
    if path.suffix == ".tif":
        return tifffile.imread(path)[..., ::-1, :]
    with mrcfile.open(path, permissive=True) as file:
        return np.array(file.data)


@pytest.mark.parametrize("name", [name for name, outcome in OUTCOMES.items() if isinstance(outcome, Refused)])
def test_what_is_refused_is_so_in_one_sentence(real: Path, name: str) -> None:
    outcome = OUTCOMES[name]
    assert isinstance(outcome, Refused)
    with pytest.raises(InputError) as caught:
        open_movie(real / name, InputSettings())
    sentence = str(caught.value)
    assert outcome.sentence in sentence
    assert sentence.startswith(Path(name).name)
    assert "\n" not in sentence


@pytest.mark.parametrize("name", DM_IMAGES)
def test_gatans_files_are_read_as_images(real: Path, name: str) -> None:
    assert recognise(real / name) == "dm"
    image, _ = read_image(real / name)
    assert (image.shape, str(image.dtype)) == DM_IMAGES[name]
    assert np.isfinite(image).all()
