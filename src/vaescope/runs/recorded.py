"""A study whose runs somebody else trained: what it is made of is what was recorded. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from vaescope.runs.study import Choice, Recorded, Run, Study

OWN = "own"
"""The objective of a training that did not say what it minimises."""


def run_of(content: Mapping[str, Any], steps: Sequence[int]) -> Run:
    """The run of a manifest, as far as it has come.

    Args:
        content: what the manifest says of the run.
        steps: its snapshots that count.
    """
    known = {f.name for f in fields(Run)} - {"recorded"}
    kept = {key: value for key, value in content.items() if key in known}
    told = content["recorded"]
    layers = tuple((str(name), str(part), int(features)) for name, part, features in told["layers"])
    kept["snapshots"] = tuple(sorted(steps)) or (0,)
    kept["steps"] = max(int(kept["steps"]), kept["snapshots"][-1])
    recorded = Recorded(name=told["name"], layers=layers, probe=told["probe"], examples=told["examples"])
    return Run(**kept, recorded=recorded)


def study_of(base: Study, runs: Sequence[Run]) -> Study:
    """The study that these runs make up.

    Args:
        base: what was settled when the first of them began: name, probe set, measures, examinations.
        runs: there may be none yet.
    """
    if not runs:
        return base
    objectives: dict[str, dict[str, Any]] = {}
    for run in runs:
        options = objectives.setdefault(run.objective, {})
        for key, value in run.options.items():
            values = options.setdefault(key, [])
            if value not in values:
                values.append(value)
    last = max(run.snapshots[-1] for run in runs)
    return base.model_copy(
        update={
            "datasets": _choices((run.dataset, run.dataset_options) for run in runs),
            "networks": _choices((run.network, run.network_options) for run in runs),
            "objectives": objectives,
            "seeds": sorted({run.seed for run in runs}),
            "latents": max(run.latents for run in runs),
            "steps": max(last, 1),
            "snapshots": sorted({step for run in runs for step in run.snapshots}),
        }
    )


def reached(run: Run, steps: Sequence[int]) -> Run:
    """The run with these snapshots."""
    steps = tuple(sorted(steps)) or (0,)
    return replace(run, snapshots=steps, steps=max(run.steps, steps[-1]))


def _choices(pairs: Any) -> list[Choice]:
    found: list[Choice] = []
    for name, options in pairs:
        choice = Choice(name=name, options=dict(options))
        if choice not in found:
            found.append(choice)
    return found
