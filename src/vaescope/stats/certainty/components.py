"""How a score grows as principal components are added: the PC-resolved curve.

References:
    Ding, Denain & Steinhardt (2021), Grounding representation similarity with statistical testing, section 4.2 (PC
        deletion). https://arxiv.org/abs/2108.01661
"""

from typing import TYPE_CHECKING, Literal

import numpy as np
from jaxtyping import Float64, Int

from vaescope.errors import RepresentationError, UsageError

if TYPE_CHECKING:
    import pandas as pd

Side = Literal["x", "y", "both"]
EVERY = 64  # up to here each k, beyond it about 12 a doubling


def component_curve(
    x: object, y: object, measure: str = "procrustes", keep: Side = "x", ks: list[int] | None = None
) -> "pd.DataFrame":
    """Scores with only the first k principal components of one side, or of both.

    Each side is decomposed once, X = U S V^T. With M = S_x U_x^T U_y S_y, CKA with k components is the sum of
    M^2 over its first k rows over |S_x^2| (of the first k) |S_y^2|, debiased CKA the same less the terms of
    its diagonal, Procrustes the nuclear norm of the first k rows over their norms. Sums for all k come from one
    cumulative sum; the nuclear norms from the leading k x k blocks of one triangular factor of M.

    Args:
        x: (n, ...) as `similarity` takes it.
        y: (n, ...), the same examples.
        measure: "cka", "cka_biased" or "procrustes".
        keep: the side of which components are kept; the other stays whole.
        ks: numbers of components, from 1; by default all up to 64, then about 12 a doubling, and the rank.

    Returns:
        k, score, variance_x, variance_y (the share of the variance that is kept). The last score is that of the whole
        representations. NaN where debiased CKA has no answer for so few components.

    Raises:
        RepresentationError: no answer, see its `reason`.
        UsageError: another measure, or k beyond the rank.
    """
    import pandas as pd

    if measure not in ("cka", "cka_biased", "procrustes"):
        raise UsageError(f"expected cka, cka_biased or procrustes, got {measure!r}.")
    a, b = _components(x, "x"), _components(y, "y")
    if len(a) != len(b):
        raise RepresentationError(
            f"x and y must hold the same examples, got {len(a):,} and {len(b):,} rows.", "shape_mismatch"
        )
    ranks = a.shape[1], b.shape[1]
    if keep not in ("x", "y", "both"):
        raise UsageError(f"keep: expected x, y or both, got {keep!r}.")
    if ks is not None and any(not isinstance(k, int | np.integer) or k < 1 for k in ks):
        raise UsageError(f"ks: expected whole numbers of at least 1, got {ks}.")
    last = {"x": ranks[0], "y": ranks[1], "both": max(ranks)}[keep]
    chosen = np.array(default_ks(last) if ks is None else sorted(set(ks)))
    if not len(chosen) or chosen[0] < 1 or chosen[-1] > last:
        raise UsageError(f"expected k from 1 to the rank {last}, got {chosen.tolist()}.")
    rows = np.minimum(chosen, ranks[0]) if keep != "y" else np.full(len(chosen), ranks[0])
    columns = np.minimum(chosen, ranks[1]) if keep != "x" else np.full(len(chosen), ranks[1])
    score = _procrustes if measure == "procrustes" else _biased if measure == "cka_biased" else _debiased
    kept_x, kept_y = (np.cumsum(np.square(f).sum(axis=0)) for f in (a, b))
    return pd.DataFrame(
        {
            "k": chosen,
            "score": score(a, b, rows, columns),
            "variance_x": kept_x[rows - 1] / kept_x[-1],
            "variance_y": kept_y[columns - 1] / kept_y[-1],
        }
    )


def default_ks(rank: int) -> list[int]:
    """1 to 64, then steps of 6 %, and the rank."""
    steps = np.round(EVERY * 2 ** (np.arange(1, 12 * 12) / 12)).astype(int)
    return sorted({*range(1, min(rank, EVERY) + 1), *(int(k) for k in steps if k < rank), rank})


def _components(x: object, name: str) -> Float64[np.ndarray, "n r"]:
    """U S of the centred, normalised representation: principal components, largest first, zero ones left out."""
    from vaescope.stats.forms.examples import Examples
    from vaescope.stats.similarity import matrix

    vectors, values = Examples(matrix(x, name)).principal
    # from eigenvalues of the Gram matrix, values below 1e-7 of the largest are rounding
    kept = values > 1e-7 * values[0]
    return vectors[:, kept] * values[kept]


def _corner(sums: np.ndarray, rows: Int[np.ndarray, " k"], columns: Int[np.ndarray, " k"]) -> np.ndarray:
    """The sums over the first rows and columns."""
    return np.cumsum(np.cumsum(sums, axis=0), axis=1)[rows - 1, columns - 1]


def _biased(a: np.ndarray, b: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    cross = _corner(np.square(a.T @ b), rows, columns)
    norm_a, norm_b = (np.cumsum(np.square(np.square(f).sum(axis=0))) for f in (a, b))
    return np.clip(cross / np.sqrt(norm_a[rows - 1] * norm_b[columns - 1]), 0, 1)


def _debiased(a: np.ndarray, b: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    n = len(a)
    trace_a, trace_b = (np.cumsum(np.square(f).sum(axis=0)) for f in (a, b))
    cross = _corner(np.square(a.T @ b) - n / (n - 2) * np.square(a).T @ np.square(b), rows, columns)
    cross += trace_a[rows - 1] * trace_b[columns - 1] / ((n - 1) * (n - 2))
    own = []
    for f, trace, ks in ((a, trace_a, rows), (b, trace_b, columns)):
        squares, fourth = np.square(np.square(f).sum(axis=0)), np.square(f).T @ np.square(f)
        whole = np.cumsum(squares)[ks - 1] - n / (n - 2) * _corner(fourth, ks, ks)
        own.append(whole + trace[ks - 1] ** 2 / ((n - 1) * (n - 2)))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.clip(cross / np.sqrt(own[0] * own[1]), -1, 1)


def _procrustes(a: np.ndarray, b: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    cross = a.T @ b
    lower = upper = cross
    if (columns == cross.shape[1]).all() and cross.shape[1] > 1:
        lower = np.asarray(
            np.linalg.qr(cross.T, mode="r")
        ).T  # cross = lower Q: the first k rows have those of lower's k x k
    elif (rows == cross.shape[0]).all() and cross.shape[0] > 1:
        upper = np.asarray(np.linalg.qr(cross, mode="r"))
    trace_a, trace_b = (np.cumsum(np.square(f).sum(axis=0)) for f in (a, b))
    found = np.empty(len(rows))
    for place, (r, s) in enumerate(zip(rows, columns, strict=True)):
        if lower is not cross:
            part = lower[:r, : min(r, lower.shape[1])]
        elif upper is not cross:
            part = upper[: min(s, upper.shape[0]), :s]
        else:
            part = cross[:r, :s]
        found[place] = np.linalg.svd(part, compute_uv=False).sum()
    return np.clip(found / np.sqrt(trace_a[rows - 1] * trace_b[columns - 1]), 0, 1)
