"""What a measure declares of its values, tried on random cases in both directions."""

import math

import numpy as np

from vaescope.errors import RepresentationError
from vaescope.testing.check import CheckFailed, NotApplicable, check, require, require_close, shapes
from vaescope.testing.draws import every_case
from vaescope.testing.subject import Subject

KEPT = 1e-7
CHANGED = 1e-5


@check
def is_within_its_bounds(subject: Subject) -> None:
    """Related, independent, wide, narrow and long representations score within the bounds, in either type."""
    low, high = subject.measure.bounds

    def holds(seed: int, n: int, p: int, q: int) -> None:
        rng = np.random.default_rng(seed)
        kind = np.float32 if seed % 2 else np.float64
        pairs = subject.pair(rng, n, p, q), (subject.alone(rng, n, p), subject.alone(rng, n, q))
        for x, y in pairs:
            x, y = x.astype(kind), y.astype(kind)
            score = subject.score_or_refusal(x, y)
            if not isinstance(score, RepresentationError):
                where = f"seed {seed}, {shapes(x, y)}"
                require(type(score) is float and math.isfinite(score), "a finite float", repr(score), where)
                require(low <= score <= high, f"a score within {low}, {high}", score, where)

    every_case(subject, holds, (4, 40), (1, 60), 2 * subject.examples)


@check
def is_extreme_on_itself(subject: Subject) -> None:
    """A representation with itself, a copy or the very same array, has the bound that says "the same"."""

    def holds(seed: int, n: int, p: int, q: int) -> None:
        x, _ = subject.pair(np.random.default_rng(seed), n, p, q)
        root = 1e-6 if subject.measure.larger_is_more_similar else 2e-3  # distances take roots of rounding errors
        for kind, same in ((np.float64, 1e-6), (np.float32, root)):
            a = x.astype(kind)
            own = subject.score_or_refusal(a, a.copy())
            if isinstance(own, float):
                require(abs(own - subject.best) <= same, f"{subject.best} of x with itself", own, shapes(a))
                require(subject.score(a, a) == own, f"{own!r} whether a copy or not", subject.score(a, a), shapes(a))
            require(isinstance(own, float) or p >= n / 3, "a score of x with itself", own, f"seed {seed}, {shapes(a)}")

    every_case(subject, holds, (20, 40), (2, 50))


@check
def the_better_score_means_more_similar(subject: Subject) -> None:
    """Noise makes scores worse, step by step, in the direction that `larger_is_more_similar` declares."""
    sign = 1 if subject.measure.larger_is_more_similar else -1
    levels = (0.0, 0.1, 1.0) if subject.structured else (0.0, 0.1, 1.0, 10.0)
    means = np.zeros(len(levels) + 1)
    for i in range(6):
        rng = subject.rng("direction", i)
        n = subject.enough(120)
        x, other = subject.alone(rng, n, 5), subject.alone(rng, n, 5)
        mixed = [x if t == 0 else (x + t * other) / (1 + t) for t in levels]
        means += [sign * subject.score(x, y) / 6 for y in [*mixed, other]]
    steps = -np.diff(means)
    falls = bool(steps[0] > 1e-5 and (steps > -0.05 * steps.sum()).all() and steps.sum() > 0.05)
    direction = "fall" if sign > 0 else "rise"
    require(
        falls,
        f"scores that {direction} as noise is added (larger_is_more_similar = {sign > 0})",
        f"means {np.round(sign * means, 4).tolist()} with noise of {levels} and with an independent representation",
    )


