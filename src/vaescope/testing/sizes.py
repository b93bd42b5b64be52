"""Very wide and very long representations: answered within stated memory, or refused with a reason."""

import tracemalloc
from contextlib import suppress

import numpy as np

from vaescope.errors import RepresentationError
from vaescope.testing.check import CheckFailed, NotApplicable, check, require, shapes
from vaescope.testing.subject import Subject

MEGABYTE = 1 << 20
ALLOWANCE = 8 * MEGABYTE
FREE = "rows have a structure (it has an `example` of its own): their width is not free"


def peak_of(subject: Subject, x: np.ndarray, y: np.ndarray) -> tuple[float | RepresentationError, int]:
    """The score or refusal of a pair, and the most bytes that were held at once beside the input."""
    with suppress(RepresentationError):
        subject.score(x[:40, :40], y[:40, :40])  # what is imported at the first call is not counted
    if tracemalloc.is_tracing():
        raise NotApplicable("tracemalloc is in use; memory cannot be measured")
    tracemalloc.start()
    try:
        found = subject.score_or_refusal(x, y)
    except MemoryError as error:
        raise CheckFailed(f"expected a score or a typed refusal of {shapes(x, y)}; got MemoryError: {error}") from error
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return found, peak


def _bounded(subject: Subject, x: np.ndarray, y: np.ndarray, allowed: int, why: str) -> float | RepresentationError:
    """The score or refusal of a pair, made within `allowed` bytes and within bounds."""
    found, peak = peak_of(subject, x, y)
    require(
        peak <= allowed,
        f"at most {allowed / MEGABYTE:.0f} MiB beside the input ({why}), or a refusal as too_wide or too_many",
        f"{peak / MEGABYTE:.0f} MiB",
        shapes(x, y),
    )
    low, high = subject.measure.bounds
    if isinstance(found, float):
        require(low <= found <= high, f"a score within {low}, {high}", found, shapes(x, y))
    return found


@check
def wide_layers_take_linear_memory_or_are_refused(subject: Subject) -> None:
    """100,000 features take four copies of the input; or 2,000 eight p x p matrices, and 2,000,000 are refused."""
    if subject.structured:
        raise NotApplicable(FREE)
    n, few, many, most = subject.enough(32), 2_000, 100_000, 2_000_000
    x, y = (subject.rng("wide", side).standard_normal((n, few), dtype=np.float32) for side in "xy")
    found, peak = peak_of(subject, x, y)
    if isinstance(found, RepresentationError):
        return
    if peak <= ALLOWANCE + 4 * (x.nbytes + y.nbytes):
        x, y = (subject.rng("wide", side).standard_normal((n, many), dtype=np.float32) for side in "xy")
        _bounded(subject, x, y, ALLOWANCE + 4 * (x.nbytes + y.nbytes), "8 MiB and four copies of it")
        return
    require(
        peak <= ALLOWANCE + 64 * few**2,
        f"at most {(ALLOWANCE + 64 * few**2) / MEGABYTE:.0f} MiB (eight p x p float64 matrices) for {few:,} features",
        f"{peak / MEGABYTE:.0f} MiB",
        shapes(x, y),
    )
    x = np.arange(subject.measure.minimum_n * most, dtype=np.float32).reshape(-1, most)
    found, _ = peak_of(subject, x, x[::-1])
    require(
        isinstance(found, RepresentationError) and found.reason == "too_wide",
        f"{most:,} features to be refused as too_wide, as its memory grows as p x p",
        f"{found}",
        shapes(x),
    )


@check
def long_layers_take_linear_memory_or_are_refused(subject: Subject) -> None:
    """20,000 examples take linear memory; or 2,000 take eight n x n matrices at most, and 2,000,000 are refused."""
    if subject.structured:
        raise NotApplicable(FREE)
    few, many, most = 2_000, 20_000, 2_000_000
    x, y = (subject.rng("long", side).standard_normal((few, 8), dtype=np.float32) for side in "xy")
    found, peak = peak_of(subject, x, y)
    if isinstance(found, RepresentationError):
        return
    form = subject.measure.form_for(few, [8, 8])
    if peak <= ALLOWANCE + 64 * x.nbytes and form.nbytes(few, 8) <= 64 * x.nbytes:
        x, y = (subject.rng("long", side).standard_normal((many, 8), dtype=np.float32) for side in "xy")
        allowed = ALLOWANCE + max(64 * x.nbytes, 6 * form.nbytes(many, 8))
        _bounded(subject, x, y, allowed, "8 MiB and 64 copies of one of them or 6 of its form")
        return
    allowed = ALLOWANCE + 64 * few**2
    require(
        peak <= allowed,
        f"at most {allowed / MEGABYTE:.0f} MiB (eight n x n float64 matrices) for {few:,} examples",
        f"{peak / MEGABYTE:.0f} MiB",
        shapes(x, y),
    )
    x = np.arange(2 * most, dtype=np.float32).reshape(most, 2)
    found, _ = peak_of(subject, x, x[::-1])
    require(
        isinstance(found, RepresentationError) and found.reason == "too_many",
        f"{most:,} examples to be refused as too_many, as its memory grows as n x n",
        f"{found}",
        shapes(x),
    )


@check
def every_shape_is_answered_or_refused(subject: Subject) -> None:
    """From one feature to many more than examples, on either side: a score within bounds, or a typed refusal."""
    low, high = subject.measure.bounds
    answered = 0
    widths = (6,) if subject.structured else (1, 2, 29, 30, 31, 100)
    for n in (subject.measure.minimum_n, subject.enough(30)):
        for p in widths:
            for q in widths:
                x, y = subject.pair(subject.rng("shape", n, p, q), max(n, subject.enough(8)), p, q)
                kind = np.float32 if (p + q) % 2 else np.float64
                a, b = x[:n].astype(kind), y[:n].astype(kind)
                found = subject.score_or_refusal(a, b)
                if isinstance(found, float):
                    answered += 1
                    require(low <= found <= high, f"a score within {low}, {high}", found, shapes(a, b))
    require(answered > 0, "a score for some shapes", "refusals of all")
