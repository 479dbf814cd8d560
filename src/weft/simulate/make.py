"""Make a set of simulated movies with mdocs, a gain reference and the truth."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import tifffile
from numpy.typing import NDArray

from weft.conventions import expected_gradient
from weft.errors import MachineError, UsageError
from weft.simulate.camera import Camera, make_camera, record_frames
from weft.simulate.drift import LATTICE, TrueMotion, make_motion
from weft.simulate.exposure import Pose, Scene, ice_transmission, make_scene
from weft.simulate.faults import BLUR_PER_FRAME_A, Fault, choose_faults, spoiled_beam
from weft.simulate.mdoc import Section, mdoc_text
from weft.simulate.optics import Optics
from weft.simulate.options import SimulationOptions
from weft.simulate.specimen import Specimen, make_specimen

__all__ = ["SimulatedSet", "simulate_set"]

MARGIN_PX = 64  # further than the fringes of a 4 µm defocus reach at 5.4 Å (54 px of 2.7 Å)
B_FACTOR_A2 = 120.0
ASTIGMATISM_A = (100.0, 600.0)
DEFOCUS_JITTER_A = 350.0  # of autofocus, from tilt to tilt
SHIFT_A = 40.0  # of tracking, from tilt to tilt
SERIES_GAP_H = 2


@dataclass(frozen=True, slots=True)
class SimulatedSet:
    """A set on disk.

    Parameters
    ----------
    folder : Path
        That holds ``frames/``, ``mdoc/``, ``truth/``, ``settings.json`` and, with a gain, ``gain.mrc``.
    movies : tuple of Path
        Files, in the order of series and exposure.
    mdocs : tuple of Path
        One a series; none for untilted movies.
    settings : dict
        Tables of ``weft.toml`` that a user would fill in: ``{"input": {...}, ...}``.
    """

    folder: Path
    movies: tuple[Path, ...]
    mdocs: tuple[Path, ...]
    settings: dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Tilt:
    """One exposure to be made."""

    name: str
    series: str
    number: int
    order: int
    nominal_deg: float
    pose: Pose
    optics: Optics
    target_um: float
    fault: Fault


def simulate_set(
    options: SimulationOptions,
    folder: Path,
    *,
    on_movie: Callable[[str, int, int], None] | None = None,
) -> SimulatedSet:
    """Write a set of movies with known truth.

    Parameters
    ----------
    options : SimulationOptions
        What to make.
    folder : Path
        Where; made if it does not exist.
    on_movie : callable, optional
        Called with (name, number done, number of all) after each movie.

    Raises
    ------
    UsageError
        If the folder already holds a set.
    MachineError
        If the disk cannot be written.

    Notes
    -----
    Every movie draws from a generator of its own, seeded by (seed, series, tilt), so that a part of a set does not
    depend on the rest of it.
    """
    if (folder / "truth" / "truth.json").exists():
        raise UsageError(f"{folder}: a simulated set lies here already; give another folder, or delete this one")
    try:
        return _make_all(options, folder, on_movie)
    except OSError as error:
        raise MachineError(
            f"{folder}: the simulated movies cannot be written ({error.strerror}); free some space or choose another place"
        ) from error


def _make_all(
    options: SimulationOptions, folder: Path, on_movie: Callable[[str, int, int], None] | None
) -> SimulatedSet:
    for part in ("frames", "truth", *(["mdoc"] if len(options.tilts_deg) > 1 else [])):
        (folder / part).mkdir(parents=True, exist_ok=True)
    camera = make_camera(
        options.raw_shape,
        has_gain=options.gain,
        hot_pixels=options.hot_pixels,
        rng=np.random.default_rng([options.seed, 0]),
    )
    if camera.gain is not None:
        _write_mrc(folder / "gain.mrc", camera.gain.as_stored(), options.raw_pixel_size_A)
    images: list[dict[str, Any]] = []
    mdocs: list[Path] = []
    total = options.series * len(options.tilts_deg)
    for number in range(1, options.series + 1):
        specimen = make_specimen(options, np.random.default_rng([options.seed, number]))
        tilts = _plan(options, number)
        for tilt in tilts:
            images.append(_make_movie(options, folder, camera, specimen, tilt))
            if on_movie is not None:
                on_movie(tilt.name, len(images), total)
        if len(tilts) > 1:
            mdocs.append(_write_mdoc(options, folder, tilts))
    known = _known(options, camera)
    (folder / "settings.json").write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    truth = {"kind": "weft", "seed": options.seed, "settings": known, "images": images}
    (folder / "truth" / "truth.json").write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")
    files = tuple(folder / image["file"] for image in images)
    return SimulatedSet(folder, files, tuple(mdocs), _tables(options, camera))


def _plan(options: SimulationOptions, number: int) -> list[_Tilt]:
    """Return the exposures of one series (or one untilted movie) in their order."""
    rng = np.random.default_rng([options.seed, number, 0])
    hand = 1 if number % 2 else -1
    target = round(float(rng.uniform(*options.defocus_um)), 1)
    target = min(max(target, options.defocus_um[0]), options.defocus_um[1])
    astigmatism, angle = rng.uniform(*ASTIGMATISM_A), rng.uniform(-90, 90)
    faults = choose_faults(options, number, rng)
    single = len(options.tilts_deg) == 1
    tilts = []
    for order, (nominal, fault) in enumerate(zip(options.tilts_deg, faults, strict=True)):
        mean = target * 1e4 + (0.0 if single else rng.normal(0, DEFOCUS_JITTER_A))
        half = 0.5 * max(0.0, astigmatism + rng.normal(0, 20))
        optics = Optics(
            options.voltage_kV,
            options.cs_mm,
            options.amplitude_contrast,
            mean + half,
            mean - half,
            (angle + rng.normal(0, 2) + 90) % 180 - 90,
            B_FACTOR_A2,
        )
        shift = rng.normal(0, SHIFT_A, 2) * (0 if single else 1)
        pose = Pose(nominal, options.axis_deg, hand, (float(shift[0]), float(shift[1])))
        series = "" if single else f"TS_{number:02d}"
        name = f"weft_{number:03d}" if single else f"{series}_{order:03d}_{nominal:.1f}"
        tilts.append(_Tilt(name, series, number, order, nominal, pose, optics, target, fault))
    return tilts


def _make_movie(
    options: SimulationOptions, folder: Path, camera: Camera, specimen: Specimen, tilt: _Tilt
) -> dict[str, Any]:
    """Write one movie with its truth, and return its entry for truth.json."""
    rng = np.random.default_rng([options.seed, tilt.number, tilt.order + 1])
    shape, pixel = (options.height, options.width), options.pixel_size_A
    motion = make_motion(
        options.frames,
        options.drift_A * rng.uniform(0.6, 1.2),
        options.walk_A,
        options.local_rms_A,
        rng,
        steady_A=BLUR_PER_FRAME_A if tilt.fault == "blurred" else 0.0,
    )
    scene = make_scene(specimen, tilt.pose, tilt.optics, shape, pixel, MARGIN_PX, rng)
    bare = options.exposure_e_A2 / options.frames * pixel**2
    transmission = ice_transmission(options.thickness_A, tilt.nominal_deg)
    beam = np.asarray(bare * transmission * spoiled_beam(tilt.fault, shape, rng), dtype=np.float32)
    prior = tilt.order * options.exposure_e_A2
    exposures = prior + options.exposure_e_A2 * (np.arange(options.frames) + 0.5) / options.frames
    frames = np.stack(list(record_frames(scene, motion, camera, beam, exposures, pixel, options.voltage_kV, rng)))
    file = _write_movie(options, folder, tilt.name, frames)
    inner = (scene.lasting + scene.fading)[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX]
    share = transmission * float((inner * beam).mean() / (bare * transmission))
    turned = options.file_format == "tiff"
    _write_motion(folder / "truth" / f"{tilt.name}.npz", motion, turned=turned)
    return _entry(options, tilt, file, motion, scene, turned=turned) | {
        "prior_dose": prior,
        "bare_counts_per_pixel_frame": options.exposure_e_A2 / options.frames * options.raw_pixel_size_A**2,
        "transmission": transmission,
        "mean_beam": share,
        "mean_counts": float(frames.mean()),
    }


def _entry(
    options: SimulationOptions, tilt: _Tilt, file: str, motion: TrueMotion, scene: Scene, *, turned: bool
) -> dict[str, Any]:
    """Return what truth.json says about an image, rows as the file stores them."""
    gradient = expected_gradient(tilt.nominal_deg, options.axis_deg, tilt.pose.hand)
    sign, scale = (-1 if turned else 1), options.pixel_size_A / options.raw_pixel_size_A
    height = options.raw_shape[0]
    moved = motion.displacement(LATTICE, LATTICE)
    local = moved - moved.mean((1, 2), keepdims=True)
    beads = []
    for bead in scene.beads:
        y = bead.y_px * scale
        beads.append(
            {
                "x_px": bead.x_px * scale,
                "y_px": height - 1 - y if turned else y,
                "radius_px": bead.radius_px * scale,
                "height_A": bead.height_A,
                "defocus_A": bead.defocus_A,
            }
        )
    return {
        "name": tilt.name,
        "file": file,
        "shape": list(options.raw_shape),
        "frames": options.frames,
        "series": tilt.series,
        "order": tilt.order,
        "bad": tilt.fault,
        "tilt_deg": tilt.nominal_deg,
        "axis_deg": options.axis_deg,
        "handedness": tilt.pose.hand,
        "dose": options.exposure_e_A2,
        "defocus_u_A": tilt.optics.defocus_u_A,
        "defocus_v_A": tilt.optics.defocus_v_A,
        "angle_deg": sign * tilt.optics.angle_deg,
        "phase_shift_deg": 0.0,
        "defocus_gradient_xy": [gradient[0], sign * gradient[1]],
        "shift_A": list(tilt.pose.shift_A),
        "thickness_A": options.thickness_A,
        "global_rms_A": float(np.sqrt((moved.mean((1, 2)) ** 2).sum(-1).mean())),
        "local_rms_A": float(np.sqrt((local**2).sum(-1).mean())),
        "beads": beads,
    }


def _write_motion(path: Path, motion: TrueMotion, *, turned: bool) -> None:
    """Write displacements as pairs (x, y), rows as the file stores them."""
    moved = motion.displacement(LATTICE, LATTICE)
    path_A, local, blur = motion.path_A.copy(), motion.local_A.copy(), motion.blur_A.copy()
    if turned:
        flip = np.array([-1.0, 1.0])
        moved, path_A, blur = moved[:, ::-1] * flip, path_A * flip, blur * flip
        # of the nine polynomials those odd in y change their sign: v, uv, v³, v (u² - 1/3)
        local = local * flip[:, None] * np.array([1, -1, -1, 1, 1, 1, -1, 1, -1])
    np.savez(
        path,
        displacement_A=moved[..., ::-1],
        lattice=LATTICE,
        global_A=moved.mean((1, 2))[:, ::-1],
        path_A=path_A[:, ::-1],
        local_coefficients_A=local[:, ::-1],
        blur_A=blur[:, ::-1],
    )


def _write_movie(options: SimulationOptions, folder: Path, name: str, frames: NDArray[np.uint8]) -> str:
    """Write the frames and return the file relative to the set's folder."""
    if options.file_format == "mrc":
        _write_mrc(folder / "frames" / f"{name}.mrc", frames.astype(np.int8), options.raw_pixel_size_A)
        return f"frames/{name}.mrc"
    upside_down = np.ascontiguousarray(frames[:, ::-1])
    with tifffile.TiffWriter(folder / "frames" / f"{name}.tif") as tiff:
        for frame in upside_down:
            tiff.write(frame, compression="lzw", contiguous=False, metadata=None, software=False)
    return f"frames/{name}.tif"


