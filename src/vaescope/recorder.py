"""The recorder: one line in any training loop, and what its layers and latents do is in a study folder."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, SupportsFloat, SupportsIndex

from torch import nn

from vaescope.errors import UsageError
from vaescope.models.wrapped import inside
from vaescope.runs.budget import Budget
from vaescope.runs.bystander import is_first, lost, numbers_of, versions, whole_step
from vaescope.runs.looking import Looking
from vaescope.runs.pace import Pace
from vaescope.runs.recorded import OWN
from vaescope.runs.recording import Recording, Told
from vaescope.runs.schedules import doubling, schedule_of
from vaescope.runs.study import Scalar
from vaescope.stats.live.answer import Answer
from vaescope.stats.live.live import Live
from vaescope.stats.measure import MEASURES
from vaescope.trackers import Tracker, guarded

if TYPE_CHECKING:
    from vaescope.stats.results import Results

Action = Callable[[nn.Module, Live, int], Iterable[Answer]]
"""What is done after each look: `action(model, live, step)`, telling what it did."""


class Recorder:
    """Looks at a model in training now and then, and keeps what its layers represent.

    The folder is a study like any other: `vaescope report`, `claims` and `compare` work on it, also while training goes
    on. The model is as before after every call: weights, gradients, buffers, modes, hooks and random state, so the
    training takes the same steps with and without the recorder, bit for bit.

    Args:
        model: any module, in its wrappers (DistributedDataParallel, torch.compile) or without. Where training is
            distributed, only rank 0 records.
        folder: of the study. Several runs may share it, each with its own `run`, `seed` and `setting`.
        probe: the examples on which layers are compared, as `vaescope.capture` takes data: the same for all runs of a
            folder. None keeps weights only; `vaescope.replay` looks at them later.
        at: when to look: `vaescope.doubling` (steps 0, 1, 2, 4, …), `vaescope.every(1000)`, `vaescope.log_spaced(last,
            count)`, a list of steps, or a function from a step to the next one.
        n: how many examples of the probe, the first ones.
        layers: as `vaescope.capture` takes them; None for every innermost module.
        reduce: what becomes of maps, as for `vaescope.capture`.
        forward: `forward(model, batch)`, how the probe is passed, where `model(batch)` is not the way.
        encoder: the modules of the encoder, where they are not called `encoder`.
        decoder: the modules of the decoder, where they are not called `decoder`.
        posterior: the names of the two outputs that are the means and the log variances, as `vaescope.capture` names
            them; or a function (model, batch) -> (mean, log_var); False: there is none. Usual shapes are found.
        run: name of this run, unique in the folder.
        seed: of this training.
        objective: what it minimises.
        setting: strengths and other options in which runs differ, e.g. {"beta": 4.0}.
        dataset: a name for what the probe is of.
        steps: how many there will be, if known: then the budget is a share of the whole training.
        weights: whether to keep the weights at each look too; None: only where there is no probe.
        max_overhead: share of the training's time that looks may take, e.g. 0.05; it is kept, whatever the schedule:
            what is due comes later, or not at all. "auto": 0.05, and in any case 30 seconds. None takes every look: use
            it where the same bytes must come out each time.
        log_every: steps between losses in the log.
        measures: by which layers will be compared; None for those of the folder, or debiased CKA.
        live: whether to answer in words as training goes on; or a `Live` with thresholds of your own.
        actions: called after each look but the last, such as `vaescope.FreezeSettled`.
        trackers: where numbers and answers go too: "jsonl", "tensorboard", a SummaryWriter, a wandb run, mlflow; one or
            several. One that fails is told of once and tried again at each look; training goes on.
        tell: called with every new sentence, e.g. `print`.

    Attributes:
        answers: all that became known so far.
        live: the estimates behind them; None without a probe.

    Raises:
        UsageError: an option is none, or the folder cannot be used.

    References:
        Design after Bonheme & Grzes (2022), who kept snapshots by hand. https://arxiv.org/abs/2205.08399

    >>> import torch
    >>> images, model = torch.linspace(0, 1, 640).reshape(40, 16), nn.Linear(16, 4)
    >>> record = Recorder(model, out / "mine", probe=images)
    >>> for step in range(3):
    ...     _ = record(step)  # and your training step
    >>> _ = record.finish(3)
    >>> record.results().runs["snapshots"].tolist()
    [4]
    """

    def __init__(
        self,
        model: nn.Module,
        folder: str | Path,
        *,
        probe: object = None,
        at: object = doubling,
        n: int = 500,
        layers: Any = None,
        reduce: Any = "flatten",
        forward: Callable[[nn.Module, Any], Any] | None = None,
        encoder: str | Sequence[str] | None = None,
        decoder: str | Sequence[str] | None = None,
        posterior: Any = None,
        run: str = "run",
        seed: int = 0,
        objective: str = OWN,
        setting: Mapping[str, Scalar] | None = None,
        dataset: str = "probe",
        steps: int | None = None,
        weights: bool | None = None,
        max_overhead: float | Literal["auto"] | None = "auto",
        log_every: int = 50,
        measures: Sequence[str] | None = None,
        live: "bool | Live" = True,
        actions: Sequence[Action] = (),
        trackers: object = (),
        tell: Callable[[str], object] | None = None,
    ) -> None:
        if not isinstance(model, nn.Module):
            raise UsageError(f"Recorder: expected a torch.nn.Module, got {type(model).__name__}.")
        if n < 4 or log_every < 1:
            raise UsageError(f"Recorder: expected n >= 4 and log_every >= 1, got n={n!r}, log_every={log_every!r}.")
        if probe is None and (actions or weights is False):
            raise UsageError("Recorder: without a probe there is nothing to keep but weights; give probe=.")
        self.model = model
        self.answers: list[Answer] = []
        self._pace = Pace(schedule_of(at), Budget.of(max_overhead, steps), model)
        self._probe = probe
        self._looking_options = {
            "n": n,
            "layers": layers,
            "reduce": reduce,
            "forward": forward,
            "encoder": encoder,
            "decoder": decoder,
            "posterior": posterior,
            "turned": True,
        }
        self._weights = probe is None if weights is None else weights
        self._log_every, self._next_log = log_every, 0
        self._actions = tuple(actions)
        self._tell = tell
        self._step: int | None = None
        self._seen = (-1, 0)
        self._looking: Looking | None = None
        self._told_skipped = self._closed = False
        self.active = is_first()
        self.live = None if probe is None or live is False else live if isinstance(live, Live) else Live()
        name = type(inside(model)).__name__
        told = Told(
            run=run,
            seed=seed,
            objective=objective,
            setting=dict(setting or {}),
            dataset=dataset,
            network=name,
            steps=steps,
            measures=None if measures is None else tuple(measures),
        )
        for measure in measures or ():
            _ = MEASURES[measure]
        self._recording = Recording(folder, told) if self.active else None
        if self._recording is not None:
            self._looking_options["turned"] = all(map(_ignores_turns, self._recording.measures))
        self.folder = Path(folder)
        self._trackers: list[Tracker] = (
            [guarded(t, self.folder, run) for t in _several(trackers)] if self.active else []
        )

    def due(self, step: int) -> bool:
        """Whether a call at this step would look, if the budget allows."""
        return self._pace.due(step)

    def __call__(self, step: SupportsIndex, **losses: SupportsFloat | None) -> tuple[Answer, ...]:
        """Look, if it is time to.

        Args:
            step: optimiser steps taken so far; it never goes down. Or epochs, if that is what you count in.
            **losses: means over the batch, in nats an example, e.g. loss=, reconstruction=, kl=, or any other number.

        Returns:
            What became known now; most often nothing.

        Raises:
            UsageError: the step is no whole number, or smaller than before; the first look finds something wrong.
        """
        recording = self._recording
        if recording is None or self._closed:
            return ()
        step = self._step = whole_step(step, self._step)
        if self._pace.due(step):
            return self._take(step, losses)
        if losses and step >= self._next_log and self._looking is not None:
            self._next_log = step + self._log_every
            with lost(f"the losses of step {step:,}"):
                values = numbers_of(losses)
                recording.note(step, values)
                recording.beat(step, values.get("loss", math.nan))
        return ()

    def _take(self, step: int, losses: Mapping[str, SupportsFloat | None], last: bool = False) -> tuple[Answer, ...]:
        if self._looking is None and not is_first():  # the process group may be made after the recorder
            self._recording = None
            return ()
        if not self._pace.allows(step) and not last:
            return self._skipped(step)
        answers: list[Answer] = []
        if self._looking is None:  # what is wrong with the recorder itself shows now, and stops the training
            answers += self._looked(step, numbers_of(losses), last)
        else:
            with lost(f"the look at step {step:,}") as told:
                answers += self._looked(step, numbers_of(losses), last)
            answers += [Answer("warning", step, text) for text in told]
        self._pace.took(step)
        self._seen = (step, versions(self.model))
        self._say(answers)
        return tuple(answers)

    def _say(self, answers: Sequence[Answer]) -> None:
        """Tell whoever wants to know; where that fails, as to a closed terminal, training goes on."""
        self.answers.extend(answers)
        if self._tell is not None:
            with lost("a sentence"):
                for answer in answers:
                    self._tell(answer.text)

    def _looked(self, step: int, losses: dict[str, float], last: bool) -> tuple[Answer, ...]:
        recording = self._recording
        assert recording is not None  # noqa: S101
        looking = self._looking or Looking(inside(self.model), self._probe, **self._looking_options)
        observation = looking.observation(step, losses)
        opening: list[str] = []
        if self._looking is None:
            known = recording.begin(
                step, observation.layers, looking.digest, looking.n, looking.examples, looking.latents
            )
            self._looking = looking
            self._catch_up(known)
            opening = looking.opening
        recording.keep(observation, inside(self.model).state_dict() if self._weights else None)
        recording.beat(step, losses.get("loss", math.nan))
        self._next_log = step + self._log_every
        answers = [Answer("opening", step, text) for text in opening]
        if self.live is not None and observation.representations:
            answers += self.live.observe(observation)
            for action in () if last else self._actions:
                answers += action(self.model, self.live, step)
        numbers = {**losses, **(self.live.flat() if self.live is not None else {})}
        for tracker in self._trackers:
            tracker.log(step, numbers, [answer.text for answer in answers])
        return tuple(answers)

    def _catch_up(self, steps: Sequence[int]) -> None:
        """Let the live estimates see again what was recorded before an interruption; nothing is said twice."""
        if self.live is None or self._recording is None or self._looking is None:
            return
        for step in steps:
            self.answers.extend(self.live.observe(self._looking.again(step, self._recording.representations(step))))

    def _skipped(self, step: int) -> tuple[Answer, ...]:
        if self._told_skipped:
            return ()
        self._told_skipped = True
        text = (
            f"The look due at step {step:,} waits: looks took {self.overhead['seconds']:.0f} s so far, and one more "
            "would be beyond max_overhead. A smaller n, fewer layers or a larger max_overhead give more of them."
        )
        answer = Answer("skipped", step, text)
        self._say([answer])
        return (answer,)

    def finish(self, step: SupportsIndex | None = None) -> tuple[Answer, ...]:
        """Look a last time, and say that the training has ended.

        Args:
            step: steps taken in all. If None, one more than at the last call, unless that looked and nothing has
                changed since.

        Returns:
            What became known.
        """
        if self._recording is None or self._closed:
            return ()
        if step is None and self._step is not None:
            step = self._step + (self._seen != (self._step, versions(self.model)))
        answers: tuple[Answer, ...] = ()
        if step is not None:
            step = self._step = whole_step(step, self._step)
            seen = {**self._recording.manifest.snapshots, **self._recording.manifest.weights}
            if step not in seen or self._looking is None:
                answers = self._take(step, {}, last=True)
            with lost("the end of the recording"):
                self._recording.close(step, "done")
        self._close()
        return answers

    def _close(self) -> None:
        self._closed = True
        for tracker in self._trackers:
            tracker.close()

    def pause(self) -> None:
        """Stop recording without saying that the training has ended: another recorder of the same run goes on."""
        if self._recording is not None and not self._closed:
            with lost("the last line of the recording"):
                self._recording.close(self._step or 0)
            self._close()

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.finish()
        else:
            self.pause()

    @property
    def overhead(self) -> Mapping[str, float]:
        """What looks cost: "seconds", "looks", and "share" of the training's own time since the first of them."""
        return self._pace.overhead

    def results(self) -> "Results":
        """What was recorded, compared as far as it has come: the results of the study in the folder."""
        from vaescope.stats.refreshed import refreshed

        return refreshed(self.folder)


def _several(trackers: object) -> Sequence[object]:
    return trackers if isinstance(trackers, list | tuple) else [trackers]


def _ignores_turns(measure: str) -> bool:
    return {"orthogonal", "translation"} <= MEASURES[measure].invariant_to
