"""The schema of ``weft.toml``: every key, its type, default, unit and meaning.

Flags of the command line (``--ctf.range_A 40 5``), the browser's form, the docs page and the
commented file are all made from the classes below. ``json_schema_extra`` carries the unit and the
name that Warp's panels give to the same thing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from weft.settings.grid import check_grid

__all__ = [
    "ComputeSettings",
    "CtfSettings",
    "FiducialSettings",
    "InputSettings",
    "MotionSettings",
    "OpticsSettings",
    "OutputSettings",
    "SeriesSettings",
    "Settings",
    "Table",
]

Grid = Annotated[str, AfterValidator(check_grid)]
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
Range = tuple[float, float]


def _key(description: str, *, unit: str = "", warp: str = "", **limits: Any) -> Any:
    """Make a field whose help names the unit and Warp's word for it."""
    extra: dict[str, Any] = {name: value for name, value in (("unit", unit), ("warp", warp)) if value}
    return Field(description=description, json_schema_extra=extra or None, **limits)


def _check_range(range_A: Range) -> None:
    low, high = range_A
    if not low > high > 0:
        raise ValueError(f"range_A = [{low:g}, {high:g}]: the low resolution (large number) comes first, both above 0")


class Table(BaseModel):
    """One table of ``weft.toml``; unknown keys are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class InputSettings(Table):
    """The raw data and how to read them."""

    movies: str = _key(
        "Where the movies are: a pattern, relative to weft.toml.", warp="Input: folder, format", default="frames/*.mrc"
    )
    mdocs: str = _key(
        "Where the mdoc files are: a pattern, relative to weft.toml.",
        warp="folder with mdoc files",
        default="mdoc/*.mdoc",
    )
    raw_pixel_size_A: float | None = _key(
        "Pixel size of the raw movies; taken from the files' headers if not given. EER: of the rendered grid.",
        unit="Å",
        warp="Pixel size",
        default=None,
        gt=0,
        le=1000,
    )
    bin: float = _key(
        "Binning exponent n: frames are Fourier-cropped to size / 2^n.", warp="Bin", default=0.0, ge=0, le=10
    )
    exposure_e_A2: float | None = _key(
        "Exposure of one whole movie; 0 or nothing where it is unknown or the mdocs tell it.",
        unit="e⁻/Å²",
        warp="Exposure",
        default=None,
        gt=0,
    )
    gain: Path | None = _key("Gain reference: MRC, TIFF, .gain or DM4.", warp="Correct gain", default=None)
    gain_flip_x: bool = _key("Mirror the gain left-right (first of three steps).", warp="Flip X", default=False)
    gain_flip_y: bool = _key("Mirror the gain top-bottom (second step).", warp="Flip Y", default=False)
    gain_transpose: bool = _key("Exchange rows and columns of the gain (third step).", warp="Transpose", default=False)
    gain_mode: Literal["multiply", "divide"] = _key(
        "Multiply frames by the gain, or divide them by it.", default="multiply"
    )
    defects: Path | None = _key(
        "Bad pixels: an image (non-zero = bad) or a defects text file.", warp="Correct defects", default=None
    )
    eer_exposure_per_fraction_e_A2: float | None = _key(
        "EER: exposure of one fraction; needs exposure_e_A2.",
        unit="e⁻/Å²",
        default=None,
        gt=0,
    )
    eer_frames_per_fraction: int | None = _key(
        "EER: raw frames in one fraction.", warp="EER frame group", default=None, ge=1
    )
    eer_fractions: int | None = _key("EER: number of fractions of a movie.", default=None, ge=1)
    eer_supersampling: Literal[1, 2, 4] = _key("EER: rendered grid, 1×, 2× or 4× the sensor.", default=1)
    xrays: Literal["remove", "keep"] = _key("Replace X-rays and hot pixels found in the data.", default="remove")
    mrc_mode0: Literal["auto", "signed", "unsigned"] = _key("Sign of 8-bit MRC files.", default="auto")

    @field_validator("exposure_e_A2", mode="before")
    @classmethod
    def _zero_is_unknown(cls, value: Any) -> Any:
        return None if value in {0, "0"} else value  # as Warp's panel has it

    @model_validator(mode="after")
    def _one_way_to_group(self) -> Self:
        ways = [self.eer_exposure_per_fraction_e_A2, self.eer_frames_per_fraction, self.eer_fractions]
        if sum(way is not None for way in ways) > 1:
            raise ValueError(
                "give only one of eer_exposure_per_fraction_e_A2, eer_frames_per_fraction and eer_fractions: "
                "they say the same thing in three ways"
            )
        return self


class OpticsSettings(Table):
    """The microscope."""

    voltage_kV: float = _key("Acceleration voltage.", unit="kV", warp="Voltage", default=300.0, ge=10, le=2000)
    cs_mm: float = _key("Spherical aberration.", unit="mm", warp="Cs", default=2.7, ge=0, le=10)
    amplitude_contrast: float = _key("Fraction of amplitude contrast.", warp="Amplitude", default=0.07, ge=0, lt=1)


class MotionSettings(Table):
    """Motion of the sample between frames."""

    enabled: bool = _key("Estimate and correct motion.", warp="Motion", default=True)
    range_A: Range | Literal["auto"] = _key(
        "Spatial frequencies used: lowest and highest resolution (Warp: 500 8); auto takes all that tell something.",
        unit="Å",
        warp="Consider",
        default="auto",
    )
    b_factor_A2: float = _key(
        "Weight of the frequencies where the path is first looked for, exp(B/4·k²); 0 = none.",
        unit="Å²",
        warp="Weight with B",
        default=-500.0,
        le=0,
    )
    grid: Grid | Literal["auto"] = _key(
        "Nodes of the motion model, X×Y×T; n = the movie's number of frames; auto = decided by the data.",
        warp="Models: motion",
        default="1x1xn",
    )
    ignore_gold: bool = _key(
        "Find gold beads in a first average and estimate the motion again without them.", default=False
    )

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.range_A != "auto":
            _check_range(self.range_A)
        return self


class CtfSettings(Table):
    """The contrast transfer function."""

    enabled: bool = _key("Estimate the CTF.", warp="CTF", default=True)
    window_px: int = _key(
        "Side of the power spectra.", unit="px", warp="Window", default=512, ge=64, le=4096, multiple_of=2
    )
    range_A: Range = _key(
        "Spatial frequencies used: lowest and highest resolution.", unit="Å", warp="Range", default=(40.0, 5.0)
    )
    defocus_um: Range = _key("Lower and upper limit of the defocus.", unit="µm", warp="Defocus", default=(0.5, 8.0))
    phase_shift: bool = _key("Fit the phase shift of a phase plate.", warp="Phase shift", default=False)
    use_movie_sum: bool = _key("Fit the corrected sum rather than the frames.", warp="Use movie sum", default=True)
    grid: Grid = _key("Nodes of the defocus model, X×Y×T.", warp="Models: defocus", default="2x2x1")
    ignore_gold: bool = _key("Find gold beads by a first fit and fit again with them erased.", default=False)

    @model_validator(mode="after")
    def _order(self) -> Self:
        _check_range(self.range_A)
        low, high = self.defocus_um
        if not low < high:
            raise ValueError(f"defocus_um = [{low:g}, {high:g}]: the lower limit comes first")
        return self


class FiducialSettings(Table):
    """Gold beads and their masks."""

    enabled: bool = _key("Find gold beads and write masks.", warp="Pick particles", default=True)
    model: str = _key("Detector: a name from `weft fiducials list`, or a path.", warp="BoxNet model", default="gold")
    bead_diameter_nm: float | None = _key(
        "Diameter of the beads; found from the data if not given.", unit="nm", default=None, gt=0, le=200
    )
    threshold: float = _key("Probability from which a pixel counts as gold.", default=0.5, gt=0, lt=1)


class OutputSettings(Table):
    """What is written for every movie."""

    folder: str = _key("Folder for everything Weft makes.", default="weft", min_length=1)
    average: bool = _key("Write the motion-corrected average.", warp="Average", default=True)
    halves: bool = _key("Write averages of even and odd frames.", warp="Odd/even averages", default=False)
    aligned_stack: bool = _key("Write the aligned frames.", warp="Aligned stack", default=False)
    collapse: int = _key("Frames summed into one section of the aligned stack.", warp="Collapse", default=1, ge=1)
    skip_first: int = _key("Frames left out of the outputs at the start.", warp="Skip first", default=0, ge=0)
    skip_last: int = _key("Frames left out of the outputs at the end.", warp="Skip last", default=0, ge=0)
    exposure_weighting: bool = _key("Weight frames by exposure (not for tilt series).", default=False)
    dtype: Literal["float32", "float16"] = _key("Numbers in the averages.", default="float32")


class SeriesSettings(Table):
    """From mdocs to tilt series."""

    pattern: str | None = _key("How movie names tell series, index and angle when mdocs are missing.", default=None)
    duplicates: Literal["latest", "best", "ask"] = _key(
        "Which image of an angle taken twice is used; ask = all, until you decide.", default="latest"
    )
    min_tilts: int = _key("Series with fewer used tilts are not exported.", default=1, ge=1)
    tilt_axis_deg: float | None = _key(
        "Tilt axis from +y, counter-clockwise; from the mdoc if not given.", unit="°", default=None, ge=-360, le=360
    )
    shared_ctf: bool = _key("Export the CTF that the whole series tells of an image; off: its own fit.", default=True)
    hand: Literal[1, -1] | None = _key("Handedness of the geometry; decided by `weft hand` if not given.", default=None)


class ComputeSettings(Table):
    """Where and with how much the work is done."""

    device: str = _key("auto, cpu, cuda or cuda:N.", default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    workers: Count | Literal["auto"] = _key("Movies worked on at the same time.", default="auto")
    threads: Count | Literal["auto"] = _key("Threads of one worker.", default="auto")
    memory_GB: Positive | Literal["auto"] = _key("Memory one worker may use.", unit="GB", default="auto")


class Settings(Table):
    """All tables of ``weft.toml``."""

    input: InputSettings = InputSettings()
    optics: OpticsSettings = OpticsSettings()
    motion: MotionSettings = MotionSettings()
    ctf: CtfSettings = CtfSettings()
    fiducials: FiducialSettings = FiducialSettings()
    output: OutputSettings = OutputSettings()
    series: SeriesSettings = SeriesSettings()
    compute: ComputeSettings = ComputeSettings()
