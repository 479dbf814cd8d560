"""``weft show``: everything about one movie."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from weft.cli.listing import tilts_of
from weft.cli.output import document, say
from weft.cli.verb import Here, make_app
from weft.errors import UsageError
from weft.state import decisions
from weft.state.ids import match_ids

if TYPE_CHECKING:
    from weft.state.project import Project
    from weft.state.record import Record

app = make_app("show", "weft show TS_01_039\nweft show TS_01_039 --json      # with the record and the neutral form")


@app.default
def show(name: Annotated[str, Parameter(help="Name, or a beginning that fits one movie only.")], *, call: Here) -> int:
    """Show results, uncertainties, verdicts, files and decisions of one movie."""
    project = call.project()
    records = project.records()
    names = match_ids([name], sorted({*project.found_movies(), *records}))
    if len(names) > 1:
        raise UsageError(f"weft show {name}: fits {len(names)} movies ({', '.join(names[:8])}); name one")
    found = names[0]
    record = records.get(found)
    history = [event for event in decisions.read(project.out) if found in event.items]
    tilt = tilts_of(project).get(found)
    if call.json:
        document("show", _document(project, found, record, history, tilt))
        return 0
    for line in _lines(project, found, record, history, tilt):
        say(line)
    return 0


def _document(
    project: Project,
    name: str,
    record: Record | None,
    history: list[decisions.Event],
    tilt: tuple[str, float] | None,
) -> dict[str, Any]:
    from weft.export.neutral import to_neutral
    from weft.series.judgements import image_ctf

    decision = project.decisions().get(name)
    own = record.ctf.to_fit().defocus_A if record is not None and record.ctf is not None else math.nan
    image = image_ctf(project.out, name, own)
    return {
        "name": name,
        "series": tilt[0] if tilt else None,
        "tilt_deg": tilt[1] if tilt else None,
        "decision": asdict(decision) if decision else None,
        "history": [asdict(event) for event in history],
        "record": record.model_dump(mode="json", by_alias=True) if record else None,
        "in_series": asdict(image) if image else None,
        "neutral": to_neutral(record, project.out, shared_ctf=project.settings.series.shared_ctf)
        if record
        else {"name": name},
    }


def _lines(
    project: Project,
    name: str,
    record: Record | None,
    history: list[decisions.Event],
    tilt: tuple[str, float] | None,
) -> list[str]:
    lines = [name]
    if tilt:
        lines.append(f"  series     {tilt[0]}, tilt {tilt[1]:+.2f}°")
    if record is None:
        lines.append("  not processed yet; `weft run` does it")
    else:
        lines += [f"  {label:<10} {text}" for label, text in (*_facts(record), *_series_facts(record, project.out))]
        files = [file for stage in record.stages.values() for file in stage.files]
        lines += [f"  file       {project.out / file}" for file in files]
    for event in history:
        why = f": {event.reason}" if event.reason else ""
        lines.append(f"  decision   {event.verb} by {event.by}, {event.at[:16].replace('T', ' ')}{why}")
    return lines


def _facts(record: Record) -> list[tuple[str, str]]:
    movie = record.movie
    facts = []
    if movie.frames:
        pixel = f"{movie.raw_pixel_size_A:g} Å/px"
        facts.append(
            ("movie", f"{movie.path}: {movie.format}, {movie.frames} × {movie.height} × {movie.width}, {pixel}")
        )
    facts += [("note", note) for note in movie.notes]
    if record.failure:
        facts.append(("failed", record.failure.message))
    if record.average:
        facts += _average_facts(record)
    if record.motion:
        motion = record.motion
        text = f"{motion.total_A:.1f} Å in all, {motion.early_A:.1f} Å early, {motion.largest_local_A:.1f} Å local"
        facts.append(("motion", _judged(text, motion.verdict, motion.reason)))
    if record.ctf:
        facts.append(("CTF", _judged(_ctf_text(record), record.ctf.verdict, record.ctf.reason)))
    if record.mask:
        mask = record.mask
        text = f"{len(mask.beads)} beads, {100 * mask.masked_fraction:.2f} % masked, by {mask.model}"
        facts.append(("gold", _judged(text, mask.verdict, mask.reason)))
    return facts


def _series_facts(record: Record, out: Path) -> list[tuple[str, str]]:
    """Return what the neighbours in the series say of the CTF."""
    from weft.series.judgements import image_ctf

    image = image_ctf(out, record.name, record.ctf.to_fit().defocus_A) if record.ctf else None
    if image is None:
        return []
    text = (
        f"defocus {image.defocus_A / 1e4:.3f} ± {image.defocus_sigma_A / 1e4:.3f} µm, astigmatism "
        f"{(image.defocus_u_A - image.defocus_v_A) / 1e4:.3f} µm at {image.angle_deg:.0f}°"
    )
    if image.is_foretold:
        text += (
            f"; the others alone foretell {image.expected_defocus_A / 1e4:.3f} ± {image.expected_sigma_A / 1e4:.3f} µm"
        )
    return [("in series", _judged(text, image.verdict, image.reason))]


def _average_facts(record: Record) -> list[tuple[str, str]]:
    average = record.average
    assert average is not None
    exposure = "exposure unknown" if average.exposure_e_A2 is None else f"{average.exposure_e_A2:g} e⁻/Å²"
    size = f"{average.height} × {average.width}, {average.pixel_size_A:.4g} Å/px"
    frames = f"frames {average.first_frame + 1} to {average.last_frame + 1}"
    replaced = f"{average.hot_pixels} hot, {average.xrays} X-rays, {average.defect_pixels} of the defect list"
    facts = [
        ("average", f"{size}, {frames}, {average.mean:.3g} e⁻/px, {exposure}"),
        ("replaced", f"{replaced} (pixels)"),
    ]
    return facts + [("note", note) for note in average.notes]


def _ctf_text(record: Record) -> str:
    assert record.ctf is not None
    fit = record.ctf.to_fit()
    if not math.isfinite(fit.defocus_A):
        return "none"
    spread = fit.sigma.get("defocus_A")
    error = f" ± {spread / 1e4:.3f}" if spread is not None and math.isfinite(spread) else ""
    parts = [
        f"defocus {fit.defocus_A / 1e4:.3f}{error} µm",
        f"astigmatism {fit.astigmatism_A / 1e4:.3f} µm at {fit.angle_deg:.0f}°",
    ]
    if fit.phase_shift_deg:
        parts.append(f"phase shift {fit.phase_shift_deg:.0f}°")
    parts.append("rings to " + ("none" if fit.resolution_A is None else f"{fit.resolution_A:.1f} Å"))
    return ", ".join(parts)


def _judged(text: str, verdict: str, reason: str) -> str:
    return f"{text} ({verdict}{f': {reason}' if reason else ''})"
