"""What a study lacks is told, and what no command can make is not."""

from dataclasses import replace

import pandas as pd
from tests.views.figures.fake_evidence import fake_evidence

from vaescope.views import gaps


def test_runs_without_a_table_that_others_have_are_counted():
    evidence = fake_evidence(("cars3d", "dsprites"))
    runs = pd.DataFrame({"run": evidence.runs["run"], "state": "done"})
    assert gaps.unexamined(runs, evidence) == ""
    first = evidence.latents["run"].astype(str) == str(runs["run"].iloc[0])
    short = replace(evidence, latents=evidence.latents[~first])
    assert gaps.unexamined(runs, short) == f"1 run of {len(runs)}"
    assert gaps.unexamined(runs, replace(evidence, latents=evidence.latents[:0])) == ""  # asked of no run


def test_runs_on_datasets_without_factors_lack_nothing():
    evidence = fake_evidence(("cars3d", "dsprites"))
    runs = pd.DataFrame({"run": evidence.runs["run"], "state": "done"})
    some = evidence.disentanglement["run"].astype(str) == str(runs["run"].iloc[0])
    assert gaps.unexamined(runs, replace(evidence, disentanglement=evidence.disentanglement[some])) == ""
