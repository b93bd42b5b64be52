"""Values, against a slow definition that the caller gives: what declarations cannot tell from a wrong equation."""

import numpy as np

from vaescope.errors import RepresentationError
from vaescope.testing.check import CheckFailed, NotApplicable, check, require_close, shapes
from vaescope.testing.draws import every_case
from vaescope.testing.numerics import hard_pairs
from vaescope.testing.subject import Reference, Subject

NONE = "no `reference` was given: only declarations were checked, not the values"


def _reference(subject: Subject) -> Reference:
    if subject.reference is None:
        raise NotApplicable(NONE)
    return subject.reference


@check
def agrees_with_its_reference(subject: Subject) -> None:
    """On well-conditioned data, float32 and float64 agree with the reference in float64, to 1e-6 and 1e-7."""
    reference = _reference(subject)

    def holds(seed: int, n: int, p: int, q: int) -> None:
        pair = subject.pair(np.random.default_rng(seed), n, p, q)
        for kind, tolerance in ((np.float64, 1e-7), (np.float32, 1e-6)):
            x, y = (a.astype(kind) for a in pair)
            expected = float(reference(x.astype(np.float64), y.astype(np.float64)))
            require_close(subject.score(x, y), expected, tolerance, "the reference", f"seed {seed}, {shapes(x, y)}")
            require_close(
                subject.score(y, x),
                float(reference(*(a.astype(np.float64) for a in (y, x)))),
                tolerance,
                "the reference, x and y exchanged",
                f"seed {seed}, {shapes(x, y)}",
            )

    every_case(subject, holds, (30, 60), (2, 8))


@check
def agrees_with_its_reference_or_refuses_on_hard_data(subject: Subject) -> None:
    """Shapes from the minimum on, offsets, spectra: float32 agrees with the reference to 1e-4, or is refused."""
    reference = _reference(subject)
    least = subject.measure.minimum_n
    pairs = {} if subject.structured else hard_pairs(subject, "reference")
    for n, p, q in ((least, 2, 2), (least + 1, 3, 2), (subject.enough(150), 6, 5), (subject.enough(25), 200, 150)):
        x, y = subject.pair(subject.rng("reference", n, p), max(n, subject.enough(8)), p, q)
        pairs[f"{n} examples"] = x[:n], y[:n]
    for i in range(4):
        rng = subject.rng("independent", i)
        pairs[f"independent {i}"] = subject.alone(rng, subject.enough(12), 5), subject.alone(rng, subject.enough(12), 4)
    answered = 0
    for what, pair in pairs.items():
        x, y = (a.astype(np.float32) for a in pair)
        got = subject.score_or_refusal(x, y)
        if isinstance(got, RepresentationError):
            continue
        answered += 1
        expected = float(reference(x.astype(np.float64), y.astype(np.float64)))
        require_close(got, expected, 1e-4, f"the reference, {what}", shapes(x, y))
    if not answered:
        raise CheckFailed(f"expected some of {len(pairs)} hard pairs to have a score; all were refused")
