"""A run that somebody else trains, on disk: one more run of a study folder, readable while it grows."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout
from torch import Tensor

from vaescope.errors import ResourceError, UsageError
from vaescope.models.network import Layer
from vaescope.runs.events import Events
from vaescope.runs.live import Heartbeat
from vaescope.runs.manifest import Manifest
from vaescope.runs.observation import Observation
from vaescope.runs.recorded import OWN, run_of
from vaescope.runs.store import FORMAT_VERSION, RunFolder, get_json, put_json
from vaescope.runs.study import Recorded, Run, Scalar, Study


@dataclass(frozen=True, kw_only=True)
class Told:
    """What the owner of a training says of it.

    Attributes:
        run: a name, unique in the folder.
        seed: of the training, so that seeds are told from settings.
        objective: what it minimises, e.g. "beta_vae".
        setting: strengths and other options in which runs differ, e.g. {"beta": 4.0}.
        dataset: a name for what the probe set is of.
        network: a name for the model.
        steps: of the whole training, None where unknown.
        measures: by which layers are compared; None for those of the folder, or debiased CKA.
    """

    run: str = "run"
    seed: int = 0
    objective: str = OWN
    setting: Mapping[str, Scalar] = field(default_factory=dict)
    dataset: str = "probe"
    network: str = "model"
    steps: int | None = None
    measures: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        plain = self.run and len(self.run) <= 150 and all(c.isalnum() or c in "-_.=+" for c in self.run)
        if not plain or self.run.startswith("."):
            raise UsageError(
                f"run: expected a short name of letters, digits, '-', '_', '.', '=' or '+', got {self.run!r}."
            )
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or self.seed < 0:
            raise UsageError(f"seed: expected a whole number of at least 0, got {self.seed!r}.")
        for key, value in self.setting.items():
            if not isinstance(key, str) or not isinstance(value, bool | int | float | str):
                raise UsageError(
                    f"setting: expected names and plain values, as {{'beta': 4.0}}, got {key!r}: {value!r}."
                )


class Recording:
    """One run of a study folder, which a recorder writes.

    Given again, a run that was interrupted goes on: what was recorded from the first step of the new call on is taken
    away, since the training has come from before it. A run that has ended is not touched.

    Args:
        path: the study folder; made where it is not there.
        told: what its owner says.

    Raises:
        UsageError: the folder holds another kind of study, other files, or this run, ended.
    """

    def __init__(self, path: str | Path, told: Told) -> None:
        self.path = Path(path)
        self.told = told
        self.folder = self.path / "runs" / told.run
        self._run: Run | None = None
        self._lock: FileLock | None = None
        self.measures = told.measures or ("cka",)
        self._size = 0  # of the events log, which is open only while it is written: a training may end at any moment
        file = self.path / "study.json"
        if file.exists():
            content = get_json(file)
            if not content.get("recorded"):
                raise UsageError(f"{self.path} holds a study that vaescope trains itself. Choose another folder.")
            self.measures = tuple(content["study"]["measures"])
            if told.measures is not None and set(told.measures) != set(self.measures):
                raise UsageError(
                    f"measures: runs of {self.path} are compared by {', '.join(self.measures)}, got "
                    f"{', '.join(told.measures)}. Leave measures= out, or choose another folder."
                )
        elif self.path.exists() and (not self.path.is_dir() or not all(map(_is_left_over, self.path.iterdir()))):
            raise UsageError(
                f"{self.path} is there already and holds no study. Choose another folder, or an empty one."
            )
        self.manifest = self._manifest()
        if self.manifest.state == "done":
            raise UsageError(
                f"{self.path}: run {told.run!r} is there and has ended at step {self.manifest.step:,}. Give another "
                "run= or folder, or remove that run's folder."
            )

    def _manifest(self) -> Manifest:
        file = self.folder / "manifest.json"
        return Manifest.of(get_json(file)) if file.exists() else Manifest(state="recording")

    def begin(self, step: int, layers: Sequence[Layer], probe: str, n: int, examples: int, latents: int) -> list[int]:
        """Fix what all snapshots of the run have in common, at the first look; 0 examples where there is no probe set.

        Returns:
            The steps of the snapshots that were there before, and stay.

        Raises:
            UsageError: the other runs of the folder have a probe set of another size, another recorder writes this run,
                or what was recorded of it before was of other examples, layers or settings.
        """
        told = self.told
        self._take()
        n = max(n, 4)
        study = Study.model_validate(
            {
                "name": self.path.resolve().name[:200] or "recorded",
                "objectives": {told.objective: {}},
                "probe": {"n": n},
                "measures": {m: {"pairs": "all"} for m in self.measures},
            }
        )
        file = self.path / "study.json"
        if file.exists():
            there = Study.model_validate(get_json(file)["study"])
            if there.probe.n != n and any(self.path.glob("runs/*/manifest.json")):
                raise UsageError(
                    f"{self.path}: its runs are compared on {there.probe.n:,} probe examples, got {n:,}. Use the same "
                    "probe set, or another folder."
                )
        else:
            content = study.dumped()
            put_json(file, {"format_version": FORMAT_VERSION, "recorded": True, "study": content})
        listed = tuple((layer.name, layer.part, layer.features) for layer in layers)
        kind = sha256(repr(listed).encode()).hexdigest()[:8]
        self._run = Run(
            dataset=told.dataset,
            dataset_options={"probe": probe[:12]},
            network=told.network,
            network_options={"layers": kind},
            objective=told.objective,
            options=dict(told.setting),
            seed=told.seed,
            latents=max(latents, 1),
            steps=max(told.steps or 1, 1),
            batch_size=1,
            optimiser={},
            snapshots=(0,),
            log_every=1,
            recorded=Recorded(name=told.run, layers=listed, probe=probe, examples=examples),
        )
        self.manifest = self._manifest()
        kept = {s: a for s, a in self.manifest.snapshots.items() if s < step}
        if kept:
            self._must_be_the_same(self._run)
        weights = {s: a for s, a in self.manifest.weights.items() if s < step}
        self.manifest = replace(self.manifest, state="recording", snapshots=kept, weights=weights, reason="")
        runner = self._runner
        whole = b"".join(_lines_before(runner, step))
        with Events(runner, 0) as events:
            events.write(whole)
        self._size = len(whole)
        self._heartbeat = Heartbeat(runner.path, self._run)
        return sorted(kept)

    def _take(self) -> None:
        """Be the only one who writes this run, until it is closed or the process ends."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(self.folder / ".lock", timeout=0)
            self._lock.acquire()
        except Timeout:
            self._lock = None
            raise UsageError(
                f"{self.path}: another recorder writes run {self.told.run!r} at this moment. Give this one another "
                "run=; where several processes train one model, make the recorder in the first of them alone."
            ) from None
        except OSError as error:
            raise ResourceError(f"{self.folder}: cannot be written: {error.strerror}.") from None
        for left in self.folder.rglob(".*.part"):
            left.unlink(missing_ok=True)

    def _must_be_the_same(self, run: Run) -> None:
        """Raise where the run goes on as another one than it was."""
        before = run_of(get_json(self.folder / "manifest.json")["run"], (0,))
        assert before.recorded is not None and run.recorded is not None  # noqa: PT018, S101
        pairs = {
            "probe": (before.recorded.probe[:12], run.recorded.probe[:12]),
            "layers": ([n for n, *_ in before.recorded.layers], [n for n, *_ in run.recorded.layers]),
            "widths of layers": ([w for *_, w in before.recorded.layers], [w for *_, w in run.recorded.layers]),
            **{key: (getattr(before, key), getattr(run, key)) for key in ("seed", "objective", "dataset", "network")},
            "setting": (before.options, run.options),
        }
        if other := {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}:
            key, (was, now) = next(iter(other.items()))
            raise UsageError(
                f"{self.path}: run {self.told.run!r} was recorded with another {' and '.join(other)} ({key}: {was} "
                f"then, {now} now), so it cannot go on with these. Give the same, or another run=."
            )

    @property
    def _runner(self) -> RunFolder:
        assert self._run is not None, "begin comes first"  # noqa: S101
        return RunFolder(self.folder, self._run, self.manifest)

    def keep(self, observation: Observation, weights: Mapping[str, Tensor] | None = None) -> None:
        """Write what was seen, and the weights where they are kept too; then note both in the manifest.

        Raises:
            ResourceError: they cannot be written; what was there before is as it was.
        """
        runner, step = self._runner, observation.step
        snapshots, kept = dict(self.manifest.snapshots), dict(self.manifest.weights)
        if observation.representations:
            tensors = {k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in observation.representations.items()}
            snapshots[step] = runner.save_tensors(f"representations/step-{step:09d}.safetensors", tensors, step)
        if weights is not None:
            kept[step] = runner.save_tensors(f"weights/step-{step:09d}.safetensors", _apart(weights), step)
        self.note(step, observation.losses, _kl(observation), durably=True)
        self.save(step, snapshots=snapshots, weights=kept)

    def representations(self, step: int) -> dict[str, np.ndarray]:
        """What was kept of a step that was there before."""
        return {name: value.numpy() for name, value in self._runner.tensors(self.manifest.snapshots[step]).items()}

    def save(self, step: int, **changes: Any) -> None:
        """Bring the manifest up to date."""
        self.manifest = replace(self.manifest, step=step, events_bytes=self._size, **changes)
        self._runner.save(self.manifest)

    def note(self, step: int, losses: Mapping[str, float], kl: Sequence[float] = (), durably: bool = False) -> None:
        """Add a line to the events log."""
        if not (losses or len(kl)):
            return
        event: dict[str, Any] = {"step": step, **{k: float(v) for k, v in losses.items()}}
        if len(kl):
            event |= {"kl_per_latent": [float(v) for v in kl]}
            event.setdefault("kl", float(sum(kl)))
        with Events(self._runner, self._size) as events:
            events.add(event)
            if durably:
                events.sync()
        self._size = events.size

    def beat(self, step: int, loss: float) -> None:
        """Say that the training is alive, at most once a second."""
        self._heartbeat.beat(step, loss, torch.get_num_threads())

    def close(self, step: int, state: str | None = None) -> None:
        """Stop writing; a state of "done" says that there will be no other snapshots."""
        if self._run is None:
            return
        try:
            self.save(step, **({"state": state} if state else {}))
        finally:
            self._heartbeat.end()
            if self._lock is not None:
                self._lock.release()


def _kl(observation: Observation) -> Sequence[float]:
    """KL of each latent from the prior on the probe set, in nats; nothing where there is no posterior."""
    if observation.mean is None or observation.log_var is None:
        return ()
    mean, log_var = observation.mean.astype(np.float64), observation.log_var.astype(np.float64)
    with np.errstate(over="ignore"):
        return (0.5 * (mean**2 + np.exp(log_var) - 1 - log_var)).mean(0).tolist()


def _apart(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors that share no memory, as safetensors wants them: tied weights are kept twice."""
    seen: set[int] = set()
    found: dict[str, Tensor] = {}
    for name, value in weights.items():
        value = value.detach()
        place = value.untyped_storage().data_ptr()
        found[name] = value.clone() if place in seen else value
        seen.add(place)
    return found


def _is_left_over(path: Path) -> bool:
    return path.name.startswith(".") and path.name.endswith(".part")


def _lines_before(runner: RunFolder, step: int) -> list[bytes]:
    return [(json.dumps(event) + "\n").encode() for event in runner.events() if event.get("step", 0) < step]
