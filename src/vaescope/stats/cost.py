"""What each choice of pairs would cost, counted before anything is computed."""

from dataclasses import dataclass
from typing import get_args

from vaescope.runs.study import Study
from vaescope.stats.compare import columns_of
from vaescope.stats.forms.form import ProductForm
from vaescope.stats.grid import Column, count_pairs
from vaescope.stats.measure import MEASURES, Pairs


@dataclass(frozen=True)
class Cost:
    """The cost of one measure with one choice of pairs.

    Attributes:
        measure: its name.
        form: the name of what representations are made into; measures of one form and n share it.
        choice: "all" or "needed".
        chosen: whether the study chose this one.
        n: probe examples used.
        representations: of all runs and snapshots.
        pairs: wanted, unordered, self pairs included.
        scratch_bytes: disk for what is prepared once a representation; measures of one form and n share it.
        store_bytes: the scores, uncompressed.
        prepare_flops: floating-point operations of preparing, about; shared likewise.
        pair_flops: of comparing, about.
    """

    measure: str
    form: str
    choice: Pairs
    chosen: bool
    n: int
    representations: int
    pairs: int
    scratch_bytes: int
    store_bytes: int
    prepare_flops: float
    pair_flops: float


def cost(study: Study) -> list[Cost]:
    """The cost of every measure of the study for each choice of pairs, in the order of the study.

    Raises:
        UsageError: a measure, dataset or network is not known.
    """
    columns = list(columns_of(study.runs()))
    return [
        _cost(columns, name, choice, choice == chosen.pairs, chosen.n or study.probe.n)
        for name, chosen in study.measures.items()
        for choice in get_args(Pairs)
    ]


def _cost(columns: list[Column], name: str, choice: Pairs, chosen: bool, n: int) -> Cost:
    measure = MEASURES[name]()
    widths = [width for c in columns for _ in c.steps for _, width in c.layers]
    form = measure.form_for(n, widths)
    taken = {p for p in set(widths) if measure.takes(n, p)}
    counted = count_pairs(columns, choice)
    whole = issubclass(form, ProductForm) and form.whole_blocks
    worked = count_pairs(columns, "all") if whole else counted
    return Cost(
        measure=name,
        form=form.name,
        choice=choice,
        chosen=chosen,
        n=n,
        representations=len(widths),
        pairs=counted.total(),
        scratch_bytes=sum(form.nbytes(n, p) for p in widths if p in taken),
        store_bytes=5 * counted.total(),
        prepare_flops=sum(form.flops(n, p) for p in widths if p in taken),
        pair_flops=sum(times * measure.pair_flops(n, p, q) for (p, q), times in worked.items() if {p, q} <= taken),
    )
