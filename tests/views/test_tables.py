import numpy as np
import pandas as pd
from tests.views.fake_results import DISTINCT, FakeResults, study

from vaescope.views import tables


def test_runs_are_told_apart_by_what_differs_and_the_seed():
    results = FakeResults()
    assert list(tables.run_labels(results.runs).values()) == [
        "beta 1, seed 0",
        "beta 1, seed 1",
        "beta 8, seed 0",
        "beta 8, seed 1",
    ]


def test_runs_that_would_share_a_label_are_told_apart_by_their_id():
    runs = FakeResults().runs.head(2).assign(seed=0, beta=1)
    assert [label.endswith(f"({run})") for run, label in tables.run_labels(runs).items()] == [True, True]


def test_an_option_that_only_some_objectives_have_is_left_out_of_the_others():
    runs = FakeResults(study(objectives={"vae": {}, "beta_vae": {"beta": 4}}, seeds=1)).runs
    assert list(tables.run_labels(runs).values()) == ["vae, seed 0", "beta_vae, beta 4, seed 0"]


def test_layers_stand_in_network_order_without_aliases():
    shuffled = FakeResults().layers.sample(frac=1, random_state=0)
    assert tables.layer_order(shuffled) == [name for name, _ in DISTINCT]


def test_heatmap_cells_are_the_matrix_at_those_two_snapshots():
    results = FakeResults()
    index, matrix = results.scores("cka")
    a, b = results.folder.runs[0].id, results.folder.runs[3].id
    table = tables.heatmap_table(index, matrix, (a, 5), (b, 700))
    where = {key: i for i, key in enumerate(index.itertuples(index=False, name=None))}
    assert len(table) == len(DISTINCT) ** 2
    for row in table.itertuples():
        assert row.score == float(matrix[where[a, 5, row.layer_a], where[b, 700, row.layer_b]])


def test_curves_are_those_of_one_measure_run_and_part():
    results = FakeResults()
    run = results.folder.runs[1].id
    raw = tables.curves_table(results.curves, "cka", run, "decoder")
    assert list(raw.columns) == ["layer", "step", "value", "score", "floor"]
    assert set(raw.layer) == {f"decoder.{i}" for i in range(1, 7)}
    assert (raw.value == raw.score).all()
    corrected = tables.curves_table(results.curves, "cka", run, "decoder", corrected=True)
    np.testing.assert_allclose(corrected.value, (raw.score - raw.floor) / (1 - raw.floor))


def test_settling_has_a_row_for_each_reading_and_none_for_layers_that_never_settle():
    settling = FakeResults().settling
    settling.loc[settling.layer == "decoder.6", "corrected"] = np.nan
    table = tables.settling_table(settling, "cka", {})
    never = table[table.layer == "decoder.6"]
    assert set(never.kind) == {"raw"}
    assert "input" not in set(table.layer)
    assert len(table) == 4 * (14 + 13)


def test_long_losses_are_thinned_but_keep_first_and_last_and_lose_what_is_not_finite():
    steps = np.arange(10_000)
    losses = pd.DataFrame({"run": "a", "step": steps, "loss": 1.0, "reconstruction": 1.0, "kl": 0.0})
    losses.loc[9_999, "loss"] = np.inf
    table = tables.losses_table(losses, at_most=100)
    assert len(table) == 100
    assert (table.step.iloc[0], table.step.iloc[-1]) == (0, 9_998)


def test_latents_are_thinned_by_whole_steps():
    rows = [("a", step, latent, 0.5) for step in range(500) for latent in range(3)]
    table = tables.latents_table(pd.DataFrame(rows, columns=["run", "step", "latent", "kl"]), at_most=20)
    assert table.groupby("step").size().eq(3).all()
    assert table.step.nunique() == 20


def test_ticks_are_round_and_the_last_step_is_not_crowded():
    assert tables.step_ticks([0, 5, 700]) == [0, 1, 10, 100, 700]
    assert tables.step_ticks([0, 1_200]) == [0, 1, 10, 100, 1_200]
    assert tables.step_ticks([0]) == [0]
    assert tables.step_ticks([]) == [0]
