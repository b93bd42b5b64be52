"""The figure of what the measures say of few examples, against numbers found with the authors' way of drawing."""

import numpy as np
import pytest

from vaescope.views.figures.metric_limits import EXAMPLES, MetricLimits, matrices

# /work/shared/docs/measures.md 5.6: examples -> shared features -> CKA, debiased CKA, Procrustes.
GOLDEN = {
    50: {40: (0.903, 0.801, 0.950), 25: (0.744, 0.480, 0.869), 0: (0.511, 0.017, 0.752)},
    90: {40: (0.884, 0.818, 0.912), 25: (0.700, 0.531, 0.795), 0: (0.360, -0.001, 0.592)},
    250: {40: (0.837, 0.804, 0.860), 25: (0.590, 0.508, 0.670), 0: (0.163, -0.006, 0.364)},
    490: {40: (0.823, 0.805, 0.842), 25: (0.546, 0.500, 0.615), 0: (0.093, 0.001, 0.270)},
    970: {40: (0.813, 0.803, 0.825), 25: (0.532, 0.507, 0.581), 0: (0.051, 0.002, 0.197)},
}


@pytest.fixture(scope="module")
def table():
    return MetricLimits().table(examples=tuple(GOLDEN))


def test_the_scores_are_the_known_ones(table):
    found = table.set_index(["examples", "shared", "measure"])["value"]
    for n, by_shared in GOLDEN.items():
        for shared, expected in by_shared.items():
            got = [found[n, shared, name] for name in ("cka_biased", "cka", "procrustes")]
            assert got == pytest.approx(expected, abs=6e-4), (n, shared)


def test_examples_go_from_fifty_to_the_end_in_steps_of_forty(table):
    assert list(EXAMPLES) == list(range(50, 971, 40))
    assert sorted(set(table["examples"])) == list(GOLDEN)


def test_debiased_cka_is_the_share_and_the_others_are_above_it_where_examples_are_few(table):
    few = table[table["examples"] == 50].set_index(["shared", "measure"])
    for shared in (40, 25, 0):
        assert few.at[(shared, "cka"), "value"] == pytest.approx(shared / 50, abs=0.03)
        assert few.at[(shared, "cka_biased"), "value"] > shared / 50 + 0.05


def test_the_shared_features_are_the_same_numbers():
    x, y = matrices(90, 25)
    assert x.shape == y.shape == (90, 50)
    assert (x[:, :25] == y[:, :25]).all()
    assert np.abs(np.corrcoef(x[:, 30], y[:, 30])[0, 1]) < 0.3


def test_the_figure_needs_no_study_and_names_its_measures(table):
    spec = str(MetricLimits().chart(table).to_dict())
    for words in ("debiased CKA", "Procrustes", "80 % shared", "none shared", "examples"):
        assert words in spec
