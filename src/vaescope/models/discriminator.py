"""The critic of FactorVAE: tells codes from codes whose latents are shuffled, which gives the total correlation."""

from collections.abc import Iterable
from itertools import pairwise
from typing import cast, final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from vaescope.models.critic import Critic
from vaescope.models.reconstruction import Noted

HIDDEN_LAYERS = 6
WIDTH = 1000
SLOPE = 0.2
LEARNING_RATE = 1e-4
BETAS = (0.5, 0.9)


def permute(codes: Float[Tensor, "n d"], generator: torch.Generator) -> Float[Tensor, "n d"]:
    """Codes whose latents are shuffled over the batch, each by itself: draws from Π_l q(z_l).

    Args:
        codes: drawn from q(z).
        generator: on the CPU, whatever the device of the codes.

    References:
        Kim & Mnih (2018), algorithm 1. https://arxiv.org/abs/1802.05983
    """
    order = torch.rand(codes.shape, generator=generator).argsort(dim=0)
    return codes.gather(0, order.to(codes.device))


@final
class Discriminator(Critic):
    """Six layers of 1000 leaky rectifiers and two logits, trained by Adam: 0 for codes as drawn, 1 for shuffled ones.

    Args:
        latents: how many latents a code has.

    References:
        Kim & Mnih (2018), algorithm 2 and appendix A. https://arxiv.org/abs/1802.05983
    """

    def __init__(self, latents: int) -> None:
        super().__init__()
        widths = [latents, *[WIDTH] * HIDDEN_LAYERS, 2]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))

    def forward(self, codes: Float[Tensor, "n d"], frozen: bool = False) -> Float[Tensor, "n two"]:
        """The two logits of each code.

        Args:
            codes: (n, d).
            frozen: whether the gradient goes to the codes only and none to the weights.
        """
        value = codes
        for k, layer in enumerate(cast("Iterable[nn.Linear]", self.layers)):
            weight, bias = layer.weight, layer.bias
            value = F.linear(value, weight.detach(), bias.detach()) if frozen else F.linear(value, weight, bias)
            if k < HIDDEN_LAYERS:
                value = F.leaky_relu(value, SLOPE)
        return value

    def total_correlation(self, codes: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
        """E[log D(z) - log(1 - D(z))], in nats: the mean difference of the logits. No gradient goes to the weights."""
        logits = self(codes, frozen=True)
        return (logits[:, 0] - logits[:, 1]).mean()

    def loss(self, codes: Float[Tensor, "n d"], others: Float[Tensor, "n d"], generator: torch.Generator) -> Noted:
        """Half the cross-entropy of codes as drawn plus half that of shuffled others; log 2 where it cannot tell.

        Notes the share told rightly as "discriminator_accuracy".
        """
        logits = self(torch.cat([codes.detach(), permute(others.detach(), generator)]))
        truth = torch.arange(2, device=logits.device).repeat_interleave(len(codes))
        told = (logits.detach().argmax(dim=1) == truth).to(logits.dtype).mean()
        return Noted(F.cross_entropy(logits, truth), {"discriminator_accuracy": told})

    def optimiser(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=LEARNING_RATE, betas=BETAS, fused=True)
