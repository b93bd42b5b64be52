"""The contract of a reconstruction term: -log p(x|z), in nats per example."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vaescope.errors import UsageError
from vaescope.registry import Registry

Notes = Mapping[str, Float[Tensor, ""] | float]


@dataclass(frozen=True)
class Noted:
    """A term of a loss and what to log beside it.

    Attributes:
        value: in nats per example.
        notes: name -> number, e.g. {"capacity": 3.2}.
    """

    value: Float[Tensor, ""]
    notes: Notes = field(default_factory=dict)


def value_and_notes(term: Float[Tensor, ""] | Noted) -> tuple[Float[Tensor, ""], Notes]:
    """A term and its notes, none for a bare number."""
    return (term.value, term.notes) if isinstance(term, Noted) else (term, {})


class Reconstruction(ABC):
    """What a decoder's output means. A subclass is a frozen dataclass of its options.

    A decoder gives the logits of the pixels, whatever the reconstruction; the mean of a pixel is their sigmoid. So
    pictures are made in one way, and one network serves all reconstructions.

    Attributes:
        name: the registered name, an identifier.
    """

    name: ClassVar[str]

    def learns(self) -> dict[str, float]:
        """What is learned together with the network, by the network's optimiser: name -> initial value."""
        return {}

    @abstractmethod
    def minus_log_likelihood(
        self, logits: Float[Tensor, "n c h w"], images: Float[Tensor, "n c h w"], learned: Mapping[str, Tensor]
    ) -> Float[Tensor, ""] | Noted:
        """-log p(x|z), summed over pixels and averaged over examples, in nats, with its normaliser.

        Args:
            logits: the decoder's output.
            images: in [0, 1].
            learned: the present value of each of `learns`, ().
        """

    @final
    def of(
        self,
        logits: Float[Tensor, "n c h w"],
        images: Float[Tensor, "n c h w"],
        learned: nn.ParameterDict | Mapping[str, Tensor] | None = None,
    ) -> Float[Tensor, ""] | Noted:
        """`minus_log_likelihood`, with the initial values of what is learned where `learned` is None.

        Raises:
            UsageError: if one of the values that `learns` names is missing.
        """
        starts = self.learns()
        if learned is None:
            values = {k: torch.tensor(v, dtype=logits.dtype, device=logits.device) for k, v in starts.items()}
        elif missing := [k for k in starts if k not in learned]:
            raise UsageError(f"reconstruction {self.name!r} learns {', '.join(starts)}, got no {', '.join(missing)}.")
        else:
            values = {k: learned[k] for k in starts}
        return self.minus_log_likelihood(logits, images, values)


RECONSTRUCTIONS: Registry[type[Reconstruction]] = Registry(
    "reconstruction", "vaescope.models.reconstructions", "vaescope.reconstructions"
)
