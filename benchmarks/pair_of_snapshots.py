"""All pairs of layers of two snapshots: 17 x 17 at n = 2,000, one core, float32, against the authors' way and peers.

    python benchmarks/pair_of_snapshots.py [--quick] [--widest 8192]

Useful work of CKA: n^2 p operations for each of the 34 representations, symmetric products. The authors' Procrustes is
timed once for each pair of widths and counted as often as that occurs; pairs wider than `--widest` (4,096 if not given;
8,192 takes two minutes more) are estimated from their own scaling: products and QR at the rate of a GEMM, and singular
values as p^3 from the widest square measured. That is less than they take, as the last part leaves the caches.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from hashlib import blake2b

import numpy as np
from activations import QUICK, STEPS, Activations
from peers import AUTHORS_CKA, AUTHORS_DEBIASED, AUTHORS_PROCRUSTES, Peer, double_centred, procrustes_peers, u_centred
from timing import K, N, best, multiply, on_cores, timed

import vaescope
from vaescope.errors import UsageError
from vaescope.stats.forms.examples import Precision

Layers = Mapping[str, np.ndarray]


def everything(peer: Peer, xs: Layers, ys: Layers) -> np.ndarray:
    """All pairs by a peer, each representation prepared once."""
    left, right = ([peer.prepare(x) for x in layers.values()] for layers in (xs, ys))
    return np.array([[peer.compare(x, y) for y in right] for x in left])


def distinct(*zoos: Layers) -> list[np.ndarray]:
    """The representations that are no copy of another: reshaping layers and the input are."""
    return list({blake2b(x.tobytes(), digest_size=16).digest(): x for layers in zoos for x in layers.values()}.values())


def exact(xs: Layers, ys: Layers, debiased: bool) -> np.ndarray:
    """CKA of all pairs in float64, from the Gram matrices of centred features."""

    def gram(x: np.ndarray) -> np.ndarray:
        x = x.astype(np.float64)
        x -= x.mean(axis=0)
        gram = (u_centred if debiased else double_centred)(x @ x.T).ravel()
        return gram / np.linalg.norm(gram)

    right = [gram(y) for y in ys.values()]
    return np.array([[left @ y for y in right] for left in map(gram, xs.values())])


def ours(xs: Layers, ys: Layers, measure: str, precision: Precision = "exact") -> np.ndarray:
    """All pairs through the public interface."""
    return vaescope.similarity_matrix(dict(xs), dict(ys), measure, precision=precision, workers=1).matrix


def ways() -> tuple[Precision, ...]:
    """The precisions this machine has."""
    x = np.random.default_rng(0).standard_normal((40, 50), np.float32)
    try:
        ours({"x": x}, {"y": x[:, ::2]}, "cka", "fast")
    except UsageError as error:
        print(f"no fast precision here: {error}")
        return ("exact",)
    return ("exact", "fast")


def cka(xs: Layers, ys: Layers, rounds: int) -> float:
    """Print CKA's part; the rate of a GEMM."""
    works, precisions = {"gemm": multiply()}, ways()
    for measure, authors in (("cka", AUTHORS_DEBIASED), ("cka_biased", AUTHORS_CKA)):
        works[f"{measure} authors"] = partial(everything, authors, xs, ys)
        works |= {f"{measure} {way}": partial(ours, xs, ys, measure, way) for way in precisions}
    seconds, scores = best(works, rounds)
    rate = 2 * N * N * K / seconds["gemm"]
    n = len(xs["mean"])
    useful = sum(float(n) ** 2 * x.shape[1] for x in (*xs.values(), *ys.values()))
    copies = useful - sum(float(n) ** 2 * x.shape[1] for x in distinct(xs, ys))
    print(
        f"GEMM {rate / 1e9:.0f} GFLOP/s; useful work {useful:.2e} operations, {useful / rate:.2f} s at that rate",
        end="; ",
    )
    print(f"{copies / useful:.0%} of it for representations that are copies of others")
    for measure in ("cka", "cka_biased"):
        truth = exact(xs, ys, measure == "cka")
        for way in ("authors", *precisions):
            name = f"{measure} {way}"
            taken = seconds[name]
            print(
                f"  {name:20} {taken:8.2f} s  {seconds[f'{measure} authors'] / taken:5.2f} x the authors'  "
                f"{useful / rate / taken:4.2f} of GEMM  largest error {np.abs(scores[name] - truth).max():.0e}"
            )
        if "fast" in precisions:
            print(f"  fast over exact: {seconds[f'{measure} exact'] / seconds[f'{measure} fast']:.2f} x")
    return rate


