"""Shape distance between Gaussian posteriors q(z|x), and the form it works on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from vaescope.errors import RepresentationError
from vaescope.stats.forms.centring import refuse_non_finite
from vaescope.stats.forms.examples import Examples
from vaescope.stats.forms.form import Form, Sliceable, whole
from vaescope.stats.forms.posterior import gaussian, moments
from vaescope.stats.forms.turning import best_turn
from vaescope.stats.measure import MEASURES, PairMeasure, Pairs, Transform

MOST_LATENTS = 64


@final
@dataclass(frozen=True, eq=False)
class Posterior(Form):
    """Gaussian posteriors, centred and of total variance 1, in float64.

    Attributes:
        means: (n, d).
        roots: symmetric square roots of the covariances, (n, d, d).
    """

    means: Sliceable
    roots: Sliceable

    name: ClassVar[str] = "posterior"
    version: ClassVar[int] = 1

    @classmethod
    def of(cls, x: Examples) -> "Posterior":
        refuse_non_finite(x.x)
        if (x.x == x.x[0]).all():
            raise RepresentationError(
                f"expected posteriors that differ, got {x.n:,} equal ones: a collapsed posterior is similar to "
                "nothing. Leave it out.",
                "zero_variance",
            )
        if x.p > MOST_LATENTS * (MOST_LATENTS + 1):
            raise RepresentationError(
                f"expected posteriors of at most {MOST_LATENTS} latents, got rows of {x.p:,} numbers. Compare the "
                "means with procrustes_angle.",
                "too_wide",
            )
        return cls(*moments(x.x))

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {"means": whole(self.means), "roots": whole(self.roots)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Sliceable]) -> "Posterior":
        return cls(arrays["means"], arrays["roots"])

    @staticmethod
    def nbytes(n: int, p: int) -> int:
        return 8 * n * p

    @staticmethod
    def flops(n: int, p: int) -> float:
        return 30.0 * n * p**1.5


@MEASURES.register
@final
class GaussianShape(PairMeasure[Posterior]):
    """Gaussian shape distance: the root of min over rotations Q of the mean over examples of W2(N_i, Q M_i)^2.

    N_i and M_i are the posteriors q(z|x_i) of two encoders, W2 the 2-Wasserstein distance: |m_i - Q m'_i|^2 plus the
    squared Bures distance of the covariances. Means are centred over the examples, and each side is scaled so that z,
    drawn for a random example, has total variance 1; fewer latents are padded with zeros. Rows come from
    `vaescope.gaussian(mean, log_var)`. With covariances of zero, d^2 = 2 - 2 s for the Procrustes similarity s of the
    means. Take it where the noise of the encoder is part of the representation: it tells latents that are sure from
    those that are not, which no measure of means does. Independent means are pulled together as in `procrustes` (bias),
    little for d << n.

    The minimum is sought by turns, over Q and over the couplings of each pair of Gaussians, from eight starts, and
    never rises on the way. What is found is an upper bound, nearly always the minimum; the minimum itself is a metric,
    which is not declared, as what is found could break the triangle inequality by chance.

    References:
        Duong, Zhou, Nassar, Berman, Olieslagers & Williams (2023), Representational dissimilarity metric spaces for
            stochastic neural networks. https://arxiv.org/abs/2211.11665
    """

    name: ClassVar[str] = "gaussian_shape"
    form: ClassVar[type[Form]] = Posterior
    bounds: ClassVar[tuple[float, float]] = (0.0, float(np.sqrt(2)))
    larger_is_more_similar: ClassVar[bool] = False
    symmetric: ClassVar[bool] = True
    metric: ClassVar[bool] = False
    invariant_to: ClassVar[frozenset[Transform]] = frozenset({"orthogonal", "scaling", "translation", "permutation"})
    minimum_n: ClassVar[int] = 3
    pairs: ClassVar[Pairs] = "needed"

    def accept(self, x: Posterior) -> None:
        """What is refused is refused when it is made."""

    def pair(self, x: Posterior, y: Posterior) -> float:
        d = max(x.means.shape[1], y.means.shape[1])
        means, roots = zip(*(_padded(whole(form.means), whole(form.roots), d) for form in (x, y)), strict=True)
        turn = best_turn(means[0], roots[0], means[1], roots[1])
        return float(np.clip(distance(means[0], roots[0], means[1] @ turn.T, roots[1] @ turn.T), 0.0, np.sqrt(2)))

    def takes(self, n: int, p: int) -> bool:
        d = round((p + 0.25) ** 0.5 - 0.5)
        return d * d + d == p

    def pair_flops(self, n: int, p: int, q: int) -> float:
        return 2000.0 * n * max(p, q) ** 1.5

    def example(self, rng: np.random.Generator, n: int, p: int) -> np.ndarray:
        """Random posteriors of at most 4 latents."""
        d = max(1, min(p, 4))
        parts = rng.standard_normal((n, d, d)) * rng.uniform(0.1, 0.6, (n, 1, 1)) * np.geomspace(1, 2, d)
        return gaussian(
            rng.standard_normal((n, d)) * np.geomspace(2, 1, d) + 1, covariance=parts @ parts.swapaxes(1, 2)
        )

    @staticmethod
    def transformed(x: np.ndarray, transform: Transform, rng: np.random.Generator) -> np.ndarray:
        """The posteriors of a transformed z, for checks."""
        d = int((np.sqrt(1 + 4 * x.shape[1]) - 1) / 2)
        means, covariances = x[:, :d], x[:, d:].reshape(-1, d, d)
        rotation = np.linalg.qr(rng.standard_normal((d, d)))[0]
        change = {
            "orthogonal": rotation,
            "scaling": np.eye(d) * np.exp(rng.uniform(-4, 4)),
            "permutation": np.eye(d)[rng.permutation(d)],
            "linear": rotation * np.geomspace(1, 20, d),
        }.get(transform, np.eye(d))
        shift = rng.standard_normal(d) if transform == "translation" else np.zeros(d)
        return gaussian(means @ change.T + shift, covariance=change @ covariances @ change.T)


def _padded(means: np.ndarray, roots: np.ndarray, d: int) -> tuple[np.ndarray, np.ndarray]:
    more = d - means.shape[1]
    return np.pad(means, ((0, 0), (0, more))), np.pad(roots, ((0, 0), (0, more), (0, more)))


def distance(x: np.ndarray, a: np.ndarray, y: np.ndarray, b: np.ndarray) -> float:
    """The root of the mean squared 2-Wasserstein distance of N(x_i, a_i a_i^T) and N(y_i, b_i^T b_i).

    The covariances' part is |a_i - u_i b_i|^2 for the best rotation u_i, a sum of squares: no digits are lost where the
    two are near.
    """
    left, _, right = np.linalg.svd(a @ b.swapaxes(1, 2))
    squares = np.square(x - y).sum() + np.square(a - (left @ right) @ b).sum()
    return float(np.sqrt(squares / len(x)))
