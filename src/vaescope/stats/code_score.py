"""The contract of a disentanglement score: codes and factors of the same examples to one number; and all of them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from vaescope.errors import RepresentationError, UsageError
from vaescope.registry import Registry
from vaescope.stats.labelled import Labelled

Change = Literal["permutation", "translation", "reflection", "scaling", "units"]


class CodeScore(ABC):
    """How far each latent stands for one factor, and each factor in one latent. Final subclasses hold options only.

    Attributes:
        name: how it is asked for.
        title: for people.
        bounds: the closed interval of its values; larger is better.
        invariant_to: changes of the codes that leave the score as it is: "permutation" of latents, "translation" and
            "reflection" of a latent, "scaling" of all latents by one positive number, "units": of each by its own.
        minimum_latents, minimum_factors: with fewer (of factors that change) it is undefined.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    invariant_to: ClassVar[frozenset[Change]]
    minimum_latents: ClassVar[int] = 1
    minimum_factors: ClassVar[int] = 1

    @abstractmethod
    def value(self, labelled: Labelled, seed: int) -> float:
        """The score; finite. Every draw depends on `seed` alone. Raises `RepresentationError` where there is none."""

    def of(self, codes: Any, factors: Any, seed: int = 0) -> float:
        """The score of codes (n, d), given the classes of the factors (n, f).

        Raises:
            RepresentationError: these codes and factors do not determine it; see `Labelled.of`.
        """
        return self.checked(Labelled.of(codes, factors), seed)

    def checked(self, labelled: Labelled, seed: int) -> float:
        """The score, after a look at whether there are latents and factors enough."""
        f = labelled.factors.shape[1]
        if labelled.latents < self.minimum_latents or f < self.minimum_factors:
            raise RepresentationError(
                f"{self.name} needs at least {self.minimum_latents} latents and {self.minimum_factors} factors that "
                f"change, got {labelled.latents} and {f}.",
                "too_few",
            )
        return float(self.value(labelled, seed))


CODE_SCORES: Registry[type[CodeScore]] = Registry(
    "disentanglement score", "vaescope.stats.disentanglement", "vaescope.code_scores"
)
"""The disentanglement scores: one file each; being here is being found."""


def scores(
    codes: Any,
    factors: Any,
    which: Sequence[str | CodeScore] | None = None,
    seed: int = 0,
    leave_out: bool = False,
) -> dict[str, float]:
    """Disentanglement scores by name.

    Scores that hold a factor fixed do so by choosing among these examples those that share its value.

    Args:
        codes: (n, d), one row an example.
        factors: the class of each factor, (n, f); class labels need not be contiguous.
        which: names, or scores with options of your choice; all with theirs if None.
        seed: of every draw.
        leave_out: pass over scores that these codes and factors do not determine, instead of raising.

    Raises:
        RepresentationError: the arrays cannot be scored, or one score is not determined by them.
        UsageError: a name is unknown, or given twice.

    >>> import numpy as np
    >>> factors = np.stack([np.arange(400) % 4, np.arange(400) // 4 % 5], axis=1)
    >>> scores(factors * 1.0, factors, ["mig", "modularity"])
    {'mig': 1.0, 'modularity': 1.0}
    """
    names = tuple(CODE_SCORES) if which is None else which
    asked = [CODE_SCORES[s]() if isinstance(s, str) else s for s in names]
    if len({score.name for score in asked}) < len(asked):
        raise UsageError(f"which: expected each score once, got {', '.join(s.name for s in asked)}.")
    labelled = Labelled.of(codes, factors)
    found = {}
    for score in asked:
        try:
            found[score.name] = score.checked(labelled, seed)
        except RepresentationError:
            if not leave_out:
                raise
    return found


def at_least(name: str, option: str, value: float, least: float) -> None:
    """Raise `UsageError` if an option of a score is too small."""
    if not value >= least:
        raise UsageError(f"{name}.{option}: expected at least {least}, got {value!r}.")
