"""Observations whose truth is known: layers that go from one representation to another, latents that come and go."""

from collections.abc import Mapping

import numpy as np

from vaescope.models.network import Layer, Part
from vaescope.runs.observation import Observation

N, WIDTH = 64, 12
STEPS = (0, 1, 2, 5, 10, 20, 40, 60, 80, 100, 120, 150, 200, 250, 300, 400, 500, 600, 800)


def normal(*key: int, n: int = N, width: int = WIDTH) -> np.ndarray:
    """Standard normal numbers that depend on the key alone."""
    return np.random.default_rng([*key]).normal(size=(n, width))


def on_the_way(share: float, key: int = 0, shared: float = 0.0, noise: float = 0.0, step: int = 0) -> np.ndarray:
    """A representation that has made a share of the way from one to another one, with what both have in common.

    Args:
        share: 0 at the start, 1 at the end.
        key: which layer.
        shared: the scale of what does not change.
        noise: the scale of what is new at every step.
        step: of the noise.
    """
    moving = (1 - share) * normal(1, key) + share * normal(2, key)
    return (shared * normal(3, key) + moving + noise * normal(4, key, step)).astype(np.float32)


def observation(step: int, values: Mapping[str, np.ndarray], **more: np.ndarray) -> Observation:
    """Layers under their names; the part is what stands before the point, or that of a mean."""
    parts: dict[str, Part] = {"encoder": "encoder", "decoder": "decoder", "input": "input"}
    layers = tuple(
        Layer(name, "latent" if name.endswith("mean") else parts[name.split(".")[0]], int(np.prod(x.shape[1:])))
        for name, x in values.items()
    )
    return Observation(step, layers, dict(values), **more)


def posterior(told: list[bool], key: int = 0, n: int = N) -> dict[str, np.ndarray]:
    """Means and log variances in which some latents tell log(1 + 99) / 2 = 2.3 nats and the others nothing."""
    use = np.array(told, float)
    mean = use * normal(5, key, n=n, width=len(told))
    log_var = np.tile(np.where(use > 0, np.log(0.01), 0.0), (n, 1))
    return {"mean": mean.astype(np.float32), "log_var": log_var.astype(np.float32)}
