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


def squared_distances(x: np.ndarray) -> np.ndarray:
    """Squared Euclidean distances between all rows, from their differences, in units of a power of 4."""
    x = x.astype(np.float64)
    unit = np.ldexp(1.0, int(np.frexp(np.abs(x - x[0]).max())[1]))  # so that squares neither overflow nor vanish
    return np.array([(((x - row) / unit) ** 2).sum(axis=1) for row in x])


def distances(x: np.ndarray) -> np.ndarray:
    """Euclidean distances between all rows."""
    return np.sqrt(squared_distances(x))


def upper(matrix: np.ndarray) -> np.ndarray:
    """The entries above the diagonal."""
    return matrix[np.triu_indices(len(matrix), 1)]


def doubly_centred(matrix: np.ndarray) -> np.ndarray:
    """A matrix less its row means and column means, plus its mean."""
    return matrix - matrix.mean(axis=0) - matrix.mean(axis=1)[:, None] + matrix.mean()


def hsic_1(k: np.ndarray, l: np.ndarray) -> float:  # noqa: E741
    """Song et al. (2012), the unbiased estimate of HSIC, in terms of traces (Nguyen et al. (2021), equation 3)."""
    n, one = len(k), np.ones(len(k))
    # taking the means out of the matrices changes no term but keeps their digits
    k, l = doubly_centred(k), doubly_centred(l)  # noqa: E741
    k, l = k - np.diag(np.diag(k)), l - np.diag(np.diag(l))  # noqa: E741
    first = np.trace(k @ l)
    second = one @ k @ one * (one @ l @ one) / ((n - 1) * (n - 2))
    third = 2 / (n - 2) * (one @ k @ l @ one)
    return float((first + second - third) / (n * (n - 3)))


def kernel_cka(kernel):
    """The ratio of unbiased estimates of HSIC, for kernels of the distance over its median."""

    def score(x: np.ndarray, y: np.ndarray) -> float:
        k, l = (kernel(d / np.median(upper(d))) for d in (distances(x), distances(y)))  # noqa: E741
        return hsic_1(k, l) / np.sqrt(hsic_1(k, k) * hsic_1(l, l))

    return score


def linear_kernel(x: np.ndarray) -> np.ndarray:
    """Inner products of the centred rows, whose largest value is 1."""
    x = x.astype(np.float64)
    x = x - x.mean(axis=0)
    x = x / (np.abs(x).max() or 1.0)
    return x @ x.T


