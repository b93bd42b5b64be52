"""The contract of a critic: a network that learns about the codes beside the VAE, with its own optimiser."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vaescope.models.reconstruction import Noted


class Critic(nn.Module, ABC):
    """A network trained after each step of the VAE, on codes whose gradient ends there.

    Its weights are drawn as those of networks are, and saved and continued with the run.
    """

    @abstractmethod
    def loss(self, codes: Float[Tensor, "n d"], others: Float[Tensor, "n d"], generator: torch.Generator) -> Noted:
        """What the critic minimises, in nats per example.

        Args:
            codes: sampled codes of the batch of this step.
            others: sampled codes of another batch.
            generator: for what it draws, e.g. permutations; on the CPU.
        """

    @abstractmethod
    def optimiser(self) -> torch.optim.Optimizer:
        """The optimiser of its own weights, as its paper has it."""
