"""Short trainings on another dataset that keep some parts of a network and begin others anew."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import repeat
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from vaescope.data.dataset import Dataset
from vaescope.models.network import Posterior
from vaescope.models.objective import gaussian_kl
from vaescope.models.reconstruction import value_and_notes
from vaescope.progress import Progress
from vaescope.runs.batches import Order, batches
from vaescope.runs.learner import BESIDE, Learner, below, through
from vaescope.runs.study import Run

Policy = Literal["none", "keep encoder", "keep decoder", "bridge", "fine-tune", "anew"]
POLICIES: tuple[Policy, ...] = get_args(Policy)
"""What is trained on the target, all else frozen as the source left it:

- "none": nothing.
- "keep encoder": the decoder, begun anew; encoder and latent layers are kept.
- "keep decoder": encoder and latent layers, begun anew; the decoder is kept.
- "bridge": the latent layers and the first layer of the decoder, begun anew (Bonheme & Grzes, 2023).
- "fine-tune": everything, from the source's weights.
- "anew": everything, from first weights.
"""


@dataclass(frozen=True)
class Retrained:
    """What a policy reached.

    Attributes:
        policy: which.
        steps: of training.
        trained: how many weights were trained.
        loss: what the run's objective minimises, in nats per example, on the examples that were asked for.
        negative_elbo: reconstruction and KL divergence on them, in nats per example.
        reconstruction: -E log p(x|z) on them.
    """

    policy: Policy
    steps: int
    trained: int
    loss: float
    negative_elbo: float
    reconstruction: float


def retrained(
    run: Run,
    dataset: Dataset,
    weights: Mapping[str, Tensor],
    policy: Policy,
    steps: int,
    images: Float[np.ndarray, "n c h w"],
    noise: Float[np.ndarray, "n d"],
    progress: Progress | None = None,
) -> Retrained:
    """Train as a run of the target would, but from the source's weights where the policy keeps them.

    First weights, batches and noise are those of the run, so policies differ in nothing else.

    Args:
        run: of the target.
        dataset: the target.
        weights: a snapshot of a run of the source.
        policy: what is kept.
        steps: of training; none for "none".
        images: on which the losses are measured.
        noise: ε of their codes.
        progress: asked whether to stop.
    """
    learner = Learner(run, dataset.image_shape, Order(run, len(dataset)).trained_on)
    trained = _prepare(learner, weights, policy)
    steps = 0 if policy == "none" else steps
    others = batches(run, dataset, 0, "critic order") if learner.critic else repeat(None)
    for step, (batch, other) in enumerate(zip(batches(run, dataset, 0), others, strict=False)):
        if step >= steps:
            break
        (progress or Progress()).check()
        terms = learner.terms(torch.from_numpy(batch), step)
        learner.update(terms, step, None if other is None else torch.from_numpy(other))
    return Retrained(policy, steps, trained, *_losses(learner, images, noise))


def _prepare(learner: Learner, weights: Mapping[str, Tensor], policy: Policy) -> int:
    """Take over what is kept, freeze it, and say how many weights are left to train."""
    network = learner.network
    kept, frozen = set(), policy not in ("fine-tune", "anew")
    for name, _ in (*network.named_parameters(), *network.named_buffers()):
        if not _begins_anew(name, policy, _first_of(network.decoder)):
            kept.add(name)
    there = {**network.state_dict(), **{k: v for k, v in weights.items() if k in kept}}
    network.load_state_dict(there)
    if policy not in ("anew", "keep encoder"):
        learner.learned.load_state_dict(below(BESIDE, weights))
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(not (frozen and name in kept))
    for name, module in network.named_modules():
        own = [f"{name}.{k}".lstrip(".") for k, _ in module.named_parameters(recurse=False)]
        if frozen and own and set(own) <= kept:
            module.eval()  # so that running averages stay as well
    return sum(p.numel() for p in network.parameters() if p.requires_grad) if policy != "none" else 0


def _begins_anew(name: str, policy: Policy, first: str) -> bool:
    part, _, below_ = name.partition(".")
    if policy == "bridge":
        return part in ("mean", "log_var") or (part == "decoder" and below_.split(".")[0] == first)
    return policy == "anew" or (policy == "keep encoder" if part == "decoder" else policy == "keep decoder")


def _first_of(decoder: nn.Module) -> str:
    """The first child with weights."""
    return next((name for name, child in decoder.named_children() if any(True for _ in child.parameters())), "")


@torch.no_grad()
def _losses(learner: Learner, images: np.ndarray, noise: np.ndarray) -> tuple[float, float, float]:
    learner.network.eval()
    x = torch.from_numpy(images)
    parts = [
        through(learner.network, x[k : k + 250], torch.from_numpy(noise[k : k + 250]), False)
        for k in range(0, len(x), 250)
    ]
    one = type(parts[0])(*(torch.cat(values) for values in zip(*parts, strict=True)))
    posterior = Posterior(one.mean, one.log_var)
    rebuilt, _ = value_and_notes(learner.reconstruction.of(one.logits, x, dict(learner.learned.items())))
    kl = gaussian_kl(posterior).sum(dim=1).mean()
    loss = learner.terms_of(one, x, learner.run.steps).loss
    return float(loss), float(rebuilt + kl), float(rebuilt)
