"""One run under way: snapshots and events on disk, exactly continued after any interruption."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import repeat
from typing import Any

import torch
from torch import Tensor

from vaescope.data.dataset import Dataset
from vaescope.errors import Interrupted
from vaescope.models.objective import Terms
from vaescope.progress import Progress
from vaescope.runs.batches import Order, batches
from vaescope.runs.device import sent, settle, steps_between_looks
from vaescope.runs.events import Events
from vaescope.runs.learner import Learner
from vaescope.runs.live import Heartbeat
from vaescope.runs.manifest import Manifest, Resume
from vaescope.runs.resident import resident_once
from vaescope.runs.store import RunFolder

RESUME_SECONDS = 30.0
SHOW_EVERY = 10


class Training:
    """One run under way: what learns, and what is on disk of it.

    Args:
        runner: the folder of the run, whose manifest says where to continue.
        dataset: what it is trained on.
        device: where it computes, as `vaescope.runs.device.chosen` gives it.

    Attributes:
        start: the step before which it stands.
        events: the log.
    """

    def __init__(self, runner: RunFolder, dataset: Dataset, device: str = "cpu") -> None:
        run = runner.run
        self.runner = runner
        self.dataset = dataset
        self.learner = Learner(run, dataset.image_shape, Order(run, len(dataset)).trained_on, device)
        before = runner.manifest()
        resume = before.resume
        kept = before if resume else Manifest()
        self.manifest = replace(kept, state="running", reason="", threads=run.threads, device=device, ensemble=1)
        self.start = 0
        if resume:
            self.learner.restore(runner.tensors(resume.artifact))
            self.start = resume.step
        self.events = Events(runner, resume.events_bytes if resume else 0)
        self._heartbeat = Heartbeat(runner.path, run)
        self._saved_at = time.monotonic()
        self._unseen: list[tuple[int, Terms]] = []  # of steps whose losses were not looked at yet
        self._loss = math.nan
        self._told = 0
        self._size = self.events.size

    def run(self, progress: Progress) -> None:
        """Train to the end, or until the loss is no number.

        What is noted of a step belongs to the weights before that step is taken: step 0 is the network as drawn.

        Raises:
            Interrupted: a stop was asked for; the run was saved.
        """
        with self.under_way(progress):
            for step, (images, others) in enumerate(self.batches(progress), self.start):
                terms = self.learner.terms(images, step)
                if not self.note(step, terms, others, progress):
                    return
                if self.due(step) and not self.save(step, progress):
                    return
                try:
                    progress.check()
                except Interrupted:
                    self.save(step, progress)
                    raise
                self.learner.update(terms, step, others)
                self.tell(step + 1, progress)

    @contextmanager
    def under_way(self, progress: Progress) -> Iterator[None]:
        """What a run needs while steps are taken: its log, its sign of life, its threads, its device's settings."""
        run = self.runner.run
        self._tell(self.start, progress)
        torch.set_num_threads(run.threads)
        settle(self.learner.device, run.precision)
        with self.events, self._heartbeat:
            self._heartbeat.beat(self.start, self._loss, run.threads)
            yield

    def batches(self, progress: Progress) -> Iterator[tuple[Tensor, Tensor | None]]:
        """The batch of each step from `start` on, on the device, and that of the critic where there is one."""
        run, device = self.runner.run, self.learner.device
        kept = resident_once(self.dataset, device, progress)

        def ordered(purpose: str) -> Iterator[Tensor]:
            if kept is not None:
                return kept.batches(run, self.start, purpose)
            return (sent(torch.from_numpy(b), device) for b in batches(run, self.dataset, self.start, purpose))

        return zip(ordered("order"), ordered("critic order") if self.learner.critic else repeat(None), strict=False)

    def note(self, step: int, terms: Terms, others: Tensor | None, progress: Progress) -> bool:
        """Keep what is to be kept of a step that was not taken yet; whether the run goes on."""
        run = self.runner.run
        self._unseen.append((step, _detached(terms)))
        self._size = self.events.size
        kept, last = step in run.snapshots, step == run.steps
        logged = kept or last or step % run.log_every == 0
        look = logged or len(self._unseen) >= steps_between_looks(self.learner.device)
        if look and (bad := self._look()) is not None:
            self._diverge(*bad, others if bad[0] == step else None, progress)
            return False
        if logged:
            self.events.add(self._event(step, terms, others))
        if kept:
            self._keep_snapshot(step)
        if last:
            self._end(replace(self.manifest, state="done", step=run.steps))
        return not last

    def due(self, step: int) -> bool:
        """Whether it is time to save."""
        return step in self.runner.run.snapshots or time.monotonic() - self._saved_at > RESUME_SECONDS

    def save(self, step: int, progress: Progress) -> bool:
        """Make `step`, just noted, the point from which the run continues; whether it goes on."""
        if (bad := self._look()) is not None:
            self._diverge(*bad, None, progress)
            return False
        self.events.sync()
        artifact = self.runner.save_tensors(f"resume-{step:09d}.safetensors", self.learner.state(), step)
        self.manifest = replace(self.manifest, step=step, resume=Resume(step, artifact, self._size))
        self.runner.save(self.manifest)
        self._sweep(artifact.file)
        self._saved_at = time.monotonic()
        return True

    def stand_before(self, step: int) -> None:
        """Be where the run continues from `step`, just noted, which will be noted again."""
        self.start, self.events.size = step, self._size

    def tell(self, step: int, progress: Progress) -> None:
        """Say now and then that `step` steps are done."""
        run = self.runner.run
        self._heartbeat.beat(step, self._loss, run.threads)
        if step % SHOW_EVERY == 0:
            self._tell(step, progress, f"{run.setting} seed {run.seed}: loss {self._loss:.1f}")

    def _tell(self, step: int, progress: Progress, note: str = "") -> None:
        step = step // SHOW_EVERY * SHOW_EVERY
        progress.advance(step - self._told, note)
        self._told = step

    def _look(self) -> tuple[int, Terms] | None:
        """The first step since the last look whose loss is no number; here a device is waited for."""
        if not self._unseen:
            return None
        unseen, self._unseen = self._unseen, []
        losses = torch.stack([terms.loss for _, terms in unseen]).tolist()
        self._loss = losses[-1]
        return next((seen for seen, loss in zip(unseen, losses, strict=True) if not math.isfinite(loss)), None)

    def _diverge(self, step: int, terms: Terms, others: Tensor | None, progress: Progress) -> None:
        """End the run at the step whose loss is no number; `others`, for the critic, if it is the present step."""
        run = self.runner.run
        self.events.add(self._event(step, terms, others))
        reason = f"the loss is {terms.loss.item()} at step {step}"
        self._end(replace(self.manifest, state="diverged", step=step, reason=reason))
        progress.advance(run.steps - self._told)
        progress.say(f"run {run.id} diverged: {reason}")

    def _event(self, step: int, terms: Terms, others: Tensor | None) -> dict[str, Any]:
        values = {k: getattr(terms, k).item() for k in ("loss", "reconstruction", "regularisation")}
        kl = terms.kl.tolist()
        notes = dict(terms.notes)
        if others is not None:
            with torch.no_grad():
                critic = self.learner.critic_loss(others, step)
            notes |= {"critic_loss": critic.value, **critic.notes}
        return {"step": step, **values, "kl": math.fsum(kl), "kl_per_latent": kl} | {
            k: float(v) for k, v in notes.items()
        }

    def _keep_snapshot(self, step: int) -> None:
        artifact = self.runner.save_tensors(f"snapshots/step-{step:09d}.safetensors", self.learner.weights(), step)
        self.manifest = replace(self.manifest, snapshots={**self.manifest.snapshots, step: artifact})

    def _end(self, manifest: Manifest) -> None:
        self.events.sync()
        self._heartbeat.end()  # before the manifest says that the run has ended
        self.runner.save(replace(manifest, resume=None, events_bytes=self.events.size))
        self._sweep("")

    def _sweep(self, keep: str) -> None:
        for file in self.runner.path.glob("resume-*.safetensors"):
            if file.name != keep:
                file.unlink(missing_ok=True)


def _detached(terms: Terms) -> Terms:
    """The same numbers without what they were computed from."""
    notes = {k: v.detach() if isinstance(v, Tensor) else v for k, v in terms.notes.items()}
    return Terms(
        terms.loss.detach(), terms.reconstruction.detach(), terms.regularisation.detach(), terms.kl.detach(), notes
    )
