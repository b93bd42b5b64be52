"""What capture costs beside a bare loop with hooks written by hand that keeps the same activations, one core.

    python benchmarks/capture.py [--quick]

Both pass the same batches through the same model in evaluation mode and end with one float32 array a layer; the bare
loop allocates these beforehand, as one does who knows the shapes. Three cases: all innermost layers of an encoder like
the paper's in batches of 64; the same in batches of 8, where what capture does for each batch shows; and the first
layer alone, where capture breaks each pass off and the bare loop does not. The fixed cost is what `Probing.captured()`
of 4 examples of a model of 101 modules costs beyond the bare pass: the model's state is kept and put back. Exit code 1
if a claim does not hold. Times are of the processor, in turns, the best of some rounds.
"""

import sys
import time

import numpy as np
import torch
from timing import on_cores
from torch import nn

from vaescope.runs.capture import Probing

CLAIM = 1.1


def encoder() -> nn.Sequential:
    """The convolutions of the paper's VAE, with activations that write in place."""
    layers: list[nn.Module] = []
    for i, o in ((1, 32), (32, 32), (32, 64), (64, 64)):
        layers += [nn.Conv2d(i, o, 4, stride=2, padding=1), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(1024, 256), nn.ReLU(inplace=True), nn.Linear(256, 20))


def by_hand(model: nn.Module, images: torch.Tensor, size: int, widths: dict[str, int]) -> dict[str, np.ndarray]:
    """What one writes without vaescope."""
    kept = {name: np.empty((len(images), width), np.float32) for name, width in widths.items()}
    start = 0

    def keep(name):
        def hook(module, args, output):
            value = output.permute(0, 2, 3, 1) if output.dim() == 4 else output
            place = torch.from_numpy(kept[name][start : start + len(output)])
            place.view(value.shape).copy_(value)

        return hook

    handles = [model.get_submodule(name).register_forward_hook(keep(name)) for name in widths]
    with torch.no_grad():
        for start in range(0, len(images), size):
            model(images[start : start + size])
    for handle in handles:
        handle.remove()
    return kept


def best(works: dict, rounds: int) -> dict[str, float]:
    """The least seconds of the processor of each, in turns."""
    least = dict.fromkeys(works, float("inf"))
    for _ in range(rounds):
        for name, work in works.items():
            begun = time.process_time()
            work()
            least[name] = min(least[name], time.process_time() - begun)
    return least


def main() -> int:
    """Print the table."""
    quick = "--quick" in sys.argv
    n, rounds, held = (64, 1, True) if quick else (512, 15, True)
    print(f"{'':34}{'by hand':>10}{'capture':>10}{'ratio':>8}")
    with on_cores(1):
        model = encoder().eval()
        images = torch.rand(n, 1, 64, 64, generator=torch.Generator().manual_seed(0))
        for title, size, layers in (
            ("11 layers, batches of 64", 64, None),
            ("11 layers, batches of 8", 8, None),
            ("the first layer, batches of 64", 64, "0"),
        ):
            probing = Probing(model, images, layers, batch_size=size)
            widths = dict(probing.layers)
            ours, theirs = probing.captured(), by_hand(model, images, size, widths)
            held &= all(np.array_equal(ours[name], theirs[name]) for name in widths)
            del ours, theirs
            works = {
                "by hand": lambda s=size, w=widths: by_hand(model, images, s, w),
                "capture": lambda p=probing: p.captured(),
            }
            took = best(works, rounds)
            ratio = took["capture"] / took["by hand"]
            held &= quick or size < 64 or ratio <= CLAIM
            print(f"{title:34}{took['by hand']:9.3f}s{took['capture']:9.3f}s{ratio:8.2f}")
        deep = nn.Sequential(*(layer for _ in range(50) for layer in (nn.Linear(8, 8), nn.BatchNorm1d(8)))).eval()
        few = torch.rand(4, 8, generator=torch.Generator().manual_seed(1))
        probing = Probing(deep, few)
        took = best(
            {
                "bare": lambda: by_hand(deep, few, 64, dict(probing.layers)),
                "capture": probing.captured,
            },
            3 if quick else 50,
        )
        print(f"fixed cost, 101 modules, 100 layers: {1e3 * (took['capture'] - took['bare']):.1f} ms a capture")
    print(f"same numbers, and at most {CLAIM} times the bare loop in batches of 64: {'yes' if held else 'NO'}")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
