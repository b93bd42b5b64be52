"""Which snapshots of a large study the page's heatmap can hold. Pure counting."""

from collections.abc import Mapping, Sequence

MOST_REPRESENTATIONS = 6_000
"""Rows of a matrix that is taken into memory for a page: 144 MB of scores, of which the page keeps a part."""


def thinned(
    steps: Mapping[str, Sequence[int]], layers: int, most: int = MOST_REPRESENTATIONS
) -> dict[str, tuple[int, ...]]:
    """The snapshots to keep of each run, so that there are at most so many representations.

    All where there is room. Else as many of every run, evenly spaced, its first and last always among them; where not
    even these two of all runs have room, those of runs evenly spaced over the study.

    Args:
        steps: run -> its snapshots, ascending.
        layers: representations a snapshot has.
        most: representations in all.

    >>> thinned({"a": [0, 1, 2, 3, 4], "b": [0, 4]}, layers=10, most=50)
    {'a': (0, 2, 4), 'b': (0, 4)}
    """
    room = max(2, most // max(1, layers))
    if sum(map(len, steps.values())) <= room:
        return {run: tuple(found) for run, found in steps.items()}
    runs = list(steps) if 2 * len(steps) <= room else _spaced(list(steps), room // 2)
    each = max(len(found) for found in steps.values())
    while each > 2 and sum(min(each, len(steps[run])) for run in runs) > room:
        each -= 1
    return {run: tuple(_spaced(list(steps[run]), each)) for run in runs}


def _spaced(values: list, count: int) -> list:
    """`count` of the values, evenly spaced, the first and the last among them; all if there are no more."""
    if len(values) <= count:
        return values
    if count == 1:
        return values[-1:]
    return [values[round(k * (len(values) - 1) / (count - 1))] for k in range(count)]
