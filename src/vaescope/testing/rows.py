"""Examples and features: their order, copies, dead ones, and that each of them counts."""

import numpy as np

from vaescope.errors import RepresentationError
from vaescope.testing.check import CheckFailed, NotApplicable, check, require, require_close, shapes
from vaescope.testing.draws import every_case
from vaescope.testing.subject import Subject

STRUCTURED = "rows have a structure (it has an `example` of its own) in which single features are not free"


@check
def order_of_the_examples_does_not_matter(subject: Subject) -> None:
    """The same permutation of the examples of both leaves the score as it is."""
    if getattr(subject.measure, "ordered", False):
        raise NotApplicable("it declares `ordered`: batches are taken as they come")

    def holds(seed: int, n: int, p: int, q: int) -> None:
        rng = np.random.default_rng(seed)
        x, y = subject.pair(rng, n, p, q)
        order = rng.permutation(n)
        where = f"seed {seed}, {shapes(x, y)}"
        require_close(subject.score(x[order], y[order]), subject.score(x, y), 1e-9, "score of permuted examples", where)

    every_case(subject, holds, (20, 60), (2, 8))


@check
def pairing_of_the_examples_matters(subject: Subject) -> None:
    """Permuting the examples of one representation alone changes the score."""
    for i in range(5):
        rng = subject.rng("pairing", i)
        x, y = subject.pair(rng, subject.enough(60))
        if abs(subject.score(x[rng.permutation(len(x))], y) - subject.score(x, y)) > 1e-3:
            return
    raise CheckFailed("expected another score when the examples of x alone are permuted; got the same 5 times of 5")


@check
def every_example_counts(subject: Subject) -> None:
    """Another first, middle or last example, of few or of many, changes the score."""
    for n in (subject.enough(30), subject.enough(600)):
        for place in (0, n // 2, n - 1):
            for i in range(4):
                rng = subject.rng("example", n, place, i)
                x, y = subject.pair(rng, n)
                other = x.copy()
                other[place] = subject.alone(rng, n, 6)[0] if subject.structured else -2 * x[place] + x.std()
                if abs(subject.score(other, y) - subject.score(x, y)) > 1e-12:
                    break
            else:
                raise CheckFailed(f"expected another score with another example {place} of {n} in x; got the same")


@check
def every_feature_counts(subject: Subject) -> None:
    """Another first, middle or last feature, of few or of many, in x or in y, changes the score."""
    if subject.structured:
        raise NotApplicable(STRUCTURED)
    for n, p in ((subject.enough(40), 7), (subject.enough(20), 900)):
        for place in (0, p // 2, p - 1):
            for i in range(4):
                rng = subject.rng("feature", p, place, i)
                x, y = subject.pair(rng, n, p, 5)
                other = x.copy()
                other[:, place] = 30 * rng.standard_normal(n)
                pairs = (x, y), (other, y), (y, x), (y, other)
                scores = [s for s in (subject.score_or_refusal(*pair) for pair in pairs) if isinstance(s, float)]
                if len(scores) < len(pairs) and p > n:
                    break  # a measure that refuses more features than examples
                if len(scores) == len(pairs) and min(abs(np.diff(scores)[::2])) > 1e-9:
                    break
            else:
                raise CheckFailed(f"expected another score with another feature {place} of {p}; got the same")


@check
def dead_features_do_not_count(subject: Subject) -> None:
    """Features that are zero change nothing; nor do constant ones far from zero where translation is declared."""
    if subject.structured:
        raise NotApplicable(STRUCTURED)
    values = (0.0, 12345.678) if "translation" in subject.measure.invariant_to else (0.0,)
    for kind, same in ((np.float64, 1e-7), (np.float32, 2e-6)):
        x, y = (a.astype(kind) for a in subject.pair(subject.rng("dead"), subject.enough(50), 4, 6))
        for value in values:
            for dead in (2, 200):
                padded = np.hstack([np.full((len(x), dead), value, kind), x])
                what = f"score with {dead} features that are all {value}"
                require_close(subject.score(padded, y), subject.score(x, y), same, what, shapes(padded, y))
                require_close(subject.score(y, padded), subject.score(y, x), same, what, shapes(y, padded))
                both = np.hstack([np.full((len(y), dead), value, kind), y])
                require_close(subject.score(padded, both), subject.score(x, y), same, what, shapes(padded, both))


@check
def one_live_feature_is_that_feature(subject: Subject) -> None:
    """A layer of which one feature is alive scores as that feature."""
    if subject.structured:
        raise NotApplicable(STRUCTURED)
    for kind, same in ((np.float64, 1e-7), (np.float32, 2e-6)):
        x, y = (a.astype(kind) for a in subject.pair(subject.rng("live"), subject.enough(60), 30))
        alone = np.zeros_like(x)
        alone[:, 7] = x[:, 7]
        expected, got = subject.score_or_refusal(x[:, 7:8], y), subject.score_or_refusal(alone, y)
        if isinstance(expected, RepresentationError):
            require(isinstance(got, RepresentationError), f"a refusal, {expected.reason}", got)
        else:
            require(isinstance(got, float), f"{expected!r}", repr(got), shapes(alone, y))
            require_close(float(got), expected, same, "score of one live feature of 30", shapes(alone, y))  # type: ignore[arg-type]


@check
def repeated_examples_are_no_trouble(subject: Subject) -> None:
    """Examples that are there four times: a score in bounds, the best one on itself, that heeds no order of ties."""
    low, high = subject.measure.bounds
    n = subject.enough(20)
    orders = [subject.rng("order", i).permutation(4 * n) for i in range(3)]
    for kind, same in ((np.float64, 1e-6), (np.float32, 1e-3)):
        x, y = (a.astype(kind).repeat(4, axis=0) for a in subject.pair(subject.rng("repeat"), n))
        other = subject.pair(subject.rng("repeat"), 4 * n)[1].astype(kind)
        own = subject.score_or_refusal(x, x.copy())
        if isinstance(own, float):
            require(abs(own - subject.best) <= same, f"{subject.best} of x with itself", own, shapes(x))
        for a, b in ((x, y), (x, other), (other, x)):
            score = subject.score_or_refusal(a, b)
            if isinstance(score, RepresentationError):
                continue
            require(low <= score <= high, f"a score within {low}, {high}", score, shapes(a, b))
            for order in [] if getattr(subject.measure, "ordered", False) else orders:
                turned = subject.score(a[order], b[order])
                require_close(turned, score, same, "score of repeated examples in another order", shapes(a, b))
