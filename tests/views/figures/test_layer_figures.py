"""Figures made of the scores and snapshots of a study that was really run."""

import base64
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from vaescope.errors import UsageError
from vaescope.views.figure import FIGURES
from vaescope.views.figures.tsne import embedded, vectors_of
from vaescope.views.within import within

ENDS = (0, 6)


def score(results, run, step_a, layer_a, step_b, layer_b, other=None) -> float:
    found = results.similarity(
        "cka", run_a=run, step_a=step_a, layer_a=layer_a, run_b=other or run, step_b=step_b, layer_b=layer_b
    )
    assert len(found) == 1
    return float(found["score"].iloc[0])


def runs_of(results, beta) -> list[str]:
    runs = results.runs
    return list(runs.loc[runs["beta"] == beta, "run"])


def test_within_has_every_pair_of_layers_of_every_snapshot(small):
    table = within(small, "cka")
    layers = (small.layers["same_as"] == "").sum()
    assert len(table) == 4 * 3 * layers * (layers - 1) / 2
    row = table[(table["step"] == 2) & (table["layer_a"] == "encoder.2") & (table["layer_b"] == "decoder.1")]
    for run, value in zip(row["run"], row["score"], strict=True):
        assert value == pytest.approx(score(small, run, 2, "encoder.2", 2, "decoder.1"))


def test_a_heatmap_is_the_first_against_the_last_snapshot_and_the_mean_over_seeds(small):
    table = FIGURES["heatmap"]().table(small)
    assert set(zip(table["step_a"], table["step_b"], strict=True)) == {ENDS}
    cell = table[(table["layer_a"] == "decoder.3") & (table["layer_b"] == "encoder.1")]
    runs = runs_of(small, 1.0)
    expected = np.mean([score(small, run, 0, "decoder.3", 6, "encoder.1") for run in runs])
    assert cell["score"].iloc[0] == pytest.approx(expected)
    assert cell["seeds"].iloc[0] == 2


def test_a_heatmap_of_two_settings_compares_their_last_snapshots_seed_by_seed(small):
    settings = [f"dsprites, conv, beta_vae beta={beta}" for beta in (1, 4)]
    table = FIGURES["heatmap"]().table(small, setting=settings[0], other=settings[1])
    cell = table[(table["layer_a"] == "mean") & (table["layer_b"] == "encoder.6")].iloc[0]
    pairs = zip(runs_of(small, 1.0), runs_of(small, 4.0), strict=True)
    expected = np.mean([score(small, a, 6, "mean", 6, "encoder.6", other=b) for a, b in pairs])
    assert cell["score"] == pytest.approx(expected)
    turned = FIGURES["heatmap"]().table(small, setting=settings[1], other=settings[0])
    mirrored = turned[(turned["layer_a"] == "encoder.6") & (turned["layer_b"] == "mean")].iloc[0]
    assert mirrored["score"] == pytest.approx(expected)


def test_a_heatmap_of_one_run_at_chosen_steps(small):
    run = runs_of(small, 4.0)[1]
    table = FIGURES["heatmap"]().table(small, run=run, step_a=2, step_b=2, measure="procrustes")
    same = table[table["layer_a"] == table["layer_b"]]
    assert np.allclose(same["score"], 1, atol=1e-4)
    assert set(table["measure"]) == {"procrustes"}


@pytest.mark.parametrize(
    ("figure", "options"),
    [
        ("heatmap", {"setting": "beta_vae"}),
        ("heatmap", {"run": "none"}),
        ("heatmap", {"step_a": 5}),
        ("heatmap", {"measure": "ckaa"}),
        ("layer_pair", {"of": "men"}),
        ("layer_list", {"of": "men"}),
        ("reconstructions", {"run": "none"}),
        ("traversals", {"step": 5}),
    ],
)
def test_what_the_study_has_not_is_told(small, figure, options):
    with pytest.raises(UsageError):
        FIGURES[figure]().table(small, **options)


