"""Looking later at weights that a recorder kept: for a probe set, layers or measures that nobody thought of in time."""

from copy import deepcopy
from pathlib import Path
from typing import Any

from torch import nn

from vaescope.errors import UsageError
from vaescope.models.wrapped import inside
from vaescope.progress import Progress
from vaescope.runs.looking import Looking
from vaescope.runs.manifest import Manifest
from vaescope.runs.recorded import run_of
from vaescope.runs.recording import Recording, Told
from vaescope.runs.store import RunFolder, get_json
from vaescope.stats.measure import MEASURES
from vaescope.stats.results import Results


def replay(
    folder: str | Path,
    model: nn.Module,
    probe: object,
    out: str | Path,
    *,
    measures: tuple[str, ...] = ("cka",),
    n: int = 500,
    progress: Progress | None = None,
    **looking: Any,
) -> Results:
    """Record again from the weights that were kept, into another folder.

    Args:
        folder: of a `Recorder` with weights=True, or without a probe.
        model: of the same class and options; it is copied, not changed.
        probe: the examples on which layers are compared, as `Recorder` takes them.
        out: the folder that gets the runs with their representations.
        measures: by which layers will be compared.
        n: how many examples of the probe.
        progress: told of each snapshot.
        **looking: layers, reduce, forward, encoder, decoder, posterior, as `Recorder` takes them.

    Returns:
        What was recorded, as `vaescope.open(out)` gives it.

    Raises:
        UsageError: no weights were kept there, or they do not fit the model.
        CorruptArtifact: a file is damaged.
    """
    progress = progress or Progress()
    files = sorted(Path(folder).glob("runs/*/manifest.json"))
    found = [(file, content, Manifest.of(content)) for file in files for content in [get_json(file)]]
    kept = [(file, content, manifest) for file, content, manifest in found if manifest.weights]
    if not kept:
        raise UsageError(
            f"{folder}: no weights were kept here. A Recorder keeps them with weights=True, or without a probe."
        )
    turned = all({"orthogonal", "translation"} <= MEASURES[m].invariant_to for m in measures)
    progress.stage("replaying", sum(len(manifest.weights) for *_, manifest in kept))
    for file, content, manifest in kept:
        run = run_of(content["run"], tuple(manifest.weights))
        told = Told(
            run=file.parent.name,
            seed=run.seed,
            objective=run.objective,
            setting=run.options,
            dataset=run.dataset,
            network=run.network,
            steps=run.steps,
            measures=measures,
        )
        recording, copy = Recording(out, told), deepcopy(inside(model))
        source, seen = RunFolder(file.parent, run, manifest), None
        losses = _losses(source)
        for step in sorted(manifest.weights):
            progress.check()
            _load(copy, source.tensors(manifest.weights[step]), run.id, step)
            seen = seen or Looking(copy, probe, n=n, turned=turned, **looking)
            observation = seen.observation(step, losses.get(step, {}))
            if recording.manifest.snapshots == {} and step == min(manifest.weights):
                recording.begin(step, observation.layers, seen.digest, seen.n, seen.examples, seen.latents)
            recording.keep(observation)
            progress.advance()
        recording.close(max(manifest.weights), manifest.state)
    return Results(out)


def _load(model: nn.Module, weights: dict[str, Any], run: str, step: int) -> None:
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        first = str(error).strip().splitlines()[-1].strip()
        raise UsageError(f"run {run}, step {step}: the weights are of another model: {first}") from None


def _losses(source: RunFolder) -> dict[int, dict[str, float]]:
    """Step -> what the owner said of it."""
    return {
        event["step"]: {k: v for k, v in event.items() if isinstance(v, int | float) and k not in ("step", "kl")}
        for event in source.events()
    }
