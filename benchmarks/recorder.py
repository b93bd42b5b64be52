"""What a recorder costs a training, and whether it changes it.

    python benchmarks/recorder.py [--steps 3000] [--quick]

The paper's convolutional network on dSprites as somebody's own `nn.Module`, batch 64, in a plain loop, with and
without a recorder, in blocks of steps by turns. Printed: the time of a call that does not look, as a share of a step at
100 steps a second (aim: 1 %); the time of the looks as a share of the training's own, against the budget asked for; and
whether weights, optimiser state and random state end the same, bit for bit.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

import vaescope
from vaescope.models.network import NETWORKS, sample
from vaescope.runs.draw import draw

STEP = 0.01  # seconds a step at 100 steps a second


class Own(nn.Module):
    """A VAE as people write them: attributes encoder and decoder, a forward that samples."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        network = NETWORKS["conv"]((1, 64, 64), 10)
        for p in network.parameters():
            nn.init.normal_(p, std=0.05, generator=draw("benchmark", seed, p.numel()))
        self.encoder, self.decoder = network.encoder, network.decoder
        self.mean, self.log_var = network.mean, network.log_var
        self.noise = draw("benchmark noise", seed)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits, means, log variances."""
        from vaescope.models.network import Posterior

        h = self.encoder(x)
        posterior = Posterior(self.mean(h), self.log_var(h))
        noise = torch.randn(posterior.mean.shape, generator=self.noise)
        return self.decoder(sample(posterior, noise)), posterior.mean, posterior.log_var


class Loop:
    """One training, a block of steps at a time."""

    def __init__(self, images: Tensor, record: Callable[[nn.Module], vaescope.Recorder] | None) -> None:
        self.model = Own(0)
        self.optimiser = torch.optim.Adam(self.model.parameters(), lr=1e-4)
        self.images, self.step, self.seconds = images, 0, 0.0
        self.record = None if record is None else record(self.model)

    def run(self, steps: int) -> None:
        """Take so many steps."""
        began = time.perf_counter()
        for step in range(self.step, self.step + steps):
            batch = self.images[torch.randint(len(self.images), (64,), generator=draw("batch", step))]
            logits, mean, log_var = self.model(batch)
            pixels = nn.functional.binary_cross_entropy_with_logits(logits, batch, reduction="sum") / 64
            kl = 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(1).mean()
            loss = pixels + 4 * kl
            if self.record is not None:
                self.record(step, loss=loss, reconstruction=pixels, kl=kl)
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()
        self.step += steps
        self.seconds += time.perf_counter() - began

    def state(self) -> list[Tensor]:
        """All that a training goes on from."""
        moments = [value for state in self.optimiser.state.values() for value in state.values()]
        return [*self.model.state_dict().values(), *moments, self.model.noise.get_state()]


def idle_call(model: nn.Module, probe: Tensor, folder: Path, calls: int) -> float:
    """Seconds of a call that does not look, with the losses that a loop passes, every fiftieth of which is logged."""
    record = vaescope.Recorder(model, folder, probe=probe, n=16, at=[0])
    record(0)
    loss = torch.tensor(1.0, requires_grad=True) * 2
    found = []
    for turn in range(5):
        began = time.perf_counter()
        for step in range(turn * calls + 1, (turn + 1) * calls + 1):
            record(step, loss=loss, reconstruction=loss, kl=loss)
        found.append((time.perf_counter() - began) / calls)
    return sorted(found)[2]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--overhead", type=float, default=0.05)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    steps, block, probe = (30, 10, 64) if options.quick else (options.steps, 250, 500)
    torch.set_num_threads(1)
    dsprites = vaescope.load_dataset("dsprites")
    images = torch.from_numpy(dsprites.images(range(0, len(dsprites), len(dsprites) // 4000)))
    with tempfile.TemporaryDirectory() as folder:

        def recorder(model: nn.Module) -> vaescope.Recorder:
            return vaescope.Recorder(
                model, Path(folder) / "study", probe=images, n=probe, steps=steps, max_overhead=options.overhead
            )

        plain, watched = Loop(images, None), Loop(images, recorder)
        while plain.step < steps:
            for loop in (plain, watched):
                loop.run(min(block, steps - loop.step))
        record = watched.record
        assert record is not None
        found = record.overhead
        call = idle_call(plain.model, images, Path(folder) / "idle", 200 if options.quick else 20_000)
        same = all(torch.equal(a, b) for a, b in zip(plain.state(), watched.state(), strict=True))
        record.finish(steps)
    print(f"steps a second without: {steps / plain.seconds:.1f}, with: {steps / watched.seconds:.1f}")
    print(f"a call that does not look: {call * 1e6:.1f} us, {call / STEP:.3%} of a step at 100 a second (aim: 1 %)")
    print(
        f"{found['looks']:.0f} looks of {found['seconds'] / found['looks']:.2f} s: {found['share']:.2%} of the "
        f"training's own time (asked for at most {options.overhead:.0%})"
    )
    print(f"the same weights, moments and random state, bit for bit: {same}")
    assert same


if __name__ == "__main__":
    main()
