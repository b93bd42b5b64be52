"""What a check is, how it says that it failed or does not apply, and the list of all."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np

from vaescope.testing.subject import Subject


class CheckFailed(AssertionError):
    """A measure does not do what its contract or its own declarations say."""


class NotApplicable(Exception):
    """A check asks nothing of this measure; the message is the declaration that says so."""


@final
@dataclass(frozen=True)
class Check:
    """One question to a measure.

    Attributes:
        name: how it is asked for.
        summary: what holds where it passes, in a line.
        run: raises `CheckFailed`, or `NotApplicable`; any other error of the measure is a failure too.
    """

    name: str
    summary: str
    run: Callable[[Subject], None]


CHECKS: dict[str, Check] = {}


def check(function: Callable[[Subject], None]) -> Callable[[Subject], None]:
    """Add a function to the list, under its own name; the first line of its docstring is the summary."""
    summary = (function.__doc__ or "").strip().splitlines()[0]
    CHECKS[function.__name__] = Check(function.__name__, summary, function)
    return function


def require(condition: object, expected: str, got: object, where: str = "") -> None:
    """Raise `CheckFailed` unless `condition` holds."""
    if not condition:
        raise CheckFailed(f"expected {expected}; got {got}" + (f" ({where})" if where else ""))


def require_close(got: float, expected: float, tolerance: float, what: str, where: str = "") -> None:
    """Raise `CheckFailed` unless `got` is within `tolerance`, relative to `expected` or to 0.1 if that is more."""
    error = abs(got - expected) / max(abs(expected), 0.1)
    require(
        error <= tolerance,
        f"{what}: {expected:.10g} within a relative {tolerance:g}",
        f"{got:.10g}, off by {error:.2g}",
        where,
    )


def shapes(*arrays: np.ndarray) -> str:
    """Shapes and types of what was compared, for messages."""
    return ", ".join(f"{a.shape} {a.dtype}" for a in arrays)
