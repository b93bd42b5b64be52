"""Several runs trained as one: their networks are stacked and compute together, which fills a GPU one leaves idle.

Everything else is each run's own: batches, noise, objective, critic, log, snapshots, resume point. A run comes out as
if it were trained alone but for the last digits, since sums are taken in another order.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call, vmap

from vaescope.data.dataset import Dataset
from vaescope.errors import Interrupted, ResourceError, UsageError
from vaescope.models.network import Network
from vaescope.models.objective import Terms
from vaescope.progress import Progress
from vaescope.runs.device import sent
from vaescope.runs.learner import Learner, Pass, optimiser_of, through
from vaescope.runs.store import RunFolder
from vaescope.runs.study import Run
from vaescope.runs.training import Training

OWN = ("objective", "options", "seed")  # what runs that are trained as one may differ in


def grouped(runs: Sequence[Run], k: int) -> list[list[Run]]:
    """Runs in groups of at most `k` that can be trained as one: they differ in objective, strengths and seed only.

    Groups do not depend on what is done already if all runs of a study are given, so that those interrupted go on in
    the same company.

    Raises:
        UsageError: `k` is less than 1.
    """
    if k < 1:
        raise UsageError(f"ensemble: expected at least 1 run at a time, got {k}.")
    alike: dict[str, list[Run]] = {}
    for run in runs:
        alike.setdefault(_common(run), []).append(run)
    return [members[first : first + k] for members in alike.values() for first in range(0, len(members), k)]


def _common(run: Run) -> str:
    return json.dumps({key: value for key, value in asdict(run).items() if key not in OWN}, sort_keys=True)


def train_group(runners: Sequence[RunFolder], dataset: Dataset, device: str, progress: Progress) -> None:
    """Train runs to their end as one, each from where it stopped.

    Runs that stand at different steps are trained with those at the same step. One that diverges leaves; the others go
    on without it.

    Args:
        runners: the folders of runs that `grouped` put together.
        dataset: what all are trained on.
        device: as `vaescope.runs.device.chosen` gives it.
        progress: told the steps of each.

    Raises:
        Interrupted: a stop was asked for; all were saved at their last step.
        UsageError: they are not alike, or their network cannot be stacked.
        ResourceError: nothing can be written, or the device has no memory for so many.
    """
    if len({_common(runner.run) for runner in runners}) > 1:
        raise UsageError("ensemble: expected runs that differ in objective, strengths and seed only.")
    at: dict[int, list[Training]] = {}
    for runner in runners:
        training = Training(runner, dataset, device)
        at.setdefault(training.start, []).append(training)
    try:
        for same in at.values():
            for training in same:
                training.manifest = replace(training.manifest, ensemble=len(same))
            while len(same) > 1:
                same = _together(same, progress)
            for training in same:
                training.run(progress)
    except torch.OutOfMemoryError:
        raise ResourceError(
            f"{device}: no memory for {len(runners)} runs at a time. Give a smaller --ensemble."
        ) from None


def _together(trainings: Sequence[Training], progress: Progress) -> list[Training]:
    """Train as one until all end, or one diverges: returns the others, each by itself again before that step."""
    stack = Stack([training.learner for training in trainings])
    with ExitStack() as entered:
        for training in trainings:
            entered.enter_context(training.under_way(progress))
        every = zip(*(training.batches(progress) for training in trainings), strict=True)
        for step, batches in enumerate(every, trainings[0].start):
            images, others = zip(*batches, strict=True)
            terms = stack.terms(images, step)
            going = [t for t, a, b in zip(trainings, terms, others, strict=True) if t.note(step, a, b, progress)]
            if any(training.due(step) for training in going):
                going = _saved(stack, going, step, progress)
            if not going:
                break
            try:
                progress.check()
            except Interrupted:
                _saved(stack, going, step, progress)
                raise
            if len(going) < len(trainings):
                stack.release()
                for training in going:
                    training.stand_before(step)
                return going
            stack.update(terms, step, others)
            for training in going:
                training.tell(step + 1, progress)
    return []


def _saved(stack: "Stack", trainings: Sequence[Training], step: int, progress: Progress) -> list[Training]:
    """Save all; those that go on."""
    stack.hand_out()
    return [training for training in trainings if training.save(step, progress)]


class Stack:
    """Learners whose networks compute as one: (k, ...) tensors in place of k tensors, one optimiser for all.

    Adam is elementwise, so each network gets the step it would get alone. The weights of each learner's network are
    views of the stacked ones meanwhile, and so what is read from a learner is always current.

    Args:
        learners: of runs that `grouped` put together, at the same step.
    """

    def __init__(self, learners: Sequence[Learner]) -> None:
        self._learners = list(learners)
        first = self._learners[0]
        self._whole = _Whole(first.network, first.mixed)
        self._each = [dict(_tensors(learner.network)) for learner in self._learners]
        self._own = [{name: tensor.data for name, tensor in each.items()} for each in self._each]
        self._stacked: dict[str, Tensor] = {}
        for name, tensor in self._each[0].items():
            stacked = torch.stack([own[name].contiguous() for own in self._own])
            for each, slice_ in zip(self._each, stacked.unbind(), strict=True):
                each[name].data = slice_
            self._stacked[name] = stacked.requires_grad_(tensor.requires_grad)
        self._learned = [parameter for learner in self._learners for parameter in learner.learned.parameters()]
        trained = [stacked for stacked in self._stacked.values() if stacked.requires_grad]
        self.optimiser = optimiser_of(first.run, [*trained, *self._learned])
        self._take_over()
        self._pass = vmap(self._whole_of)
        self._tried = False

    def terms(self, images: Sequence[Float[Tensor, "n c h w"]], step: int) -> list[Terms]:
        """The terms of the loss of each run, from a batch of each.

        Raises:
            UsageError: at the first step, if the network cannot be stacked.
        """
        noise = torch.stack(
            [x.noise("noise", step, len(batch)) for x, batch in zip(self._learners, images, strict=True)]
        )
        for learner in self._learners:
            learner.remember()
        named = {f"network.{name}": tensor for name, tensor in self._stacked.items()}
        try:
            found = self._pass(named, torch.stack(list(images)), sent(noise, self._learners[0].device))
        except RuntimeError as error:
            if self._tried or isinstance(error, torch.OutOfMemoryError):
                raise
            why = str(error).partition("\n")[0]
            name = self._learners[0].run.network
            raise UsageError(
                f"network {name}: cannot be trained several at a time: {why} Leave out --ensemble."
            ) from None
        self._tried = True
        passes = [Pass(*values) for values in zip(*(value.unbind() for value in found), strict=True)]
        return [x.terms_of(one, batch, step) for x, one, batch in zip(self._learners, passes, images, strict=True)]

    def update(self, terms: Sequence[Terms], step: int, others: Sequence[Float[Tensor, "n c h w"] | None]) -> None:
        """Take the step of each run; then that of its critic."""
        self.optimiser.zero_grad(set_to_none=True)
        torch.stack([of_one.loss for of_one in terms]).sum().backward()
        self.optimiser.step()
        for learner, other in zip(self._learners, others, strict=True):
            learner.forget()
            if other is not None:
                learner.update_critic(other, step)

    def hand_out(self) -> None:
        """Let each learner see its part of the optimiser's state, as it must before it is saved."""
        for name, stacked in self._stacked.items():
            for k, (learner, each) in enumerate(zip(self._learners, self._each, strict=True)):
                if state := self.optimiser.state.get(stacked):
                    learner.optimiser.state[each[name]] = {
                        key: v if key == "step" else v[k] for key, v in state.items()
                    }
        for learner in self._learners:
            for parameter in learner.learned.parameters():
                if state := self.optimiser.state.get(parameter):
                    learner.optimiser.state[parameter] = state

    def release(self) -> None:
        """Give each learner its own tensors back, as they were before a pass not followed by a step; the stack ends."""
        self.hand_out()
        for learner, each, own in zip(self._learners, self._each, self._own, strict=True):
            state = learner.state()
            for name, tensor in each.items():
                tensor.data = own[name]
            learner.restore(state)

    def _take_over(self) -> None:
        """Begin with the optimisers' states of the learners, which have one if they were continued."""
        for name, stacked in self._stacked.items():
            states = [x.optimiser.state.get(each[name]) for x, each in zip(self._learners, self._each, strict=True)]
            if known := [state for state in states if state]:
                self.optimiser.state[stacked] = {
                    key: value.clone() if key == "step" else torch.stack([state[key].contiguous() for state in known])
                    for key, value in known[0].items()
                }
        for learner in self._learners:
            for parameter in learner.learned.parameters():
                if state := learner.optimiser.state.get(parameter):
                    self.optimiser.state[parameter] = state

    def _whole_of(self, named: dict[str, Tensor], images: Tensor, noise: Tensor) -> Pass:
        return functional_call(self._whole, named, (images, noise))


class _Whole(nn.Module):
    """A network as one function, from images and noise to what the loss needs."""

    def __init__(self, network: Network, mixed: bool) -> None:
        super().__init__()
        self.network, self._mixed = network, mixed

    def forward(self, images: Tensor, noise: Tensor) -> Pass:
        return through(self.network, images, noise, self._mixed)


def _tensors(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from network.named_parameters()
    yield from network.named_buffers()
