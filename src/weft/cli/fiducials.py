"""``weft fiducials``: bead detectors: which there are, trying one on images, teaching one from masks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from weft.cli.output import counted, document, json_line, message, say, table
from weft.cli.verb import Call, DryRun, Here, make_app
from weft.errors import MissingError, UsageError

if TYPE_CHECKING:
    from weft.fields import CtfFit
    from weft.settings.schema import Settings
    from weft.state.project import Project

app = make_app(
    "fiducials",
    "weft fiducials list\n"
    "weft fiducials apply average/*.mrc --out masks\n"
    "weft fiducials train --name mine && weft config set fiducials.model mine",
)
_COLUMNS = ("image", ">beads", ">diameter nm", ">masked %", ">dirt %", "verdict")


@app.command(name="list")
def list_(*, call: Here) -> int:
    """List the detectors that fiducials.model can name, with what networks scored on held-out images."""
    from weft.io.models import list_models

    project = _project_or_none(call)
    found = list_models(project.out / "models" if project else None)
    chosen = project.settings.fiducials.model if project else None
    if call.json:
        models = [
            {"name": m.name, "path": m.path, "description": m.description, "facts": m.facts, "chosen": m.name == chosen}
            for m in found
        ]
        document("fiducials", {"models": models})
        return 0
    rows = [
        ("*" if model.name == chosen else "", model.name, _scored(model.facts), model.description) for model in found
    ]
    table(["", "name", "trained", "what it is"], rows)
    return 0


@app.command
def apply(
    *images: Annotated[str, Parameter(help="Image files, or names of movies; all averages if none is given.")],
    out: Annotated[Path, Parameter(help="Folder for the masks.")] = Path("masks"),
    erase: Annotated[bool, Parameter(help="Write the images without their gold, too.")] = False,
    pixel_size_A: Annotated[
        float | None, Parameter(name="--pixel-size-A", help="Of the images, if their headers do not tell it.")
    ] = None,
    dry_run: DryRun = False,
    call: Here,
) -> int:
    """Find gold in any images and write masks beside each other; nothing of the project changes.

    To try a model or a threshold: --fiducials.model mine --fiducials.threshold 0.7.
    """
    from weft.settings.file import make_settings

    project = _project_or_none(call)
    settings = project.settings if project else make_settings({}, call.overrides)
    listed = _listed(images, project)
    chosen = _with_path(settings, project)
    if dry_run:
        files = [str(path) for path, _ in listed]
        sentence = f"would look for gold in {counted(len(files), 'image')} and write masks to {out}"
        return _tell_plan(call, sentence, {"images": files, "out": str(out)})
    from weft.pipeline.fiducials import find_beads

    rows = []
    for path, ctf in listed:
        found = find_beads(
            path, out, chosen.fiducials, chosen.compute, pixel_size_A=pixel_size_A, ctf=ctf, erased=erase
        )
        rows.append(
            {
                "name": found.name,
                "beads": len(found.mask.beads),
                "diameter_nm": found.mask.details.get("bead_diameter_nm"),
                "masked_percent": round(100 * found.mask.masked_fraction, 3),
                "dirt_percent": round(100 * float(found.mask.dirt.mean()), 3),
                "verdict": str(found.mask.assessment.verdict),
                "reason": found.mask.assessment.reason,
                "files": found.files,
            }
        )
    if call.json:
        document("fiducials", {"images": rows})
    elif not call.quiet:
        table(_COLUMNS, [_cells(row) for row in rows])
        message(f"masks are in {out}")
    return 0


@app.command
def train(
    *,
    name: Annotated[str, Parameter(help="Of the new network.")] = "mine",
    boxnet: Annotated[
        tuple[Path, ...], Parameter(consume_multiple=True, help="BoxNet training TIFFs (image, labels, weights).")
    ] = (),
    images: Annotated[Path | None, Parameter(help="Folder of averages that have masks.")] = None,
    masks: Annotated[Path | None, Parameter(help="Folder of their masks, of the same names.")] = None,
    painted: Annotated[bool, Parameter(negative="--no-painted", help="Learn from masks painted here, too.")] = True,
    start: Annotated[str | None, Parameter(help="Network to start from; NAME if it exists, else gold.")] = None,
    steps: Annotated[int, Parameter(help="At most; it stops early when nothing is gained.")] = 400,
    seed: Annotated[int, Parameter(help="Of what is held out, drawn and simulated.")] = 1,
    pixel_size_A: Annotated[
        float | None, Parameter(name="--pixel-size-A", help="Of the averages, if their headers do not tell it.")
    ] = None,
    dry_run: DryRun = False,
    call: Here,
) -> int:
    """Teach a network from your own masks; it is kept only if it is better on images it has not seen.

    Learns from masks painted in the browser, from BoxNet training files, and from pairs of images and masks.
    The network goes to models/ in the project's output folder.
    """
    if (images is None) != (masks is None):
        raise UsageError("weft fiducials train: --images and --masks go together; give both folders")
    if steps < 1:
        raise UsageError(f"weft fiducials train --steps {steps}: at least 1")
    project = call.project()
    if dry_run:
        own = sorted((project.out / "mask").glob("*.edit.tif")) if painted else []
        teachers = [str(path) for path in (*own, *boxnet, *filter(None, (images, masks)))]
        sentence = (
            f"would learn from {', '.join(teachers) or 'nothing: paint masks, or name some'} in {steps} steps at most"
        )
        return _tell_plan(call, sentence, {"learn_from": teachers, "name": name, "steps": steps})
    from weft.pipeline.fiducials import Labels, train_network

    labels = Labels(boxnet, images, masks, project.out if painted else None, pixel_size_A)
    told = None if call.quiet else (json_line if call.json else _tell_step)
    done = train_network(
        labels, project.out / "models", name, project.settings.compute,
        start=start, steps=steps, seed=seed, report=told,
    )  # fmt: skip
    result = done.outcome
    facts = {
        "name": name, "path": done.path, "examples": done.examples, "held_out": list(result.held_out),
        "score_before": round(result.before, 4), "score_after": round(result.after, 4), "is_better": result.is_better,
        "uses_sphere_fit": result.uses_sphere_fit, "steps": result.steps, "seconds": round(done.seconds, 1),
    }  # fmt: skip
    if call.json:
        json_line({"event": "trained", **facts})
    else:
        _tell_result(name, facts)
    return 0 if result.is_better else 1


def _tell_plan(call: Call, sentence: str, facts: dict[str, Any]) -> int:
    """Tell what would be done."""
    if call.json:
        document("fiducials", {"dry_run": True, **facts})
    else:
        say(sentence)
    return 0


def _tell_step(event: dict[str, Any]) -> None:
    message(f"step {event['step']} of {event['steps']}: loss {event['loss']:.3f}, held-out score {event['score']:.3f}")


def _tell_result(name: str, facts: dict[str, Any]) -> None:
    scores = f"{facts['score_after']:.3f} against {facts['score_before']:.3f}"
    checked = f"on {len(facts['held_out'])} of {facts['examples']} images, which it did not learn from"
    if facts["is_better"]:
        say(f"{facts['path']}: {scores} before, {checked}")
        message(f"next: `weft config set fiducials.model {name}`, then `weft run`")
    else:
        say(f"not better, {scores} before, {checked}; nothing was written")
        message("paint more masks, or correct those there are, and try again")


def _scored(facts: dict[str, Any]) -> str:
    if not facts:
        return ""
    if "score" in facts:
        return f"{facts.get('examples', '?')} images, score {facts['score']:.3f} (before {facts['score_before']:.3f})"
    return f"simulated scenes, {facts.get('steps_done', '?')} steps"


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    diameter = "" if row["diameter_nm"] is None else f"{row['diameter_nm']:.1f}"
    verdict = f"{row['verdict']}: {row['reason']}" if row["reason"] else row["verdict"]
    percents = (f"{row['masked_percent']:.2f}", f"{row['dirt_percent']:.2f}")
    return (row["name"], str(row["beads"]), diameter, *percents, verdict)


def _project_or_none(call: Call) -> Project | None:
    """Return the project here; a folder without one will do, but not a wrong ``-C``."""
    try:
        return call.project()
    except MissingError:
        if call.is_named:
            raise
        return None


def _with_path(settings: Settings, project: Project | None) -> Settings:
    """Return the settings with a network of the user's named by its path."""
    from weft.io.models import find_model

    folders = (project.out / "models", project.folder) if project else (None, None)
    model = find_model(settings.fiducials.model, *folders)
    if model.is_shipped:
        return settings
    fiducials = settings.fiducials.model_copy(update={"model": str(model.path)})
    return settings.model_copy(update={"fiducials": fiducials})


def _listed(images: Sequence[str], project: Project | None) -> list[tuple[Path, CtfFit | None]]:
    """Return image files, with the CTF of those that are averages of the project.

    Raises
    ------
    MissingError
        If nothing is named, or what is named does not exist.
    """
    from weft.state.ids import match_ids

    records = project.records() if project else {}
    files = [Path(word) for word in images if Path(word).is_file()]
    words = [word for word in images if not Path(word).is_file()]
    names = match_ids(words, sorted(records)) if words and project else []
    if words and not project:
        raise MissingError(f"{words[0]}: no such file, and here is no project whose movie it could be")
    if not images and project:
        names = [name for name in sorted(records) if project.path("average", name).exists()]
    if not files and not names:
        raise MissingError("there are no images; name some files, or run `weft run` for averages")
    listed: list[tuple[Path, CtfFit | None]] = [(path, None) for path in files]
    for name in names:
        assert project is not None
        ctf = records[name].ctf
        listed.append((project.path("average", name), ctf.to_fit() if ctf else None))
    return listed
