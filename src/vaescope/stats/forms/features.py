"""The form of linear CKA for representations of few features: never anything as large as n x n."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from jaxtyping import Bool, Float64

from vaescope.progress import Progress
from vaescope.stats.forms.examples import Examples
from vaescope.stats.forms.form import Engine, ProductForm, Sliceable, whole


@final
@dataclass(frozen=True, eq=False)
class Features(ProductForm):
    """The centred rows themselves, of Frobenius norm 1, in float64.

    For K = X X^T and L = Y Y^T of trace 1, the inner product of the U-centred matrices is
    |X^T Y|^2 - n / (n - 2) sum_i K_ii L_ii + 1 / ((n - 1)(n - 2)).

    Attributes:
        values: (n, p), float64.
        diagonal: squared norms of the rows, (n,).
        square: half the squared norm of the U-centred matrix.

    References:
        Song et al. (2012), Feature selection via dependence maximization, eq. 4, in terms of features.
            https://jmlr.org/papers/v13/song12a.html
    """

    values: Sliceable
    diagonal: Float64[np.ndarray, " n"]
    square: float

    name: ClassVar[str] = "features"
    version: ClassVar[int] = 1

    @classmethod
    def of(cls, x: Examples) -> "Features":
        values = x.centred
        diagonal = np.einsum("ij,ij->i", values, values)
        made = cls(values, diagonal, 0.0)
        return cls(values, diagonal, float(cls.products([made], [made])[0, 0]))

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {"values": whole(self.values), "diagonal": self.diagonal, "square": np.array([self.square])}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Sliceable]) -> "Features":
        return cls(whole(arrays["values"]), whole(arrays["diagonal"]), float(whole(arrays["square"])[0]))

    @classmethod
    def products(
        cls,
        xs: Sequence["Features"],
        ys: Sequence["Features"],
        wanted: Bool[np.ndarray, "a b"] | None = None,
        engine: Engine = map,
        progress: Progress | None = None,
    ) -> Float64[np.ndarray, "a b"]:
        """Half the inner products of the U-centred matrices, for the wanted pairs (others NaN)."""
        found = np.full((len(xs), len(ys)), np.nan)
        wanted = np.ones(found.shape, bool) if wanted is None else wanted

        def row(i: int) -> list[float]:
            x = whole(xs[i].values)
            n = len(x)
            cross = [np.square(x.T @ whole(ys[j].values)).sum() if wanted[i, j] else np.nan for j in range(len(ys))]
            shares = [float(xs[i].diagonal @ y.diagonal) for y in ys]
            return [(c - n / (n - 2) * s + 1 / ((n - 1) * (n - 2))) / 2 for c, s in zip(cross, shares, strict=True)]

        for i, scores in enumerate(engine(row, range(len(xs)))):
            found[i] = scores
            if progress is not None:
                progress.check()
        return found

    @staticmethod
    def nbytes(n: int, p: int) -> int:
        return 8 * n * p + 8 * n + 8

    @staticmethod
    def flops(n: int, p: int) -> float:
        return 2.0 * n * p * p

    @staticmethod
    def pair_flops(n: int, p: int, q: int) -> float:
        return 2.0 * n * p * q


def cheaper_than_gram(n: int, widths: Sequence[int]) -> bool:
    """Whether all pairs of representations of these widths cost less as features (in float64) than as Gram matrices."""
    total, count = sum(widths), len(widths)
    return max(widths, default=n) < n and 2 * 2.0 * n * total**2 / 2 < float(n) * n * (total + count**2 / 2)
