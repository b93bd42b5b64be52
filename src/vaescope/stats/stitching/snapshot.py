"""What can be stitched: a module, or a snapshot of a run of a study."""

from typing import TYPE_CHECKING, Any

from vaescope.errors import UsageError
from vaescope.stats.results import Results
from vaescope.stats.stitching.losses import Loss, vae_losses

if TYPE_CHECKING:
    from torch import Tensor, nn

    from vaescope.models.network import Network

Model = Any
"""A module, or a run of a study: (results or folder, run) or (results or folder, run, step)."""


class FromRun:
    """A snapshot of a run as something that can be stitched."""

    def __init__(self, results: Results, run: str, step: int | None) -> None:
        from vaescope.registry import suggestion

        by_id = {r.id: r for r in results.folder.runs}
        if run not in by_id:
            raise UsageError(f"{results.path}: there is no run {run!r}.{suggestion(str(run), list(by_id))}")
        steps = results.snapshot_steps[run]
        if not steps or (step is not None and step not in steps):
            kept = ", ".join(map(str, steps)) or "none"
            raise UsageError(f"{run}: there is no snapshot of step {step or 'the end'}; there are: {kept}.")
        self.folder, self.run, self.step = results.folder, by_id[run], steps[-1] if step is None else step

    def network(self) -> "Network":
        """The network with the weights of the snapshot."""
        from vaescope.runs.extract import load

        return load(self.folder, self.run, self.step)

    def images(self, n: int | None) -> "Tensor":
        """The first probe images of the run's dataset."""
        import torch

        from vaescope.runs.inputs import dataset_of, probe_of

        return torch.from_numpy(dataset_of(self.run).images(probe_of(self.folder, self.run).indices[:n]))

    def loss(self, name: str) -> Loss:
        """By the run's own reconstruction, with what it learned until the snapshot."""
        from vaescope.models.reconstruction import RECONSTRUCTIONS
        from vaescope.runs.learner import BESIDE, below

        reconstruction = RECONSTRUCTIONS[self.run.reconstruction](**self.run.reconstruction_options)
        weights = self.folder.run(self.run.id).snapshot(self.step)
        return vae_losses(name == "elbo", reconstruction, below(BESIDE, weights))


def opened(model: Model) -> "tuple[nn.Module, FromRun | None]":
    """The module that is meant, and the run it is of.

    Raises:
        UsageError: it is neither a module nor a run of a study.
    """
    from torch import nn

    if isinstance(model, nn.Module):
        return model, None
    known = (
        isinstance(model, tuple)
        and 2 <= len(model) <= 3
        and (isinstance(model[0], Results | str) or hasattr(model[0], "__fspath__"))
    )
    if not known:
        raise UsageError(
            f"expected a module, (results, run) or (results, run, step), got a {type(model).__name__}. Results are "
            "what `vaescope.open(folder)` gives."
        )
    results = model[0] if isinstance(model[0], Results) else Results(model[0])
    run = FromRun(results, str(model[1]), None if len(model) == 2 else int(model[2]))
    return run.network(), run
