"""Digits: float32 against float64 of the same numbers, offsets, spectra, scales; right, or refused with a reason."""

import numpy as np

from vaescope.errors import RepresentationError
from vaescope.testing.check import NotApplicable, check, require, require_close, shapes
from vaescope.testing.draws import every_case
from vaescope.testing.subject import Subject

WELL = 1e-6
HARD = 1e-4
STRUCTURED = "rows have a structure (it has an `example` of its own) that this data does not have"


def hard_pairs(subject: Subject, purpose: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The hard set: what each pair is -> x and y in float64, all of which float32 can hold to some digits."""
    rng = subject.rng(purpose)
    n = subject.enough(60)
    x, y = subject.pair(rng, n, 8, 6)
    wide, other = subject.pair(rng, n, 150, 90)
    falling = {power: np.arange(1, 151.0) ** -power for power in (1, 2)}
    return {
        "offsets of 1e3 spreads": (x + 1e3 * x.std(), y - 1e3 * y.std()),
        "offsets of 1e3 spreads, p > n": (wide + 1e3 * wide.std(), other + 1e3 * other.std()),
        "spectrum i^-1": (x * falling[1][:8], y * falling[1][:6]),
        "spectrum i^-1, p > n": (wide * falling[1], other * falling[1][:90]),
        "spectrum i^-2": (x * falling[2][:8], y * falling[2][:6]),
        "spectrum i^-2, p > n": (wide * falling[2], other * falling[2][:90]),
        "features of scales 1e-3 to 1e3": (x * np.geomspace(1e-3, 1e3, 8), y * np.geomspace(1e3, 1e-3, 6)),
        "one outlying example": (np.vstack([x[:-1], 1e3 * x[-1:]]), y),
        "one feature": (x[:, :1], y[:, :1]),
        "as many features as examples": (wide[:, :n], other[:, :n]),
    }


def right_or_refused(subject: Subject, x: np.ndarray, y: np.ndarray, tolerance: float, what: str) -> None:
    """float32 scores as the same numbers do in float64, or is refused."""
    x, y = x.astype(np.float32), y.astype(np.float32)
    got, expected = (subject.score_or_refusal(x.astype(kind), y.astype(kind)) for kind in (np.float32, np.float64))
    if isinstance(got, float):
        require(isinstance(expected, float), f"float32 to be refused as float64 is: {expected}", got, what)
        require_close(got, float(expected), tolerance, f"float32 score, {what}", shapes(x, y))  # type: ignore[arg-type]


@check
def float32_is_right_on_good_data(subject: Subject) -> None:
    """On well-conditioned data float32 scores as the same numbers do in float64, to 1e-6; none is refused."""

    def holds(seed: int, n: int, p: int, q: int) -> None:
        pair = subject.pair(np.random.default_rng(seed), n, p, q)
        x, y = (a.astype(np.float32) for a in pair)
        where = f"seed {seed}, {shapes(x, y)}"
        require_close(
            subject.score(x, y), subject.score(x.astype(np.float64), y.astype(np.float64)), WELL, "float32 score", where
        )

    every_case(subject, holds, (30, 80), (2, 8))


@check
def float32_is_right_or_refused_on_hard_data(subject: Subject) -> None:
    """Offsets, falling spectra, outliers, p >= n: float32 agrees with float64 to 1e-4, or is refused with a reason."""
    if subject.structured:
        raise NotApplicable(STRUCTURED)
    for what, (x, y) in hard_pairs(subject, "hard").items():
        right_or_refused(subject, x, y, HARD, what)
        right_or_refused(subject, y, x, HARD, what + ", x and y exchanged")


@check
def many_examples_cost_no_digits(subject: Subject) -> None:
    """1,000 examples in float32, far from zero, agree with float64 to 1e-5, or are refused."""
    x, y = subject.pair(subject.rng("many"), subject.enough(1000), 6, 5)
    if not subject.structured:
        x, y = x + 300, y + 1000
    right_or_refused(subject, x, y, 1e-5, "1,000 examples")


@check
def nearly_constant_layers_are_right_or_refused(subject: Subject) -> None:
    """1e3 + 1e-5 x is right in float64; in float32, where x is lost to rounding, it is right or refused."""
    if subject.structured:
        raise NotApplicable(STRUCTURED)
    for p in (6, 120):
        x, y = subject.pair(subject.rng("near"), subject.enough(60), p)
        near = 1e3 + 1e-5 * x
        truth = subject.score_or_refusal(x if "translation" in subject.measure.invariant_to else near, y)
        if "scaling" not in subject.measure.invariant_to:
            truth = subject.score_or_refusal(near.astype(np.longdouble), y)
        for kind, tolerance in ((np.float64, 1e-5), (np.float32, 1e-3)):
            got = subject.score_or_refusal(near.astype(kind), y.astype(kind))
            if isinstance(got, float) and isinstance(truth, float):
                what = f"score of 1e3 + 1e-5 x in {kind.__name__}, or zero_variance or ill_conditioned"
                require_close(got, truth, tolerance, what, shapes(x, y))
            elif isinstance(got, RepresentationError):
                fine = got.reason in ("zero_variance", "ill_conditioned") or isinstance(truth, RepresentationError)
                require(fine, "zero_variance or ill_conditioned", f"{got.reason}: {got}", shapes(x, y))


@check
def any_scale_will_do(subject: Subject) -> None:
    """Scales of 1e-20 to 1e20 in float32, of 1e-150 to 1e150 in float64, and denormals, are right or refused."""
    if subject.structured:
        raise NotApplicable(STRUCTURED)
    if "scaling" not in subject.measure.invariant_to:
        raise NotApplicable("scaling is not declared in invariant_to: the score is a function of the scale")
    cases = [(np.float32, scale, 2e-6) for scale in (1e-20, 1e-10, 1e10, 1e20)]
    cases += [(np.float64, scale, 1e-8) for scale in (1e-150, 1e-20, 1e20, 1e150)]
    cases += [(np.float32, 1e-38, 1e-3), (np.float64, 1e-307, 1e-3)]  # some values are denormal: fewer digits
    for p, q in ((8, 6), (90, 70)):
        x, y = subject.pair(subject.rng("scale"), subject.enough(50), p, q)
        for kind, scale, same in cases:
            a, b = x.astype(kind), y.astype(kind)
            expected = subject.score_or_refusal(a, b)
            if isinstance(expected, RepresentationError):
                continue
            shrunk = a * kind(scale)
            for pair, side in (((shrunk, b), "x"), ((a, b * kind(scale)), "y"), ((shrunk, b * kind(scale)), "both")):
                got = subject.score_or_refusal(*pair)
                if isinstance(got, float):
                    require_close(got, expected, same, f"score with {side} times {scale:g}", shapes(a, b))
                elif isinstance(got, RepresentationError):
                    require(
                        scale < 1e-30 or scale > 1e100, "a score", f"{got.reason}: {got}", f"{side} times {scale:g}"
                    )


@check
def extreme_values_do_not_overflow(subject: Subject) -> None:
    """Values up to the largest finite one are right or refused, the smallest denormals refused or within bounds."""
    if subject.structured:
        raise NotApplicable(STRUCTURED)
    x, y = subject.pair(subject.rng("extreme"), subject.enough(40))
    low, high = subject.measure.bounds
    for kind in (np.float32, np.float64):
        info = np.finfo(kind)
        a, b = x.astype(kind), y.astype(kind)
        huge = a / np.abs(a).max() * info.max
        tiny = np.rint(4 * a) * info.smallest_subnormal
        for what, extreme in (("the largest values", huge), ("the smallest denormals", tiny)):
            with np.errstate(all="ignore"):
                got = subject.score_or_refusal(extreme.astype(kind), b)
            if isinstance(got, float):
                require(low <= got <= high, f"a score within {low}, {high} of {what}", got, shapes(extreme))
                if what == "the largest values" and "scaling" in subject.measure.invariant_to:
                    require_close(got, subject.score(a, b), 1e-5, f"score of {what}", shapes(extreme))
