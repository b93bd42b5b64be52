"""Model stitching: whether one model can go on from another's layer, and how much of its loss that recovers."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float64
from torch import nn

from vaescope.data.joined import joined, length
from vaescope.errors import UsageError
from vaescope.models.afresh import afresh
from vaescope.models.grafting import site_of
from vaescope.models.network import Network
from vaescope.models.untouched import untouched
from vaescope.progress import Progress
from vaescope.runs.draw import draw
from vaescope.stats.stitching.fitting import fitted, trained, without
from vaescope.stats.stitching.joints import Joint, Source
from vaescope.stats.stitching.losses import Given, loss_of
from vaescope.stats.stitching.share import Share, share
from vaescope.stats.stitching.splice import HELD, LEARNED, Forward, Splice

if TYPE_CHECKING:
    import pandas as pd

ROWS = ("itself", "stitched", "stitched, untrained", "mean in its place")
NO_ROOM = "A constant in place of {} does as well as the layer itself: nothing can be recovered there."
TRAINED = (
    "The map was trained on the loss, which can find values that B never sees: read the share as what is possible, and "
    "`direct`, without that training, as how alike the layers are."
)


@dataclass(frozen=True, eq=False)
class Stitch:
    """How well model B goes on from a layer of model A.

    Attributes:
        layer_a: the layer that was mapped.
        layer_b: the layer of B whose values were replaced.
        kind: of map: "linear" or "conv".
        loss: its name.
        recovered: the recovered share, (mean in its place - stitched) / (mean in its place - itself), with an interval
            over held-out examples.
        control: the same with A untrained; None where it was not asked for.
        beyond: what A's training adds, (untrained - stitched) / (untrained - itself): 0 as A untrained, 1 as B itself.
            A wide untrained layer keeps most of its input, so `recovered` alone says little of what A learned.
        losses: mean loss of "itself", "stitched", "stitched, untrained", "mean in its place" on held-out examples.
        examples: the same for each held-out example, (h,).
        fit: the share of the variance of B's layer that the map gives on held-out examples, R²; NaN for a dead layer.
        joint: the map: `joint(values of layer_a)` gives values of `layer_b`.
        learned_from: examples the map was learned from.
        held_out: examples the losses are of.
        steps: of training on the loss after least squares; 0: none.
        direct: the recovered share before that training; the same as `recovered` without any.
        warnings: what one should know before believing it.
    """

    layer_a: str
    layer_b: str
    kind: str
    loss: str
    recovered: Share
    control: Share | None
    beyond: Share | None
    losses: Mapping[str, float]
    examples: Mapping[str, Float64[np.ndarray, " h"]] = field(repr=False)
    fit: float
    joint: Joint = field(repr=False)
    learned_from: int
    held_out: int
    steps: int = 0
    direct: Share | None = None
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        found, control = self.recovered, self.control
        other = "" if control is None else f", {control.value:.3f} with A untrained"
        return (
            f"Stitch({self.layer_a} -> {self.layer_b}, {self.kind}: recovers {found.value:.3f} "
            f"[{found.low:.3f}, {found.high:.3f}] of {self.loss}{other}; {len(self.warnings)} warning(s))"
        )

    def table(self) -> "pd.DataFrame":
        """One row a network: network, loss (mean over held-out examples), recovered, low, high."""
        import pandas as pd

        shares = {"itself": (1.0,) * 3, "stitched": _ends(self.recovered), "mean in its place": (0.0,) * 3}
        if self.control is not None:
            shares["stitched, untrained"] = _ends(self.control)
        if not np.isfinite(self.recovered.value):
            shares = dict.fromkeys(shares, (np.nan,) * 3)
        rows = [(name, self.losses[name], *shares[name]) for name in ROWS if name in self.losses]
        return pd.DataFrame(rows, columns=["network", "loss", "recovered", "low", "high"])

    def _repr_html_(self) -> str:
        head = f"<b>{escape(self.layer_a)} → {escape(self.layer_b)}</b>, {self.kind} map, {escape(self.loss)}"
        more = "".join(f"<p>{escape(line)}</p>" for line in self.warnings)
        return f"<div>{head}{self.table().to_html(index=False, float_format='{:.4g}'.format)}{more}</div>"


def stitch(
    a: nn.Module,
    layer_a: str,
    b: nn.Module,
    layer_b: str,
    data: Any,
    loss: Given | None = None,
    *,
    kind: str = "auto",
    steps: int = 0,
    lr: float = 1e-3,
    ridge: float | None = None,
    untrained: nn.Module | bool = True,
    n: int | None = 1500,
    held_out: float = 1 / 3,
    forward: Forward | None = None,
    batch_size: int = 64,
    level: float = 0.95,
    seed: int = 0,
    progress: Progress | None = None,
) -> Stitch:
    """Put A's layer, through an affine map, in the place of B's, and see what B makes of it.

    The map is the least-squares one to B's own values on the examples it is learned from ("direct matching"). With
    `steps` it is then trained on the loss, with both models frozen ("task loss matching"), which can find values that
    B never sees and still have a low loss: read such shares as upper bounds. Neither model is changed in any way.

    Args:
        a: the model whose layer is mapped.
        layer_a: its dotted path; "path.call2" for its second call in a pass, "path[0]" for a part of what it returns,
            "output" for what the model returns.
        b: the model that goes on; it is passed the same examples, only its layer is replaced.
        layer_b: as `layer_a`.
        data: examples with what the loss needs: an array or tensor of inputs, (inputs, targets), a dict, a Dataset, a
            DataLoader, or any iterable of batches.
        loss: "output" (mean squared difference from what B returns itself; the default), "input", "target",
            "cross_entropy"; of networks of this package "reconstruction" (their default) and "elbo", in nats; or a
            function (what B returned, batch) -> the loss of each example, (n,).
        kind: "linear" maps all features, "conv" the channels at each place (a 1x1 convolution; sizes are made equal by
            linear interpolation) or the features of each token. "auto": "conv" where both layers are such, else linear.
        steps: of Adam on the loss.
        lr: of Adam, in units in which the map's inputs have variance 1.
        ridge: of the least squares, as a share of the mean squared singular value; chosen by leaving out examples if
            None; 0 for plain least squares.
        untrained: the control: True for an untrained copy of `a`, or one of your own; False for none.
        n: examples at most; all if None.
        held_out: share of the examples that losses are measured on.
        forward: how a model is called, (model, batch) -> what it returns; if None with the batch, the tensors of a
            dict by name, or the first of a tuple.
        batch_size: examples a pass.
        level: coverage of the intervals.
        seed: of the choice of examples, the untrained copy, the bootstrap and what models draw.
        progress: asked whether to stop.

    Raises:
        UsageError: there is no such layer, loss or kind; a layer is not reached; a loss is not one number an example.

    References:
        Lenc & Vedaldi (2015), Understanding image representations by measuring their equivariance and equivalence.
            https://arxiv.org/abs/1411.5908
        Bansal, Nakkiran & Barak (2021), Revisiting model stitching to compare neural representations.
            https://arxiv.org/abs/2106.07682
        Csiszárik et al. (2021), Similarity and matching of neural network representations.
            https://proceedings.neurips.cc/paper/2021/hash/2cb274e6ce940f47beb8011d8ecb1462-Abstract.html
        Balogh & Jelasity (2025), How not to stitch representations to measure similarity: task loss matching versus
            direct matching. https://arxiv.org/abs/2412.11299
    """
    name = loss_name(loss, b)
    batch = examples_for(data, b, name, n, seed)
    work = Splice(
        batch, forward, loss_of(name if isinstance(name, str) else loss or name), held_out, batch_size, seed, progress
    )
    site_a, site_b = site_of(a, layer_a), site_of(b, layer_b)
    fresh = control_of(a, untrained, seed)
    with left_alone(a, b, *([fresh] if fresh else [])):
        own = work.own(b)
        targets = {which: work.caught(b, [site_b], which)[layer_b] for which in (LEARNED, HELD)}
        learned, held = (work.caught(a, [site_a], which)[layer_a] for which in (LEARNED, HELD))
        joint = Source(learned, seed).joint(targets[LEARNED], kind, ridge)
        losses = {"itself": own, "mean in its place": without(work, b, site_b, targets, own)}
        losses["stitched"] = direct = work.spliced(b, site_b, joint(held))
        if steps:
            joint = trained(work, b, site_b, joint, learned, steps, lr)
            losses["stitched"] = work.spliced(b, site_b, joint(held))
        if fresh:
            parts = {which: work.caught(fresh, [site_a], which)[layer_a] for which in (LEARNED, HELD)}
            other = Source(parts[LEARNED], seed).joint(targets[LEARNED], kind, ridge)
            if steps:
                other = trained(work, b, site_b, other, parts[LEARNED], steps, lr)
            losses["stitched, untrained"] = work.spliced(b, site_b, other(parts[HELD]))

    def recovered(stitched: np.ndarray) -> Share:
        return share(own, stitched, losses["mean in its place"], level, seed=seed)

    found = recovered(losses["stitched"])
    return Stitch(
        layer_a,
        layer_b,
        joint.kind,
        name if isinstance(name, str) else getattr(name, "__name__", "loss"),
        found,
        recovered(losses["stitched, untrained"]) if fresh else None,
        share(own, losses["stitched"], losses["stitched, untrained"], level, seed=seed) if fresh else None,
        {key: float(losses[key].mean()) for key in ROWS if key in losses},
        losses,
        fitted(targets[LEARNED], targets[HELD], joint(held)),
        joint,
        len(learned),
        len(held),
        steps,
        recovered(direct),
        tuple(_warnings(found, layer_b, steps)),
    )


@contextmanager
def left_alone(*models: nn.Module) -> Generator[None, None, None]:
    """Within the block models may be passed through, in evaluation mode; afterwards they are as before."""
    with ExitStack() as stack:
        for model in dict.fromkeys(models):
            stack.enter_context(untouched(model))
        yield


def loss_name(loss: Given | None, b: nn.Module) -> Any:
    """The loss that is meant where none is named.

    Raises:
        UsageError: it is one of a `Network`, which `b` is not.
    """
    if loss is None:
        return "reconstruction" if isinstance(b, Network) else "output"
    if loss in ("reconstruction", "elbo") and not isinstance(b, Network):
        raise UsageError(
            f"loss {loss!r} is for networks of this package, got {type(b).__name__}. Take 'output' or 'input', or a "
            "function, loss=lambda output, batch: ... of shape (n,)."
        )
    return loss


def examples_for(data: Any, b: nn.Module, loss: Any, n: int | None, seed: int) -> Any:
    """The examples of a stitching; images alone for networks of this package, with noise where codes are sampled."""
    batch = joined(data, n, _choice(seed))
    if not isinstance(b, Network):
        return batch
    images = batch[0] if isinstance(batch, tuple) else batch
    if loss != "elbo":
        return images
    return images, torch.randn(length(batch), b.latents, generator=draw("stitch noise", seed))


def control_of(a: nn.Module, untrained: nn.Module | bool, seed: int) -> nn.Module | None:
    """The untrained model that `untrained` asks for."""
    if isinstance(untrained, nn.Module):
        return untrained
    return afresh(a, draw("stitch untrained", seed)) if untrained else None


def _choice(seed: int) -> Callable[[int], Sequence[int]]:
    """Which examples of a dataset: those of a study's probe set with that seed, as `vaescope.capture` takes them."""
    return lambda total: torch.randperm(total, generator=draw("probe", seed)).tolist()


def _warnings(found: Share, layer: str, steps: int) -> list[str]:
    return [TRAINED] * (steps > 0) + ([] if np.isfinite(found.value) else [NO_ROOM.format(layer)])


def _ends(found: Share) -> tuple[float, float, float]:
    return found.value, found.low, found.high