def _write_mrc(path: Path, data: NDArray[Any], pixel_size_A: float) -> None:
    with mrcfile.new(path, overwrite=True) as mrc:
        mrc.set_data(data)
        mrc.voxel_size = pixel_size_A
        # mrcfile's label tells the time; the same seed shall give the same bytes
        mrc.header.label[:] = b""
        mrc.header.label[0] = b"Simulated by Weft"
        if data.ndim == 3:
            mrc.set_image_stack()


def _write_mdoc(options: SimulationOptions, folder: Path, tilts: list[_Tilt]) -> Path:
    """Write the mdoc: odd series in the order of exposure, even ones by angle."""
    rng = np.random.default_rng([options.seed, tilts[0].number, 10_000])
    suffix = "mrc" if options.file_format == "mrc" else "tif"
    sections = [
        Section(
            f"{tilt.name}.{suffix}",
            tilt.nominal_deg + float(rng.normal(0, 0.01)),
            tilt.order,
            0.5e-4 * (tilt.optics.defocus_u_A + tilt.optics.defocus_v_A) + float(rng.normal(0, 0.05)),
            tilt.target_um,
        )
        for tilt in tilts
    ]
    if tilts[0].number % 2 == 0:
        sections.sort(key=lambda section: section.tilt_deg)
    path = folder / "mdoc" / f"{tilts[0].series}.mrc.mdoc"
    text = mdoc_text(tilts[0].series, sections, options, SERIES_GAP_H * (tilts[0].number - 1))
    path.write_text(text, encoding="ascii")
    return path


