"""Train the runs of a study: snapshots and events on disk, exactly continued after any interruption."""

import math
import time
from dataclasses import replace
from threading import Lock
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from vaescope.data.dataset import Dataset
from vaescope.errors import CorruptArtifact, Interrupted
from vaescope.models.network import NETWORKS, Network, initialise, sample
from vaescope.models.objective import OBJECTIVES, Forward, Objective, Terms
from vaescope.progress import Progress
from vaescope.runs.batches import batches
from vaescope.runs.crew import Shared, each, side_by_side
from vaescope.runs.draw import draw
from vaescope.runs.events import Events
from vaescope.runs.inputs import dataset_of, keep_probe
from vaescope.runs.machine import cores, threads_kept
from vaescope.runs.store import Manifest, Resume, RunFolder, StudyFolder
from vaescope.runs.study import Run

RESUME_SECONDS = 30.0
SHOW_EVERY = 10
_BUILDING = Lock()


def train(folder: StudyFolder, progress: Progress | None = None) -> None:
    """Train every run of the study that is not done, each from where it stopped, as many at once as there are cores.

    A run that diverges is marked so and the others go on. A run whose files are damaged is trained anew. The weights
    depend in their last bits on how many threads a run has, so that number is fixed when the run begins.

    Raises:
        Interrupted: a stop was asked for; the runs under way were saved at their last step.
        ResourceError: nothing can be written.
        CorruptArtifact: the dataset is not the one the study was begun with.
    """
    progress = progress or Progress()
    with folder.writing():
        keep_probe(folder)
        runners = [folder.run(run.id) for run in folder.runs]
        todo = [r for r in runners if _manifest(r, progress).state not in ("done", "diverged")]
        at_once = side_by_side(len(runners))
        if todo:
            left = sum(r.run.steps for r in todo)
            progress.stage(f"training {len(todo)} of {len(runners)} run(s), {at_once} at a time", left)
            shared = Shared(progress)

            def one(runner: RunFolder) -> None:
                shared.check()
                threads = runner.manifest().threads or max(1, cores() // at_once)
                torch.set_num_threads(threads)
                Training(runner, dataset_of(runner.run), threads).run(shared)

            with threads_kept():
                each(one, todo, at_once, shared)


def _manifest(runner: RunFolder, progress: Progress) -> Manifest:
    """What is known of a run; nothing, if any of its files is damaged."""
    try:
        damaged = runner.damaged()
    except CorruptArtifact:
        damaged = ["manifest.json"]
    if damaged:
        progress.say(f"run {runner.run.id}: {', '.join(damaged)} damaged or missing; training it anew")
        runner.save(Manifest())
    return runner.manifest()


class Training:
    """One run under way: its network, optimiser and what is on disk of it.

    Args:
        runner: the folder of the run, whose manifest says where to continue.
        dataset: what it is trained on.
        threads: how many torch has for it, noted in the manifest.
    """

    def __init__(self, runner: RunFolder, dataset: Dataset, threads: int = 1) -> None:
        run = runner.run
        self.runner = runner
        self.dataset = dataset
        self.network = build(run, dataset.image_shape)
        self.optimiser = optimiser_of(run, self.network)
        self.objective: Objective = OBJECTIVES[run.objective](**run.options)
        resume = runner.manifest().resume
        self.manifest = replace(runner.manifest() if resume else Manifest(), state="running", threads=threads)
        self.start = self._restore(resume) if resume else 0
        self.events = Events(runner, resume.events_bytes if resume else 0)
        self._saved_at = time.monotonic()

    def run(self, progress: Progress) -> None:
        """Train to the end, or until the loss is no number.

        What is noted of a step belongs to the weights before that step is taken: step 0 is the network as drawn.
        """
        run = self.runner.run
        progress.advance(self.start // SHOW_EVERY * SHOW_EVERY)
        with self.events:
            for step, batch in enumerate(batches(run, self.dataset, self.start), self.start):
                terms = one_pass(self.network, self.objective, torch.from_numpy(batch), run.seed, step)
                loss = terms.loss.item()
                size = self.events.size
                if step in run.snapshots or step % run.log_every == 0 or not math.isfinite(loss):
                    self.events.add(_event(step, terms))
                if not math.isfinite(loss):
                    reason = f"the loss is {loss} at step {step}"
                    self._end(replace(self.manifest, state="diverged", step=step, reason=reason))
                    progress.advance(run.steps - step // SHOW_EVERY * SHOW_EVERY)
                    progress.say(f"run {run.id} diverged: {reason}")
                    return
                if step in run.snapshots:
                    self._keep_snapshot(step)
                if step == run.steps:
                    self._end(replace(self.manifest, state="done", step=run.steps))
                    return
                if step in run.snapshots or time.monotonic() - self._saved_at > RESUME_SECONDS:
                    self._save(step, size)
                try:
                    progress.check()
                except Interrupted:
                    self._save(step, size)
                    raise
                self.optimiser.zero_grad(set_to_none=True)
                terms.loss.backward()
                self.optimiser.step()
                if (step + 1) % SHOW_EVERY == 0:
                    progress.advance(SHOW_EVERY, f"{run.setting} seed {run.seed}: loss {loss:.1f}")

    def _keep_snapshot(self, step: int) -> None:
        artifact = self.runner.save_tensors(f"snapshots/step-{step:09d}.safetensors", self.network.state_dict(), step)
        self.manifest = replace(self.manifest, snapshots={**self.manifest.snapshots, step: artifact})

    def _save(self, step: int, events_bytes: int) -> None:
        """Make `step` the point from which the run continues, before that step is taken."""
        self.events.sync()
        tensors = {f"network.{k}": v for k, v in self.network.state_dict().items()}
        for name, parameter in self.network.named_parameters():
            tensors |= {f"optimiser.{name}.{k}": v for k, v in self.optimiser.state[parameter].items()}
        artifact = self.runner.save_tensors(f"resume-{step:09d}.safetensors", tensors, step)
        self.manifest = replace(self.manifest, step=step, resume=Resume(step, artifact, events_bytes))
        self.runner.save(self.manifest)
        self._sweep(artifact.file)
        self._saved_at = time.monotonic()

    def _restore(self, resume: Resume) -> int:
        tensors = self.runner.tensors(resume.artifact)
        self.network.load_state_dict(_below("network.", tensors))
        for name, parameter in self.network.named_parameters():
            # Moments take the memory layout of their weights, which the file does not keep.
            self.optimiser.state[parameter] = {
                k: torch.empty_like(parameter).copy_(v) if v.shape == parameter.shape else v
                for k, v in _below(f"optimiser.{name}.", tensors).items()
            }
        return resume.step

    def _end(self, manifest: Manifest) -> None:
        self.events.sync()
        self.runner.save(replace(manifest, resume=None, events_bytes=self.events.size))
        self._sweep("")

    def _sweep(self, keep: str) -> None:
        for file in self.runner.path.glob("resume-*.safetensors"):
            if file.name != keep:
                file.unlink(missing_ok=True)


def build(run: Run, image_shape: tuple[int, ...]) -> Network:
    """The network of a run with its first weights, in channels_last."""
    with _BUILDING, torch.random.fork_rng(devices=[]):  # torch's layers first draw weights that are not used
        network = NETWORKS[run.network](image_shape, run.latents, **run.network_options)
    initialise(network, draw("initialise", run.seed))
    return network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


def optimiser_of(run: Run, network: Network) -> torch.optim.Optimizer:
    """The optimiser of a run; the fused form goes over the weights once instead of a dozen times."""
    options = dict(run.optimiser)
    make = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[str(options.pop("name"))]
    betas = (float(options.pop("beta1")), float(options.pop("beta2")))
    return make(network.parameters(), betas=betas, fused=True, **{k: float(v) for k, v in options.items()})


def one_pass(network: Network, objective: Objective, images: Float[Tensor, "n c h w"], seed: int, step: int) -> Terms:
    """Encode, sample with the noise of this step, decode: the terms of the loss."""
    posterior = network.encode(images)
    sampled = sample(posterior, torch.randn(posterior.mean.shape, generator=draw("noise", seed, step)))
    return objective(Forward(images, network.decode(sampled), posterior, sampled), step)


def _event(step: int, terms: Terms) -> dict[str, Any]:
    values = {k: getattr(terms, k).item() for k in ("loss", "reconstruction", "regularisation")}
    kl = terms.kl.tolist()
    return {"step": step, **values, "kl": math.fsum(kl), "kl_per_latent": kl}


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
