"""The equations of the papers, slow and obvious, in float64; and the transforms that measures declare."""

import numpy as np


def trace_cka(x: np.ndarray, y: np.ndarray) -> float:
    """Kornblith et al. (2019), eq. 1 and 2, with n x n matrices."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    h = np.eye(len(x)) - 1 / len(x)
    k, l = x @ x.T, y @ y.T  # noqa: E741
    hsic = lambda a, b: np.trace(a @ h @ b @ h)  # noqa: E731
    return float(hsic(k, l) / np.sqrt(hsic(k, k) * hsic(l, l)))


def u_centred(x: np.ndarray) -> np.ndarray:
    """Székely & Rizzo (2014), definition 2, of the Gram matrix of centred rows."""
    x = x.astype(np.float64)
    x = x - x.mean(axis=0)
    n, k = len(x), x @ x.T
    np.fill_diagonal(k, 0)
    u = np.zeros_like(k)
    for i in range(n):
        for j in range(n):
            if i != j:
                u[i, j] = k[i, j] - k[i].sum() / (n - 2) - k[:, j].sum() / (n - 2) + k.sum() / ((n - 1) * (n - 2))
    return u


def debiased_cka(x: np.ndarray, y: np.ndarray) -> float:
    """The cosine of two U-centred matrices."""
    a, b = u_centred(x), u_centred(y)
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))


def svd_procrustes(x: np.ndarray, y: np.ndarray) -> float:
    """The nuclear norm of X^T Y for centred X and Y of Frobenius norm 1, whatever its size."""
    x, y = (a.astype(np.float64) - a.astype(np.float64).mean(axis=0) for a in (x, y))
    x, y = x / np.linalg.norm(x), y / np.linalg.norm(y)
    return float(np.linalg.svd(x.T @ y, compute_uv=False).sum())


ORACLES = {"cka": debiased_cka, "cka_biased": trace_cka, "procrustes": svd_procrustes}

TRANSFORMS = {
    "orthogonal": lambda x, rng: x @ np.linalg.qr(rng.standard_normal((x.shape[1], x.shape[1])))[0],
    "scaling": lambda x, rng: x * rng.uniform(0.01, 100),
    "translation": lambda x, rng: x + rng.standard_normal(x.shape[1]),
    "permutation": lambda x, rng: x[:, rng.permutation(x.shape[1])],
    "linear": lambda x, rng: x @ (rng.standard_normal((x.shape[1], x.shape[1])) * np.geomspace(1, 20, x.shape[1])),
}
