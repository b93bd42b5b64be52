"""`vaescope.compare`: two models, two checkpoints, or representations from anywhere, layer by layer."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vaescope.comparing import cautions
from vaescope.comparing.arrayfiles import read_arrays, rows_of
from vaescope.comparing.comparison import Comparison, namesakes
from vaescope.comparing.held import held, rows_taken, shuffles
from vaescope.comparing.sides import Asked, Side, has_model, is_loader, picked, positive, side_of, titles_of
from vaescope.errors import UsageError, VaescopeError
from vaescope.progress import Progress
from vaescope.stats.certainty.intervals import Method
from vaescope.stats.measure import Measure
from vaescope.stats.similarity import chosen
from vaescope.zoo import similarity_matrix


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
    1    late    only   0.55
    """
    from vaescope.runs.machine import memory_budget as quarter

    measured, told = chosen(measure), progress or Progress()
    budget = quarter() if memory_budget is None else positive(memory_budget, "memory_budget")
    if n is not None:
        positive(n, "n")
    interval = "jackknife" if interval is True else interval or None
    titles = titles_of(a, b, names)
    asked = Asked(n, seed, budget, trust_pickle, has_model(a) or has_model(b))
    if a is None:
        raise UsageError("compare: expected a model, arrays or a path, got None.")
    sides = [side_of(given, title, asked) for given, title in zip((a, b), titles, strict=False) if given is not None]
    notes = []
    if len(sides) == 2 and sides[0].module is not None and sides[1].module is not None:
        notes = cautions.of_kinds(sides[0].module, sides[1].module) + cautions.of_weights(
            sides[0], sides[1], same=a is b
        )
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
    locations = cautions.of_rows(sides, reduce)
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
        (*notes, *locations, *cautions.of_layers(sides), *cautions.of_examples(found.n, interval), *found.warnings),
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
        arrays = read_arrays(data, memory_budget=asked.budget // 2)
        data = arrays if len(arrays) > 1 else next(iter(arrays.values()))
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
    if is_loader(x):
        return lambda: _rows(x(), data, asked)
    total = int(x.shape[0])
    rows = rows_taken(data, total, asked.n, asked.seed) if asked.shown else rows_of(total, asked.n, asked.seed)
    return x if rows is None else x[rows]


def _identical(a: Side, b: Side) -> tuple[str, ...]:
    """Layers of the first whose namesakes in the second have equal values, bit for bit."""
    same = []
    for label, other in namesakes(list(a.arrays), list(b.arrays)).items():
        x, y = a.arrays[label], b.arrays[other]
        if not hasattr(x, "shape") or not hasattr(y, "shape"):
            continue
        if tuple(x.shape) == tuple(y.shape) and np.array_equal(_plain(x), _plain(y), equal_nan=True):
            same.append(label)
    return tuple(same)


def _plain(x: Any) -> np.ndarray:
    from vaescope.stats.similarity import matrix

    return matrix(x, finite=False)
