"""Random cases for properties: by Hypothesis, which also shrinks what fails, or by seeded draws where it is absent."""

from collections.abc import Callable
from importlib.util import find_spec

from vaescope.testing.subject import Subject

Case = Callable[[int, int, int, int], None]


def engine() -> str:
    """What draws the cases here: "hypothesis" or "seeded draws"."""
    return "hypothesis" if find_spec("hypothesis") else "seeded draws"


def every_case(
    subject: Subject, holds: Case, n: tuple[int, int], p: tuple[int, int], examples: int | None = None
) -> None:
    """Call `holds(seed, n, p, q)` on many cases; what it raises on the smallest failing one goes on.

    Args:
        subject: gives the seed and how many cases.
        holds: the property; raises `CheckFailed`.
        n: least and most examples; moved up together where the measure needs more.
        p: least and most features of either representation.
        examples: how many cases, if not as many as the subject says.
    """
    if subject.structured:  # such a measure takes representations of one width

        def of_one_width(seed: int, n: int, p: int, q: int, holds: Case = holds) -> None:
            holds(seed, n, p, p)

        holds = of_one_width
    least = subject.enough(n[0])
    most = max(subject.enough(n[1]), least + 10)
    count = examples or subject.examples
    if engine() == "hypothesis":
        _by_hypothesis(holds, (least, most), p, count, subject.seed)
        return
    rng = subject.rng("cases")
    for _ in range(count):
        seed, rows, width, other = (int(rng.integers(low, high + 1)) for low, high in ((0, 2**31), (least, most), p, p))
        holds(seed, rows, width, other)


def _by_hypothesis(holds: Case, n: tuple[int, int], p: tuple[int, int], examples: int, seed: int) -> None:
    import hypothesis
    from hypothesis import strategies as st

    quiet = hypothesis.settings(
        deadline=None,
        max_examples=examples,
        database=None,
        report_multiple_bugs=False,
        suppress_health_check=list(hypothesis.HealthCheck),  # type: ignore[arg-type]
        verbosity=hypothesis.Verbosity.quiet,
        print_blob=False,
        phases=(hypothesis.Phase.generate, hypothesis.Phase.shrink),
    )
    given = hypothesis.given(st.integers(0, 2**31), st.integers(*n), st.integers(*p), st.integers(*p))

    def case(seed: int, n: int, p: int, q: int) -> None:
        holds(seed, n, p, q)

    hypothesis.seed(seed)(quiet(given(case)))()
