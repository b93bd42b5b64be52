"""Passes of batches through a model that is afterwards as it was, and what is heard of them."""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torch
from torch import Tensor, nn

from vaescope.data.batch import arrays, bytes_of, copied, cut, described, examples, placed
from vaescope.data.feed import Feed
from vaescope.errors import ResourceError, UsageError, VaescopeError
from vaescope.models.arguments import called, takes
from vaescope.models.hearing import Heard, Hearing, may_stop, overheard, without_fixed
from vaescope.models.picking import WRAPPING, Rule, Selection, picked, rules
from vaescope.models.randomness import borrowed, is_generator
from vaescope.models.spatial import Reduction
from vaescope.models.untouched import untouched
from vaescope.models.wrapped import clean_aliases, clean_paths, inside
from vaescope.progress import Progress
from vaescope.runs.draw import draw
from vaescope.runs.gathered import Wanted

Forward = Callable[[Any, Any], Any]
Keep = Callable[[str, Tensor], None]
FEW = 4  # examples with which layers are found


class Passing:
    """One model, and how batches go through it.

    Args:
        model: any module; what is in its wrappers is passed through.
        layers: what is captured, see `vaescope.capture`.
        reduce: what becomes of it.
        forward: (model, batch) -> anything; by default `called`.
        seed: of all random numbers that are drawn on the way.
        evaluation: whether modules are in evaluation mode.
        progress: asked before each batch whether to stop.

    Raises:
        UsageError: the model is none, or has parameters without values; a layer is not there.
    """

    def __init__(
        self,
        model: nn.Module,
        layers: Selection,
        reduce: Reduction,
        forward: Forward | None,
        seed: int,
        evaluation: bool,
        progress: Progress,
    ) -> None:
        if not isinstance(model, nn.Module):
            raise UsageError(f"model: expected a torch.nn.Module, got a {type(model).__name__}.")
        self._model = inside(model)
        if isinstance(self._model, torch.jit.ScriptModule):
            raise UsageError(
                "model: TorchScript calls no hooks. Make the model from its Python class and load its weights."
            )
        self._reduce, self._forward, self._seed, self._evaluation = reduce, forward, seed, evaluation
        self.progress = progress
        self._paths, self._names = clean_paths(model), clean_aliases(model)
        self._place()
        others = {WRAPPING.sub("", k): "parameter" for k, _ in model.named_parameters(remove_duplicate=False)}
        others |= {WRAPPING.sub("", k): "buffer" for k, _ in model.named_buffers(remove_duplicate=False)}
        self._rules: list[Rule] = rules(layers, self._names, self._paths, others)
        self.wanted: tuple[Wanted, ...] = ()
        self._by_name: dict[str, Wanted] = {}
        self._hearing: Hearing | None = None

    def settle(self, feed: Feed) -> tuple[Any, Iterator[Any]]:
        """Find out with the first batch what is called, and what of it is wanted.

        Returns:
            The first batch, and an iterator of the others.
        """
        batches = iter(feed.batches())
        with self._as_it_was(feed) as seed:
            self.progress.check()
            batch = self._next(batches, 0, seed)
            if batch is None:
                raise UsageError(
                    "data: expected at least one example, got none. An iterator that was gone through gives no more."
                )
            found = self._found(batch, seed)
        self.wanted = tuple(
            Wanted(name, h.call, h.steps, h.shape[1:], self._reduce.width(h.shape[1:]), self._reduce.rows(h.shape[1:]))
            for name, h in found.items()
        )
        self._by_name = {w.name: w for w in self.wanted}
        modules = {path: module for module, path in self._paths.items()}
        wanted = {w.name: (w.call, w.steps) for w in self.wanted}
        self._hearing = Hearing(wanted, modules, may_stop(list(self._paths)))
        return batch, batches

    @contextmanager
    def ready(self, feed: Feed) -> Generator[Callable[[Iterator[Any], int, Keep], int], None, None]:
        """Ready for passes.

        Yields:
            A function of (batches, index, keep) that passes the next batch, the one of this index, and tells `keep` of
            each layer's rows, (n, ...); it returns how many examples there were, 0 where there are no more batches.
        """
        if self._hearing is None:
            raise RuntimeError("settle comes first.")
        with self._as_it_was(feed) as seed, self._hearing.attached() as passing:

            def one(batches: Iterator[Any], index: int, keep: Keep) -> int:
                self.progress.check()
                batch = self._next(batches, index, seed)
                if batch is None:
                    return 0
                n = examples(batch)
                ready = placed(batch, self._device, self._dtype)
                seed(self._number("capture", index))
                try:
                    missing = passing(
                        lambda: self._pass(ready), lambda name, value: keep(name, self._rows(name, value, n))
                    )
                except Exception as error:
                    raise self._failed(batch)("", error) from error
                if missing:
                    raise UsageError(
                        f"layer {', '.join(missing)}: called for the first batch, and not for batch {index + 1}. The "
                        "same modules must be called for all batches."
                    )
                return n

            yield one

    @contextmanager
    def _as_it_was(self, feed: Feed) -> Generator[Callable[[int], None], None, None]:
        self._place()
        own = [value for module in self._paths for value in vars(module).values() if is_generator(value)]
        with borrowed([self._device], (*feed.generators, *own)) as seed, untouched(self._model, self._evaluation):
            yield seed

    def _found(self, batch: Any, seed: Callable[[int], None]) -> dict[str, Heard]:
        """The layers that are wanted, from passes of a few examples, or of the batch where those do not tell."""

        def hear(some: Any) -> list[Heard]:
            ready = placed(some, self._device, self._dtype)
            seed(self._number("capture", 0))
            return overheard(self._model, self._paths, lambda: self._pass(ready), self._failed(batch))

        n = examples(batch)
        few, fewer = (cut(batch, count) if n > FEW else None for count in (FEW, FEW - 1))
        heard: list[Heard] = []
        if few is not None:
            with suppress(VaescopeError):  # a model may want batches of one size, or have modules that few do not reach
                heard = hear(few)
                return picked(self._rules, without_fixed(heard, FEW, hear(fewer), FEW - 1), FEW, self._names)
        return picked(self._rules, without_fixed(hear(batch), n, heard, FEW), n, self._names)

    def collected(self, feed: Feed, batches: Iterator[Any], most: int) -> list[Any] | None:
        """Copies of all batches; None where they take more bytes than `most`."""
        held: list[Any] = []
        size = 0
        with self._as_it_was(feed) as seed:
            while (batch := self._next(batches, len(held), seed)) is not None:
                self.progress.check()
                size += bytes_of(batch)
                if size > most:
                    return None
                held.append(copied(batch))
        return held

    def _pass(self, batch: Any) -> Any:
        return called(self._model, batch) if self._forward is None else self._forward(self._model, batch)

    def _next(self, batches: Iterator[Any], index: int, seed: Callable[[int], None]) -> Any:
        seed(self._number("capture data", index))
        for batch in batches:
            if examples(batch):
                return batch
        return None

    def _number(self, purpose: str, index: int) -> int:
        return draw(purpose, self._seed, index).initial_seed()

    def _place(self) -> None:
        """Where the model is now, and in which numbers it computes."""
        tensors = [*self._model.parameters(), *self._model.buffers()]
        lazy = [t for t in tensors if isinstance(t, nn.UninitializedParameter | nn.UninitializedBuffer)]
        if lazy or any(t.device.type == "meta" for t in tensors):
            why = "lazy modules, which get their weights in their first pass" if lazy else "weights on the meta device"
            raise UsageError(f"model: expected weights with values, got {why}. Pass a batch through it first.")
        self._device = tensors[0].device if tensors else torch.device("cpu")
        floating = [t.dtype for t in tensors if t.is_floating_point() and t.dtype.itemsize > 1]
        self._dtype = floating[0] if floating else torch.get_default_dtype()

    def _rows(self, name: str, value: Any, n: int) -> Tensor:
        """The rows of a layer for a batch of n examples, still to be flattened."""
        wanted = self._by_name[name]
        if not isinstance(value, Tensor) or len(value.shape) == 0 or len(value) != n:
            got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise UsageError(f"layer {name}: expected a row for each of {n} examples, got {got}. Leave it out.")
        rows = self._reduce.unfolded(value)
        if rows[0].numel() != wanted.width:
            raise UsageError(
                f"layer {name}: expected {wanted.shape} for an example as in the first batch, got "
                f"{tuple(value.shape[1:])}. Bring all examples to one size (tokens: pad them to one length), or take a "
                "reduction that does not depend on it, as reduce='average_pool'."
            )
        return rows

    def _failed(self, batch: Any) -> Callable[[str, Exception], Exception]:
        """How to tell of an error in a pass."""

        def error_of(where: str, error: Exception) -> Exception:
            if isinstance(error, VaescopeError):
                return error
            text = f"{type(error).__name__}: {error}"
            if isinstance(error, torch.OutOfMemoryError):
                return ResourceError(f"the model has no room for a batch of {examples(batch)}: {text}. Set batch_size.")
            where = f"{where} failed" if where else "the model failed"
            own = " by forward=" if self._forward is not None else f"; forward takes {takes(self._model)}"
            return UsageError(f"{where} on a batch that is {described(batch)}{own}: {text}{_advice(batch)}")

        return error_of


def _advice(batch: Any) -> str:
    first = next(arrays(batch), None)
    if first is None:
        return ""
    if str(first.dtype).endswith("uint8"):
        return "\nImages of whole numbers are scaled first as in training, e.g. images / 255."
    if len(first.shape) == 1:
        return (
            "\nA batch has the examples in its first axis; a list is one of batches: give examples as one tensor or "
            "array, as a Dataset or as a DataLoader."
        )
    if len(first.shape) == 4 and first.shape[-1] in (1, 3) and first.shape[1] not in (1, 3):
        return "\nConvolutions take (n, c, h, w): images.transpose(0, 3, 1, 2) of an array, .permute of a tensor."
    return ""
