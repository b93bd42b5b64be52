"""Raw, debiased and calibrated scores side by side."""

import numpy as np
import pandas as pd
import pytest

from vaescope.stats.dynamics.readings import is_debiased, table
from vaescope.stats.evidence import READINGS


def readings(*rows: tuple[str, float, float]) -> pd.DataFrame:
    """Measure, score, mean under permutation, at one layer and snapshot."""
    whole = [("r", m, "mean", "latent", 5, 100, s, c, 0.01, 0.2, (s - c) / (1 - c)) for m, s, c in rows]
    return pd.DataFrame(whole, columns=list(READINGS))


def test_debiased_and_biased_cka_share_a_row():
    found = table(readings(("cka", 0.5, 0.0), ("cka_biased", 0.7, 0.4), ("procrustes", 0.8, 0.5))).set_index("measure")
    assert list(found.index) == ["cka", "procrustes"]
    assert found.loc["cka", ["raw", "debiased", "calibrated", "chance"]].tolist() == [0.7, 0.5, 0.5, 0.0]
    assert found.loc["procrustes", "raw"] == 0.8
    assert np.isnan(found.loc["procrustes", "debiased"])
    assert found.loc["procrustes", "calibrated"] == pytest.approx(0.6)


def test_what_was_not_read_is_not_made_up():
    assert np.isnan(table(readings(("cka", 0.5, 0.0)))["raw"].iloc[0])
    alone = table(readings(("cka_biased", 0.7, 0.4))).iloc[0]
    assert alone["raw"] == 0.7
    assert np.isnan(alone["debiased"])
    assert len(table(readings())) == 0


def test_only_measures_that_are_zero_by_chance_are_debiased():
    assert [is_debiased(name) for name in ("cka", "cka_rbf", "cka_biased", "procrustes", "mutual_knn", "my_own")] == [
        *(True, True, False, False, False, False)
    ]
