"""Prepared forms with their examples in another order, or with fewer of them, without preparing again.

All forms of this package but `BatchGrams` and `Posterior` can be permuted; `Gram`, `Features`, `Factor` and `Units` can
be cut. A form from elsewhere takes part by two methods of its own:

- `permuted(orders)`: the forms of `x[order]` for each of `orders`, (b, n), as a list, up to rounding;
- `kept(rows)`: the forms of `x[some]` for each array `some` of distinct positions in `rows`, as a list, up to rounding.

For everything else the caller passes a function that prepares again.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int

from vaescope.errors import UsageError
from vaescope.stats.certainty.hollow import centred_again, centred_whole, symmetric, triangle, unpacked
from vaescope.stats.forms.dissimilarities import Dissimilarities, DissimilarityRanks
from vaescope.stats.forms.factor import Factor
from vaescope.stats.forms.features import Features
from vaescope.stats.forms.form import Form, whole
from vaescope.stats.forms.gram import Gram
from vaescope.stats.forms.neighbours import Neighbours
from vaescope.stats.forms.thin import Thin
from vaescope.stats.measures.permutation import Units
from vaescope.stats.measures.pwcca import Projected

Again = Callable[[np.ndarray], Form]  # prepares x[rows]


@runtime_checkable
class Permutable(Protocol):
    """A form that can be put into another order."""

    def permuted(self, orders: Int[np.ndarray, "b n"]) -> list[Any]: ...


@runtime_checkable
class Cuttable(Protocol):
    """A form of which some examples can be left out."""

    def kept(self, rows: Sequence[np.ndarray]) -> list[Any]: ...


def permuted(form: Form, orders: Int[np.ndarray, "b n"], again: Again | None = None) -> list[Any]:
    """The forms of `x[order]` for each of `orders`.

    Raises:
        UsageError: the form cannot be permuted, and there is no `again`.
    """
    if isinstance(form, Permutable):
        return form.permuted(orders)
    if isinstance(form, Gram):
        matrix = unpacked(form)
        return [replace(form, values=triangle(matrix, order), diagonal=form.diagonal[order]) for order in orders]
    if isinstance(form, Features):
        values = whole(form.values)
        return [replace(form, values=values[order], diagonal=form.diagonal[order]) for order in orders]
    if isinstance(form, Thin):
        values, mark = form.values, form.mark.to_bytes(8, "little")
        digests = [blake2b(mark + order.tobytes(), digest_size=8).digest() for order in orders]
        marks = [int.from_bytes(digest, "little") for digest in digests]
        return [replace(form, factor=values[order], mark=m) for order, m in zip(orders, marks, strict=True)]
    if isinstance(form, Dissimilarities | DissimilarityRanks):
        matrix = symmetric(whole(form.values), orders.shape[1])
        return [replace(form, values=triangle(matrix, order)) for order in orders]
    if isinstance(form, Neighbours):
        return [_relabelled(form, order) for order in orders]
    if isinstance(form, Projected):
        vectors = whole(form.vectors)
        return [replace(form, vectors=vectors[order]) for order in orders]
    if isinstance(form, Units):
        values = whole(form.values)
        return [replace(form, values=values[order]) for order in orders]
    return [_prepared(form, order, again) for order in orders]


def kept(form: Form, rows: Sequence[np.ndarray], again: Again | None = None) -> list[Any]:
    """The forms of `x[some]` for each `some` in `rows`.

    What a kernel took from all examples (a median distance) stays as it was.

    Raises:
        UsageError: the form cannot be cut, and there is no `again`.
    """
    if isinstance(form, Cuttable):
        return form.kept(rows)
    if isinstance(form, Gram):
        matrix, kind = centred_whole(form), form.values[0:1].dtype
        return [type(form).packed(centred_again(matrix, some), kind) for some in rows]
    if isinstance(form, Features):
        made = []
        for some in rows:
            values = _cut(whole(form.values), some)
            cut = Features(values, np.einsum("ij,ij->i", values, values), 0.0)
            made.append(replace(cut, square=float(Features.products([cut], [cut])[0, 0])))
        return made
    if isinstance(form, Factor):
        return [Factor.marked(_cut(form.values, some), form.values.dtype) for some in rows]
    if isinstance(form, Units):
        values = whole(form.values)
        return [replace(form, values=_cut(values, some).astype(values.dtype)) for some in rows]
    return [_prepared(form, some, again) for some in rows]


def _relabelled(form: Neighbours, order: Int[np.ndarray, " n"]) -> Neighbours:
    """Neighbourhoods of the examples in another order: the example at place order[i] is now at place i."""
    n, count = len(order), int(form.sizes.sum())
    place = np.argsort(order)
    owner, member = np.divmod(form.links[:count], n)
    links = np.zeros_like(form.links)
    links[:count] = np.sort(place[owner] * n + place[member])
    return replace(form, links=links, sizes=form.sizes[order])


def _cut(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    part = values[rows].astype(np.float64)
    part -= part.mean(axis=0)
    return part / np.linalg.norm(part)


def _prepared(form: Form, rows: np.ndarray, again: Again | None) -> Form:
    if again is None:
        raise UsageError(
            f"the form {type(form).__name__} can be neither permuted nor cut without preparing again: pass `again`, a "
            "function that prepares some rows of its representation."
        )
    return again(rows)
