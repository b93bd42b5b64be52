"""Minibatch CKA: layers compared batch by batch, in memory that does not grow, inside a loop or across processes."""

from collections.abc import Mapping, Sequence
from typing import Any, cast, final

import numpy as np

from vaescope.errors import RepresentationError, UsageError
from vaescope.stats.similarity import _from_numpy, _from_torch, _is_torch
from vaescope.stats.streaming.batch import batch_products
from vaescope.stats.streaming.result import StreamingResult, result_of
from vaescope.stats.streaming.sums import SHAPES, added, batch_sums, no_sums

SMALLEST_BATCH = 4
VERSION = 1

Layers = object  # an array or tensor, a mapping of name to them, or a sequence of them


@final
class StreamingCKA:
    """Debiased linear CKA of layers that are seen one batch of examples at a time.

    Nguyen's estimator: unbiased estimates of HSIC are summed over batches, weighted by the number of pairs of each,
    n (n - 3), and divided once, at the end. It estimates what `similarity(x, y, "cka")` gives of all examples at once,
    whatever the size of the batches, and may be negative. Shuffle the examples; batches of 200 to 2,000 are a good
    size (while a batch is added, each layer takes 2 n^2 bytes). What is kept are sums, a few per pair of layers.

    A batch of fewer than four examples has no estimate: it waits and is joined with the next one. What still waits at
    the end (at most three examples) is told in the result's `left_out` and `warnings`.

    References:
        Nguyen, Raghu & Kornblith (2021), Do wide and deep networks learn the same things? Equations 2 and 3.
            https://arxiv.org/abs/2010.15327
        Song et al. (2012), Feature selection via dependence maximization. https://jmlr.org/papers/v13/song12a.html

    >>> rng = np.random.default_rng(0)
    >>> cka = StreamingCKA()
    >>> for _ in range(20):
    ...     x = rng.normal(size=(100, 8))
    ...     cka.update({"first": x, "second": x[:, :2]}, {"other": x[:, :4]})
    >>> result = cka.result()
    >>> result.batches, result.examples, result.x_layers
    (20, 2000, ('first', 'second'))
    >>> [f"{score:.1f}" for score in result.scores[:, 0]]
    ['0.7', '0.7']
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything, names and widths of layers too."""
        self._names: tuple[tuple[str, ...], tuple[str, ...]] | None = None
        self._widths: tuple[int, ...] = ()
        self._alone = False
        self._sums = no_sums(0, 0)
        self._waiting: list[np.ndarray] = []

    def update(self, x: Layers, y: Layers | None = None) -> None:
        """Add one batch. If it raises, nothing was added.

        Args:
            x: the layers of one model: an array or torch tensor (n, ...) on any device, a mapping of names to such, or
                a list or tuple of such (named "0", "1", ...). Further axes are flattened; float16 and bfloat16 become
                float32. Not changed, and no graph of it is kept. NaN and infinite values are accepted: the result names
                the layer, and its other layers are as if they were not there.
            y: the layers of another model on the same examples in the same order; without it the layers of x are
                compared with one another. A layer that is in several places costs once.

        Raises:
            RepresentationError: "shape_mismatch" (layers with different numbers of examples, or other widths than in
                the batches before), "unsupported_type".
            UsageError: other layers than in the batches before.
        """
        sides = [_layers(x, "x")] + ([] if y is None else [_layers(y, "y")])
        names = tuple(tuple(side) for side in (sides[0], sides[-1]))
        if self._names is not None:
            self._expect(cast(tuple[tuple[str, ...], tuple[str, ...]], names), y is None)
            sides = [{name: side[name] for name in known} for side, known in zip(sides, self._names, strict=False)]
        layers = [values for side in sides for values in side.values()]
        widths = tuple(values.shape[1] for values in layers)
        if self._names is not None and widths != self._widths:
            raise RepresentationError(
                f"expected layers of {self._widths} features as in the batches before, got {widths}. Use one "
                "StreamingCKA for each shape of input.",
                "shape_mismatch",
            )
        _same_examples(sides)
        waiting = (
            [np.concatenate(both) for both in zip(self._waiting, layers, strict=True)] if self._waiting else layers
        )
        sums, waiting = _batch(waiting, len(sides[0]), len(sides[-1]))
        if self._names is None:
            self._names, self._widths, self._alone = (names[0], names[-1]), widths, y is None
        self._sums, self._waiting = (added(self._sums, sums) if self._sums["batches"] else sums), waiting

    def merge(self, other: "StreamingCKA") -> None:
        """Add what another stream of the same layers has seen, e.g. in another process; `other` is not changed.

        Sums are added, so that order does not matter and brackets matter in the last bit of a float64 only. Examples
        that wait in both are joined, those of `self` first.

        Raises:
            UsageError: the layers differ.
        """
        if not isinstance(other, StreamingCKA):
            raise UsageError(f"merge: expected another StreamingCKA, got {type(other).__name__}.")
        if other._names is None:
            return
        if self._names is None:
            self._names, self._widths, self._alone = other._names, other._widths, other._alone
            self._sums, self._waiting = other._sums, other._waiting
            return
        if (self._names, self._widths, self._alone) != (other._names, other._widths, other._alone):
            raise UsageError(
                f"expected a stream of the same layers, got {other} to be merged into {self}. Merge streams that were "
                "updated with the same layers, in the same order."
            )
        sums = added(self._sums, other._sums)
        waiting = self._waiting or other._waiting
        if self._waiting and other._waiting:
            waiting = [np.concatenate(both) for both in zip(self._waiting, other._waiting, strict=True)]
            more, waiting = _batch(waiting, *map(len, self._names))
            sums = added(sums, more)
        self._sums, self._waiting = sums, waiting

    def result(self) -> StreamingResult:
        """Scores so far, with standard errors; more batches may be added afterwards.

        Raises:
            UsageError: there was no `update` yet.
        """
        if self._names is None:
            raise UsageError("there is no result before the first update(x, y).")
        x, y = self._names
        return result_of(self._sums, x, x if self._alone else y, len(self._waiting[0]) if self._waiting else 0)

    def state(self) -> dict[str, np.ndarray]:
        """Everything, as plain named arrays, for np.savez or to be sent to another process."""
        found = {
            "version": np.array(VERSION),
            "alone": np.array(self._alone),
            "widths": np.array(self._widths, np.int64),
        }
        for side, names in zip("xy", self._names or ((), ()), strict=True):
            found[f"layers_{side}"] = np.array(names, dtype=np.str_)
        found |= {f"sum_{name}": values.copy() for name, values in self._sums.items()}
        return found | {f"waiting_{i}": values.copy() for i, values in enumerate(self._waiting)}

    @classmethod
    def from_state(cls, state: Mapping[str, np.ndarray]) -> "StreamingCKA":
        """The inverse of `state`.

        Raises:
            UsageError: `state` is not what `state` gives.
        """
        if "version" not in state or int(state["version"]) != VERSION:
            raise UsageError(
                f"expected the arrays of StreamingCKA.state(), version {VERSION}, got "
                f"{'version ' + str(state['version']) if 'version' in state else sorted(state)[:5]}."
            )
        found = cls()
        names = tuple(tuple(str(name) for name in state[f"layers_{side}"]) for side in "xy")
        sums = {name: np.array(state[f"sum_{name}"], np.float64) for name in SHAPES if f"sum_{name}" in state}
        expected = {name: values.shape for name, values in no_sums(len(names[0]), len(names[1])).items()}
        if {name: values.shape for name, values in sums.items()} != expected:
            raise UsageError("the arrays of a StreamingCKA state are missing or have other shapes than its layers.")
        if names[0]:
            found._names = (names[0], names[1])
        found._alone, found._sums = bool(state["alone"]), sums
        found._widths = tuple(int(width) for width in state["widths"])
        while f"waiting_{len(found._waiting)}" in state:
            found._waiting.append(np.array(state[f"waiting_{len(found._waiting)}"]))
        return found

    def __repr__(self) -> str:
        x, y = self._names or ((), ())
        layers = f"layers {', '.join(x)}" + ("" if self._alone else f" and {', '.join(y)}")
        return f"StreamingCKA({layers if x else 'empty'}; widths {self._widths}, {int(self._sums['batches'])} batches)"

    def _expect(self, names: tuple[tuple[str, ...], tuple[str, ...]], alone: bool) -> None:
        known = self._names
        if alone != self._alone or known is None or any(set(k) != set(n) for k, n in zip(known, names, strict=True)):
            raise UsageError(
                f"expected the layers of the first batch, {known}{' of one model' if self._alone else ''}, got "
                f"{names}{' of one model' if alone else ''}. Use one StreamingCKA for each set of layers."
            )


