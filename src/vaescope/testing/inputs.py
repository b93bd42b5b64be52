"""Input that has no score is refused with its reason, and how an array lies in memory does not matter."""

from contextlib import suppress
from itertools import product
from typing import Any

import numpy as np

from vaescope.errors import RepresentationError
from vaescope.testing.check import CheckFailed, NotApplicable, check, require, require_close, shapes
from vaescope.testing.subject import Subject

SAME = 1e-9


def refused(subject: Subject, x: object, y: object, reasons: set[str], what: str) -> RepresentationError:
    """The refusal of a pair for one of `reasons`; raises `CheckFailed` if there is a score, or another error."""
    wanted = f"{what} to be refused with a RepresentationError, reason {' or '.join(sorted(reasons))}"
    try:
        got = subject.score(x, y)
    except RepresentationError as error:
        require(error.reason in reasons, wanted, f"reason {error.reason!r}: {error}")
        return error
    except Exception as error:
        raise CheckFailed(f"expected {wanted}; got {type(error).__name__}: {error}") from error
    raise CheckFailed(f"expected {wanted}; got the score {got!r}")


def prepare_refuses(subject: Subject, x: np.ndarray, reason: str, what: str) -> None:
    """`prepare` by itself refuses; blocks of a zoo are not looked through by anything else."""
    with suppress(RepresentationError):
        try:
            form = subject.measure.prepare(x)
        except RepresentationError as error:
            require(error.reason == reason, f"prepare to refuse {what} as {reason}", f"{error.reason}: {error}")
            raise
        except Exception as error:
            raise CheckFailed(f"expected prepare to refuse {what} as {reason}; got {error!r}") from error
        raise CheckFailed(f"expected prepare to refuse {what} as {reason}; got a {type(form).__name__}")


@check
def refuses_too_few_examples(subject: Subject) -> None:
    """Fewer examples than `minimum_n`, down to none, are refused as too_few."""
    x, y = subject.pair(subject.rng("few"), subject.enough(8), 5, 4)
    for n in range(subject.measure.minimum_n):
        for a, b in ((x, y), (x.astype(np.float32), y.astype(np.float32))):
            refused(subject, a[:n], b[:n], {"too_few"}, f"{n} examples (minimum_n = {subject.measure.minimum_n})")


@check
def answers_from_minimum_n_on(subject: Subject) -> None:
    """With `minimum_n` examples there is a score, and it is not the same for all representations."""
    least, low, high = subject.measure.minimum_n, *subject.measure.bounds
    for p in (6, 4, 3, 2, 1):
        found = []
        for i in range(12):
            x, y = subject.pair(subject.rng("least", i), subject.enough(8), p, max(p - 1, 1))
            score = subject.score_or_refusal(x[:least], y[:least])
            if isinstance(score, float):
                require(low <= score <= high, f"a score within {low}, {high}", score, shapes(x[:least], y[:least]))
                found.append(score)
        if found and max(found) - min(found) > 1e-6:
            return
    raise CheckFailed(
        f"expected scores that differ, of several random pairs of minimum_n = {least} examples and 1 to 6 features; "
        "got refusals, or always the same. If that is all they can be, raise minimum_n."
    )


@check
def refuses_other_examples(subject: Subject) -> None:
    """Representations of different numbers of examples are refused as shape_mismatch, naming both shapes."""
    x, y = subject.pair(subject.rng("mismatch"), subject.enough(12))
    error = refused(subject, x, y[:-1], {"shape_mismatch"}, "x and y with different numbers of rows")
    for shape in (x.shape, y[:-1].shape):
        require(str(tuple(shape)) in str(error), f"a message that names the shape {tuple(shape)}", str(error))


@check
def refuses_no_features(subject: Subject) -> None:
    """A representation without features is refused as shape_mismatch, on either side."""
    x, y = subject.pair(subject.rng("none"), subject.enough(12))
    refused(subject, x[:, :0], y, {"shape_mismatch"}, "x without features")
    refused(subject, x, y[:, :0], {"shape_mismatch"}, "y without features")


@check
def refuses_values_that_are_not_finite(subject: Subject) -> None:
    """NaN or infinity in a cell, a column, a row or all is refused as non_finite, by `prepare` too, in either type."""
    x, y = subject.pair(subject.rng("finite"), subject.enough(20))
    places: dict[str, Any] = {
        "the last cell": (-1, -1),
        "a column": (slice(None), 1),
        "a row": (2, slice(None)),
        "all cells": slice(None),
    }
    cases = product((np.float64, np.float32), (np.nan, np.inf, -np.inf), places.items())
    for kind, value, (where, place) in cases:
        bad = x.astype(kind)
        bad[place] = value
        what = f"{value} in {where} of {shapes(bad)}"
        prepare_refuses(subject, bad, "non_finite", what)
        refused(subject, bad, y.astype(kind), {"non_finite"}, f"x with {what}")
        refused(subject, y.astype(kind), bad, {"non_finite"}, f"y with {what}")


