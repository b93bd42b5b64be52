"""Passes of two models over the same examples: values taken out of the one and put into the other."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float64, Int64

from vaescope.errors import UsageError
from vaescope.progress import Progress

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from vaescope.models.grafting import Site
    from vaescope.stats.stitching.losses import Loss

Forward = Callable[["nn.Module", Any], Any]
LEARNED, HELD = "learned", "held"


class Splice:
    """The examples of a stitching, some to learn maps from and some held out, and passes over them.

    Each batch is passed with a random state of its own, the same for every model and every pass, so that models that
    draw make the same draws.

    Args:
        batch: all examples.
        forward: how a model is called with a batch; `called` if None.
        loss: of each example.
        held_out: the share of examples losses are measured on.
        batch_size: examples a pass.
        seed: of the choice of examples and of what models draw.
        progress: asked whether to stop.

    Raises:
        UsageError: fewer than 4 examples to learn from, or fewer than 4 held out.
    """

    def __init__(
        self,
        batch: Any,
        forward: Forward | None,
        loss: "Loss",
        held_out: float = 1 / 3,
        batch_size: int = 64,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> None:
        from vaescope.data.joined import length

        self.n = n = length(batch)
        if not 0 < held_out < 1:
            raise UsageError(f"held_out: expected a share between 0 and 1, e.g. 1/3, got {held_out!r}.")
        held = round(n * held_out)
        if min(held, n - held) < 4:
            raise UsageError(
                f"data: expected at least 4 examples to learn from and 4 held out, got {n - held}, {held}."
            )
        order = np.random.default_rng([seed, n]).permutation(n)
        self.places: Mapping[str, Int64[np.ndarray, " m"]] = {HELD: order[:held], LEARNED: order[held:]}
        self.batch, self.forward, self.loss = batch, forward or called, loss
        self.batch_size, self.seed, self.progress = batch_size, seed, progress or Progress()
        self._own: dict[int, Any] = {}

    def caught(self, model: "nn.Module", sites: "Sequence[Site]", which: str) -> "dict[str, Tensor]":
        """The values of a model's layers on the examples to learn from, or those held out, each (n, ...), on the CPU.

        Raises:
            UsageError: a layer is not reached in a pass, or does not give one value an example.
        """
        import torch

        from vaescope.models.grafting import at

        parts: dict[str, list[Tensor]] = {site.name: [] for site in sites}

        def keep(name: str, value: "Tensor") -> None:
            parts[name].append(value.detach().float().cpu().clone())

        with torch.no_grad(), at(model, sites, keep) as begins:
            for count, (rows, part) in enumerate(self._batches(which), 1):
                begins()
                self._passed(model, part, which, rows)
                for name, found in parts.items():
                    if len(found) != count or len(found[-1]) != rows.stop - rows.start:
                        got = f"{len(found[-1])} rows" if len(found) == count else "none: no pass reached it"
                        raise UsageError(
                            f"layer {name}: expected a value for each of {rows.stop - rows.start} examples, got {got}."
                        )
        return {name: torch.cat(found) for name, found in parts.items()}

    def widths(self, model: "nn.Module", sites: "Sequence[Site]") -> dict[str, int]:
        """Features of each layer, from one example."""
        import torch

        from vaescope.models.grafting import at

        found: dict[str, int] = {}
        with torch.no_grad(), at(model, sites, lambda name, value: found.update({name: value[0].numel()})):
            self.once(model, slice(0, 1))
        return found

    def own(self, model: "nn.Module") -> Float64[np.ndarray, " h"]:
        """Losses of the model itself on the held-out examples; what it returns is kept for losses that ask for it."""
        return self._losses(model, None, None)

    def spliced(self, model: "nn.Module", site: "Site", values: "Tensor") -> Float64[np.ndarray, " h"]:
        """Losses of the model on held-out examples with these values, (h, ...) or (1, ...), in place of a layer's."""
        return self._losses(model, site, values)

    def learning(self, model: "nn.Module", site: "Site", rows: slice, values: "Tensor") -> "Tensor":
        """Losses of one batch of the examples to learn from, of which gradients may be taken with respect to values."""
        import torch

        from vaescope.data.joined import rows as taken
        from vaescope.models.grafting import at

        part = taken(self.batch, torch.from_numpy(self.places[LEARNED][rows]))
        with torch.no_grad():
            own = self._passed(model, part, LEARNED, rows)
        with at(model, [site], lambda name, value: values.to(value.device)) as begins:
            begins()
            output = self._passed(model, part, LEARNED, rows)
        return self.loss(output, part, own)

    def once(self, model: "nn.Module", rows: slice) -> Any:
        """What a model returns for some of the examples to learn from."""
        import torch

        from vaescope.data.joined import rows as taken

        return self._passed(model, taken(self.batch, torch.from_numpy(self.places[LEARNED][rows])), LEARNED, rows)

    def slices(self, which: str) -> Iterator[slice]:
        """The places of each batch."""
        count = len(self.places[which])
        return (slice(k, min(k + self.batch_size, count)) for k in range(0, count, self.batch_size))

    def _losses(self, model: "nn.Module", site: "Site | None", values: "Tensor | None") -> Float64[np.ndarray, " h"]:
        import torch

        from vaescope.models.grafting import at

        found = []
        for rows, part in self._batches(HELD):
            given = None if values is None else values if len(values) == 1 else values[rows]

            def put(name: str, value: "Tensor", given: "Tensor | None" = given) -> "Tensor":
                assert given is not None  # noqa: S101
                return given.to(value.device).expand(len(value), *given.shape[1:]).clone()

            with torch.no_grad(), nullcontext() if site is None else at(model, [site], put):
                # One pass within each `at`: calls are counted from its beginning.
                output = self._passed(model, part, HELD, rows)
            if site is None:
                self._own[rows.start] = output
            with torch.no_grad():
                found.append(self.loss(output, part, self._own[rows.start]).double().cpu().numpy())
        return np.concatenate(found)

    def _batches(self, which: str) -> Iterator[tuple[slice, Any]]:
        import torch

        from vaescope.data.joined import rows as taken

        for rows in self.slices(which):
            self.progress.check()
            yield rows, taken(self.batch, torch.from_numpy(self.places[which][rows]))

    def _passed(self, model: "nn.Module", part: Any, which: str, rows: slice) -> Any:
        from vaescope.data.batch import placed
        from vaescope.models.randomness import borrowed
        from vaescope.runs.draw import draw

        device, floating = home_of(model)
        with borrowed([device]) as seed:
            seed(draw(f"stitch {which}", self.seed, rows.start).initial_seed())
            return sent_back(self.forward(model, placed(part, device, floating)))