def _known(options: SimulationOptions, camera: Camera) -> dict[str, Any]:
    """Return settings.json."""
    gain = None
    if camera.gain is not None:
        # transposing first exchanges the two flips; TIFF movies lie with their rows turned once more
        flip_rows = camera.gain.flip_x if camera.gain.transpose else camera.gain.flip_y
        flip_columns = camera.gain.flip_y if camera.gain.transpose else camera.gain.flip_x
        gain = {
            "file": "gain.mrc",
            "use": "corrected = raw * gain; 0 marks a dead pixel",
            "to_movie_in_this_order": {
                "transpose": camera.gain.transpose,
                "flip_y": flip_rows != (options.file_format == "tiff"),
                "flip_x": flip_columns,
            },
        }
    return {
        "pixel_A": options.raw_pixel_size_A,
        "voltage_kv": options.voltage_kV,
        "cs_mm": options.cs_mm,
        "amplitude_contrast": options.amplitude_contrast,
        "frames": options.frames,
        "dose_per_frame_e_A2": options.exposure_e_A2 / options.frames,
        "phase_plate": False,
        "gain": gain,
        "bead_diameter_A": 10 * options.bead_diameter_nm if options.beads else None,
        "tilt_axis_deg": options.axis_deg if len(options.tilts_deg) > 1 else None,
    }


def _tables(options: SimulationOptions, camera: Camera) -> dict[str, dict[str, Any]]:
    """Return what a user would write into weft.toml."""
    table: dict[str, Any] = {
        "movies": "frames/*.mrc" if options.file_format == "mrc" else "frames/*.tif",
        "mdocs": "mdoc/*.mdoc",
        "raw_pixel_size_A": options.raw_pixel_size_A,
        "bin": float(options.bin_exponent),
        "exposure_e_A2": options.exposure_e_A2,
    }
    if camera.gain is not None:
        table |= {
            "gain": "gain.mrc",
            "gain_flip_x": camera.gain.flip_x,
            "gain_flip_y": camera.gain.flip_y,
            "gain_transpose": camera.gain.transpose,
        }
    optics = {
        "voltage_kV": options.voltage_kV,
        "cs_mm": options.cs_mm,
        "amplitude_contrast": options.amplitude_contrast,
    }
    return {"input": table, "optics": optics, "fiducials": {"bead_diameter_nm": options.bead_diameter_nm}}