def test_a_layer_pair_is_the_mean_over_seeds_of_one_strength(small):
    table = FIGURES["layer_pair"]().table(small)
    row = table[(table["strength_value"] == 4) & (table["step"] == 2)].iloc[0]
    expected = np.mean([score(small, run, 2, "mean", 2, "sampled") for run in runs_of(small, 4.0)])
    assert row["value"] == pytest.approx(expected)
    assert (row["line"], row["panel"], row["seeds"]) == ("β = 4", "β-VAE", 2)
    assert row["low"] < row["value"] < row["high"]


def test_a_layer_list_has_all_layers_of_encoder_and_decoder_in_order(small):
    table = FIGURES["layer_list"]().table(small)
    layers = list(dict.fromkeys(table["layer"]))
    assert layers == [f"encoder.{k}" for k in (1, 2, 3, 4, 6)] + [f"decoder.{k}" for k in range(1, 7)]
    row = table[(table["strength_value"] == 1) & (table["step"] == 6) & (table["layer"] == "decoder.5")].iloc[0]
    expected = np.mean([score(small, run, 6, "input", 6, "decoder.5") for run in runs_of(small, 1.0)])
    assert row["value"] == pytest.approx(expected)


def test_where_nothing_was_examined_curves_are_those_of_the_scores(small):
    table = FIGURES["curves"]().table(small)
    curves = small.curves
    at = (curves["measure"] == "cka") & (curves["layer"] == "decoder.2") & (curves["step"] == 2)
    row = table[(table["reading"] == "raw") & (table["layer"] == "decoder.2") & (table["step"] == 2)].iloc[0]
    assert row["value"] == pytest.approx(curves.loc[at, "score"].mean())
    assert len(FIGURES["other_references"]().table(small)) == 0


def test_tsne_works_on_a_dozen_snapshots_and_is_the_same_each_time(small):
    figure = FIGURES["tsne"]()
    table = figure.table(small)
    assert len(table) == 12
    assert table["perplexity"].iloc[0] == pytest.approx(11 / 3)
    assert np.isfinite(table[["x", "y"]].to_numpy()).all()
    again = figure.table(small)
    assert (again[["x", "y"]].to_numpy() == table[["x", "y"]].to_numpy()).all()


def test_tsne_vectors_are_the_upper_triangles_each_pair_once(small):
    scores = within(small, "cka").assign(network="conv")
    vectors, left = vectors_of(scores)
    run = runs_of(small, 1.0)[0]
    layers = int((small.layers["same_as"] == "").sum())
    assert (vectors.shape, left) == ((12, layers * (layers - 1) // 2), 0)
    assert vectors.loc[(run, 2), "encoder.1 / decoder.6"] == pytest.approx(
        score(small, run, 2, "encoder.1", 2, "decoder.6")
    )
    scores.loc[(scores["run"] == run) & (scores["step"] == 2) & (scores["layer_b"] == "mean"), "score"] = np.nan
    assert vectors_of(scores)[1] == 1


@pytest.mark.parametrize("n", [5, 7, 60])
def test_tsne_takes_few_snapshots_and_few_pairs(n):
    vectors = np.random.default_rng([5, n]).random((n, 3))
    places, perplexity, components = embedded(vectors)
    assert places.shape == (n, 2)
    assert perplexity == min(30, (n - 1) / 3)
    assert components == 3


def decoded(uri: str) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(base64.b64decode(uri.partition(",")[2]))))


def test_pictures_in_the_table_are_those_of_the_snapshot(small):
    from vaescope.runs.extract import pictures

    run = small.folder.runs[0]
    seen = pictures(small.folder, run, 6)
    table = FIGURES["reconstructions"]().table(small)
    assert set(table["step"]) == {-1, 0, 2, 6}
    last = table[(table["step"] == 6) & (table["column"] == "3")]["picture"].iloc[0]
    assert (decoded(last) == seen.reconstructions[3, 0]).all()
    original = table[(table["step"] == -1) & (table["column"] == "3")]["picture"].iloc[0]
    assert (decoded(original) == seen.originals[3, 0]).all()
    walk = FIGURES["traversals"]().table(small)
    assert len(walk) == 4 * len(seen.values)
    one = walk[(walk["latent"] == 2) & (walk["value"] == 2.0)]["picture"].iloc[0]
    assert (decoded(one) == seen.traversals[2, -1, 0]).all()