def home_of(model: "nn.Module") -> "tuple[torch.device, torch.dtype]":
    """Where a model is and the type of its numbers: those of its first parameter, the CPU and float32 without any."""
    import torch

    parameters = (p for p in model.parameters() if p.is_floating_point())
    return next(((p.device, p.dtype) for p in parameters), (torch.device("cpu"), torch.float32))


def sent_back(output: Any) -> Any:
    """What a model returned, tensors on the CPU where their container is known; others stay where they are."""
    import torch

    if isinstance(output, torch.Tensor):
        return output.cpu()
    if isinstance(output, tuple | list) and not hasattr(output, "_fields"):
        return type(output)(sent_back(item) for item in output)
    return output


def called(model: "nn.Module", batch: Any) -> Any:
    """A model called with a batch, as `vaescope.capture` does.

    A `Network` of this package gives its posterior and the logits of the pixels; codes are the posterior means, or
    sampled with the noise that is the second part of the batch.
    """
    from vaescope.models import arguments
    from vaescope.models.network import Network, sample

    if not isinstance(model, Network):
        return arguments.called(model, batch)
    parts = batch if isinstance(batch, tuple) else (batch,)
    posterior = model.encode(parts[0])
    return posterior, model.decode(posterior.mean if len(parts) == 1 else sample(posterior, parts[1]))


def leaves(model: "nn.Module", work: Splice) -> list[str]:
    """The layers that compute something: modules that call no others and give a value for each example.

    Of a `Network` those that have a representation of their own, without its input and its noise.
    """
    import torch

    from vaescope.models.calls import Return, first_tensor, listening
    from vaescope.models.network import UNCHANGED, Network, distinct

    if isinstance(model, Network):
        return [layer.name for layer in distinct(model.layers()) if layer.name not in ("input", "sampled")]
    found: list[str] = []
    few = next(work.slices(LEARNED))
    n = few.stop - few.start

    def heard(back: Return) -> None:
        value = first_tensor(back.output)
        there = value is not None and value.is_floating_point() and value.shape[:1] == (n,)
        if back.innermost and there and back.output is value and not isinstance(back.module, UNCHANGED):
            found.append(back.call.path + (f".call{back.call.count}" if back.call.count > 1 else ""))

    with torch.no_grad(), listening(model, heard):
        work.once(model, few)
    return found