def _batch(layers: list[np.ndarray], a: int, b: int) -> tuple[dict[str, np.ndarray], list[np.ndarray]]:
    """The sums of one batch, and what of it has to wait: all or nothing."""
    n = len(layers[0])
    if n < SMALLEST_BATCH:
        return no_sums(a, b), [values.copy() for values in layers] if n else []
    return batch_sums(batch_products(layers), a, b, n), []


def _layers(given: object, side: str) -> dict[str, np.ndarray]:
    """Name to (n, p) array of float32 or float64; values are not looked at."""
    if isinstance(given, Mapping):
        named: dict[str, Any] = {str(name): values for name, values in given.items()}
    elif isinstance(given, Sequence) and not isinstance(given, str | bytes):
        named = {str(i): values for i, values in enumerate(given)}
    else:
        named = {side: given}
    if not named or any(not hasattr(values, "shape") for values in named.values()):
        kinds = {name: type(values).__name__ for name, values in named.items()}
        raise RepresentationError(
            f"{side}: expected an array or tensor (n, ...), or a mapping or list of them, got {kinds or 'no layer'}. "
            "Make arrays of nested lists first, with np.asarray.",
            "unsupported_type",
        )
    return {
        name: _matrix(values, side if values is given else f"{side}, layer {name!r}") for name, values in named.items()
    }


def _matrix(values: object, name: str) -> np.ndarray:
    found = _from_torch(values, name) if _is_torch(values) else _from_numpy(values, name)
    if found.ndim == 0 or (len(found) and not found.size):
        raise RepresentationError(
            f"{name}: expected shape (n examples, ...) with at least one feature, got {found.shape}.", "shape_mismatch"
        )
    found = found.reshape(len(found), -1) if found.size else found.reshape(0, int(np.prod(found.shape[1:])))
    plain = found.flags.c_contiguous or found.flags.f_contiguous
    return found if plain else np.ascontiguousarray(found)


def _same_examples(sides: Sequence[Mapping[str, np.ndarray]]) -> None:
    counts = {f"{s} {name}": len(v) for s, side in zip("xy", sides, strict=False) for name, v in side.items()}
    if len(set(counts.values())) > 1:
        raise RepresentationError(
            f"all layers of a batch must hold the same examples, one a row; got {counts} rows.", "shape_mismatch"
        )
