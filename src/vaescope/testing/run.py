"""Running the checks on a measure."""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Literal, final

import numpy as np

from vaescope.errors import UsageError
from vaescope.registry import suggestion
from vaescope.stats.measure import Measure
from vaescope.testing.check import CHECKS, Check, CheckFailed, NotApplicable
from vaescope.testing.draws import engine
from vaescope.testing.subject import Reference, Subject

if TYPE_CHECKING:
    import pandas as pd

Status = Literal["passed", "failed", "not applicable"]


@final
@dataclass(frozen=True)
class CheckResult:
    """What one check found.

    Attributes:
        name: of the check.
        status: "passed", "failed" or "not applicable".
        seconds: how long it took.
        message: what was expected, what was got and how to see it again; or why it does not apply.
    """

    name: str
    status: Status
    seconds: float
    message: str = ""

    @property
    def passed(self) -> bool:
        """False only for a failure."""
        return self.status != "failed"


@final
@dataclass(frozen=True)
class Conformance:
    """What all checks found of a measure.

    Attributes:
        measure: its name.
        results: one a check, in the order they ran.
        seed: of every draw.
        cases: what drew the random cases: "hypothesis" or "seeded draws".
    """

    measure: str
    results: tuple[CheckResult, ...]
    seed: int
    cases: str

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return all(result.passed for result in self.results)

    @property
    def failed(self) -> tuple[str, ...]:
        """The names of the checks that failed."""
        return tuple(result.name for result in self.results if not result.passed)

    def to_pandas(self) -> "pd.DataFrame":
        """A row a check: name, passed, status, seconds, message."""
        import pandas as pd

        columns = ["name", "passed", "status", "seconds", "message"]
        return pd.DataFrame([[getattr(r, c) for c in columns] for r in self.results], columns=pd.Index(columns))

    def __str__(self) -> str:
        count = {status: sum(r.status == status for r in self.results) for status in ("passed", "failed")}
        lines = [
            f"{self.measure}: {count['passed']} of {len(self.results)} checks passed, {count['failed']} failed "
            f"(seed {self.seed}, cases by {self.cases})"
        ]
        lines += [f"  {r.status}: {r.name}: {r.message}" for r in self.results if r.status != "passed"]
        return "\n".join(lines)


def checks() -> list[tuple[str, str]]:
    """Every check of a measure: its name, and in a line what holds where it passes.

    >>> len(checks()) >= 30
    True
    """
    return [(found.name, found.summary) for found in CHECKS.values()]


def check_measure(
    measure: Measure | type | str,
    *,
    reference: Reference | None = None,
    raises: bool = True,
    only: str | list[str] | None = None,
    seed: int = 0,
    examples: int = 25,
) -> Conformance:
    """Check that a measure keeps the contract of `vaescope.stats.measure` and its own declarations.

    The measure need not be registered. A check that asks nothing of it is "not applicable" with the declaration that
    says so, never left out.

    Args:
        measure: a measure, its class, or the name of a registered one.
        reference: a slow definition in float64, (x, y) -> score: values are compared with it. Without it, a wrong
            equation that has every declared property goes unseen.
        raises: at the first failure; if False, failures are in what is returned.
        only: the names of some checks; all if None.
        seed: of every draw.
        examples: how many random cases a property is tried on.

    Returns:
        A result a check; `.to_pandas()` is a table, `str()` a summary.

    Raises:
        CheckFailed: a check failed, and `raises`: which one, what was expected, what was got, how to see it again.
        UsageError: there is no such measure or check.

    >>> check_measure("cka", only="declares_what_it_is").passed
    True
    """
    subject = Subject(measure, seed, examples, reference)
    results = []
    for chosen in _chosen(only):
        result = _run(chosen, subject)
        if raises and not result.passed:
            raise CheckFailed(result.message)
        results.append(result)
    return Conformance(subject.name, tuple(results), seed, engine())


def measure_checks(
    measure: Measure | type | str,
    *,
    reference: Reference | None = None,
    seed: int = 0,
    examples: int = 25,
) -> list[tuple[str, Callable[[], CheckResult]]]:
    """Every check of a measure as an identifier and a call, for `pytest.mark.parametrize`.

    The call raises `CheckFailed` or returns a result, which may be "not applicable".

    >>> identifiers = [identifier for identifier, _ in measure_checks("cka")]
    >>> identifiers[0]
    'cka-declares_what_it_is'
    """
    subject = Subject(measure, seed, examples, reference)
    return [(f"{subject.name}-{found.name}", _Call(found, subject)) for found in CHECKS.values()]


@final
@dataclass(frozen=True)
class _Call:
    check: Check
    subject: Subject

    def __call__(self) -> CheckResult:
        result = _run(self.check, self.subject)
        if not result.passed:
            raise CheckFailed(result.message)
        return result


def _chosen(only: str | list[str] | None) -> list[Check]:
    names = list(CHECKS) if only is None else [only] if isinstance(only, str) else only
    for name in names:
        if name not in CHECKS:
            raise UsageError(
                f"expected the names of checks, got {name!r}.{suggestion(name, list(CHECKS))} "
                "vaescope.testing.checks() lists them."
            )
    return [CHECKS[name] for name in names]


def _run(chosen: Check, subject: Subject) -> CheckResult:
    start = perf_counter()
    status: Status = "passed"
    message = ""
    try:
        with np.errstate(all="ignore"):
            chosen.run(subject)
    except NotApplicable as reason:
        status, message = "not applicable", str(reason)
    except Exception as error:
        found = str(error) if isinstance(error, CheckFailed) else f"got {type(error).__name__}: {error}"
        again = f"check_measure({type(subject.measure).__name__}, only={chosen.name!r}, seed={subject.seed}"
        again += f", examples={subject.examples}" + (", reference=...)" if subject.reference else ")")
        status, message = "failed", f"{subject.name}: {chosen.name}: {found}. Again: {again}"
    return CheckResult(chosen.name, status, perf_counter() - start, message)
