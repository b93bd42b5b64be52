"""The equations of the papers, term by term in Python floats: slow and obvious."""

import math

import numpy as np


def listed(tensor):
    return tensor.detach().double().tolist()


def bernoulli(passed):
    """Minus the first term of equation 3 of Kingma & Welling: pixel by pixel."""
    total = 0.0
    for image, logits in zip(passed.images, passed.logits, strict=True):
        for x, y in zip(listed(image.flatten()), listed(logits.flatten()), strict=True):
            p = 1 / (1 + math.exp(-y))
            total -= x * math.log(p) + (1 - x) * math.log(1 - p)
    return total / len(passed.images)


def kl(passed):
    """Appendix B of Kingma & Welling, example by example, latent by latent."""
    total = 0.0
    for means, log_vars in zip(listed(passed.posterior.mean), listed(passed.posterior.log_var), strict=True):
        for m, v in zip(means, log_vars, strict=True):
            total += 0.5 * (m * m + math.exp(v) - 1 - v)
    return total / len(passed.images)


def density(z, mean, log_var):
    return math.exp(-((z - mean) ** 2) / (2 * math.exp(log_var))) / math.sqrt(2 * math.pi * math.exp(log_var))


def weighted(values, own, examples):
    """Minibatch-weighted sampling: 1 / (N M) of the sum."""
    return sum(values) / (examples * len(values))


def stratified_with_last(values, own, examples, last):
    """Minibatch-stratified sampling as Chen et al. write it: M others, of which `last` has another weight."""
    others = len(values) - 1
    total = values[own] / examples
    for i, value in enumerate(values):
        if i == last:
            total += value * (examples - others) / (examples * others)
        elif i != own:
            total += value / others
    return total


def stratified(values, own, examples):
    """The mean of `stratified_with_last` over who is last."""
    choices = [last for last in range(len(values)) if last != own]
    return sum(stratified_with_last(values, own, examples, last) for last in choices) / len(choices)


def total_correlation(passed, estimate):
    """E_j [log q(z_j) - Σ_l log q(z_jl)] with densities, not their logarithms."""
    means, log_vars, codes = (listed(t) for t in (passed.posterior.mean, passed.posterior.log_var, passed.sampled))
    n, d = len(codes), len(codes[0])
    total = 0.0
    for j in range(n):
        each = [[density(codes[j][k], means[i][k], log_vars[i][k]) for k in range(d)] for i in range(n)]
        total += math.log(estimate([math.prod(row) for row in each], j, passed.examples))
        for k in range(d):
            total -= math.log(estimate([row[k] for row in each], j, passed.examples))
    return total / n


def covariance(rows):
    """E[x y] - E[x] E[y] of each two columns."""
    n, d = len(rows), len(rows[0])
    mean = [sum(row[i] for row in rows) / n for i in range(d)]
    return [[sum(r[i] * r[j] for r in rows) / n - mean[i] * mean[j] for j in range(d)] for i in range(d)]


def dip(passed, lambda_od, lambda_d, second):
    """Equations 6 and 7 of Kumar et al.: λ_od Σ_{i≠j} V_ij² + λ_d Σ_i (V_ii - 1)²."""
    v = covariance(listed(passed.posterior.mean))
    log_vars = listed(passed.posterior.log_var)
    d = len(v)
    if second:
        for i in range(d):
            v[i][i] += sum(math.exp(row[i]) for row in log_vars) / len(log_vars)
    off = sum(v[i][j] ** 2 for i in range(d) for j in range(d) if i != j)
    return lambda_od * off + lambda_d * sum((v[i][i] - 1) ** 2 for i in range(d))


def mmd(passed, kernel):
    """Equation 3 of Gretton et al. with C = 2 d, pair by pair."""
    x, y = listed(passed.sampled), listed(passed.prior)
    n, c = len(x), 2 * len(x[0])

    def k(a, b):
        r = sum((p - q) ** 2 for p, q in zip(a, b, strict=True))
        return c / (c + r) if kernel == "imq" else math.exp(-r / c)

    pairs = [(i, j) for i in range(n) for j in range(n)]
    within = sum(k(x[i], x[j]) + k(y[i], y[j]) for i, j in pairs if i != j) / (n * (n - 1))
    return within - 2 * sum(k(x[i], y[j]) for i, j in pairs) / n**2


def log_odds(critic, codes):
    """E[log D(z) - log(1 - D(z))], D by the softmax of a network of six hidden layers, in float64."""
    value = codes.detach().double().numpy()
    weights = [p.detach().double().numpy() for p in critic.parameters()]
    assert len(weights) == 14
    for k in range(0, 14, 2):
        value = value @ weights[k].T + weights[k + 1]
        if k < 12:
            value = np.where(value > 0, value, 0.2 * value)
    share = np.exp(value[:, 0]) / np.exp(value).sum(axis=1)
    return float(np.mean(np.log(share) - np.log(1 - share)))
