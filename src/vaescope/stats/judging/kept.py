"""What several claims compute from the same evidence, computed once."""

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, TypeVar, cast

if TYPE_CHECKING:
    from vaescope.stats.evidence import Evidence

T = TypeVar("T")


def kept(evidence: "Evidence", key: Hashable, make: Callable[[], T]) -> T:
    """What `make` gives, remembered with the evidence under a key, as `functools.cached_property` would."""
    memory: dict[Hashable, object] = vars(evidence).setdefault("_kept", {})
    if key not in memory:
        memory[key] = make()
    return cast(T, memory[key])
