"""Trying the advice: short trainings on the target that keep one part or another of a model of the source."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from vaescope.progress import Progress, Quiet
from vaescope.stats.transfer.scores import Runs, shared_settings

if TYPE_CHECKING:
    import pandas as pd

    from vaescope.runs.retraining import Policy
    from vaescope.runs.study import Run
    from vaescope.stats.results import Results

TRIAL = ("policy", "loss", "negative_elbo", "reconstruction", "gain", "low", "high", "trained", "steps", "runs")
OWN = "the target's own"
EXAMPLES = 500
BETTER, WORSE = "keep encoder", "keep decoder"
KEPT = ("encoder", "decoder")


def tried(
    results: "Results", source: Runs, target: Runs, steps: int, most: int, level: float, progress: Progress
) -> "pd.DataFrame":
    """One row a policy, as `Transfer.trial` says, and one of the target's own run at its end.

    Each run of the target is given the snapshot of a run of the source with another seed where there is one.
    """
    import pandas as pd

    from vaescope.runs.retraining import POLICIES, retrained
    from vaescope.stats.subject import Subject

    pairs = _pairs(source, target)[:most]
    progress.stage("trial", len(pairs) * (1 + len(POLICIES)))
    rows = []
    for number, (run, other) in enumerate(pairs):
        subject = Subject(results.folder, run, Quiet(progress))
        images, noise = subject.images[:EXAMPLES], subject.noise[:EXAMPLES]
        jobs: list[tuple[str, Policy, Run]] = [*((policy, policy, other) for policy in POLICIES), (OWN, "none", run)]
        for name, policy, giver in jobs:
            weights = results.folder.run(giver.id).snapshot(giver.snapshots[-1])
            count = min(steps, run.steps)
            found = retrained(run, subject.dataset, weights, policy, count, images, noise, subject.progress)
            done = run.steps if name == OWN else found.steps
            losses = (found.loss, found.negative_elbo, found.reconstruction)
            rows.append((number, run.seed, name, *losses, found.trained, done))
            progress.advance(1, f"{name}: {found.loss:.1f}")
    table = pd.DataFrame(rows, columns=["pair", "seed", *TRIAL[:4], "trained", "steps"])
    return _summed(table, level)


def _summed(table: "pd.DataFrame", level: float) -> "pd.DataFrame":
    import pandas as pd

    wide = table.pivot(index="pair", columns="policy", values="loss")
    seeds = table.drop_duplicates("pair").set_index("pair")["seed"]
    rows = []
    for policy, group in table.groupby("policy", sort=False):
        gain = (wide["anew"] - wide[policy]).groupby(seeds).mean().to_numpy(float)
        low, high = _interval(gain, level)
        means = [float(group[name].mean()) for name in TRIAL[1:4]]
        trained, steps = int(group["trained"].iloc[0]), int(group["steps"].iloc[0])
        rows.append((policy, *means, float(gain.mean()), low, high, trained, steps, len(group)))
    found = pd.DataFrame(rows, columns=list(TRIAL))
    found.attrs["difference"] = _difference(wide, seeds, level)
    return found


def _difference(wide: "pd.DataFrame", seeds: "pd.Series", level: float) -> Mapping[str, float]:
    """By how much it is better to keep the encoder than the decoder, in nats per example, over seeds."""
    values = (wide[WORSE] - wide[BETTER]).groupby(seeds).mean().to_numpy(float)
    low, high = _interval(values, level)
    return {"value": float(values.mean()), "low": low, "high": high, "seeds": len(values)}


def in_words(trial: "pd.DataFrame", advice: Mapping[str, str]) -> list[str]:
    """What the trial says of keeping the encoder against keeping the decoder, and of the advice (part -> word)."""
    found, steps = trial.attrs["difference"], int(trial["steps"][trial["policy"] == BETTER].iloc[0])
    value, low, high = found["value"], found["low"], found["high"]
    if not np.isfinite(low):
        seeds = "one seed" if found["seeds"] == 1 else f"{found['seeds']} seeds"
        sure = f", in {seeds}: too few to be sure"
    else:
        sure = f" ({low:.1f} to {high:.1f} over {found['seeds']} seeds)" + (
            "" if low > 0 or high < 0 else ", which may be chance"
        )
    kind = "lower" if value > 0 else "higher"
    lines = [
        f"Trial, {steps:,} steps on the target: keeping the encoder and retraining the decoder ends "
        f"{abs(value):.1f} nats per example {kind} than keeping the decoder and retraining the encoder{sure}."
    ]
    ranked = trial[trial["policy"] != OWN].sort_values("loss")
    own = float(trial["loss"][trial["policy"] == OWN].iloc[0])
    told = ", ".join(f"{row.policy} {row.loss:.1f}" for row in ranked.itertuples())
    lines.append(f"Losses: {told}; the target's own run at its end {own:.1f}.")
    numbers = trial[["gain", "low", "high"]].to_numpy(float).tolist()
    ends: dict[str, list[float]] = dict(zip(trial["policy"].astype(str), numbers, strict=True))
    return [*lines, *(_against(part, word, *ends[f"keep {part}"]) for part, word in advice.items() if part in KEPT)]


def _against(part: str, word: str, gain: float, low: float, high: float) -> str:
    """What it brings to keep a part instead of beginning anew, and whether that bears out the advice."""
    known = np.isfinite(low)
    span = f" ({low:.1f} to {high:.1f})" if known else ""
    better = known and low > 0
    worse = known and high < 0
    said = (
        "better than to begin anew" if better else "worse than to begin anew" if worse else "no surely different loss"
    )
    line = f"Keeping the {part}: {said}, gain {gain:.1f} nats per example{span}."
    if (word == "retrain" and known and not worse) or (word == "keep" and worse):
        return f"{line} That speaks against the advice to {word} it, which is from similarity alone: believe the trial."
    return line


def _pairs(source: Runs, target: Runs) -> "list[tuple[Run, Run]]":
    found = []
    for setting in shared_settings(source, target):
        seeds = sorted(source[setting])
        for k, (seed, run) in enumerate(sorted(target[setting].items())):
            others = [s for s in seeds if s != seed] or seeds
            found.append((run, source[setting][others[k % len(others)]]))
    return found


def _interval(values: np.ndarray, level: float) -> tuple[float, float]:
    from vaescope.stats.certainty.intervals import over_seeds

    if len(values) < 3:
        return float("nan"), float("nan")
    found = over_seeds(values, level)
    return float(found.low), float(found.high)
