"""The page of a study of hundreds of runs stays small."""

from dataclasses import replace

import pandas as pd
import pytest
from tests.views.fake_results import FakeResults, study

from vaescope.stats import convergence
from vaescope.views import page


def frames_of(runs):
    found = FakeResults(study(seeds=runs // 2), without=("cka", "procrustes"))
    events = pd.DataFrame({"step": range(0, 4000, 10)})
    losses = found.runs[["run"]].merge(events, how="cross").assign(loss=3.0, reconstruction=2.0, kl=1.0)
    latents = (
        losses.loc[losses["step"] % 30 == 0, ["run", "step"]]
        .merge(pd.DataFrame({"latent": range(10)}), how="cross")
        .assign(kl=0.5)
    )
    curves = found.curves
    settling = convergence.settling(curves)
    lead = convergence.lead(settling)
    frames = page.Frames(found.runs, found.layers, losses, latents, curves, settling, lead, lead.iloc[:0])
    return frames, found.study


@pytest.mark.parametrize(("runs", "losses", "steps"), [(4, 400, 60), (200, 200, 30)])
def test_the_more_runs_the_fewer_steps_of_each_run_are_on_the_page(runs, losses, steps):
    frames, asked = frames_of(runs)
    snapshots = {run: [0, 120, 3990] for run in frames.runs["run"]}
    made = page.data(frames, asked, snapshots, {}, {})["tables"]
    first = frames.runs["run"][0]
    mine = [step for run, step in zip(made["losses"]["run"], made["losses"]["step"], strict=True) if run == first]
    assert len(made["losses"]["run"]) == runs * losses
    assert (mine[0], mine[-1]) == (0, 3990)
    of_latents = {s for run, s in zip(made["latents"]["run"], made["latents"]["step"], strict=True) if run == first}
    assert {0, 120, 3990} <= of_latents
    assert steps <= len(of_latents) <= steps + 1


def test_runs_without_any_losses_yet_are_no_obstacle():
    frames, asked = frames_of(4)
    made = page.data(
        replace(frames, losses=frames.losses[:0], latents=frames.latents[:0]),
        asked,
        {run: [] for run in frames.runs["run"]},
        {},
        {},
    )["tables"]
    assert made["losses"]["run"] == made["latents"]["run"] == []
