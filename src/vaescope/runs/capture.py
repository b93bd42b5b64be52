"""What the layers of any model represent: captured by forward hooks, the model as it was afterwards."""

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from torch import nn

from vaescope.data.batch import examples
from vaescope.data.feed import Feed, feed
from vaescope.errors import ResourceError
from vaescope.models.picking import Selection
from vaescope.models.spatial import Reduction, reduction
from vaescope.progress import Progress
from vaescope.runs.draw import draw
from vaescope.runs.gathered import Rows, must_fit, told, wholes
from vaescope.runs.machine import memory_budget as quarter
from vaescope.runs.passing import Passing


def capture(
    model: nn.Module,
    data: Any,
    layers: Selection = None,
    *,
    reduce: str | Reduction = "flatten",
    n: int | None = None,
    forward: Callable[[Any, Any], Any] | None = None,
    batch_size: int = 64,
    memory_budget: int | None = None,
    seed: int = 0,
    evaluation: bool = True,
    progress: Progress | None = None,
) -> dict[str, Float32[np.ndarray, "_ _"]]:
    """What the layers of a model represent: {layer: representation}.

    Hooks hear what the wanted modules return, in one pass over the data; a pass of a batch ends once the last wanted
    layer has run. The model is afterwards as it was, also after an error or Ctrl-C: training modes, gradients, buffers
    (the statistics of batch normalisation), hooks, attributes that modules set as they are called, random states of
    torch, numpy and Python. DataParallel, DistributedDataParallel and torch.compile are looked through.

    A layer's name is the dotted path of its module, without those of wrappers. Where a module returns several tensors,
    they are `encoder[0]`, `encoder[log_var]`, `block[1][0]`: the way into the tuple, dict, dataclass or object. The
    second call of a module in a pass is `shared.call2`. What the model itself returns, or `forward`, is `output`
    (`model_output` where it has a module of that name).

    Args:
        model: any `nn.Module`, on any device, of any floating type; it stays where it is. Weights of lazy modules must
            have been made.
        data: a tensor or array (n, ...); a dict or tuple of them; a `vaescope` dataset, a `torch.utils.data` dataset, a
            DataLoader, a list, iterator or generator of batches. Of a tuple, the first element goes in; a dict goes in
            as the keywords that the model's `forward` names. Floating numbers are brought to the model's type, and
            all to its device. The examples keep their order, which a shuffling DataLoader decides anew, the same for
            the same `seed`.
        layers: names ("encoder.3", "lstm[0]", "shared.call2", "output"), globs ("encoder.*", where * is anything, dots
            too), compiled regexes (of whole names), module types (`nn.Conv2d`), modules of the model, predicates
            `(name, module) -> bool`, or a list of these. None: modules that call no others and give numbers of their
            own, so without those that drop out, reshape or pass on (Dropout, Flatten, Identity).
            A name of a module means its first call; all else means all calls. Only what has one row for each example
            is taken, anything else is refused where it was asked for by name. Recurrent and attention layers without
            `batch_first=True` give (time, n, features), which has not.
        reduce: "flatten": all numbers of an example, maps in the order (h, w, c), tokens one after another;
            "channel_mean": the mean over channels at each location; "average_pool": the mean over locations, or tokens;
            "per_location": a row for each location of each example; "project" or `vaescope.Projection(k)`: k random
            projections of layers wider than k.
        n: at most so many examples: of a dataset those of a study's probe set with this seed, since datasets are often
            sorted; of anything else the first.
        forward: (model, batch) -> anything: what a pass is, where that is not `model(batch)`: an encoder alone, a part
            of the batch. The model comes without wrappers, the batch is on its device.
        batch_size: examples a pass, where the data are not in batches already.
        memory_budget: bytes that the representations may take; a quarter of the machine's memory if None.
        seed: of all random numbers drawn meanwhile, each batch beginning with a state of its own: in a model that
            samples, in a loader that shuffles; and of the choice of `n` examples.
        evaluation: whether modules are in evaluation mode meanwhile. False: each is as it is set, so that Dropout drops
            out and batch normalisation takes the statistics of the batch; its running ones stay as they were.
        progress: told how many examples are done, and asked before each batch whether to stop.

    Returns:
        Layer -> (n, p) float32, in the order in which layers return; (n locations, c) for "per_location".

    Raises:
        UsageError: no such layer, one that a pass does not call or that has no row for each example; a parameter's
            name; data that are none; a pass that fails, told with the module in which it did.
        ResourceError: the representations do not fit the budget: told with figures after the first batch where the
            number of examples is known, else when it is reached.

    >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(144, 5))
    >>> images = torch.rand(100, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    >>> {name: x.shape for name, x in capture(model, images).items()}
    {'0': (100, 144), '1': (100, 144), '3': (100, 5)}
    >>> {name: x.shape for name, x in capture(model, images, [nn.Conv2d, "3"], reduce="average_pool").items()}
    {'0': (100, 4), '3': (100, 5)}
    """
    probing = Probing(
        model,
        data,
        layers,
        reduce=reduce,
        n=n,
        forward=forward,
        batch_size=batch_size,
        memory_budget=memory_budget,
        seed=seed,
        evaluation=evaluation,
        progress=progress,
        hold=False,
    )
    return probing.captured()


