"""Leads that are known by construction, in single runs and over seeds."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import false_discovery_control

from vaescope.stats.dynamics.leads import lead_table, leads
from vaescope.stats.dynamics.settling import settling_steps

STEPS = 2 ** np.arange(12) - 1
LAYERS = ("encoder.1", "encoder.2", "mean", "decoder.1", "decoder.2")


def runs(settings: int = 2, seeds: int = 3) -> pd.DataFrame:
    rows = [(f"s{k}-{s}", "shapes", "vae", f"beta={k}", s) for k in range(settings) for s in range(seeds)]
    return pd.DataFrame(rows, columns=["run", "dataset", "objective", "strength", "seed"])


def references(times: dict[str, dict[str, float]]) -> pd.DataFrame:
    """Curves of each run that rise in a straight line over log2(step + 1) and reach 0.9 at the given time."""
    rows = []
    for run, own in times.items():
        for layer, time in own.items():
            scores = np.clip(np.log2(STEPS + 1) / time * 0.9, 0, 1)
            rows += [
                (run, "cka", "final", layer, layer.split(".")[0], step, -1, score)
                for step, score in zip(STEPS.tolist(), scores.tolist(), strict=True)
            ]
    return pd.DataFrame(rows, columns=["run", "measure", "reference", "layer", "part", "step", "draw", "score"])


def times(lead: float, start: float = 4.0) -> dict[str, float]:
    return dict(zip(LAYERS, (start, start + 1, 1.0, start + lead, start + 1 + lead), strict=True))


@pytest.mark.parametrize("lead", [-2.0, 0.0, 1.0, 3.0])
def test_a_lead_of_k_doublings_is_found(lead: float):
    found = leads(settling_steps(references({"r": times(lead)})))
    assert found["lead"].iloc[0] == pytest.approx(lead, abs=1e-9)
    assert not found["censored"].iloc[0]


def test_each_draw_reference_and_measure_has_its_own():
    curves = pd.concat([references({"r": times(1.0)}), references({"r": times(2.0)}).assign(draw=0)])
    curves = pd.concat([curves, curves.assign(reference="other"), curves.assign(measure="procrustes")])
    found = leads(settling_steps(curves))
    assert len(found) == 6
    assert found.loc[found["draw"] == 0, "lead"].tolist() == pytest.approx([2.0] * 3)
    assert found["run"].tolist() == ["r"] * 6


def test_layers_that_do_not_settle_are_left_out_and_noted():
    curves = references({"r": times(1.0)})
    late = curves["layer"] == "decoder.2"
    curves.loc[late, "score"] = curves.loc[late, "score"] * 0.5
    found = leads(settling_steps(curves)).iloc[0]
    assert found["lead"] == pytest.approx(5 - 4.5)
    assert found["censored"]
    curves.loc[curves["part"] == "decoder", "score"] = 0.1
    found = leads(settling_steps(curves)).iloc[0]
    assert np.isnan(found["lead"])
    assert found["censored"]


def test_a_latent_layer_that_does_not_settle_is_nobodys_business():
    curves = references({"r": times(1.0)})
    curves.loc[curves["layer"] == "mean", "score"] = 0.2
    assert not leads(settling_steps(curves))["censored"].iloc[0]


def test_the_table_has_the_mean_of_each_setting_and_what_is_shared_cancels():
    slow = {"s0-0": 0.0, "s0-1": 2.0, "s0-2": 4.0}  # seeds differ in when all settles, not in the lead
    curves = references({run: times(1.5, 3 + shift) for run, shift in slow.items()} | {"s1-0": times(-1.0)})
    found = lead_table(leads(settling_steps(curves)), runs(), by=("objective", "strength")).set_index("strength")
    assert found.loc["beta=0", ["lead", "low", "high"]].tolist() == pytest.approx([1.5] * 3, abs=1e-9)
    assert found.loc["beta=0", ["runs", "seeds"]].tolist() == [3, 3]
    assert found.loc["beta=0", "p"] == 2 / 8
    assert found.loc["beta=1", "lead"] == pytest.approx(-1)
    assert np.isnan(found.loc["beta=1", ["low", "high", "p", "p_adjusted"]].astype(float)).all()


def test_p_values_are_corrected_over_the_rows_of_the_table():
    rng = np.random.default_rng(0)
    ids = runs(settings=5, seeds=8)
    own = {row.run: times(rng.normal(0.3, 0.4)) for row in ids.itertuples()}
    found_leads = leads(settling_steps(references(own)))
    holm, hochberg = (
        lead_table(found_leads, ids, by=["strength"], correction=c) for c in ("holm", "benjamini_hochberg")
    )
    p = holm["p"].to_numpy(float)
    rank = np.argsort(np.argsort(p, kind="stable"))
    expected = [min(1, max((5 - rank[j]) * p[j] for j in range(5) if rank[j] <= rank[i])) for i in range(5)]
    np.testing.assert_allclose(holm["p_adjusted"], expected, rtol=1e-12)
    np.testing.assert_allclose(hochberg["p_adjusted"], false_discovery_control(p), rtol=1e-12)


def test_all_runs_make_one_row_whose_clusters_are_the_seeds():
    ids = runs(settings=4, seeds=3)
    own = {row.run: times(float(row.seed)) for row in ids.itertuples()}
    found = lead_table(leads(settling_steps(references(own))), ids, by=()).iloc[0]
    assert found["lead"] == pytest.approx(1.0)
    assert (found["runs"], found["seeds"]) == (12, 3)
    assert found["high"] - found["lead"] == pytest.approx(4.302653 / np.sqrt(3), rel=1e-5)


def test_no_curves_give_no_leads():
    found = leads(settling_steps(references({})))
    assert len(found) == 0
    assert list(lead_table(found, runs()).columns)[-5:] == ["high", "p", "p_adjusted", "runs", "seeds"]
