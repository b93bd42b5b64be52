"""Verdicts as rows of text, for a terminal. Pure."""

from collections.abc import Sequence

from vaescope.stats.claim import Reading, Verdict
from vaescope.views.answers import deciding, minus, reading, stated

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
    """A row a claim: the reading that decided, with controls, and what it says without."""
    rows = []
    for verdict in verdicts:
        main = deciding(verdict)
        said = stated(verdict.claim)
        rows.append((said.number, said.title, verdict.word, verdict.plain.word, *_numbers(main), main.runs, main.seeds))
    return rows


def reading_rows(verdicts: Sequence[Verdict]) -> list[tuple[object, ...]]:
    """A row a reading: first what the paper would have concluded, then with each control."""
    return [
        (v.claim, r.title, *_numbers(r), r.word, r.runs, r.seeds, reading(r)["p"], minus(r.note))
        for v in verdicts
        for r in (v.plain, *v.readings)
    ]


def whys(verdicts: Sequence[Verdict]) -> list[str]:
    """Each claim's reason, in words, under its number in the table and the name that `--only` takes."""
    numbers = {verdict.claim: stated(verdict.claim).number for verdict in verdicts}
    return [f"{numbers[v.claim]} {v.claim}: {v.word}. {minus(v.why)}".lstrip() for v in verdicts]


def _numbers(found: Reading) -> tuple[str, str, str]:
    texts = reading(found)
    return texts["estimate"], texts["interval"] or "–", texts["threshold"]
