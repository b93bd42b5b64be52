"""What a recorder sees of a model at one step: its layers on the probe set, and the posterior where there is one."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from vaescope.models.network import Layer


@dataclass(frozen=True)
class Observation:
    """One look at a model under training.

    Attributes:
        step: optimiser steps taken before it.
        layers: every layer looked at, in the order of the data; those of a model that is no VAE have the part "other".
        representations: layer -> its values on the probe set, float32. What is wider than there are examples may have
            been turned onto its n principal axes, which keeps all inner products.
        mean: posterior means; None where the model is no VAE.
        log_var: natural-log posterior variances; None where the model is no VAE.
        losses: what the caller said of this step, by name.
    """

    step: int
    layers: tuple[Layer, ...]
    representations: Mapping[str, Float[np.ndarray, "n p"]]
    mean: Float[np.ndarray, "n d"] | None = None
    log_var: Float[np.ndarray, "n d"] | None = None
    losses: Mapping[str, float] = field(default_factory=dict)