def _as_declared(subject: Subject, transform: str) -> None:
    """Declared: no case changes, on either side. Not declared: some case changes."""
    declared = transform in subject.measure.invariant_to
    if (
        subject.transformed(subject.pair(subject.rng(transform), subject.enough(20))[0], transform, subject.rng())
        is None
    ):
        raise NotApplicable(
            f"rows have a structure (it has an `example` of its own); a method `transformed(x, transform, rng)` would "
            f"say what {transform} means to them"
        )
    largest = 0.0

    def holds(seed: int, n: int, p: int, q: int) -> None:
        nonlocal largest
        rng = np.random.default_rng(seed)
        x, y = subject.pair(rng, n, p, q)
        before = subject.score(x, y)
        for side, pair in (
            ("x", (subject.transformed(x, transform, rng), y)),
            ("y", (x, subject.transformed(y, transform, rng))),
        ):
            after = subject.score(*pair)
            largest = max(largest, abs(after - before))
            if declared:
                where = f"seed {seed}, {shapes(x, y)}; invariant_to declares {transform!r}"
                require_close(after, before, KEPT, f"score after a random {transform} of {side}", where)

    every_case(subject, holds, (40, 70), (3, 8))
    if not declared and largest < CHANGED:
        raise CheckFailed(
            f"expected some {transform} of one representation to change the score, as `invariant_to` does not have it; "
            f"got a change of at most {largest:.2g} in {subject.examples} random cases. Declare it."
        )


@check
def rotations_are_as_declared(subject: Subject) -> None:
    """Rotations and reflections leave the score as it is exactly where "orthogonal" is declared."""
    _as_declared(subject, "orthogonal")


@check
def scalings_are_as_declared(subject: Subject) -> None:
    """Isotropic scalings leave the score as it is exactly where "scaling" is declared."""
    _as_declared(subject, "scaling")


@check
def translations_are_as_declared(subject: Subject) -> None:
    """Translations leave the score as it is exactly where "translation" is declared."""
    _as_declared(subject, "translation")


@check
def feature_permutations_are_as_declared(subject: Subject) -> None:
    """Permutations of the features leave the score as it is exactly where "permutation" is declared."""
    _as_declared(subject, "permutation")


@check
def linear_maps_are_as_declared(subject: Subject) -> None:
    """Invertible linear maps leave the score as it is exactly where "linear" is declared."""
    _as_declared(subject, "linear")


@check
def symmetry_is_as_declared(subject: Subject) -> None:
    """score(x, y) = score(y, x) in all cases where `symmetric` is declared, and not in all where it is not."""
    largest = 0.0

    def holds(seed: int, n: int, p: int, q: int) -> None:
        nonlocal largest
        x, y = subject.pair(np.random.default_rng(seed), n, p, q)
        one, other = subject.score_or_refusal(x, y), subject.score_or_refusal(y, x)
        if isinstance(one, RepresentationError) or isinstance(other, RepresentationError):
            alike = isinstance(one, RepresentationError) and isinstance(other, RepresentationError)
            where = f"seed {seed}, {shapes(x, y)}"
            require(alike or not subject.measure.symmetric, "both orders to be refused", (one, other), where)
            return
        largest = max(largest, abs(one - other))
        if subject.measure.symmetric:
            require_close(other, one, 1e-8, "score(y, x), declared symmetric", f"seed {seed}, {shapes(x, y)}")

    every_case(subject, holds, (20, 60), (2, 30))
    if not subject.measure.symmetric and largest < CHANGED:
        raise CheckFailed(
            f"expected score(x, y) and score(y, x) to differ somewhere, as `symmetric` is False; got a difference of "
            f"at most {largest:.2g} in {subject.examples} random cases. Declare it symmetric."
        )


@check
def triangles_close_if_it_is_a_metric(subject: Subject) -> None:
    """d(x, z) <= d(x, y) + d(y, z) for a declared metric, with y near, between or far from the others."""
    if not subject.measure.metric:
        raise NotApplicable("metric = False")

    def holds(seed: int, n: int, p: int, q: int) -> None:
        rng = np.random.default_rng(seed)
        x, z = subject.alone(rng, n, p), subject.alone(rng, n, p)
        weights = (0.5,) if subject.structured else (0.5, -0.5, 2.0)
        middles = [w * x + (1 - w) * z for w in weights] + [subject.alone(rng, n, q)]
        for y in middles:
            direct, first, second = subject.score(x, z), subject.score(x, y), subject.score(y, z)
            sides = f"{first:.8g} + {second:.8g}"
            where = f"seed {seed}, {shapes(x, y, z)}"
            require(direct <= first + second + 1e-7, f"d(x, z) of at most d(x, y) + d(y, z) = {sides}", direct, where)

    every_case(subject, holds, (20, 40), (2, 8))
