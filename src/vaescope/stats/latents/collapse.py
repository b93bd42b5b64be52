"""Posterior collapse: which latents tell nothing of the images, since when, and whether they ever did. Pure.

Collapse is a posterior that is the same for every image. "Passive" (σ² near 1) is how it looks when the KL term has
its way. Objectives that hold a useless latent elsewhere (annealed VAE) or hardly punish it (β-TC-VAE) leave it some
other σ², and the rule of kinds calls it mixed. So the verdict goes by what a latent can tell (`posterior.information`);
kinds stand beside it.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from vaescope.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

Story = Literal["in use", "died", "never used"]
Word = Literal["none", "partial", "full", "untrained"]
IDLE = 0.1
HISTORIES = ("run", "latent", "kind", "information", "story", "since")
VERDICTS = ("run", "verdict", "step", "latents", "in_use", "died", "never_used", "passive", "which", "why")


def histories(latents: "pd.DataFrame", idle: float = IDLE) -> "pd.DataFrame":
    """What became of each latent.

    Args:
        latents: one row a run, step and latent: run, step, latent, kind, and either information or both variance and
            mean_variance (information is then ½ log(1 + Var μ / E σ²)).
        idle: nats; a latent that can tell less than this is idle. A latent that tells two halves of the images apart
            has log 2 = 0.69.

    Returns:
        run, latent; kind and information at the last snapshot; story: "in use", "died" (idle at the end, in use at an
        earlier snapshot) or "never used"; since: the first snapshot from which it is in use, or idle, until the end.
    """
    import pandas as pd

    told = latents.assign(information=_information(latents)).sort_values("step", kind="stable")
    rows = []
    for (run, latent), found in told.groupby(["run", "latent"], sort=False, observed=True):
        used = found["information"].to_numpy() >= idle
        story: Story = "in use" if used[-1] else "died" if used.any() else "never used"
        turned = np.flatnonzero(used != used[-1])
        since = found["step"].iloc[turned[-1] + 1 if len(turned) else 0]
        rows.append((run, latent, found["kind"].iloc[-1], found["information"].iloc[-1], story, since))
    order = {run: k for k, run in enumerate(dict.fromkeys(latents["run"]))}
    rows.sort(key=lambda row: (order[row[0]], row[1]))
    return pd.DataFrame(rows, columns=list(HISTORIES))


def over_runs(latents: "pd.DataFrame", idle: float = IDLE) -> "pd.DataFrame":
    """The verdict on each run.

    A network that was not trained is idle in all its latents, which is no collapse: a run without a snapshot after
    step 0 is "untrained". Latents that stay idle from step 0 on were never used.

    Args:
        latents: as `histories` takes it.
        idle: as `histories` takes it.

    Returns:
        run; verdict: "none" (every latent in use), "partial", "full" (none in use) or "untrained"; step: the first
        snapshot from which all those idle at the end are idle, NaN without any; latents: how many there are; in_use,
        died, never_used: how many of them at the end; passive: how many are so by the rule of kinds; which: the idle
        ones, as "0, 3"; why: a sentence for people.
    """
    import pandas as pd

    return pd.DataFrame(_verdicts(latents, idle), columns=list(VERDICTS))


def _verdicts(latents: "pd.DataFrame", idle: float) -> Iterator[tuple[Any, ...]]:
    last = latents.groupby("run", observed=True)["step"].max()
    for run, found in histories(latents, idle).groupby("run", sort=False):
        lost = found[found["story"] != "in use"]
        count = len(found)
        died, never = (int((found["story"] == story).sum()) for story in ("died", "never used"))
        word: Word = "none" if lost.empty else "full" if len(lost) == count else "partial"
        step = float(lost["since"].max()) if len(lost) else float("nan")
        if last[run] == 0:
            word, step, died, never = "untrained", float("nan"), 0, 0
        which = ", ".join(str(latent) for latent in lost["latent"])
        why = _why(word, count, died, never, step)
        passive = int((found["kind"] == "passive").sum())
        yield run, word, step, count, count - len(lost), died, never, passive, which, why


def _why(word: Word, count: int, died: int, never: int, step: float) -> str:
    if word == "untrained":
        return "There is no snapshot after step 0, so nothing could be learned or lost."
    if word == "none":
        return f"All {count} latents tell something of the images at the end."
    lost = f"None of {count} latents tells anything" if word == "full" else f"{died + never} of {count} tell nothing"
    parts = [f"{never} never did"] if never else []
    parts += [f"{died} did once and lost it, the last of them by step {step:,.0f}"] if died else []
    advice = " Train longer, weaken the KL term or let it grow slowly." if word == "full" else ""
    return f"{lost} of the images at the end: {', '.join(parts)}.{advice}"


def _information(latents: "pd.DataFrame") -> np.ndarray:
    if "information" in latents:
        return latents["information"].to_numpy(np.float64)
    missing = {"variance", "mean_variance"} - set(latents.columns)
    if missing:
        raise UsageError(f"collapse: expected a column information, or variance and mean_variance; {missing} missing.")
    ratio = latents["mean_variance"].to_numpy(np.float64) / np.maximum(latents["variance"].to_numpy(np.float64), 1e-300)
    return 0.5 * np.log1p(ratio)
