import base64

import numpy as np
import pandas as pd
import pytest
from tests.views.fake_results import FakeResults

from vaescope.views.matrix import NOT_COMPUTED, pack


def unpacked(data: dict) -> np.ndarray:
    """The matrix again, block by block, as the page's script reads it."""
    counts = [len(rows) for rows in data["rows"]]
    starts = np.cumsum([0, *counts])
    whole = np.full((starts[-1], starts[-1]), np.nan)
    for key, text in data["blocks"].items():
        i, j = map(int, key.split(","))
        block = np.frombuffer(base64.b64decode(text), "<i2").reshape(counts[i], counts[j]).astype(float)
        block[block == NOT_COMPUTED] = np.nan
        whole[starts[i] : starts[i + 1], starts[j] : starts[j + 1]] = block / data["scale"]
        whole[starts[j] : starts[j + 1], starts[i] : starts[i + 1]] = block.T / data["scale"]
    return whole


@pytest.mark.parametrize("measure", ["cka", "procrustes"])
def test_every_score_comes_back_to_four_digits_and_what_is_missing_stays_missing(measure):
    index, matrix = FakeResults().scores(measure)
    packed = pack(index, matrix)
    np.testing.assert_allclose(unpacked(packed.data), matrix, atol=2e-5)
    upper = matrix[np.triu_indices(len(matrix))]
    assert packed.computed == np.isfinite(upper).sum()
    assert packed.missing == np.isnan(upper).sum()


def test_scores_beyond_one_are_not_cut():
    index = pd.DataFrame({"run": ["a", "a"], "step": [0, 0], "layer": ["x", "y"]})
    matrix = np.array([[0, 7.5], [7.5, 0]], np.float32)
    assert unpacked(pack(index, matrix).data)[0, 1] == pytest.approx(7.5, abs=1e-3)


def test_beyond_the_budget_same_run_blocks_stay_and_the_rest_is_told():
    index, matrix = FakeResults().scores("cka")
    packed = pack(index, matrix, budget=5 * 150 * 150 * 2)
    assert list(packed.data["blocks"]) == ["0,0", "1,1", "2,2", "3,3", "0,1"]
    assert packed.left_out == 5
    assert set(packed.data["leftOut"]) == {"0,2", "0,3", "1,2", "1,3", "2,3"}


def test_nothing_computed_gives_no_blocks():
    index, matrix = FakeResults(without=("cka",)).scores("cka")
    packed = pack(index, matrix)
    assert (packed.computed, packed.data["blocks"]) == (0, {})
