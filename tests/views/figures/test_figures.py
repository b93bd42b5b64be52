"""Figures made of evidence: their tables are what the evidence says, their words are for people, none is empty."""

import json
import re
from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
import vl_convert
from tests.views.figures.fake_evidence import LAYERS, STEPS, FakeResults, fake_evidence

from vaescope.stats.evidence import Evidence
from vaescope.views.figure import FIGURES
from vaescope.views.figures.leads import MOST_ROWS

OF_EVIDENCE = [
    *("claims", "controls", "curves", "decomposition", "disentanglement", "gauge", "latents", "leads"),
    *("other_references", "sensitivity", "settling", "transfer"),
]
MANY = {
    "beta_vae": [1, 2, 4, 6, 8],
    "beta_tc_vae": [1, 2, 4, 6, 8],
    "annealed_vae": [5, 10, 25, 50, 75],
    "dip_vae_ii": [1, 2, 5, 10, 20],
}


@pytest.fixture(scope="module")
def results() -> FakeResults:
    return FakeResults(fake_evidence(datasets=("dsprites", "cars3d")))


@pytest.fixture(scope="module")
def tables(results) -> dict[str, pd.DataFrame]:
    return {name: FIGURES[name]().table(results) for name in OF_EVIDENCE}


def without_rows(evidence: Evidence) -> Evidence:
    frames = {f.name: getattr(evidence, f.name) for f in fields(evidence)}
    return replace(evidence, **{k: v.iloc[:0] for k, v in frames.items() if isinstance(v, pd.DataFrame)})


def texts(figure: str, table: pd.DataFrame, width: str) -> tuple[str, list[str]]:
    """The chart as SVG, and every text in it."""
    svg = vl_convert.vegalite_to_svg(FIGURES[figure]().chart(table, width=width).to_dict())
    return svg, re.findall(r"<text[^>]*>([^<]*)</text>", svg)


@pytest.mark.parametrize(
    ("name", "width"), [*((name, "page") for name in OF_EVIDENCE), ("curves", "column"), ("claims", "column")]
)
def test_a_figure_says_everything_in_words_and_draws_marks(tables, name, width):
    svg, found = texts(name, tables[name], width)
    strange = [t for t in found if re.search(r"_|undefined|NaN|null|encoder\.|decoder\.", t)]
    assert found
    assert not strange
    assert svg.count('class="mark-symbol') + svg.count('class="mark-line') + svg.count('class="mark-rect') > 1


@pytest.mark.parametrize("name", OF_EVIDENCE)
def test_a_figure_has_a_caption_a_title_and_a_note_in_sentences(tables, name):
    figure = FIGURES[name]()
    for text in (figure.caption, figure.note(tables[name])):
        assert "_" not in text
        assert text == "" or text.strip().endswith((".", "…"))
    assert figure.title[0].isupper()


@pytest.mark.parametrize("name", [n for n in OF_EVIDENCE if n != "claims"])
def test_without_evidence_a_figure_has_no_rows_and_says_why(results, name):
    none = FakeResults(without_rows(results.found), claims=())
    figure = FIGURES[name]()
    assert len(figure.table(none)) == 0
    assert figure.missing(none)


def test_without_claims_there_is_no_figure_of_claims(results):
    assert len(FIGURES["claims"]().table(FakeResults(results.found, claims=()))) == 0


def test_curves_are_means_over_the_runs_of_a_dataset(results, tables):
    table, evidence = tables["curves"], results.found
    one = {"dataset": "cars3d", "layer": "decoder.2", "step": 100}
    runs = evidence.runs.loc[evidence.runs["dataset"] == "cars3d", "run"]
    final = evidence.references[(evidence.references["reference"] == "final") & (evidence.references["draw"] == -1)]
    final = final[final["run"].isin(runs) & (final["layer"] == "decoder.2")].set_index(["run", "step"])["score"]
    raw = table[(table[list(one)] == pd.Series(one)).all(axis=1)].set_index("reading")
    assert raw.at["raw", "value"] == pytest.approx(final.xs(100, level="step").mean())
    floor, score = final.xs(0, level="step"), final.xs(100, level="step")
    assert raw.at["corrected", "value"] == pytest.approx(((score - floor) / (1 - floor)).mean())
    assert (raw["low"] < raw["value"]).all()
    assert (raw["runs"] == len(runs)).all()


