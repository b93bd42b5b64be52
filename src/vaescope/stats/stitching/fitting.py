"""How well a map fits, what is lost without its layer, and its training on the loss."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64

from vaescope.stats.stitching.joints import Joint
from vaescope.stats.stitching.splice import HELD, LEARNED, Splice

if TYPE_CHECKING:
    from torch import Tensor, nn

    from vaescope.models.grafting import Site


def without(
    work: Splice, b: "nn.Module", site: "Site", values: "Mapping[str, Tensor]", own: Float64[np.ndarray, " h"]
) -> Float64[np.ndarray, " h"]:
    """Losses with the layer's mean in its place; those of B itself where the layer is a constant up to rounding."""
    import torch

    whole = torch.cat([values[LEARNED], values[HELD]])
    if float((whole - whole[0]).abs().max()) <= 1e-6 * float(whole.abs().max()):
        return own
    return work.spliced(b, site, values[LEARNED].mean(0, keepdim=True))


def fitted(learned: "Tensor", held: "Tensor", mapped: "Tensor") -> float:
    """The share of the variance of held-out values that mapped ones give: R² against the mean of the others."""
    total = float((held - learned.mean(0)).double().square().sum())
    left = float((held - mapped).double().square().sum())
    return 1 - left / total if total > 0 else float("nan")


def trained(
    work: Splice, b: "nn.Module", site: "Site", joint: Joint, learned: "Tensor", steps: int, lr: float
) -> Joint:
    """The map after some steps of Adam on the loss; both models stay as they are.

    What is trained are the weights along the directions of the examples the map is learned from, with inputs of
    variance 1 along each, and the offset: gradients on those examples lie there anyway.
    """
    import torch

    affine = joint.affine
    scale = affine.basis.spread / np.sqrt(len(affine.basis.left))
    weights = torch.tensor(affine.weights * scale[:, None], dtype=torch.float32, requires_grad=True)
    offset = torch.tensor(affine.offset, dtype=torch.float32, requires_grad=True)
    optimiser = torch.optim.Adam([weights, offset], lr=lr)
    parts = list(work.slices(LEARNED))
    order = np.random.default_rng([work.seed, steps])
    for step in range(steps):
        if step % len(parts) == 0:
            order.shuffle(parts)
        work.progress.check()
        rows = parts[step % len(parts)]
        part = affine.basis.coordinates(joint.rows(learned[rows])) / scale
        with torch.enable_grad():
            values = offset + torch.from_numpy(part.astype(np.float32)) @ weights
            placed = joint.placed(values, rows.stop - rows.start)
            found = work.learning(b, site, rows, placed).mean()
        weights.grad, offset.grad = torch.autograd.grad(found, [weights, offset])
        optimiser.step()
    new = replace(
        affine,
        weights=weights.detach().double().numpy() / scale[:, None],
        offset=offset.detach().double().numpy(),
        error=float("nan"),
    )
    return replace(joint, affine=new)
