"""What results, matrices and verdicts look like in a notebook: small pieces of HTML without any script. Pure.

What comes from a name is escaped; there are no classes and no style sheet, so nothing else on the page changes.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd
from markupsafe import Markup, escape

from vaescope.runs.study import Study
from vaescope.stats.claim import Verdict
from vaescope.stats.convergence import lead as leads_of
from vaescope.stats.convergence import settling as settling_of
from vaescope.views import answers, method, summary

MOST_ROWS = 20
MOST_CELLS = 40
FEW_RUNS = 100
"""Curves of more runs take a while to read, which nobody expects of an expression at the end of a cell."""

STYLE = "font-family:system-ui,sans-serif;font-size:13px;line-height:1.5;max-width:72em"
CELL = "padding:2px 10px 2px 0;text-align:left;vertical-align:top;white-space:normal"
DOT = "display:inline-block;width:22px;height:18px;padding:0;font-size:9px;line-height:18px;text-align:center"
SIGNS = {"yes": "✓", "no": "✗", "open": "?"}
VIRIDIS = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))


@runtime_checkable
class Shown(Protocol):
    """What is read of `Results`."""

    @property
    def study(self) -> Study: ...
    @property
    def path(self) -> object: ...
    @property
    def runs(self) -> pd.DataFrame: ...
    @property
    def curves(self) -> pd.DataFrame: ...


@runtime_checkable
class Square(Protocol):
    """What is read of `SimilarityMatrix`."""

    @property
    def measure(self) -> Any: ...
    @property
    def rows(self) -> tuple[str, ...]: ...
    @property
    def columns(self) -> tuple[str, ...]: ...
    @property
    def matrix(self) -> np.ndarray: ...
    @property
    def n(self) -> int: ...
    @property
    def warnings(self) -> tuple[str, ...]: ...


def results_html(results: Shown) -> str:
    """A study: what was trained, how far it is, what it found where that is quickly told, and how to go on."""
    runs = results.runs
    states = ", ".join(f"{count:,} {state}" for state, count in runs["state"].value_counts().items())
    lines = [
        _tag("strong", results.study.name) + " " + _tag("code", str(results.path)),
        escape(summary.setting(runs, results.study.steps)),
        escape(f"{states}; {int(runs['snapshots'].sum()):,} snapshots; measures: {', '.join(results.study.measures)}."),
    ]
    measure = method.main_measure([*results.study.measures])
    if len(runs) <= FEW_RUNS and not method.is_distance(measure):
        found = leads_of(settling_of(results.curves))
        raw, corrected = (summary.lead(found, measure, reading, runs) for reading in ("raw", "corrected"))
        lines.append(escape(summary.headline(raw, corrected)))
    shown = runs.head(MOST_ROWS)
    names = [c for c in shown.columns if c not in ("run", "reason") and shown[c].notna().any()]
    rows = [[_text(row[name]) for name in names] for row in shown.to_dict("records")]
    more = f"{len(runs) - MOST_ROWS:,} more runs in .runs. " if len(runs) > MOST_ROWS else ""
    after = escape(f"{more}Go on with .claims, .curves, .lead, .similarity(…), .examined(…).")
    return _block([*lines, _table(names, rows), after])


def matrix_html(matrix: Square) -> str:
    """A similarity matrix: each cell in its colour, with its labels and score when pointed at; large ones in part."""
    rows, columns = matrix.rows[:MOST_CELLS], matrix.columns[:MOST_CELLS]
    values = np.asarray(matrix.matrix, float)[:MOST_CELLS, :MOST_CELLS]
    known = values[np.isfinite(values)]
    low, high = (min(0.0, float(known.min())), max(1.0, float(known.max()))) if known.size else (0.0, 1.0)
    few = len(columns) <= 16
    body = Markup()
    for i, label in enumerate(rows):
        cells = Markup().join(
            _cell(values[i, j], f"{label} × {columns[j]}", low, high, few) for j in range(len(columns))
        )
        name = Markup('<th style="{}" scope="row">{}</th>').format(CELL, label)
        body += Markup('<tr style="background:none">{}<td style="padding:0;white-space:nowrap">{}</td></tr>').format(
            name, cells
        )
    size = f"{len(matrix.rows):,} × {len(matrix.columns):,}"
    part = f"; the first {MOST_CELLS} are shown" if max(len(matrix.rows), len(matrix.columns)) > MOST_CELLS else ""
    head = _tag("strong", matrix.measure.name) + escape(f" {size}, {matrix.n:,} examples{part}")
    scale = escape(
        f"from {answers.value(low)} (dark) to {answers.value(high)} (bright); columns as rows, in their order"
    )
    table = Markup('<table style="border-collapse:collapse">{}</table>').format(body)
    lines = [head, table, scale if matrix.rows == matrix.columns else escape("columns: " + ", ".join(columns))]
    return _block([*lines, *(escape(warning) for warning in matrix.warnings)])


def verdicts_html(verdicts: Sequence[Verdict]) -> str:
    """Verdicts: the word with controls, the word without, the estimate with its interval, and why."""
    if not verdicts:
        return _block([escape("No claims were judged.")])
    names = ["", "claim", "with controls", "without", "estimate", "interval", "threshold", "runs", "why"]
    rows = []
    for verdict, made in zip(verdicts, answers.answers(verdicts), strict=True):
        main = answers.reading(answers.deciding(verdict), made["unit"])
        words = [f"{SIGNS[r['tone']]} {r['word']}" for r in (made, made["plain"])]
        estimate = f"{main['estimate']} {main['unit']}".strip()
        numbers = [estimate, main["interval"] or "–", main["threshold"], main["counted"]]
        rows.append([made["number"], made["title"], *words, *numbers, made["why"]])
    return _block([escape(answers.headline(verdicts)), _table(names, rows)])


def _cell(value: float, label: str, low: float, high: float, written: bool) -> Markup:
    text = f"{value:.2f}".replace("-", "−") if math.isfinite(value) else "no score"
    style = f"{DOT};background:#8883"
    if math.isfinite(value):
        red, green, blue = _colour((value - low) / (high - low))
        ink = "#000" if 0.3 * red + 0.6 * green + 0.1 * blue > 110 else "#fff"
        style = f"{DOT};background:rgb({red},{green},{blue});color:{ink}"
    return Markup('<span style="{}" title="{}">{}</span>').format(
        style, f"{label}: {text}", text.removeprefix("0") if written and math.isfinite(value) else ""
    )


def _colour(share: float) -> tuple[int, int, int]:
    place = min(max(share, 0.0), 1.0) * (len(VIRIDIS) - 1)
    first = min(int(place), len(VIRIDIS) - 2)
    a, b = VIRIDIS[first], VIRIDIS[first + 1]
    red, green, blue = (round(p + (q - p) * (place - first)) for p, q in zip(a, b, strict=True))
    return red, green, blue


def _table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> Markup:
    head = Markup().join(Markup('<th style="{}" scope="col">{}</th>').format(CELL, name) for name in names)
    body = Markup().join(
        Markup("<tr>{}</tr>").format(Markup().join(Markup('<td style="{}">{}</td>').format(CELL, text) for text in row))
        for row in rows
    )
    return Markup('<table style="border-collapse:collapse"><thead><tr>{}</tr></thead><tbody>{}</tbody></table>').format(
        head, body
    )


def _tag(name: str, text: str) -> Markup:
    return Markup(f"<{name}>{{}}</{name}>").format(text)  # noqa: S704 - the name is ours


def _block(lines: Iterable[Markup]) -> str:
    inner = Markup().join(Markup('<div style="margin:0 0 6px">{}</div>').format(line) for line in lines)
    return str(Markup('<div style="{}">{}</div>').format(STYLE, inner))


def _text(value: object) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    text = f"{value:g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
    return text.replace("-", "−") if isinstance(value, int | float) else text
