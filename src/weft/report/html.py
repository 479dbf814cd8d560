"""One self-contained HTML file about a project: summary first, then a part for each series; no script, no request."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Any

from weft import __version__
from weft.report.figures import Axes, Points, bars, coverage, plot
from weft.report.style import STYLE
from weft.series.handedness import HandVerdict, SetVerdict, judge_hand, judge_set
from weft.series.neighbours import SeriesCtf, share_ctf
from weft.series.suggest import Suggestion, suggest
from weft.series.table import Tilt, TiltSeries
from weft.settings.explain import shown
from weft.settings.file import changed_settings
from weft.state.decisions import Decision
from weft.state.project import Project
from weft.state.record import Record

__all__ = ["report_html"]

_THUMBNAILS_MOST = 4200  # of all series; beyond, the file would be too large to mail
_THUMBNAIL_PX = 88


@dataclass(frozen=True, slots=True)
class _Facts:
    project: Project
    records: Mapping[str, Record]
    decisions: Mapping[str, Decision]
    series: Sequence[TiltSeries]

    @property
    def dropped(self) -> set[str]:
        return {name for name, decision in self.decisions.items() if decision.verb == "drop"}


def report_html(project: Project, series: Sequence[TiltSeries], *, pictures: bool = True) -> str:
    """Return the report of a project.

    Parameters
    ----------
    project : Project
        Its records and decisions are read.
    series : sequence of TiltSeries
        Those to tell of.
    pictures : bool
        Put a contact sheet of small pictures into each series.
    """
    facts = _Facts(project, project.records(), project.decisions(), series)
    verdicts = {one.name: judge_hand(one, facts.records, dropped=facts.dropped) for one in series}
    whole = judge_set(list(verdicts.values())) if verdicts else None
    count = sum(len(one.tilts) for one in series)
    with_pictures = pictures and count <= _THUMBNAILS_MOST
    parts = [_head(facts), _summary(facts, whole), _overview(facts)]
    parts += [_series(facts, one, verdicts[one.name], with_pictures=with_pictures) for one in series]
    parts += [_decisions(facts), _failures(facts), _settings(project)]
    title = escape(project.folder.name)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Weft: {title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head>'
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )


def _head(facts: _Facts) -> str:
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return (
        f"<header><h1>{escape(facts.project.folder.name)}</h1>"
        f'<p class="quiet">{escape(str(facts.project.folder))} · {now} · Weft {__version__} · '
        "made again by <code>weft report</code></p></header>"
    )


def _summary(facts: _Facts, whole: SetVerdict | None) -> str:
    records = facts.records.values()
    failed = sum(record.failure is not None for record in records)
    weak = sum(record.ctf is not None and record.ctf.verdict == "weak" for record in records)
    hand = "none" if whole is None else "undecided" if whole.hand is None else f"{whole.hand:+d}".replace("-", "−")
    tiles = [
        ("movies", str(len(records))),
        ("left out", str(len(facts.dropped))),
        ("failed", str(failed)),
        ("CTF weak", str(weak)),
        ("tilt series", str(len(facts.series))),
        ("handedness", hand),
    ]
    shown_tiles = "".join(f"<div><strong>{value}</strong><span>{name}</span></div>" for name, value in tiles)
    why = f'<p class="quiet">handedness: {escape(whole.reason)}</p>' if whole is not None else ""
    return f'<section class="tiles">{shown_tiles}</section>{why}'


def _overview(facts: _Facts) -> str:
    records = list(facts.records.values())
    columns = {
        "defocus (µm)": [_defocus_um(record) for record in records],
        "rings to (Å)": [
            record.ctf.to_fit().resolution_A or math.nan if record.ctf else math.nan for record in records
        ],
        "motion (Å in all)": [record.motion.total_A if record.motion else math.nan for record in records],
        "masked (%)": [100 * record.mask.masked_fraction if record.mask else math.nan for record in records],
    }
    cells = "".join(f"<figure>{_histogram(name, values)}</figure>" for name, values in columns.items())
    return f'<section><h2>All movies</h2><div class="figures">{cells}</div></section>'


def _histogram(name: str, values: Sequence[float]) -> str:
    finite = sorted(value for value in values if math.isfinite(value))
    if not finite:
        return '<p class="quiet">nothing to show yet</p>'
    low, high = finite[0], finite[min(len(finite) - 1, int(0.99 * len(finite)))]
    if high <= low:
        low, high = low - 0.5, high + 0.5
    count = 24
    heights = [0] * count
    for value in finite:
        heights[min(count - 1, int((min(value, high) - low) / (high - low) * count))] += 1
    edges = [low + (high - low) * i / count for i in range(count + 1)]
    return bars(Axes(name, "movies", label=f"histogram of {name}"), [float(h) for h in heights], edges)


def _series(facts: _Facts, series: TiltSeries, hand: HandVerdict, *, with_pictures: bool) -> str:
    tilts = [tilt for tilt in series.tilts if tilt.movie]
    used = [tilt.movie not in facts.dropped for tilt in tilts]
    shared = share_ctf(series, facts.records, dropped=facts.dropped)
    suspects = suggest(series, facts.records, dropped=facts.dropped)
    axis = f"axis {series.axis_deg:.1f}°" if series.axis_deg is not None else "axis unknown"
    exposure = f"{series.exposure_e_A2:.0f} e⁻/Å²" if series.exposure_e_A2 is not None else "exposure unknown"
    fan = coverage([tilt.tilt_deg for tilt in tilts], used, [tilt.order for tilt in tilts])
    figures = {
        "defocus ± 1 σ; line: what the neighbours say; hollow: left out": _defocus_figure(facts, tilts, shared),
        "gradient of the defocus across the axis; line +1, dashed −1": _hand_figure(facts, series, tilts),
        "ln of the mean against 1 / cos of the tilt: a line if all is well": _light_figure(facts, tilts),
        "tilts used": fan,
    }
    parts = [
        f'<section class="series" id="{escape(series.name)}"><h2>{escape(series.name)}</h2>',
        f"<p>{sum(used)} of {len(series.tilts)} tilts used · {axis} · {exposure} · {_hand_text(hand)}</p>",
        '<div class="figures">',
        *(f"<figure>{figure}<figcaption>{caption}</figcaption></figure>" for caption, figure in figures.items()),
        "</div>",
        _notes(series, hand, shared, suspects, facts.decisions),
    ]
    if with_pictures:
        parts.append(_sheet(facts, tilts))
    return "".join([*parts, "</section>"])


def _hand_text(hand: HandVerdict) -> str:
    better = max(hand.probability_plus, 1 - hand.probability_plus)
    if hand.hand is None:
        return f"hand undecided: {escape(hand.reason)}"
    axis = (
        f"; axis from the data {hand.measured_axis_deg:.1f} ± {hand.axis_sigma_deg:.1f}°" if hand.axis_sigma_deg else ""
    )
    return f"hand {hand.hand:+d} (probability {min(better, 0.9999):.4f}{axis})".replace("-1 (", "−1 (")


def _defocus_figure(facts: _Facts, tilts: Sequence[Tilt], shared: SeriesCtf | None) -> str:
    sets = []
    told = [image for image in shared.images if image.is_foretold] if shared is not None else []
    if told:
        x = [image.tilt_deg for image in told]
        sets.append(Points(x, [image.expected_defocus_A * 1e-4 for image in told], "line", is_line=True))
    for style, is_out in (("used", False), ("out", True)):
        rows = [t for t in tilts if (t.movie in facts.dropped) is is_out and t.movie in facts.records]
        kept = [facts.records[str(tilt.movie)] for tilt in rows]
        sigma = [
            record.ctf.to_fit().sigma.get("defocus_A", math.nan) * 1e-4 if record.ctf else math.nan for record in kept
        ]
        values = [_defocus_um(record) for record in kept]
        sets.append(Points([tilt.tilt_deg for tilt in rows], values, style, sigma, [str(tilt.movie) for tilt in rows]))
    return plot(Axes("tilt (°)", "defocus (µm)", label="defocus against tilt"), sets)


def _hand_figure(facts: _Facts, series: TiltSeries, tilts: Sequence[Tilt]) -> str:
    if series.axis_deg is None:
        return '<p class="quiet">the tilt axis is not known</p>'
    axis = math.radians(series.axis_deg)
    known = [(tilt, facts.records.get(str(tilt.movie))) for tilt in tilts if tilt.movie not in facts.dropped]
    rows = [(tilt, record.ctf.to_fit()) for tilt, record in known if record is not None and record.ctf is not None]
    fits = [fit for _, fit in rows]
    slopes = [fit.gradient_x * math.cos(axis) + fit.gradient_y * math.sin(axis) for fit in fits]
    error = [fit.sigma.get("gradient_x", math.nan) for fit in fits]
    x = [tilt.tilt_deg for tilt in tilts]
    if not x:
        return '<p class="quiet">nothing to show yet</p>'
    expected = [-math.tan(math.radians(tilt)) for tilt in x]
    lines = [
        Points(x, [hand * value for value in expected], style, is_line=True)
        for hand, style in ((1, "line"), (-1, "dash"))
    ]
    points = Points([tilt.tilt_deg for tilt, _ in rows], slopes, "used", error, [str(tilt.movie) for tilt, _ in rows])
    return plot(Axes("tilt (°)", "gradient", y_limits=(-2.4, 2.4), label="handedness"), [*lines, points])


def _light_figure(facts: _Facts, tilts: Sequence[Tilt]) -> str:
    sets = []
    for style, is_out in (("used", False), ("out", True)):
        rows = [
            (tilt, average.mean)
            for tilt in tilts
            if (tilt.movie in facts.dropped) is is_out
            and (record := facts.records.get(str(tilt.movie))) is not None
            and (average := record.average) is not None
            and average.mean > 0
        ]
        x = [1 / math.cos(math.radians(tilt.tilt_deg)) for tilt, _ in rows]
        sets.append(Points(x, [math.log(mean) for _, mean in rows], style, (), [str(tilt.movie) for tilt, _ in rows]))
    return plot(Axes("1 / cos tilt", "ln mean", label="intensity against thickness"), sets)


def _notes(
    series: TiltSeries,
    hand: HandVerdict,
    shared: SeriesCtf | None,
    suspects: Sequence[Suggestion],
    decisions: Mapping[str, Decision],
) -> str:
    rows = [("mdoc", sentence) for sentence in series.warnings]
    rows += [("hand", sentence) for sentence in hand.causes]
    rows += [("CTF", f"{image.movie}: {image.reason}") for image in (shared.outliers if shared else ())]
    rows += [("suspect", f"{one.item}: {one.reason}") for one in suspects if one.item not in decisions]
    if not rows:
        return ""
    items = "".join(f"<li><b>{kind}</b> {escape(text)}</li>" for kind, text in rows)
    return f"<ul>{items}</ul>"


def _sheet(facts: _Facts, tilts: Sequence[Tilt]) -> str:
    cells = []
    for tilt in tilts:
        picture = _thumbnail(facts.project, str(tilt.movie))
        if picture:
            style = ' class="out"' if tilt.movie in facts.dropped else ""
            text = f"{tilt.tilt_deg:+.0f}°".replace("-", "−")
            cells.append(
                f'<figure{style}><img alt="{escape(str(tilt.movie))}" title="{escape(str(tilt.movie))}" src="{picture}">'
                f"<figcaption>{text}</figcaption></figure>"
            )
    return f'<div class="sheet">{"".join(cells)}</div>' if cells else ""


def _thumbnail(project: Project, name: str) -> str:
    """Return a small picture as a data URL; empty if there is none."""
    import io

    from PIL import Image

    path = project.path("thumbnail", name)
    if not path.exists():
        return ""
    try:
        with Image.open(path) as picture:
            small = picture.convert("L")
            small.thumbnail((_THUMBNAIL_PX, _THUMBNAIL_PX))
            out = io.BytesIO()
            small.save(out, "jpeg", quality=70)
    except OSError:
        return ""
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode()


def _decisions(facts: _Facts) -> str:
    rows = [
        (name, decision.verb, decision.reason, decision.by, decision.at[:16].replace("T", " "))
        for name, decision in sorted(facts.decisions.items())
    ]
    return _table("Decisions", ("movie", "decision", "reason", "by", "when"), rows)


def _failures(facts: _Facts) -> str:
    rows = [(name, record.failure.message) for name, record in sorted(facts.records.items()) if record.failure]
    return _table("Failed", ("movie", "why"), rows)


def _settings(project: Project) -> str:
    rows = [(name, shown(value)) for name, value in changed_settings(project.settings).items()]
    return _table("Settings that differ from the defaults", ("setting", "value"), rows)


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    if not rows:
        return ""
    head = "".join(f"<th>{column}</th>" for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<section><h2>{title}</h2><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></section>"


def _defocus_um(record: Record) -> float:
    return record.ctf.to_fit().defocus_A * 1e-4 if record.ctf is not None else math.nan
