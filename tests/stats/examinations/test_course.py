"""Curves, readings and shapes of real snapshots, held against `vaescope.similarity` on representations cut by hand."""

import numpy as np
import pytest

import vaescope
from vaescope.runs.extract import representations
from vaescope.stats import course as courses
from vaescope.stats.certainty.participation import participation_ratio
from vaescope.stats.certainty.permutation import permutations
from vaescope.stats.evidence import READINGS, REFERENCES, SHAPES
from vaescope.stats.examination import EXAMINATIONS
from vaescope.stats.examinations.readings import Readings
from vaescope.stats.examinations.references import References
from vaescope.stats.examinations.shapes import Shapes
from vaescope.stats.halves import half
from vaescope.stats.subject import Subject


@pytest.fixture(scope="module")
def layers(folder):
    """(run, step) -> layer -> representation."""
    return {(run.id, step): dict(representations(folder, run, step)) for run in folder.runs for step in run.snapshots}


@pytest.fixture(scope="module")
def references(subject):
    return References().of(subject)


def test_the_examinations_are_found_by_their_names():
    assert {"references", "wiring", "untrained", "readings", "shapes", "abroad"} <= set(EXAMINATIONS)


def test_there_is_a_row_for_each_layer_step_reference_and_draw(folder, references, subject):
    assert tuple(references.columns) == REFERENCES[1:]
    assert len(references.drop_duplicates(list(REFERENCES[1:-1]))) == len(references)
    names = [layer.name for layer in subject.layers if layer.part != "input"]
    cka = references[references.measure == "cka"]
    assert cka.groupby("reference").step.unique().map(list).to_dict() == {
        "final": [0, 2, 6],
        "start": [0, 2, 6],
        "previous": [2, 6],
        "other": [0, 2, 6],
    }
    assert (cka.groupby(["reference", "step", "draw"]).layer.agg(list).map(names.__eq__)).all()
    assert sorted(cka.draw.unique()) == [-1, *range(8)]
    costly = references[references.measure == "procrustes"]
    assert (set(costly.reference), sorted(costly.draw.unique())) == ({"final", "other"}, [-1, *range(4)])
    against = references.groupby("reference").against.unique().map(list).to_dict()
    assert against == {"final": [""], "start": [""], "previous": [""], "other": [folder.runs[1].id]}


def test_each_score_is_that_of_the_two_representations_on_the_same_rows(folder, references, layers):
    a, b = folder.runs[0].id, folder.runs[1].id
    for row in references.iloc[::5].itertuples():
        before = {2: 0, 6: 2}
        there = {
            "final": (a, 6),
            "start": (a, 0),
            "previous": (a, before.get(row.step, 0)),
            "other": (b, 6),
        }[row.reference]
        rows = np.arange(40) if row.draw < 0 else half(40, row.draw)
        x, y = layers[a, row.step][row.layer][rows], layers[there][row.layer][rows]
        assert row.score == pytest.approx(vaescope.similarity(x, y, row.measure), abs=2e-5), row


def test_parts_are_those_of_the_layers(references, subject):
    parts = {layer.name: layer.part for layer in subject.layers}
    assert (references.part == references.layer.map(parts)).all()


def test_the_table_depends_on_the_end_of_the_next_seed(folder):
    first, second = (Subject(folder, run) for run in folder.runs)
    assert References().others(first) == (folder.runs[1],)
    assert References().others(second) == (folder.runs[0],)


def test_the_same_run_gives_the_same_table_whichever_is_asked_first(folder, references):
    again = Subject(folder, folder.runs[0])
    Shapes().of(again)
    assert References().of(again).equals(references)


def test_a_diverged_run_has_curves_but_to_its_end(stopped):
    subject = Subject(stopped, stopped.runs[0])
    found = References().of(subject)
    assert set(found.reference) == {"start", "previous", "other"}
    assert set(found.step) == {0, 2}
    assert Readings().of(subject).empty
    assert set(Shapes().of(subject).step) == {0, 2}


def test_a_diverged_run_is_no_other_seed_of_its_neighbour(stopped):
    subject = Subject(stopped, stopped.runs[1])
    assert References().others(subject) == ()
    assert set(References().of(subject).reference) == {"final", "start", "previous"}


def test_no_more_examples_are_looked_at_than_the_course_is_followed_on(folder, layers, monkeypatch):
    monkeypatch.setattr(courses, "EXAMPLES", 24)
    found = References().of(Subject(folder, folder.runs[0]))
    row = found[(found.layer == "mean") & (found.step == 2) & (found.reference == "final") & (found.draw == 1)].iloc[0]
    x, y = (layers[folder.runs[0].id, step]["mean"][:24][half(24, 1)] for step in (2, 6))
    assert row.score == pytest.approx(vaescope.similarity(x, y, "cka"), abs=2e-5)


def test_readings_have_the_mean_and_spread_of_permuted_scores(folder, layers, subject):
    found = Readings().of(subject)
    assert tuple(found.columns) == READINGS[1:]
    assert set(found.measure) == {"cka", "cka_biased", "procrustes"}
    assert set(found.n) == {40}
    run = folder.runs[0].id
    for row in found[(found.step == 2) & found.layer.isin(["mean"])].itertuples():
        x, y = layers[run, 2][row.layer], layers[run, 6][row.layer]
        assert row.score == pytest.approx(vaescope.similarity(x, y, row.measure), abs=2e-5)
        drawn = np.array([vaescope.similarity(x, y[order], row.measure) for order in permutations(40, 80, 1)])
        standard_error = drawn.std() / np.sqrt(80 if row.measure != "procrustes" else 4)
        assert row.null_mean == pytest.approx(drawn.mean(), abs=4 * standard_error)
        if row.measure != "procrustes":
            assert row.null_sd == pytest.approx(drawn.std(), rel=0.4)
            assert row.p == pytest.approx((drawn >= row.score).mean(), abs=0.15)
        else:
            assert np.isnan(row.p)
        assert row.calibrated == pytest.approx((row.score - row.null_mean) / (1 - row.null_mean))


def test_a_study_without_cka_is_not_read_by_it(given, tmp_path):
    from tests.stats.examinations.conftest import trained

    folder = trained(tmp_path / "s", "measures={mutual_knn: {}, bures: {}}", "seeds=1")
    subject = Subject(folder, folder.runs[0])
    assert set(Readings().of(subject).measure) == set(References().of(subject).measure) == set(subject.measures)
    assert set(References().of(subject).reference) == {"final"}
    assert (Shapes().of(subject).participation > 0).all()


def test_shapes_say_how_much_each_representation_varies_and_in_how_many_directions(folder, layers, subject):
    found = Shapes().of(subject)
    assert tuple(found.columns) == SHAPES[1:]
    assert list(found.layer.unique()) == [layer.name for layer in subject.layers]
    for row in found.itertuples():
        x = layers[folder.runs[0].id, row.step][row.layer].astype(np.float64)
        assert (row.n, row.features) == x.shape
        assert row.variance == pytest.approx(x.var(axis=0).sum(), rel=1e-4)
        assert row.participation == pytest.approx(participation_ratio(x), rel=1e-3)
        assert 0.4 * 0.025 < row.top_share < 1
    assert not found.dead.any()
