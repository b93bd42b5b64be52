"""`vaescope.compare`: two models, two checkpoints, or representations from anywhere, layer by layer."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vaescope.arrayfiles import read_arrays, rows_of
from vaescope.comparison import Comparison
from vaescope.errors import UsageError, VaescopeError
from vaescope.examples import held, rows_taken, shuffles
from vaescope.progress import Progress
from vaescope.sides import Asked, Side, has_model, picked, positive, side_of, titles_of
from vaescope.stats.certainty.intervals import Method
from vaescope.stats.measure import Measure
from vaescope.stats.similarity import chosen
from vaescope.zoo import similarity_matrix

FEW = 100
"""Examples below which a score depends noticeably on which they are."""

CONSTANT = 0.9  # share of features without any variation from which a layer is told of
_COLUMNS = 4096  # looked at together


def compare(
    a: Any,
    b: Any = None,
    data: Any = None,
    measure: str | Measure[Any] = "cka",
    *,
    layers: Any = None,
    layers_b: Any = None,
    reduce: Any = "flatten",
    n: int | None = None,
    forward: Callable[..., Any] | None = None,
    forward_b: Callable[..., Any] | None = None,
    interval: Method | bool | None = None,
    level: float = 0.95,
    null: bool | int = False,
    memory_budget: int | None = None,
    batch_size: int = 64,
    seed: int = 0,
    names: tuple[str, str] | None = None,
    trust_pickle: bool = False,
    progress: Progress | None = None,
) -> Comparison:
    """How similar the layers of two models are: every layer of one with every layer of the other.

    The two may have different architectures and numbers of layers. Both see the same examples in the same order: what
    `data` gives is read once and held, also where it is a generator or a DataLoader that shuffles.

    Args:
        a: one of: a model (`nn.Module`); (model, weights), with the path of a checkpoint or a state dict, which a copy
            of the model is filled with; label -> representation (n, ...), of numpy, torch, JAX, TensorFlow or anything
            else that numpy can read; the path of such arrays (.npy, .npz, .safetensors, or a folder of .npy).
        b: the same; None compares the layers of `a` with one another.
        data: what models are shown: an array or tensor, a dataset, a DataLoader, an iterable of batches, or the inputs
            by name. Not needed where there is no model.
        measure: a name that `vaescope list measures` shows, or a `Measure`.
        layers: which layers of `a`, as `vaescope.capture` takes them; of arrays, their labels or globs. All if None:
            of a model every innermost module that gives one row of numbers an example.
        layers_b: the same of `b`; as `layers` if None.
        reduce: what becomes of maps, as in `vaescope.capture`; arrays are flattened.
        n: examples to take at most; all if None. Which ones: as in `vaescope.capture` where there is a model, else
            drawn without replacement.
        forward: called with `a` and a batch instead of the model with its inputs, as in `vaescope.capture`.
        forward_b: the same for `b`; as `forward` if None.
        interval: "jackknife" or "subsample" adds the interval of each score over the choice of examples; True is the
            jackknife.
        level: intended coverage of the interval.
        null: adds what chance alone would give, as in `vaescope.similarity_matrix`.
        memory_budget: bytes for examples and representations; a quarter of the machine's memory if None.
        batch_size: examples in a pass.
        seed: of all draws.
        names: what the two are called; file names, else "a" and "b" if None.
        trust_pickle: whether checkpoints that are pickles (.pt, .ckpt) are opened, which can run code in them.
        progress: told how far it is.

    Raises:
        UsageError: something that cannot be compared or read, no layer of that name, no data where a model is.
        RepresentationError: the two do not hold the same number of examples.
        CorruptArtifact: a file is damaged.
        ResourceError: it does not fit the memory budget.

    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((200, 8))
    >>> found = compare({"early": x, "late": x**3}, {"only": 5 - x[:, ::-1]})
    >>> found.best().round(2)[["layer_a", "layer_b", "score"]]
      layer_a layer_b  score
    0   early    only   1.00
    1    late    only   0.58
    """
    from vaescope.runs.machine import memory_budget as quarter

    measured, told = chosen(measure), progress or Progress()
    budget = quarter() if memory_budget is None else positive(memory_budget, "memory_budget")
    if n is not None:
        positive(n, "n")
    interval = "jackknife" if interval is True else interval or None
    titles = titles_of(a, b, names)
    asked = Asked(n, seed, budget, trust_pickle, has_model(a) or has_model(b))
    sides = [side_of(given, title, asked) for given, title in zip((a, b), titles, strict=False) if given is not None]
    if not sides:
        raise UsageError("compare: expected a model, arrays or a path, got None.")
    notes = []
    if len(sides) == 2 and sides[0].module is not None and sides[1].module is not None:
        notes = _kinds(sides[0].module, sides[1].module) + _kinship(sides[0], sides[1], same=a is b)
    _capture(
        sides,
        data,
        asked,
        [
            {"layers": layers, "forward": forward},
            {"layers": layers if layers_b is None else layers_b, "forward": forward_b or forward},
        ],
        {"reduce": reduce, "batch_size": batch_size},
        told,
    )
    notes = [*(note for side in sides for note in side.notes), *notes]
    labelled = [{f"{k} of {s.name}": x for k, x in s.arrays.items()} for s in sides]
    found = similarity_matrix(
        labelled[0],
        labelled[1] if len(sides) == 2 else None,
        measured,
        interval=interval,
        level=level,
        null=null,
        seed=seed,
        memory_budget=budget,
        progress=told,
    )
    first, second = sides[0], sides[-1]
    return Comparison(
        measured,
        tuple(first.arrays),
        tuple(second.arrays),
        found.matrix,
        found.reasons,
        found.n,
        found.widths,
        (*notes, *_of_layers(sides), *_of_examples(found.n, interval), *found.warnings),
        found.seconds,
        found.extras,
        names=(first.name, second.name),
        own=len(sides) == 1,
        identical=_identical(first, second) if len(sides) == 2 else (),
        interval=interval,
        level=level,
    )


def _capture(
    sides: Sequence[Side],
    data: Any,
    asked: Asked,
    own: Sequence[Mapping[str, Any]],
    common: Mapping[str, Any],
    progress: Progress,
) -> None:
    """Fill in the representations of models, and choose among those of arrays."""
    models = [side for side in sides if side.module is not None]
    if models and data is None:
        raise UsageError(f"data: {models[0].name} is a model, which needs examples to be shown. Give data=...")
    if data is not None and not models:
        raise UsageError("data: there is no model to show it to: only arrays are compared. Leave it out.")
    if isinstance(data, str | Path):
        data = next(iter(read_arrays(data).values()))
    shown = data if len(models) < 2 else held(data, asked.n, asked.seed, common["batch_size"], asked.budget // 2)
    for side, options in zip(sides, own, strict=False):
        if side.module is None:
            side.arrays = picked(side, options["layers"])
            side.arrays = {k: _rows(x, data, asked) for k, x in side.arrays.items()}
            if models and shuffles(data):
                side.notes += (
                    f"data shuffles: the rows of {side.name} must be in the order in which vaescope.capture reads it.",
                )
            continue
        from vaescope.runs.capture import capture

        progress.check()
        try:
            side.arrays = capture(
                side.module,
                shown,
                n=asked.n,
                memory_budget=asked.budget // (2 * len(models)),
                seed=asked.seed,
                progress=progress,
                **options,
                **common,
            )
        except VaescopeError as error:
            error.args = (f"{side.name}: {error}", *error.args[1:])
            raise
        side.module = None


def _rows(x: Any, data: Any, asked: Asked) -> Any:
    """The rows of an array that are taken; of what loads one, once it is loaded."""
    if callable(x) and not hasattr(x, "shape"):
        return lambda: _rows(x(), data, asked)
    total = int(x.shape[0])
    rows = rows_taken(data, total, asked.n, asked.seed) if asked.shown else rows_of(total, asked.n, asked.seed)
    return x if rows is None else x[rows]


def _kinship(a: Side, b: Side, same: bool) -> list[str]:
    """What the weights of two models have in common."""
    from vaescope.models.kinship import kinship
    from vaescope.models.wrapped import inside

    assert a.module is not None  # noqa: S101
    assert b.module is not None  # noqa: S101
    if same or a.module is b.module:
        return [f"{a.name} and {b.name} are the same model."]
    found = kinship(inside(a.module).state_dict(), inside(b.module).state_dict())
    if found.shared and len(found.equal) == found.shared:
        return [f"{a.name} and {b.name} have the same weights, bit for bit, in all {found.shared} that they share."]
    lines = []
    if found.equal:
        some = ", ".join(found.equal[:3]) + (" ..." if len(found.equal) > 3 else "")
        lines.append(
            f"{len(found.equal)} of {found.shared} weights of the same name are equal, bit for bit: {some}. Were they "
            "frozen, or copied?"
        )
    if found.kin:
        lines.append(
            f"The weights of {a.name} and {b.name} are correlated (median {found.correlation:.2f}): they had the same "
            "first weights, or one was trained from the other. Scores then say how far they moved apart, not that "
            "training finds the same again."
        )
    return lines


def _kinds(a: Any, b: Any) -> list[str]:
    """Modules of the same name that are of different kinds: the name then says nothing."""
    from vaescope.models.wrapped import clean_aliases

    mine, other = ({k: m for k, m in clean_aliases(model).items() if k and not [*m.children()]} for model in (a, b))
    shared = [k for k in mine if k in other]
    unlike = [k for k in shared if type(mine[k]) is not type(other[k])]
    if not unlike:
        return []
    some = ", ".join(f"{k} ({type(mine[k]).__name__} and {type(other[k]).__name__})" for k in unlike[:3])
    return [
        f"{len(unlike)} of {len(shared)} layers of the same name are of different kinds: {some}"
        f"{' ...' if len(unlike) > 3 else ''}. That they have the same name need not mean anything."
    ]


def _of_layers(sides: Sequence[Side]) -> list[str]:
    """Layers most of whose features never vary."""
    found: dict[str, float] = {}
    for side in sides:
        for label, x in side.arrays.items():
            if isinstance(x, np.ndarray) and x.ndim > 1 and len(x) > 1:
                share = _constant_share(x.reshape(len(x), -1))
                if CONSTANT <= share < 1:
                    found[f"{label} of {side.name}"] = share
    if not found:
        return []
    some = ", ".join(f"{label} ({share:.0%})" for label, share in [*found.items()][:5])
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    return [f"Most features never vary: {some}{more}. Such a layer says little; its units may be dead."]


def _constant_share(x: np.ndarray) -> float:
    columns = range(0, x.shape[1], _COLUMNS)
    same = sum(int((x[:, s : s + _COLUMNS] == x[:1, s : s + _COLUMNS]).all(axis=0).sum()) for s in columns)
    return same / max(1, x.shape[1])


def _of_examples(n: int, interval: str | None) -> list[str]:
    if n >= FEW:
        return []
    how = "see the intervals" if interval else "interval='jackknife' shows how much"
    return [f"n = {n} examples are few: scores depend on which they are ({how})."]


def _identical(a: Side, b: Side) -> tuple[str, ...]:
    """Labels of both whose values are equal, bit for bit."""
    same = []
    for label, x in a.arrays.items():
        y = b.arrays.get(label)
        if y is None or not hasattr(x, "shape") or not hasattr(y, "shape"):
            continue
        if tuple(x.shape) == tuple(y.shape) and np.array_equal(_plain(x), _plain(y), equal_nan=True):
            same.append(label)
    return tuple(same)


def _plain(x: Any) -> np.ndarray:
    from vaescope.stats.similarity import matrix

    return matrix(x, finite=False)
