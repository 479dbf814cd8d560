"""``weft simulate``: movies with known truth."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from weft.cli.output import document, message, say
from weft.cli.verb import Call, DryRun, Here, make_app
from weft.errors import UsageError

app = make_app(
    "simulate",
    "weft simulate my-set\nweft simulate my-set --series 4 --tilt-step 3 --height 1024 --seed 7",
    takes_settings=False,
)


@app.default
def simulate(
    folder: Annotated[Path, Parameter(help="Where; must not hold a set yet.")],
    *,
    series: Annotated[int, Parameter(help="Tilt series; their handedness is +1 and -1 in turn.")] = 2,
    tilt_max: Annotated[float, Parameter(help="Largest tilt in degrees; 0 makes single untilted movies.")] = 60.0,
    tilt_step: Annotated[float, Parameter(help="Degrees between tilts.")] = 10.0,
    height: Annotated[int, Parameter(help="Of the field in pixels.")] = 512,
    width: Annotated[int, Parameter(help="Of the field in pixels.")] = 576,
    pixel_size_A: Annotated[float, Parameter(name="--pixel-size-A", help="Of a physical pixel, in Å.")] = 2.7,
    super_resolution: Annotated[bool, Parameter(help="Frames of twice the side, to be binned by 1.")] = False,
    frames: Annotated[int, Parameter(help="Of one movie.")] = 8,
    exposure_e_A2: Annotated[float, Parameter(name="--exposure-e-A2", help="Of one movie, in e⁻/Å².")] = 3.0,
    gain: Annotated[bool, Parameter(negative="--no-gain", help="Record through a gain reference.")] = True,
    bad_images: Annotated[bool, Parameter(negative="--no-bad-images", help="Spoil three tilts of each series.")] = True,
    file_format: Annotated[Literal["mrc", "tiff"], Parameter(name="--format", help="Of the movies.")] = "mrc",
    seed: Annotated[int, Parameter(help="Same seed and options, same bytes.")] = 1,
    dry_run: DryRun = False,
    call: Here,
) -> int:
    """Simulate movies with drift, local motion, tilted defocus, gold beads and counting noise, and write the truth."""
    from weft.simulate import SimulationOptions, dose_symmetric

    if call.overrides:
        raise UsageError("weft simulate: has options of its own and takes no settings of weft.toml; see --help")
    options = SimulationOptions(
        seed=seed,
        series=series,
        tilts_deg=dose_symmetric(tilt_max, tilt_step) if tilt_max > 0 else (0.0,),
        height=height,
        width=width,
        pixel_size_A=pixel_size_A,
        super_resolution=super_resolution,
        frames=frames,
        exposure_e_A2=exposure_e_A2,
        gain=gain,
        bad_images=bad_images and tilt_max > 0,
        file_format=file_format,
    )
    return _make(folder, options, call, dry_run=dry_run)


def _make(folder: Path, options: Any, call: Call, *, dry_run: bool) -> int:
    from weft.simulate import simulate_set

    total = options.series * len(options.tilts_deg)
    if dry_run:
        height, width = options.raw_shape
        if call.json:
            content = {"folder": str(folder), "dry_run": True, "movies": total}
            document("simulate", {**content, "options": dataclasses.asdict(options)})
        else:
            say(f"would write {total} movies of {options.frames} frames of {width} × {height} to {folder}")
        return 0
    told = None if call.quiet or call.json else progress_of(total)
    made = simulate_set(options, folder, on_movie=told)
    if call.json:
        content = {"folder": str(folder), "movies": [str(path) for path in made.movies], "settings": made.settings}
        document("simulate", {**content, "options": dataclasses.asdict(options)})
    else:
        say(f"{len(made.movies)} movies in {folder}; the truth is in {folder / 'truth'}")
    return 0


def progress_of(total: int) -> Any:
    """Return a listener that tells every tenth part on stderr."""
    step = max(1, total // 10)

    def tell(_name: str, number: int, _total: int) -> None:
        if number % step == 0 or number == total:
            message(f"simulated {number} of {total} movies")

    return tell