def capture_batches(
    model: nn.Module,
    data: Any,
    layers: Selection = None,
    *,
    reduce: str | Reduction = "flatten",
    n: int | None = None,
    forward: Callable[[Any, Any], Any] | None = None,
    batch_size: int = 64,
    seed: int = 0,
    evaluation: bool = True,
    progress: Progress | None = None,
) -> Iterator[dict[str, Float32[np.ndarray, "_ _"]]]:
    """The same, one batch at a time: {layer: representation} of each, so that nothing needs to be kept.

    Args and errors are those of `capture`; there is no budget, since nothing is held but the batch at hand. The first
    batch is asked for at once, so that mistakes are told here. Between batches the model and all random states are as
    they were, and the model may be trained on meanwhile.

    Yields:
        Layer -> (rows of the batch, p) float32.

    >>> from vaescope import StreamingCKA
    >>> model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
    >>> cka = StreamingCKA()
    >>> for batch in capture_batches(model, torch.eye(6).repeat(100, 1), batch_size=200):
    ...     cka.update(batch)
    >>> cka.result().x_layers, cka.result().examples
    (('0', '1', '2'), 600)
    """
    fed = feed(data, batch_size, n, _choice(seed))
    passing = Passing(model, layers, reduction(reduce), forward, seed, evaluation, progress or Progress())
    first, rest = passing.settle(fed)
    batches = chain([first], rest)

    def stream() -> Iterator[dict[str, Float32[np.ndarray, "_ _"]]]:
        index = 0
        while True:
            found = {wanted.name: Rows(wanted, None) for wanted in passing.wanted}
            with passing.ready(fed) as one:
                count = one(batches, index, lambda name, rows, found=found: found[name].add(rows))
            if not count:
                return
            yield wholes(found)
            index += 1

    return stream()


class Probing:
    """The same layers of the same examples of one model, again and again as it is trained.

    Layers are found once. The examples are held, as batches on the CPU, where they fit the budget beside what is
    captured, else gone through anew each time; tensors and arrays are used where they lie. Each time the random numbers
    drawn are the same, so that a model that samples gives the same sample.

    Args and errors are those of `capture`, and:

    Args:
        hold: whether to hold the examples; if not, an iterator can be gone through once.

    Attributes:
        layers: name and width of each layer.

    >>> model = nn.Sequential(nn.Linear(6, 8), nn.Tanh())
    >>> probing = Probing(model, torch.eye(6))
    >>> probing.layers
    (('0', 8), ('1', 8))
    >>> before = probing.captured()["0"]
    >>> model[0].bias.data += 1
    >>> bool(np.allclose(probing.captured()["0"], before + 1))
    True
    """

    def __init__(
        self,
        model: nn.Module,
        data: Any,
        layers: Selection = None,
        *,
        reduce: str | Reduction = "flatten",
        n: int | None = None,
        forward: Callable[[Any, Any], Any] | None = None,
        batch_size: int = 64,
        memory_budget: int | None = None,
        seed: int = 0,
        evaluation: bool = True,
        progress: Progress | None = None,
        hold: bool = True,
    ) -> None:
        self._feed = feed(data, batch_size, n, _choice(seed))
        self._budget = quarter() if memory_budget is None else memory_budget
        self._progress = progress or Progress()
        self._passing = Passing(model, layers, reduction(reduce), forward, seed, evaluation, self._progress)
        first, rest = self._passing.settle(self._feed)
        self.layers = tuple((wanted.name, wanted.width) for wanted in self._passing.wanted)
        if self._feed.rows is not None:
            must_fit(self._passing.wanted, self._feed.rows, self._budget)
        batches = chain([first], rest)
        self._pending: Iterator[Any] | None = batches
        if hold and not self._feed.resident:
            self._hold(batches)

    def _hold(self, batches: Iterator[Any]) -> None:
        """Keep the batches where there is room for them, beside what is captured of them."""
        kept = self._feed.rows or 0
        held = self._passing.collected(
            self._feed, batches, self._budget - sum(w.size(kept) for w in self._passing.wanted)
        )
        self._pending = None
        if held is not None:
            rows = sum(examples(batch) for batch in held)
            must_fit(self._passing.wanted, rows, self._budget)
            self._feed = Feed(lambda: iter(held), rows)
        elif not self._feed.again:
            raise ResourceError(
                f"data: an iterator is gone through once, and its batches take more than the {told(self._budget)} of "
                "memory_budget. Give n, or data that can be read again: a Dataset or a DataLoader."
            )

    def captured(self) -> dict[str, Float32[np.ndarray, "_ _"]]:
        """Layer -> (n, p) float32, of the model as it is now.

        Raises:
            UsageError: a layer is not called any more, or has another width.
            ResourceError: there are more examples than fit the budget.
        """
        batches = self._pending if self._pending is not None else iter(self._feed.batches())
        self._pending = None
        wanted = self._passing.wanted
        rows = {w.name: Rows(w, self._feed.rows) for w in wanted}
        self._progress.stage("capture", self._feed.rows or 0)
        index = done = 0
        with self._passing.ready(self._feed) as one:
            while count := one(batches, index, lambda name, values: rows[name].add(values)):
                index, done = index + 1, done + count
                self._progress.advance(count)
                if self._feed.rows is None:
                    must_fit(wanted, done, self._budget, so_far=True)
        return wholes(rows)


def _choice(seed: int) -> Callable[[int], Any]:
    """Which examples of a dataset: those of a study's probe set with that seed."""
    return lambda length: torch.randperm(length, generator=draw("probe", seed)).numpy()
