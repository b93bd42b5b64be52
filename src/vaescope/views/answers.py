"""Verdicts for a page: every number as a text for its template, and as a number for its script. Pure."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vaescope.stats.claim import CLAIMS, Reading, Verdict, Word
from vaescope.views.leads import counted

TONES: dict[Word, str] = {"supported": "yes", "not supported": "no", "undecided": "open"}
LINKS = {
    "convergence": "#figure-curves",
    "curves": "#figure-curves",
    "lead": "#figure-leads",
    "cross_wiring": "#figure-leads",
    "sensitivity": "#figure-across",
    "end": "#figure-across",
    "heatmap": "#explore",
    "latents": "#explore",
    "collapse": "#explore",
    "disentanglement": "#explore",
}


@dataclass(frozen=True)
class Stated:
    """What a claim says of itself."""

    number: str = ""
    title: str = ""
    statement: str = ""
    statistic: str = ""
    threshold: str = ""
    unit: str = ""
    figures: tuple[str, ...] = ()


def stated(name: str) -> Stated:
    """What the claim of that name says of itself; little of one that is not registered here."""
    claim = CLAIMS.get(name)
    if claim is None:
        return Stated(title=name)
    texts = {key: getattr(claim, key) for key in ("number", "title", "statement", "statistic", "threshold", "unit")}
    return Stated(**texts, figures=claim.figures)


def deciding(verdict: Verdict) -> Reading:
    """The first reading with controls that says what the verdict says; the main one where none does."""
    same = [found for found in verdict.readings if found.word == verdict.word]
    return (same or verdict.readings or [verdict.plain])[0]


def answers(verdicts: Sequence[Verdict]) -> list[dict[str, Any]]:
    """Verdicts as the template writes them."""
    made = []
    for verdict in verdicts:
        said = stated(verdict.claim)
        main = deciding(verdict)
        href, link = _link(said.figures)
        made.append(
            {"claim": verdict.claim, "number": said.number, "title": said.title, "statement": said.statement}
            | {"word": verdict.word, "tone": TONES[verdict.word], "why": minus(verdict.why)}
            | {"statistic": said.statistic, "threshold": said.threshold, "unit": said.unit}
            | {"plain": reading(verdict.plain, said.unit)}
            | {"readings": [reading(r, said.unit) for r in verdict.readings]}
            | {"changed": verdict.plain.word != verdict.word, "runs": main.runs, "seeds": main.seeds}
            | {"href": href, "link": link}
        )
    return made


def reading(found: Reading, unit: str = "") -> dict[str, Any]:
    """One reading as texts."""
    known = math.isfinite(found.low) and math.isfinite(found.high)
    runs = counted(found.runs, "run") + (f" of {counted(found.seeds, 'seed')}" if found.seeds else "")
    return {
        "name": found.name,
        "title": found.title,
        "word": found.word,
        "tone": TONES[found.word],
        "estimate": value(found.estimate),
        "interval": f"{value(found.low)} to {value(found.high)}" if known else "",
        "threshold": value(found.threshold),
        "unit": unit,
        "runs": found.runs,
        "seeds": found.seeds,
        "counted": runs if found.runs else "no run",
        "p": _p(found.p),
        "note": minus(found.note),
    }


def drawn(verdicts: Sequence[Verdict]) -> list[dict[str, Any]]:
    """Verdicts as numbers to be drawn; None where there is none."""
    return [
        {"claim": verdict.claim, "number": stated(verdict.claim).number, "tone": TONES[verdict.word]}
        | {"unit": stated(verdict.claim).unit, "plain": _numbers(verdict.plain)}
        | {"readings": [_numbers(r) for r in verdict.readings]}
        for verdict in verdicts
    ]


def counts(verdicts: Sequence[Verdict]) -> dict[str, int]:
    """How many verdicts have each word."""
    return {word: sum(verdict.word == word for verdict in verdicts) for word in TONES}


def headline(verdicts: Sequence[Verdict]) -> str:
    """How many claims are supported, and in how many the controls change the answer; "" without verdicts."""
    if not verdicts:
        return ""
    told = ", ".join(f"{count} {word}" for word, count in counts(verdicts).items() if count)
    changed = sum(verdict.plain.word != verdict.word for verdict in verdicts)
    besides = f"; without the controls {changed} of them would be answered otherwise" if changed else ""
    return f"Of {counted(len(verdicts), 'claim')}: {told}{besides}."


def value(number: float) -> str:
    """A number with a true minus sign and as many digits as say something; a dash where there is none."""
    if not math.isfinite(number):
        return "–"
    digits = 0 if abs(number) >= 100 else 1 if abs(number) >= 10 else 2
    text = f"{number:,.{digits}f}"
    return (text.removeprefix("-") if float(text.replace(",", "")) == 0 else text).replace("-", "−")


def minus(text: str) -> str:
    """A text with true minus signs before its numbers."""
    return re.sub(r"(?<![\w.)-])-(?=\d)", "−", text)


def _p(number: float) -> str:
    if not math.isfinite(number):
        return "–"
    return "< 0.001" if number < 0.001 else f"{number:.3f}" if number < 0.1 else f"{number:.2f}"


def _numbers(found: Reading) -> dict[str, Any]:
    names: Mapping[str, float] = {name: getattr(found, name) for name in ("estimate", "low", "high", "threshold")}
    plain = {name: float(f"{v:.5g}") if math.isfinite(v) else None for name, v in names.items()}
    return {"name": found.name, "title": found.title, "tone": TONES[found.word], **plain}


def _link(figures: Sequence[str]) -> tuple[str, str]:
    """Where on the page one sees it, and what the link says."""
    for name in figures:
        for key, target in LINKS.items():
            if key in name:
                return target, "see it in the figure" if target.startswith("#figure") else "explore it"
    return "#figures", "see the figures"
