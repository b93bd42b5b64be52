"""What a measure says of itself."""

import math
import re
from inspect import getdoc
from typing import get_args

from vaescope.stats.forms.form import Form
from vaescope.stats.measure import Pairs, Transform
from vaescope.testing.check import check, require
from vaescope.testing.subject import Subject


@check
def declares_what_it_is(subject: Subject) -> None:
    """Every class variable of the contract is there and of its type."""
    cls = type(subject.measure)
    name = getattr(cls, "name", None)
    require(isinstance(name, str) and name.isidentifier(), "`name`, an identifier", repr(name))
    form = getattr(cls, "form", None)
    require(isinstance(form, type) and issubclass(form, Form), "`form`, a subclass of Form", repr(form))
    for flag in ("larger_is_more_similar", "symmetric", "metric"):
        value = getattr(cls, flag, None)
        require(isinstance(value, bool), f"`{flag}`, True or False", repr(value))
    least = getattr(cls, "minimum_n", None)
    require(type(least) is int and least >= 1, "`minimum_n`, a whole number of at least 1", repr(least))
    pairs = getattr(cls, "pairs", None)
    require(pairs in get_args(Pairs), f"`pairs`, one of {get_args(Pairs)}", repr(pairs))
    invariant = getattr(cls, "invariant_to", None)
    require(
        isinstance(invariant, frozenset) and invariant <= set(get_args(Transform)),
        f"`invariant_to`, a frozenset of some of {get_args(Transform)}",
        repr(invariant),
    )


@check
def bounds_are_an_interval(subject: Subject) -> None:
    """The bounds are two numbers, the lower one first, and the one that says "the same" is finite."""
    bounds = getattr(type(subject.measure), "bounds", None)
    require(
        isinstance(bounds, tuple) and len(bounds) == 2 and all(isinstance(b, int | float) for b in bounds),
        "`bounds`, two numbers",
        repr(bounds),
    )
    low, high = subject.measure.bounds
    require(low < high, "the lower bound first", f"{low}, {high}")
    require(math.isfinite(subject.best), 'a finite bound for "the same"', str(subject.best))


@check
def declarations_agree(subject: Subject) -> None:
    """No declaration contradicts another."""
    measure = subject.measure
    invariant = measure.invariant_to
    if "linear" in invariant:
        require(
            {"orthogonal", "scaling", "permutation"} <= invariant,
            "what is invariant to every linear map to declare orthogonal, scaling and permutation too",
            sorted(invariant),
        )
    if "orthogonal" in invariant:
        require("permutation" in invariant, "orthogonal to bring permutation with it", sorted(invariant))
    if measure.metric:
        require(not measure.larger_is_more_similar, "a metric to be a distance", "larger_is_more_similar = True")
        require(measure.symmetric, "a metric to be symmetric", "symmetric = False")
        require(measure.bounds[0] == 0, "a metric to begin at 0", f"bounds = {measure.bounds}")


@check
def cites_its_source(subject: Subject) -> None:
    """The docstring says in a line what it is and, under References, where it is from, with a URL."""
    text = getdoc(type(subject.measure)) or ""
    own = type(subject.measure).__doc__
    require(own and text.strip(), "a docstring of its own", repr(own))
    require(
        re.search(r"References:\n.*https?://\S+", text, re.DOTALL),
        "a section `References:` with a URL in the docstring",
        repr(text[-80:]),
    )


@check
def has_no_state(subject: Subject) -> None:
    """Comparing changes nothing in the instance, and a fresh instance gives the same score."""
    x, y = subject.pair(subject.rng("state"), subject.enough(30))
    before = dict(vars(subject.measure))
    first = subject.measure.compare(subject.measure.prepare(x), subject.measure.prepare(y))
    require(dict(vars(subject.measure)) == before, "an instance that stays as it is", vars(subject.measure))
    fresh = type(subject.measure)() if not before else subject.measure
    again = fresh.compare(fresh.prepare(x), fresh.prepare(y))
    require(again == first, f"the score of a fresh instance to be {first!r}", repr(again))
