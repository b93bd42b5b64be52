"""Checks that objectives and reconstructions make of their options: what was expected, what was got."""

import math
from collections.abc import Collection
from typing import TypeGuard

from vaescope.errors import UsageError


def _refuse(name: str, expected: str, got: object) -> UsageError:
    return UsageError(f"{name} must be {expected}, got {got!r}.")


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def at_least(least: float, **options: object) -> None:
    """Each option is a finite number of at least `least`.

    Raises:
        UsageError: if one is not; names it and its value.

    >>> at_least(0, beta=4.0, gamma=0)
    """
    for name, value in options.items():
        if not (_is_number(value) and value >= least):
            raise _refuse(name, f"a number of at least {least:g}", value)


def above(least: float, **options: object) -> None:
    """Each option is a finite number greater than `least`.

    Raises:
        UsageError: if one is not; names it and its value.
    """
    for name, value in options.items():
        if not (_is_number(value) and value > least):
            raise _refuse(name, f"a number greater than {least:g}", value)


def whole(least: int, **options: object) -> None:
    """Each option is a whole number of at least `least`.

    Raises:
        UsageError: if one is not; names it and its value.
    """
    for name, value in options.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise _refuse(name, f"a whole number of at least {least}", value)


def one_of(known: Collection[str], **options: object) -> None:
    """Each option is one of the words of `known`.

    Raises:
        UsageError: if one is not; names it and its value.
    """
    for name, value in options.items():
        if value not in known:
            raise _refuse(name, f"one of {', '.join(map(repr, known))}", value)


def yes_or_no(**options: object) -> None:
    """Each option is true or false.

    Raises:
        UsageError: if one is not; names it and its value.
    """
    for name, value in options.items():
        if not isinstance(value, bool):
            raise _refuse(name, "true or false", value)