@check
def refuses_what_does_not_vary(subject: Subject) -> None:
    """Zeros and equal rows are refused as zero_variance, by `prepare` too: neither 0 nor 1."""
    if subject.structured:
        raise NotApplicable("rows have a structure (it has an `example` of its own): equal rows may have a score")
    x, y = subject.pair(subject.rng("constant"), subject.enough(20))
    for kind in (np.float64, np.float32):
        constants = {
            "zeros": np.zeros(x.shape, kind),
            "all cells the same": np.full(x.shape, 12345.678, kind),
            "equal rows": np.repeat(x[:1], len(x), axis=0).astype(kind),
        }
        for what, constant in constants.items():
            prepare_refuses(subject, constant, "zero_variance", f"{what}, {shapes(constant)}")
            refused(subject, constant, y.astype(kind), {"zero_variance"}, f"x of {what}")
            refused(subject, y.astype(kind), constant, {"zero_variance"}, f"y of {what}")


@check
def leaves_its_input_alone(subject: Subject) -> None:
    """No bit of the input changes, and arrays that cannot be written to do as well."""
    for kind in (np.float64, np.float32):
        for p, q in ((6, 5), (120, 90)):
            x, y = (a.astype(kind) for a in subject.pair(subject.rng("mutation"), subject.enough(30), p, q))
            before = x.tobytes(), y.tobytes()
            score = subject.score_or_refusal(x, y)
            require((x.tobytes(), y.tobytes()) == before, "the input to stay as it is", "other values", shapes(x, y))
            x.flags.writeable = y.flags.writeable = False
            again = subject.score_or_refusal(x, y)
            same = isinstance(score, RepresentationError) or again == score
            require(same, f"{score!r} of read-only arrays too", repr(again), shapes(x, y))


@check
def keeps_no_hold_of_its_input(subject: Subject) -> None:
    """What is prepared does not change when the array it was made from is written over, as capture buffers are."""
    for kind in (np.float64, np.float32):
        for p, q in ((6, 5), (60, 50)):
            x, y = (a.astype(kind) for a in subject.pair(subject.rng("hold"), subject.enough(24), p, q))
            if isinstance(subject.score_or_refusal(x, y), RepresentationError):
                continue
            forms = subject.measure.prepare(x), subject.measure.prepare(y)
            score = subject.measure.compare(*forms)
            x[...] = y[...] = 3
            again = subject.measure.compare(*forms)
            require(again == score, f"{score!r} after the input was written over", repr(again), shapes(x, y))


@check
def memory_layout_does_not_matter(subject: Subject) -> None:
    """Fortran order, every other row and column of a larger array, and negative strides give the same score."""
    for kind, same in ((np.float64, SAME), (np.float32, 2e-6)):
        for p, q in ((6, 5), (70, 60)):
            x, y = (a.astype(kind) for a in subject.pair(subject.rng("layout"), subject.enough(40), p, q))
            expected = subject.score_or_refusal(x, y)
            if isinstance(expected, RepresentationError):
                continue
            wide = np.zeros((2 * len(x), 3 * x.shape[1]), kind)
            wide[::2, ::3] = x
            layouts = {
                "Fortran order": np.asfortranarray(x),
                "not contiguous": wide[::2, ::3],
                "negative strides": x[::-1, ::-1].copy()[::-1, ::-1],
                "unaligned": _unaligned(x),
            }
            for what, laid in layouts.items():
                require_close(subject.score(laid, y), expected, same, f"score of x with {what}", shapes(x, y))
                require_close(subject.score(y, laid), subject.score(y, x), same, f"score of y with {what}")


def _unaligned(x: np.ndarray) -> np.ndarray:
    """`x` at an odd address."""
    raw = np.zeros(x.nbytes + 1, np.uint8)
    found = raw[1:].view(x.dtype).reshape(x.shape)
    found[...] = x
    return found


@check
def further_axes_are_flattened(subject: Subject) -> None:
    """Activations (n, c, h, w) and nested lists score as the (n, c h w) matrix they hold."""
    if subject.structured:
        raise NotApplicable("rows have a structure (it has an `example` of its own): their width is not free")
    x, y = subject.pair(subject.rng("axes"), subject.enough(40), 12, 5)
    expected = subject.score(x, y)
    require_close(subject.score(x.reshape(-1, 3, 2, 2), y), expected, SAME, "score of x as (n, 3, 2, 2)")
    require_close(subject.score(x.tolist(), y.tolist()), expected, SAME, "score of nested lists")
