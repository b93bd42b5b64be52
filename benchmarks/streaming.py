"""Minibatch CKA of the 17 layers of two snapshots, against the way of torch_cka, one core, in one run.

    python benchmarks/streaming.py [--quick | --full]

Claim: at least 15 times as fast, memory that does not grow, scores as float64 gives them. What a batch costs does not
depend on how many there were, so torch_cka is timed on 2 batches of 500 and ours on 40, in turns. `--full`: ours on all
400 batches of 200,000 examples, about 5 minutes; `--quick`: a few batches of 100, where speed is no claim. Features are
real ones (see activations.py); those of 1,000 images are given again and again. Exit code 1 if a claim does not hold.
Times are of the processor, on which nothing but the one thread counts, as machines are shared.

torch_cka (0.21) is used if it can be imported, else its algorithm in our own words: for each layer of x and, again for
each of these, for each layer of y: the Gram matrix of the raw features, its diagonal set to zero; Song's estimate as
trace(K L) from the full product K L, plus products with a vector of ones, for the pair and for (L, L), and for (K, K)
once a layer of x. All in float32.
"""

import contextlib
import sys
import time
import warnings

import numpy as np
import psutil
import torch
from activations import QUICK, STEPS, Activations
from timing import on_cores

from vaescope.stats.streaming.estimator import StreamingCKA

CLAIM, ERROR, GROWTH = 15.0, 1e-4, 16.0


def song(k: torch.Tensor, l: torch.Tensor) -> float:  # noqa: E741
    """Song's unbiased estimate of HSIC from Gram matrices without diagonals, by full products."""
    n = len(k)
    ones = torch.ones(n, 1)
    total = torch.trace(k @ l)
    total += ((ones.t() @ k @ ones) * (ones.t() @ l @ ones) / ((n - 1) * (n - 2))).item()
    total -= 2 / (n - 2) * (ones.t() @ k @ l @ ones).item()
    return float(total / (n * (n - 3)))


def raw_gram(x: torch.Tensor) -> torch.Tensor:
    """Inner products of the rows, those with themselves set to zero."""
    return (x @ x.t()).fill_diagonal_(0.0)


def own_words(batches: list[tuple[list[torch.Tensor], list[torch.Tensor]]]) -> np.ndarray:
    """What torch_cka does, as told above."""
    sums = np.zeros((3, len(batches[0][0]), len(batches[0][1])))
    for xs, ys in batches:
        for i, x in enumerate(xs):
            k = raw_gram(x)
            sums[1, i] += song(k, k)
            for j, y in enumerate(ys):
                l = raw_gram(y)  # noqa: E741
                sums[0, i, j] += song(k, l)
                sums[2, i, j] += song(l, l)
    with np.errstate(invalid="ignore"):
        return sums[0] / (np.sqrt(sums[1]) * np.sqrt(sums[2]))


class Replay(torch.nn.Module):
    """A model whose layers give what was recorded, so that the peer's hooks have something to hear."""

    def __init__(self, side: int, batches: list[tuple[list[torch.Tensor], list[torch.Tensor]]]) -> None:
        super().__init__()
        self.batches = [batch[side] for batch in batches]
        self.layers = torch.nn.ModuleList(torch.nn.Identity() for _ in self.batches[0])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """One pass; `x` holds the number of the batch."""
        for layer, values in zip(self.layers, self.batches[int(x[0, 0])], strict=True):
            layer(values)
        return x


def peer():
    """How to compute the scores of a list of batches the way of torch_cka, and its name."""
    try:
        from torch_cka import CKA
    except ImportError:
        return own_words, "torch_cka's way"

    def run(batches):
        names = [f"layers.{i}" for i in range(len(batches[0][0]))]
        numbers = torch.arange(len(batches)).float().repeat_interleave(2)[:, None]
        loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(numbers), batch_size=2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            cka = CKA(Replay(0, batches), Replay(1, batches), "x", "y", names, names)
            with contextlib.suppress(AssertionError):  # a NaN among the scores, which are there nonetheless
                cka.compare(loader)
        return cka.hsic_matrix.numpy()

    return run, "torch_cka"


def exact(batches: list[tuple[list[torch.Tensor], list[torch.Tensor]]]) -> np.ndarray:
    """The scores in float64, from features whose mean was subtracted in float64."""
    sums = [0.0, 0.0, 0.0]
    for batch in batches:
        packed = []
        for side in batch:
            rows = []
            for x in side:
                values = x.numpy().astype(np.float64)
                values -= values.mean(axis=0)
                k, n = values @ values.T, len(values)
                np.fill_diagonal(k, 0)
                u = k.sum(axis=1) / (n - 2) - k.sum() / (2 * (n - 1) * (n - 2))
                k -= u[:, None] + u
                np.fill_diagonal(k, 0)
                rows.append(k.ravel())
            packed.append(np.stack(rows))
        x, y = packed
        for i, term in enumerate((x @ y.T, (x * x).sum(axis=1), (y * y).sum(axis=1))):
            sums[i] = sums[i] + term
    return sums[0] / np.sqrt(np.outer(sums[1], sums[2]))


def resident() -> float:
    """The memory this process has now, MiB."""
    return psutil.Process().memory_info().rss / 2**20


def main() -> int:
    """Print the table."""
    quick, full = "--quick" in sys.argv, "--full" in sys.argv
    size, count = (100, 8) if quick else (500, 400 if full else 40)
    with on_cores(1), torch.inference_mode():
        steps = QUICK if quick else STEPS
        activations = Activations(2 * size, steps)
        sides = [activations.layers(step) for step in (steps[-2], steps[-1])]
        names = list(sides[0])
        parts = [slice(0, size), slice(size, 2 * size)]
        mine = [tuple({name: side[name][part] for name in names} for side in sides) for part in parts]
        theirs = [tuple([torch.from_numpy(v) for v in side.values()] for side in batch) for batch in mine]
        truth = exact(theirs)
        run, name = peer()
        own_time = peer_time = 0.0
        cka, two = StreamingCKA(), StreamingCKA()
        for batch in mine:
            two.update(*batch)
        memory = []
        for half in range(2):
            begun = time.process_time()
            run(theirs[half : half + 1])
            peer_time += time.process_time() - begun
            begun = time.process_time()
            for i in range(count // 2):
                cka.update(*mine[i % 2])
                memory.append(resident())
            own_time += time.process_time() - begun
        grown = memory[-1] - memory[0]
        scores = run(theirs)
    error = float(np.nanmax(np.abs(two.result().scores - truth)))
    undefined = np.isnan(scores).sum()
    wrong = float(np.nanmax(np.abs(scores - truth)))
    ratio = (peer_time / 2) / (own_time / count)
    print(f"{len(names)} x {len(names)} layers of two snapshots, batches of {size}, one core")
    print(f"{'':18}{'CPU s a batch':>14}{'200,000 examples':>18}{'largest error':>15}{'NaN':>6}")
    for who, taken, off, nan in (
        (name, peer_time / 2, wrong, undefined),
        ("vaescope", own_time / count, error, int(np.isnan(two.result().scores).sum())),
    ):
        print(f"{who:18}{taken:14.3f}{taken * 200_000 / size / 60:14.1f} min{off:15.1e}{nan:6d}")
    print(
        f"ratio {ratio:.1f} (claim: {CLAIM:.0f}), resident memory {grown:+.1f} MiB over {count} batches, examples",
        end=" ",
    )
    print(f"{cka.result().examples:,}, state {sum(v.nbytes for v in cka.state().values()) / 1024:.0f} KiB")
    held = error <= ERROR and grown <= GROWTH and (quick or ratio >= CLAIM)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
