"""The formulas of the papers, slow and obvious."""

from math import log

import numpy as np


def mutual_information(a, b):
    """Σ p(a, b) log p(a, b) / (p(a) p(b)), by loops over the values."""
    total = 0.0
    for x in set(a):
        for y in set(b):
            joint = sum(1 for p, q in zip(a, b, strict=True) if p == x and q == y) / len(a)
            if joint > 0:
                total += joint * log(joint / ((list(a).count(x) / len(a)) * (list(b).count(y) / len(b))))
    return total


def into_bins(values, bins):
    """The bin of each value, of bins of equal width from the smallest to the largest value."""
    edges = np.linspace(min(values), max(values), bins + 1)
    return [min(bins - 1, sum(1 for e in edges[1:] if v >= e)) for v in values]


def table_of_information(codes, factors, bins):
    cut = [into_bins(list(z), bins) for z in codes.T]
    return np.array([[mutual_information(c, list(f)) for f in factors.T] for c in cut])


def mig(codes, factors, bins=20):
    table = table_of_information(codes, factors, bins)
    gaps = []
    for k, factor in enumerate(factors.T):
        first, second = sorted(table[:, k], reverse=True)[:2]
        gaps.append((first - second) / mutual_information(list(factor), list(factor)))
    return sum(gaps) / len(gaps)


def modularity(codes, factors, bins=20):
    """1 - the squared distance to a template that has the largest entry alone, over the largest such distance."""
    found = []
    for row in table_of_information(codes, factors, bins):
        template = np.where(np.arange(len(row)) == row.argmax(), row.max(), 0.0)
        found.append(1 - sum((row - template) ** 2) / (row.max() ** 2 * (len(row) - 1)))
    return sum(found) / len(found)


def irs(codes, factors, quantile=0.99):
    best, weights = [], []
    for z in codes.T:
        largest = max(abs(z - z.mean()))
        robust = []
        for f in factors.T:
            spreads = []
            for v in set(f):
                same = z[f == v]
                spreads.append(np.quantile(abs(same - same.mean()), quantile))
            robust.append(1 - sum(spreads) / len(spreads) / largest)
        best.append(max(robust))
        weights.append(largest)
    return sum(b * w for b, w in zip(best, weights, strict=True)) / sum(weights)


def area_under_curve(scores, right):
    """The chance that a right one is above a wrong one, pair by pair."""
    wins = [
        (s > t) + 0.5 * (s == t)
        for s, is_right in zip(scores, right, strict=True)
        if is_right
        for t, also in zip(scores, right, strict=True)
        if not also
    ]
    return sum(wins) / len(wins)


def sap_of_correlations(codes, factors):
    gaps = []
    for f in factors.T:
        told = sorted((np.corrcoef(z, f)[0, 1] ** 2 for z in codes.T), reverse=True)
        gaps.append(told[0] - told[1])
    return sum(gaps) / len(gaps)


def entropy(p, base):
    return -sum(x * log(x, base) for x in p if x > 0)


def disentanglement(weights):
    """Eastwood & Williams: Σ_i ρ_i (1 - H_K(P_i.))."""
    total = weights.sum()
    return sum(row.sum() / total * (1 - entropy(row / row.sum(), weights.shape[1])) for row in weights if row.sum() > 0)


def completeness(weights):
    """Eastwood & Williams: the mean over factors of 1 - H_D(P_.j)."""
    return float(np.mean([1 - entropy(column / column.sum(), weights.shape[0]) for column in weights.T]))


def relative_strength(related):
    """UDR of a pair: Σ_a r_a² / Σ_b R(a, b) + Σ_b r_b² / Σ_a R(a, b), over the number of both."""
    a, b = related.shape
    rows = sum(max(related[i]) ** 2 / sum(related[i]) for i in range(a))
    columns = sum(max(related[:, j]) ** 2 / sum(related[:, j]) for j in range(b))
    return (rows + columns) / (a + b)
