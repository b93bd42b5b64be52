"""Verdicts as rows of text, for a terminal. Pure."""

import math
from collections.abc import Sequence

from vaescope.stats.claim import CLAIMS, Reading, Verdict

VERDICT_COLUMNS = (
    "",
    "claim",
    "verdict",
    "without controls",
    "estimate",
    "95 % interval",
    "threshold",
    "runs",
    "seeds",
)
READING_COLUMNS = ("claim", "reading", "estimate", "95 % interval", "threshold", "says", "runs", "seeds", "p", "note")


def verdict_rows(verdicts: Sequence[Verdict]) -> list[tuple[object, ...]]:
    """A row a claim: the statistic with its controls, and what it says without."""
    rows = []
    for verdict in verdicts:
        main = verdict.readings[0] if verdict.readings else verdict.plain
        claim = CLAIMS.get(verdict.claim)
        number, title = (claim.number, claim.title) if claim else ("", verdict.claim)
        rows.append((number, title, verdict.word, verdict.plain.word, *_numbers(main), main.runs, main.seeds))
    return rows


def reading_rows(verdicts: Sequence[Verdict]) -> list[tuple[object, ...]]:
    """A row a reading: first what the paper would have concluded, then with each control."""
    return [
        (v.claim, r.title, *_numbers(r), r.word, r.runs, r.seeds, _number(r.p), r.note)
        for v in verdicts
        for r in (v.plain, *v.readings)
    ]


def whys(verdicts: Sequence[Verdict]) -> list[str]:
    """Each claim's reason, in words."""
    return [f"{verdict.claim}: {verdict.word}. {verdict.why}" for verdict in verdicts]


def _numbers(reading: Reading) -> tuple[str, str, str]:
    known = math.isfinite(reading.low) and math.isfinite(reading.high)
    interval = f"{_number(reading.low)} to {_number(reading.high)}" if known else "–"
    return _number(reading.estimate), interval, _number(reading.threshold)


def _number(value: float) -> str:
    return f"{value:.2f}".replace("-", "−") if math.isfinite(value) else "–"
