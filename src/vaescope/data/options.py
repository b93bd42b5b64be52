"""Options as they stand in a study file, checked before anything believes them."""

from vaescope.errors import UsageError

Option = bool | int | float | str | None
"""What an option of a dataset may be in a study file."""


def text(who: str, option: str, value: Option, choices: tuple[str, ...] = ()) -> str | None:
    """A text, one of the choices where there are any; None where it is not given. UsageError for anything else."""
    if value is None or (isinstance(value, str) and (value in choices or not choices)):
        return value
    kind = " or ".join(f'"{choice}"' for choice in choices) if choices else "a text"
    raise UsageError(f"dataset {who!r}: expected `{option}` to be {kind}, got {value!r}.")


def number(who: str, option: str, value: Option) -> float | None:
    """A positive number; None where it is not given. UsageError for anything else."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise UsageError(f"dataset {who!r}: expected `{option}` to be a positive number, got {value!r}.")
    return float(value)


def whole(who: str, option: str, value: Option, least: int, most: int) -> int | None:
    """A whole number from `least` to `most`; None where it is not given. UsageError for anything else."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise UsageError(f"dataset {who!r}: expected `{option}` to be {least} to {most}, got {value!r}.")
    return value
