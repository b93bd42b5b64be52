"""The claims of a study, judged; and as a table. Pure."""

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from vaescope.stats.claim import CLAIMS, Claim, Reading, Verdict
from vaescope.stats.judging.deciding import missing

if TYPE_CHECKING:
    import pandas as pd

    from vaescope.stats.evidence import Evidence

VERDICTS = (
    *("claim", "number", "title", "verdict", "plain", "role", "reading", "reading_title", "estimate", "low", "high"),
    *("threshold", "unit", "word", "p", "runs", "seeds", "note", "why"),
)


class Verdicts(tuple[Verdict, ...]):
    """Verdicts in their order, which show themselves in a notebook."""

    __slots__ = ()

    def to_pandas(self) -> "pd.DataFrame":
        """One row a reading, as `verdict_frame` says."""
        return verdict_frame(self)

    def _repr_html_(self) -> str:
        # Views see verdicts, never the reverse: only a notebook that shows them asks for their picture.
        return import_module("vaescope.views.notebook").verdicts_html(self)


def judge(evidence: "Evidence", names: Sequence[str] | None = None) -> Verdicts:
    """The verdicts on claims, the paper's in the order of their numbers, then others by name.

    Args:
        evidence: the tables of a study.
        names: of the claims; all if None.

    Raises:
        UsageError: there is no claim of that name.
    """
    chosen = [CLAIMS[name] for name in (CLAIMS if names is None else names)]
    if names is None:
        chosen.sort(key=_place)
    return Verdicts(_judged(claim, evidence) for claim in chosen)


def _judged(claim: type[Claim], evidence: "Evidence") -> Verdict:
    """What a claim says; one that fails, against its contract, is undecided and says how, and others are judged."""
    try:
        said = claim().judge(evidence)
        if isinstance(said, Verdict):
            return said
        raised = f"gave {type(said).__name__} where a Verdict was expected"
    except Exception as error:  # a claim of anyone's
        raised = f"raised {type(error).__name__}: {error}"
    why = f"The claim {claim.name} could not be judged: it {raised}. Correct it: a claim says what is missing instead."
    nothing = missing("raised", claim.title, 0.0, why)
    return Verdict(claim.name, "undecided", nothing, (nothing,), why)


def verdict_frame(verdicts: Sequence[Verdict]) -> "pd.DataFrame":
    """One row a reading: that without controls first (role "plain"), then "main", then each "control".

    Returns:
        The columns `VERDICTS`: `verdict` is the word with controls, `plain` that without, `word` that of the reading
        alone.
    """
    import pandas as pd

    rows = []
    for v in verdicts:
        claim = CLAIMS[v.claim]
        main, *controls = v.readings
        told: list[tuple[str, Reading]] = [("plain", v.plain), ("main", main), *(("control", c) for c in controls)]
        rows += [
            (
                *(v.claim, claim.number, claim.title, v.word, v.plain.word, role, r.name, r.title),
                *(r.estimate, r.low, r.high, r.threshold, claim.unit, r.word, r.p, r.runs, r.seeds, r.note, v.why),
            )
            for role, r in told
        ]
    return pd.DataFrame(rows, columns=list(VERDICTS))


def _place(claim: type[Claim]) -> tuple[bool, int, str, str]:
    digits = "".join(c for c in claim.number if c.isdigit())
    return claim.number == "", int(digits or 0), claim.number, claim.name
