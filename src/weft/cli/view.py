"""``weft view``: a look at images from the command line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from weft.cli.listing import tilts_of
from weft.cli.output import document, is_terminal, message, say
from weft.cli.verb import Here, make_app
from weft.errors import MissingError, UsageError
from weft.state.ids import match_ids

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from weft.signal.sheet import Cell
    from weft.state.project import Project

app = make_app(
    "view",
    "weft view TS_01_039                   # in the terminal, over ssh, too\n"
    "weft view TS_01 --sheet               # all images of a series\n"
    "weft view 'TS_0*' --sheet --png sheet.png",
)
_SHEET_SIDE_PX = 160
_MOST_ALONE = 8


@app.default
def view(
    *ids: Annotated[str, Parameter(help="Names as everywhere; with --sheet names of series, too.")],
    sheet: Annotated[
        bool, Parameter(help="One picture of all of them, by series and tilt; dropped ones dimmed.")
    ] = False,
    png: Annotated[Path | None, Parameter(help="Write the picture to this file; the terminal stays as it is.")] = None,
    side: Annotated[int, Parameter(help="Of each picture on a sheet, in pixels.")] = _SHEET_SIDE_PX,
    call: Here,
) -> int:
    """Show thumbnails of averages: kitty's protocol where the terminal speaks it, else half blocks, else letters.

    Into a pipe a line of text comes for each image: name and file.
    """
    project = call.project()
    names = _names(project, ids, with_series=sheet)
    if not sheet and png is not None and len(names) > 1:
        raise UsageError(f"weft view: {len(names)} images into one file; name one, or add --sheet")
    if not sheet and png is None and len(names) > _MOST_ALONE and not call.json:
        raise UsageError(f"weft view: {len(names)} images are too many one by one; add --sheet")
    if side < 16:
        raise UsageError("weft view --side: give at least 16 pixels")
    files = {name: project.path("thumbnail", name) for name in names}
    if not any(path.exists() for path in files.values()):
        raise MissingError(f"{names[0]}: has no picture yet; `weft run` makes it")
    if png is not None:
        from weft.io.atomic import write_bytes
        from weft.signal.sheet import png_bytes

        write_bytes(png, png_bytes(_picture(project, names, sheet=sheet, side=side)))
    if call.json:
        images = [{"name": name, "file": str(path), "exists": path.exists()} for name, path in files.items()]
        document("view", {"images": images, "png": str(png) if png is not None else None})
    elif png is not None:
        say(str(png))
    else:
        _show(project, files, sheet=sheet, side=side)
    return 0


def _names(project: Project, patterns: Sequence[str], *, with_series: bool) -> list[str]:
    """Return the movies that are meant, by series and tilt where those are known.

    Raises
    ------
    UsageError
        If none is named.
    MissingError
        If a name fits nothing.
    """
    if not patterns and not with_series:
        raise UsageError("weft view: name an image, for example `weft view TS_01_039`, or add --sheet for all")
    everything = sorted({*project.found_movies(), *project.records()})
    tilts = tilts_of(project)
    chosen: set[str] = set() if patterns else set(everything)
    for pattern in patterns:
        mine = {name for name, (series, _) in tilts.items() if series == pattern} if with_series else set()
        chosen |= mine & set(everything) or set(match_ids([f"{pattern}*" if with_series else pattern], everything))
    return sorted(chosen, key=lambda name: (*tilts.get(name, ("", 0.0)), name))


def _cell(project: Project, name: str, tilt: tuple[str, float] | None, dropped: set[str]) -> Cell:
    from weft.signal.sheet import Cell, read_picture

    title = f"{name} {tilt[1]:+.0f}" if tilt else name
    try:
        picture = read_picture(project.path("thumbnail", name))
    except MissingError:
        picture = None
    return Cell(title, picture, name in dropped)


def _picture(project: Project, names: Sequence[str], *, sheet: bool, side: int) -> NDArray[np.uint8]:
    from weft.signal.sheet import contact_sheet, read_picture

    if not sheet:
        return read_picture(project.path("thumbnail", names[0]))
    tilts, dropped = tilts_of(project), project.dropped()
    return contact_sheet([_cell(project, name, tilts.get(name), dropped) for name in names], side)


def _show(project: Project, files: dict[str, Path], *, sheet: bool, side: int) -> None:
    from weft.cli.terminal import picture_lines

    if not is_terminal(sys.stdout):
        for name, path in files.items():
            say(f"{name}\t{path if path.exists() else 'no picture yet'}")
        return
    if sheet:
        for line in picture_lines(_picture(project, list(files), sheet=True, side=side)):
            say(line)
        return
    for name, path in files.items():
        say(name)
        if not path.exists():
            message(f"{name}: has no picture yet; `weft run` makes it")
            continue
        for line in picture_lines(_picture(project, [name], sheet=False, side=side)):
            say(line)