def minibatch_cka(x: np.ndarray, y: np.ndarray) -> float:
    """Nguyen et al. (2021), section 3.1: unbiased estimates of HSIC summed, each weighted by its pairs."""
    sums = np.zeros(3)
    scale = [np.abs(a - a.astype(np.float64).mean(axis=0)).max() for a in (x, y)]
    for rows in np.array_split(np.arange(len(x)), -(-len(x) // 500)):
        n = len(rows)
        a, b = (z[rows].astype(np.float64) / s for z, s in zip((x, y), scale, strict=True))
        a, b = a - a.mean(axis=0), b - b.mean(axis=0)
        k, l = a @ a.T, b @ b.T  # noqa: E741
        sums += n * (n - 3) * np.array([hsic_1(k, l), hsic_1(k, k), hsic_1(l, l)])
    return float(sums[0] / np.sqrt(sums[1] * sums[2]))


def rv_of_covariances(x: np.ndarray, y: np.ndarray) -> float:
    """Robert & Escoufier (1976), with covariance matrices; of Gram matrices where those are smaller."""
    x, y = (a.astype(np.float64) - a.astype(np.float64).mean(axis=0) for a in (x, y))
    x, y = x / np.abs(x).max(), y / np.abs(y).max()
    if x.shape[1] + y.shape[1] > 2 * len(x):
        k, l = x @ x.T, y @ y.T  # noqa: E741
        return float(np.trace(k @ l) / np.sqrt(np.trace(k @ k) * np.trace(l @ l)))
    s = lambda a, b: np.trace((a.T @ b) @ (b.T @ a))  # noqa: E731
    return float(s(x, y) / np.sqrt(s(x, x) * s(y, y)))


def distance_correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Székely, Rizzo & Bakirov (2007), definitions 3 and 4."""
    a, b = doubly_centred(distances(x)), doubly_centred(distances(y))
    return float(np.sqrt((a * b).mean() / np.sqrt((a * a).mean() * (b * b).mean())))


def average_ranks(values: np.ndarray) -> np.ndarray:
    """The mean of the positions that equal values take in the sorted order."""
    ordered = np.sort(values)
    return (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right") + 1) / 2


def rsa(compare, transform=lambda d: d):
    """Kriegeskorte et al. (2008): dissimilarities above the diagonal, compared."""
    return lambda x, y: compare(*(transform(upper(squared_distances(a))) for a in (x, y)))


def pearson(a: np.ndarray, b: np.ndarray) -> float:
    """The correlation of two vectors."""
    return cosine(a - a.mean(), b - b.mean())


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """The cosine of the angle between two vectors."""
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def neighbour_sets(x: np.ndarray, k: int = 10) -> list[set[int]]:
    """For each example the others that are no farther than the k-th nearest."""
    found = []
    for i, row in enumerate(squared_distances(x)):
        others = np.delete(np.arange(len(row)), i)
        limit = np.sort(row[others])[k - 1]
        found.append({int(j) for j in others if row[j] <= limit})
    return found


def mutual_knn(x: np.ndarray, y: np.ndarray) -> float:
    """Huh et al. (2024), equation of the mutual nearest-neighbour metric, with distances; ties count all."""
    pairs = zip(neighbour_sets(x), neighbour_sets(y), strict=True)
    return float(np.mean([len(a & b) / max(len(a), len(b)) for a, b in pairs]))


def knn_jaccard(x: np.ndarray, y: np.ndarray) -> float:
    """Klabunde et al. (2023), Jaccard similarity of neighbourhoods; ties count all."""
    pairs = zip(neighbour_sets(x), neighbour_sets(y), strict=True)
    return float(np.mean([len(a & b) / len(a | b) for a, b in pairs]))


ORACLES |= {
    "cka_rbf": kernel_cka(lambda d: np.exp(-(d**2) / 2)),
    "cka_laplace": kernel_cka(lambda d: np.exp(-d)),
    "cka_minibatch": minibatch_cka,
    "rv": rv_of_covariances,
    "distance_correlation": distance_correlation,
    "rsa_pearson": rsa(pearson),
    "rsa_spearman": rsa(pearson, average_ranks),
    "rsa_cosine": rsa(cosine),
    "mutual_knn": mutual_knn,
    "knn_jaccard": knn_jaccard,
}


def centred_unit(x: np.ndarray) -> np.ndarray:
    """The columns less their means, divided by the Frobenius norm."""
    x = x.astype(np.float64)
    x = x - x.mean(axis=0)
    return x / np.linalg.norm(x)


def angle_of_residual(x: np.ndarray, y: np.ndarray) -> float:
    """Williams et al. (2021): 2 arcsin of half the distance left after the best rotation, written out."""
    x, y = centred_unit(x), centred_unit(y)
    width = max(x.shape[1], y.shape[1])
    x, y = (np.pad(a, ((0, 0), (0, width - a.shape[1]))) for a in (x, y))
    left, _, right = np.linalg.svd(y.T @ x)
    return float(2 * np.arcsin(np.linalg.norm(x - y @ (left @ right)) / 2))


def fidelity_of_grams(x: np.ndarray, y: np.ndarray) -> float:
    """Tang et al. (2020): the trace of (K^1/2 L K^1/2)^1/2 over the root of the traces, with n x n matrices."""
    k, l = (centred_unit(a) @ centred_unit(a).T for a in (x, y))  # noqa: E741
    values, vectors = np.linalg.eigh(k)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    rank = min(len(x) - 1, x.shape[1], y.shape[1])  # the others are zero
    inner = np.maximum(np.linalg.eigvalsh(root @ l @ root)[-rank:], 0)
    return float(np.sqrt(inner).sum() / np.sqrt(np.trace(k) * np.trace(l)))


def orthonormal(x: np.ndarray) -> np.ndarray:
    """Columns that span the centred ones: those of the QR decomposition, for columns that are independent."""
    return np.linalg.qr(centred_unit(x))[0]


def canonical_correlations(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The correlations, and the canonical directions of x as columns over examples; for independent columns."""
    u, v = orthonormal(x), orthonormal(y)
    left, values, _ = np.linalg.svd(u.T @ v, full_matrices=False)
    return values, u @ left


def mean_cca(x: np.ndarray, y: np.ndarray) -> float:
    """Raghu et al. (2017): the mean of the canonical correlations; 1 where either spans everything."""
    if max(x.shape[1], y.shape[1]) >= len(x) - 1:
        return 1.0
    return float(canonical_correlations(x, y)[0].mean())


def components(x: np.ndarray, share: float = 0.99) -> np.ndarray:
    """The principal components that make up this share of the variance, found one by one."""
    u, s, _ = np.linalg.svd(centred_unit(x), full_matrices=False)
    kept = 1
    while (s[:kept] ** 2).sum() < share * (s**2).sum():
        kept += 1
    return u[:, :kept] * s[:kept]


def svcca(x: np.ndarray, y: np.ndarray) -> float:
    """Raghu et al. (2017), algorithm in section 2."""
    return float(canonical_correlations(components(x), components(y))[0].mean())


def pwcca(x: np.ndarray, y: np.ndarray) -> float:
    """Morcos et al. (2018), section 2: the weights are sums over the neurons of x."""
    correlations, directions = canonical_correlations(x, y)
    neurons = x.astype(np.float64) - x.astype(np.float64).mean(axis=0)
    weights = [sum(abs(h @ z) for z in neurons.T) for h in directions.T]
    if np.ptp(correlations) < 1e-9:  # all the same: any weights will do
        return float(correlations.mean())
    return float(weights @ correlations / np.sum(weights))


def least_squares(x: np.ndarray, y: np.ndarray) -> float:
    """1 less the share of the variance of y that is left after regressing it on x and a constant."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    design = np.hstack([np.ones((len(x), 1)), (x - x.mean(axis=0)) / np.linalg.norm(x - x.mean(axis=0), axis=0)])
    y = y - y.mean(axis=0)
    left = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    return float(1 - (left**2).sum() / (y**2).sum())


def matching(x: np.ndarray, y: np.ndarray) -> float:
    """The best of all matchings: one after another for few units, by a linear programme for more."""
    from itertools import permutations

    from scipy.optimize import linprog

    gains = centred_unit(x).T @ centred_unit(y)
    gains = gains if gains.shape[0] <= gains.shape[1] else gains.T
    p, q = gains.shape
    if q <= 6:
        return float(max(sum(gains[i, j] for i, j in enumerate(order)) for order in permutations(range(q), p)))
    once, most = np.kron(np.eye(p), np.ones(q)), np.kron(np.ones(p), np.eye(q))
    found = linprog(-gains.ravel(), A_ub=most, b_ub=np.ones(q), A_eq=once, b_eq=np.ones(p), bounds=(0, 1))
    return float(-found.fun)


def wasserstein_after_turn(x: np.ndarray, y: np.ndarray) -> float:
    """Duong et al. (2023), eq. 5, with 2-Wasserstein distances in their closed form, over many starts by Nelder-Mead.

    The rotation is the exponential of a skew matrix, times a reflection or not; rows are a mean, then a covariance.
    """
    from scipy.linalg import expm
    from scipy.optimize import minimize

    def parts(rows: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
        d = int((np.sqrt(1 + 4 * rows.shape[1]) - 1) / 2)
        means, covariances = rows[:, :d] - rows[:, :d].mean(axis=0), rows[:, d:].reshape(-1, d, d)
        total = (means**2).sum() / len(rows) + np.trace(covariances, axis1=1, axis2=2).mean()
        more = width - d
        return (
            np.pad(means, ((0, 0), (0, more))) / np.sqrt(total),
            np.pad(covariances, ((0, 0), (0, more), (0, more))) / total,
        )

    x, y = x.astype(np.float64), y.astype(np.float64)
    d = max(int((np.sqrt(1 + 4 * a.shape[1]) - 1) / 2) for a in (x, y))
    (m, k), (w, l) = parts(x, d), parts(y, d)  # noqa: E741
    values, vectors = np.linalg.eigh(k)
    roots = (vectors * np.sqrt(np.maximum(values, 0))[:, None]) @ vectors.swapaxes(1, 2)
    upper = np.triu_indices(d, 1)

    def squared(q: np.ndarray) -> float:
        turned = q @ l @ q.T
        fidelity = np.sqrt(np.maximum(np.linalg.eigvalsh(roots @ turned @ roots), 0)).sum(axis=1)
        bures = np.trace(k, axis1=1, axis2=2) + np.trace(turned, axis1=1, axis2=2) - 2 * fidelity
        return float((((m - w @ q.T) ** 2).sum(axis=1) + bures).mean())

    def turn(angles: np.ndarray, mirror: np.ndarray) -> np.ndarray:
        skew = np.zeros((d, d))
        skew[upper] = angles
        return expm(skew - skew.T) @ mirror

    best = np.inf
    for start in range(12):
        rng = np.random.default_rng(start)
        mirror = np.diag(np.append(np.ones(d - 1), (-1.0) ** start))
        angles = rng.uniform(-np.pi, np.pi, len(upper[0]))
        fine = {"xatol": 1e-8, "fatol": 1e-13, "maxfev": 2000}
        cost = lambda a, r=mirror: squared(turn(a, r))  # noqa: E731
        found = minimize(cost, angles, method="Nelder-Mead", options=fine) if len(angles) else None
        best = min(best, squared(mirror) if found is None else found.fun)
    return float(np.sqrt(max(best, 0)))


ORACLES |= {
    "procrustes_angle": angle_of_residual,
    "bures": fidelity_of_grams,
    "cca": mean_cca,
    "svcca": svcca,
    "pwcca": pwcca,
    "linear_regression": least_squares,
    "permutation": matching,
    "gaussian_shape": wasserstein_after_turn,
}