def widths(x: np.ndarray, y: np.ndarray) -> tuple[int, int]:
    """Of a pair, the narrower first."""
    p, q = sorted((x.shape[1], y.shape[1]))
    return p, q


def by_widths(
    peer: Peer, xs: Layers, ys: Layers, mine: np.ndarray, affordable: Callable[[int, int], bool]
) -> tuple[dict[tuple[int, int], float], float]:
    """Seconds of a pair of each two widths, what can be afforded, and the largest difference from `mine`."""
    times: dict[tuple[int, int], float] = {}
    worst = 0.0
    for i, x in enumerate(xs.values()):
        for j, y in enumerate(ys.values()):
            shape = widths(x, y)
            if shape in times or not affordable(*shape):
                continue
            work = partial(peer.compare, peer.prepare(x), peer.prepare(y))
            seconds, score = timed(work)
            times[shape] = min(
                [seconds, *(timed(work)[0] for _ in range(3 if seconds < 1 else 1 if seconds < 20 else 0))]
            )
            worst = max(worst, abs(score - mine[i, j]))
    return times, worst


def estimates(times: Mapping[tuple[int, int], float], n: int, rate: float) -> Callable[[int, int], float]:
    """What the authors' Procrustes takes: X^T Y, a QR if it is not square, and singular values as p^3."""
    square = max(p for p, q in times if p == q)
    cube = max(0.0, times[square, square] - 2 * n * square**2 / rate) / square**3
    print(f"  the authors' widest square measured: {square:,} in {times[square, square]:.2f} s")
    return lambda p, q: (2 * n * p * q + (2 * q * p**2 if q > p else 0)) / rate + cube * p**3


def procrustes(xs: Layers, ys: Layers, rate: float, widest: int) -> None:
    """Print Procrustes' part."""
    first, mine = timed(lambda: ours(xs, ys, "procrustes"))
    shapes = Counter(widths(x, y) for x in xs.values() for y in ys.values())
    rival = procrustes_peers()[-1]
    measured = {
        AUTHORS_PROCRUSTES: by_widths(AUTHORS_PROCRUSTES, xs, ys, mine, lambda p, q: q <= widest or p <= 1_024),
        rival: by_widths(rival, xs, ys, mine, lambda p, q: True),
    }
    theirs = measured[AUTHORS_PROCRUSTES][0]
    missing = [shape for shape in shapes if shape not in theirs]
    if missing:
        estimate = estimates(theirs, len(xs["mean"]), rate)
        theirs.update({shape: estimate(*shape) for shape in missing})
    again, _ = timed(lambda: ours(xs, ys, "procrustes"))
    taken = min(first, again)
    print(f"  vaescope             {taken:9.2f} s")
    for peer, (times, worst) in measured.items():
        preparing = sum(timed(partial(peer.prepare, x))[0] for x in (*xs.values(), *ys.values()))
        total = preparing + sum(count * times[shape] for shape, count in shapes.items())
        print(f"  {peer.name:20} {total:9.2f} s  {total / taken:7.1f} x ours  largest difference from ours {worst:.0e}")
    estimated = sum(shapes[shape] * theirs[shape] for shape in missing)
    print(f"  of the authors' time {estimated:.0f} s, {sum(shapes[s] for s in missing)} pairs, are estimated")
    fastest = sum(count * min(times[shape] for times, _ in measured.values()) for shape, count in shapes.items())
    print(f"  for each pair the faster of these, without preparing: {fastest:.2f} s, {fastest / taken:.1f} x ours")


def main() -> None:
    """Print both parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--widest", type=int, default=4_096)
    asked = parser.parse_args()
    with on_cores(1):
        activations = Activations(200, QUICK) if asked.quick else Activations(2_000, STEPS)
        xs, ys = (activations.layers(step) for step in (activations.steps[-2], activations.steps[-1]))
        if asked.quick:  # narrow layers only
            xs, ys = ({k: v for k, v in layers.items() if v.shape[1] <= 1_024} for layers in (xs, ys))
        print(f"{len(xs)} x {len(ys)} layers of two snapshots, n = {len(xs['mean']):,}, one core, float32")
        rate = cka(xs, ys, 2 if asked.quick else 3)
        print("Procrustes")
        procrustes(xs, ys, rate, asked.widest)


if __name__ == "__main__":
    main()
