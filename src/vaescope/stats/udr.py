"""Unsupervised disentanglement ranking: whether runs of one setting find the same latents, one for one. No factors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from jaxtyping import Bool, Float64

from vaescope.errors import RepresentationError, UsageError

if TYPE_CHECKING:
    import pandas as pd

Relation = Literal["lasso", "spearman"]

INFORMATIVE = 0.01  # nats of KL to the prior, in the paper


@dataclass(frozen=True)
class UDR:
    """The scores of several runs.

    Attributes:
        pairs: UDR of run i with run j, (m, m), 0 to 1; the diagonal is NaN. With the lasso, i is regressed on and j
            predicted, so that it is not symmetric.
        runs: the score of each run: the median over the others, (m,).
        informative: how many latents of each run took part, (m,).
    """

    pairs: Float64[np.ndarray, "m m"]
    runs: Float64[np.ndarray, " m"]
    informative: tuple[int, ...]


def udr(
    codes: Sequence[Any],
    kl: Sequence[Any] | None = None,
    relation: Relation = "lasso",
    smallest: float = INFORMATIVE,
    penalty: float = 0.1,
) -> UDR:
    """The unsupervised disentanglement ranking of runs that differ in the seed alone.

    With R the relation of each informative latent a of one run with each b of the other, and r the largest entry of a
    row or column, a pair has Σ_a r_a² / Σ_b R(a, b) + Σ_b r_b² / Σ_a R(a, b), divided by the number of informative
    latents of both. It is 1 if each latent has one partner that is the same up to sign (for "spearman", up to any
    monotone map; for "lasso" then 1 - penalty), and 1/d if each of d is fully related with all of the other run. A pair
    in which a run has no informative latent has 0.

    disentanglement_lib averages over the latents of each run and then takes the mean of both, which differs where the
    runs have different numbers of informative latents; its runs, too, take the median over the others.

    Args:
        codes: of each run, usually the means, (n, d); the examples are the same and in the same order.
        kl: KL divergence of each latent from the prior, in nats, (d,) a run. None: all that move are informative.
        relation: "spearman": |rank correlation|; "lasso": |weights| of a lasso, of latents with variance 1, which
            leaves small relations out, the choice of disentanglement_lib.
        smallest: KL from which on a latent is informative.
        penalty: of the lasso, 0.1 in the paper.

    Raises:
        UsageError: fewer than two runs, or as many `kl` as runs were expected.
        RepresentationError: the codes are not of the same examples, or not finite.

    References:
        Duan et al. (2020), Unsupervised model selection for variational disentangled representation learning, section
            4. https://arxiv.org/abs/1905.12614

    >>> z = np.random.default_rng(0).standard_normal((500, 3))
    >>> udr([z, -z[:, [2, 0, 1]]], relation="spearman").runs > 0.8
    array([ True,  True])
    """
    if relation not in ("lasso", "spearman"):
        raise UsageError(f"relation: expected lasso or spearman, got {relation!r}.")
    if len(codes) < 2 or (kl is not None and len(kl) != len(codes)):
        raise UsageError(
            f"UDR needs at least two runs, and the KL of each or of none; got codes of {len(codes)} and KL of "
            f"{'none' if kl is None else len(kl)}."
        )
    arrays = [np.asarray(c, np.float64) for c in codes]
    for array in arrays:
        if array.ndim != 2 or len(array) != len(arrays[0]) or len(array) < 3:
            shapes = ", ".join(str(a.shape) for a in arrays)
            raise RepresentationError(
                f"codes: expected (n, d) with the same n of at least 3 for all runs, got {shapes}.", "shape_mismatch"
            )
        if not np.isfinite(array).all():
            raise RepresentationError("codes: some are NaN or infinite. A run may have diverged.", "non_finite")
    kept = [array[:, _informative(array, None if kl is None else kl[i], smallest)] for i, array in enumerate(arrays)]
    ready = [_standard(_ranks(x) if relation == "spearman" else x) for x in kept]
    pairs = np.full((len(ready), len(ready)), np.nan)
    for i, x in enumerate(ready):
        for j, y in enumerate(ready):
            if i != j:
                pairs[i, j] = relative_strength(_related(x, y, relation, penalty))
    runs = np.array([np.median(np.delete(pairs[:, i], i)) for i in range(len(ready))])
    return UDR(pairs, runs, tuple(x.shape[1] for x in ready))


def relative_strength(related: Float64[np.ndarray, "a b"]) -> float:
    """How far each row and each column has one large entry only, 0 to 1 for entries of 0 to 1."""
    if not related.size:
        return 0.0
    both = 0.0
    for table in (related, related.T):
        sums = table.sum(axis=1)
        both += float((table.max(axis=1) ** 2 / np.where(sums > 0, sums, 1.0)).sum())
    return both / sum(related.shape)


def udr_table(
    codes: Mapping[str, Any], settings: Mapping[str, str], kl: Mapping[str, Any] | None = None, **options: Any
) -> "pd.DataFrame":
    """UDR of each run among those of its setting; settings with one run are left out.

    Args:
        codes: of each run, by its id, (n, d).
        settings: what the runs share that are compared: everything but the seed.
        kl: of each run, (d,).
        options: of `udr`.

    Returns:
        One row a run: run, setting, runs (how many the setting has), informative (latents), udr.
    """
    import pandas as pd

    rows = []
    for setting in sorted(set(settings.values())):
        same = [run for run in codes if settings[run] == setting]
        if len(same) > 1:
            found = udr([codes[r] for r in same], None if kl is None else [kl[r] for r in same], **options)
            rows += [
                (run, setting, len(same), count, float(value))
                for run, count, value in zip(same, found.informative, found.runs, strict=True)
            ]
    return pd.DataFrame(rows, columns=["run", "setting", "runs", "informative", "udr"])


def _informative(codes: Float64[np.ndarray, "n d"], kl: Any, smallest: float) -> Bool[np.ndarray, " d"]:
    moving = np.ptp(codes, axis=0) > 4 * np.finfo(np.float32).eps * np.abs(codes).max(axis=0)
    if kl is None:
        return moving
    given = np.asarray(kl, np.float64)
    if given.shape != (codes.shape[1],):
        raise RepresentationError(
            f"kl: expected one for each of {codes.shape[1]} latents, got {given.shape}.", "shape_mismatch"
        )
    return moving & (given > smallest)


def _ranks(codes: Float64[np.ndarray, "n d"]) -> Float64[np.ndarray, "n d"]:
    from scipy.stats import rankdata

    return np.asarray(rankdata(codes, axis=0), np.float64)


def _standard(codes: Float64[np.ndarray, "n d"]) -> Float64[np.ndarray, "n d"]:
    return (codes - codes.mean(axis=0)) / codes.std(axis=0)


def _related(
    x: Float64[np.ndarray, "n a"], y: Float64[np.ndarray, "n b"], relation: Relation, penalty: float
) -> Float64[np.ndarray, "a b"]:
    if relation == "spearman" or not x.shape[1] or not y.shape[1]:
        return np.abs(x.T @ y) / len(x)
    from sklearn.linear_model import Lasso

    weights = np.asarray(Lasso(alpha=penalty).fit(x, y).coef_, np.float64)
    return np.abs(weights.reshape(y.shape[1], x.shape[1])).T