def test_settling_steps_are_means_in_log_step_and_layers_that_never_settle_are_counted(results):
    from vaescope.stats.convergence import settling_step

    evidence = results.found
    references = evidence.references.copy()
    run = evidence.runs["run"].iloc[0]
    low = (references["run"] == run) & (references["layer"] == "decoder.6") & (references["reference"] == "final")
    references.loc[low, "score"] *= 0.5
    table = FIGURES["settling"]().table(FakeResults(replace(evidence, references=references)))
    row = table[(table["dataset"] == "dsprites") & (table["reading"] == "raw")].set_index("layer")
    assert row.at["decoder.6", "never"] == 1
    final = references[(references["reference"] == "final") & (references["draw"] == -1)]
    dsprites = evidence.runs.loc[evidence.runs["dataset"] == "dsprites", "run"]
    logs = [
        np.log2(settling_step(list(STEPS), curve.sort_values("step")["score"].tolist()) + 1)
        for _, curve in final[(final["layer"] == "encoder.3") & final["run"].isin(dsprites)].groupby("run")
    ]
    assert row.at["encoder.3", "step"] == pytest.approx(2 ** np.mean(logs) - 1)


def test_leads_are_given_for_every_setting_and_reading(results, tables):
    table = tables["leads"]
    assert len(table) == 2 * results.found.runs.drop_duplicates("setting").shape[0]
    assert (table["lead"] > 0).all()  # made so
    assert (table["p_adjusted"] >= table["p"]).all()


def test_controls_are_beside_the_decoder_that_is_fed_by_its_own_encoder(tables):
    table = tables["controls"]
    assert set(table["layer"]) == {layer for layer, part in LAYERS.items() if part == "decoder"}
    assert set(table["control"]) >= {"own", "final_encoder", "fixed_code", "prior", "sampled", "untrained"}
    assert table.loc[table["control"] == "untrained", "step"].isna().all()


def test_the_gauge_is_the_root_of_the_share_of_active_latents(results, tables):
    table = tables["gauge"]
    assert np.allclose(table["expected"], np.sqrt(table["active"] / 10))
    assert len(table) == len(results.found.posterior)
    assert (table.groupby("run")["last"].sum() == 1).all()


def test_kinds_of_latents_add_up_to_all_latents(tables):
    sums = tables["latents"].groupby(["dataset", "objective", "strength", "step"])["value"].sum()
    assert np.allclose(sums, 10)


def test_claims_without_an_estimate_are_left_out_but_their_readings_kept():
    results = FakeResults()
    table = FIGURES["claims"]().table(results)
    assert list(dict.fromkeys(table["claim"])) == ["encoder_first", "collapse_gauge"]
    assert table["estimate"].isna().sum() == 1
    assert "1;" in FIGURES["claims"]().note(table)


def test_transfer_has_the_other_dataset_beside_the_ceiling(tables):
    table = tables["transfer"]
    assert set(zip(table["dataset"], table["dataset_b"], strict=True)) == {
        ("dsprites", "cars3d"),
        ("cars3d", "dsprites"),
    }
    assert (table["shortfall"] > 0).all()  # made so


def test_of_a_large_grid_some_panels_are_drawn_and_what_is_left_out_is_told():
    everything = fake_evidence(
        ("cars3d", "dsprites", "smallnorb"), seeds=2, draws=0, steps=(0, 10, 3000), strengths=MANY
    )
    for name in ("leads", "latents", "gauge"):
        figure = FIGURES[name]()
        table = figure.table(FakeResults(everything))
        assert len(json.dumps(figure.chart(table).to_dict())) < 1_000_000
        if name == "leads":
            assert len(table["label"].unique()) <= MOST_ROWS
        if name == "latents":
            assert "smallnorb" in figure.note(table)


def test_each_reading_of_a_claim_has_its_own_threshold_and_cut_intervals_are_told():
    figure = FIGURES["claims"]()
    table = figure.table(FakeResults())
    drawn = json.dumps(figure.chart(table).to_dict())
    assert drawn.count('"bandPosition": 0,') == drawn.count('"bandPosition": 1,') == table["claim"].nunique()
    assert "go on beyond" not in figure.note(table)
    table.loc[table["reading"] == "final_encoder", ["low", "high"]] = [-40.0, 40.0]
    assert figure.note(table).count("go on beyond") == 1
