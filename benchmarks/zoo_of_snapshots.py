"""Twenty snapshots, 340 representations, 57,970 pairs at n = 2,000, one core, float32; and one more Procrustes pair.

    python benchmarks/zoo_of_snapshots.py [--quick]

The authors' code begins anew for each of the 20 x 21 / 2 pairs of snapshots: it is timed on three and multiplied. Both
sides are given activations: the forward passes, which our side makes as it goes, are taken off its time. Useful work:
n^2 p operations a representation, a symmetric product, and n^2 a pair, half of the multiply-adds of two Gram matrices,
as these are symmetric; and the same without copies, which are a sixth of the 340: reshaping layers, and the input.
A marginal Procrustes pair is one of two prepared forms.
"""

import sys
from collections.abc import Callable
from functools import partial
from itertools import combinations_with_replacement

import numpy as np
import torch
from activations import QUICK, STEPS, Activations
from pair_of_snapshots import everything
from peers import AUTHORS_DEBIASED
from timing import best, gemm_rate, multiply, on_cores, timed

import vaescope
from vaescope.stats.measure import MEASURES

COPIES = ("encoder.5", "decoder.reshape")  # they only reshape the layer before


def zoo(activations: Activations, n: int) -> None:
    """Print what all pairs of a zoo take."""
    steps = activations.steps
    snapshots = len(steps)
    widths = {name: x.shape[1] for name, x in activations.layers(steps[0]).items()}
    copied = [name for name in widths if name in COPIES]
    everything_counted = _operations(n, len(widths) * snapshots, sum(widths.values()) * snapshots)
    repeated = sum(widths[name] for name in copied) * snapshots + widths["input"] * (snapshots - 1)
    without = len(copied) * snapshots + snapshots - 1
    once_counted = _operations(n, len(widths) * snapshots - without, sum(widths.values()) * snapshots - repeated)
    reps = activations.all()

    def ours() -> tuple[float, dict[str, float]]:
        before = activations.seconds
        seconds, result = timed(lambda: vaescope.similarity_matrix(reps, measure="cka", workers=1))
        loading = activations.seconds - before
        print(f"  vaescope             {seconds:8.1f} s, of which {loading:.1f} s forward passes; {result.seconds}")
        return seconds - loading, result.seconds

    def authors(first: int, second: int) -> float:
        xs, ys = dict(activations.layers(first)), dict(activations.layers(second))
        return timed(lambda: everything(AUTHORS_DEBIASED, xs, ys))[0]

    rates = [gemm_rate()]
    runs = [ours()]
    chosen = list(combinations_with_replacement(steps, 2))
    theirs = [authors(*chosen[i]) for i in (1, len(chosen) // 2, -2)]
    runs.append(ours())
    rates.append(gemm_rate())
    rate = max(rates)
    taken = min(seconds for seconds, _ in runs)
    stage = min(seconds["pairs"] for _, seconds in runs)
    whole = float(np.median(theirs)) * len(chosen)
    print(f"GEMM {rate / 1e9:.0f} GFLOP/s")
    print(f"  authors: {', '.join(f'{t:.2f}' for t in theirs)} s a pair of snapshots, x {len(chosen)} = {whole:.0f} s")
    print(f"  without forward passes: vaescope {taken:.1f} s, {whole / taken:.1f} x as fast")
    for said, (grams, pairs) in (("all", everything_counted), ("copies once", once_counted)):
        print(f"  {said}: {grams + pairs:.2e} operations, {(grams + pairs) / rate / taken:.2f} of GEMM", end="; ")
        print(f"the pairs: {pairs:.2e} operations in {stage:.2f} s, {pairs / rate / stage:.2f} of GEMM")


def _operations(n: int, count: int, features: int) -> tuple[float, float]:
    """Useful work of preparing and of the pairs."""
    return float(n) ** 2 * features, float(n) ** 2 * count * (count + 1) / 2


def marginal(n: int, p: int, rounds: int) -> None:
    """Print what one more Procrustes pair takes, of two prepared representations of rank min(n - 1, p)."""
    random = np.random.default_rng(p)
    x, y = (random.standard_normal((n, p), np.float32) for _ in range(2))
    measure = MEASURES["procrustes"]()
    works: dict[str, Callable[[], object]] = {"pair": partial(measure.compare, measure.prepare(x), measure.prepare(y))}
    if p >= n:
        gram = x @ x.T
        works["eigenvalues float64"] = partial(np.linalg.eigvalsh, gram.astype(np.float64))
        works["eigenvalues float32"] = partial(np.linalg.eigvalsh, gram)
        works["GEMM"] = multiply(n, n)
    else:
        square = x.T @ y
        works["svdvals float32, torch"] = partial(torch.linalg.svdvals, torch.from_numpy(square))
        works["svdvals float64, numpy"] = partial(np.linalg.svd, square.astype(np.float64), compute_uv=False)
    seconds, _ = best(works, rounds)
    print(f"a marginal Procrustes pair, n = {n:,}, p = q = {p:,}")
    for name, taken in seconds.items():
        print(f"  {name:24} {1e3 * taken:9.2f} ms")
    if p >= n:
        for kind in ("float64", "float32"):
            against = seconds[f"eigenvalues {kind}"] + seconds["GEMM"]
            print(f"  pair over eigenvalues {kind} + GEMM: {seconds['pair'] / against:.2f}")
    else:
        for kind in ("float32, torch", "float64, numpy"):
            print(f"  pair over svdvals {kind}: {seconds['pair'] / seconds[f'svdvals {kind}']:.2f}")
        several = {str(i): random.standard_normal((n, p), np.float32) for i in range(10 if n < 1_000 else 40)}
        result = vaescope.similarity_matrix(several, measure="procrustes", workers=1)
        each = result.seconds["pairs"] / (len(several) * (len(several) - 1) / 2)
        print(f"  many at once             {1e3 * each:9.2f} ms a pair")


def main() -> None:
    """Print all of it."""
    quick = "--quick" in sys.argv
    n, rounds = (100, 2) if quick else (2_000, 7)
    with on_cores(1):
        activations = Activations(n, QUICK if quick else STEPS)
        print(f"{len(activations.steps)} snapshots of 17 layers, n = {n:,}, one core, float32")
        zoo(activations, n)
        marginal(n, n if quick else 4_096, rounds)
        marginal(n, 32 if quick else 256, rounds)


if __name__ == "__main__":
    main()
