"""Heatmaps on the page carry the scores of the study, and stay within their bytes."""

import numpy as np
import pytest
from tests.views.big_results import big_results
from tests.views.fake_results import FakeResults

from vaescope.views.axes import axes
from vaescope.views.maps import MOST_ROOM, maps
from vaescope.views.packed import Arrays, unpacked


def made(results: FakeResults, room: int = MOST_ROOM):
    """The maps of a study, its axes, and a reader of their arrays."""
    measures = [name for name in results.study.measures if name not in results.without]
    along = axes(results.study, results.folder.runs, results.runs, results.layers, results.snapshot_steps, measures)
    arrays = Arrays()
    dense = {name: choice.pairs == "all" for name, choice in results.study.measures.items()}
    found = maps(along, results.blocks, results.slots_of, dense, arrays, room)
    text = arrays.text()
    return found, along, lambda handle: unpacked(text, handle), arrays


def scores_at(results: FakeResults, measure: str, a: tuple[int, int], b: tuple[int, int]) -> np.ndarray:
    """Layers of (run, step) with layers of another, as the whole matrix has them."""
    index, matrix = results.scores(measure)
    rows, columns = (
        np.flatnonzero((index.run == results.folder.runs[run].id) & (index.step == step)) for run, step in (a, b)
    )
    return matrix[np.ix_(rows, columns)]


@pytest.mark.parametrize("measure", ["cka", "procrustes"])
def test_every_pair_of_snapshots_of_a_small_study_is_there_with_its_scores(measure):
    results = FakeResults(diverged=1)
    found, along, read, _ = made(results)
    seen = {}
    for entry in found.runs:
        if entry["measure"] == measure:
            for pair, scores in zip(entry["pairs"], read(entry["scores"]), strict=True):
                seen[tuple(pair)] = (entry["steps"], scores)
    assert set(seen) == {(i, j) for i in range(4) for j in range(i, 4)}
    for (i, j), (steps, scores) in seen.items():
        assert [along.steps[k] for k in steps] == list(results.folder.runs[0].snapshots)
        for a, b in ((0, -1), (3, 3), (-1, 2)):
            step_a, step_b = along.steps[steps[a]], along.steps[steps[b]]
            if step_a in results.made[results.ids[i]] and step_b in results.made[results.ids[j]]:
                want = scores_at(results, measure, (i, step_a), (j, step_b))
                np.testing.assert_allclose(scores[a, b], want, atol=3e-3)
            else:
                assert np.isnan(scores[a, b]).all()


def test_maps_of_settings_are_means_over_seeds_with_half_an_interval():
    results = FakeResults()
    found, along, read, _ = made(results)
    against = {entry["against"]: entry for entry in found.settings if entry["measure"] == "cka"}
    for k, step in enumerate(along.steps):
        ends = [scores_at(results, "cka", (run, step), (run, 700)) for run in (2, 3)]
        same = [scores_at(results, "cka", (run, step), (run, step)) for run in (2, 3)]
        np.testing.assert_allclose(read(against["end"]["mean"])[1, k], np.mean(ends, 0), atol=3e-3)
        np.testing.assert_allclose(read(against["same"]["mean"])[1, k], np.mean(same, 0), atol=3e-3)
        half = 12.7062 * np.abs(ends[0] - ends[1]) / 2
        np.testing.assert_allclose(read(against["end"]["half"])[1, k], half, atol=3e-3 + 0.01 * half.max())
    assert against["same"]["half"] is None


def test_pairs_are_counted_once_and_those_without_a_score_are_missing():
    results = FakeResults(snapshots=3)
    found = made(results)[0]
    for measure, extent in found.extents.items():
        _, matrix = results.scores(measure)
        upper = matrix[np.triu_indices(len(matrix))]
        assert (extent.computed, extent.missing) == (np.isfinite(upper).sum(), np.isnan(upper).sum())
        assert extent.left_out == 0


@pytest.mark.parametrize(("runs", "room"), [(100, 1_000_000), (300, 2_000_000)])
def test_of_a_large_study_runs_from_all_of_it_are_there_and_the_bytes_are_bounded(runs, room):
    found, along, read, _ = made(big_results(runs, snapshots=6), room)
    numbers = [read(entry["scores"]) for entry in found.runs]
    numbers += [read(e[name]) for e in found.settings for name in ("mean", "half") if e[name]]
    assert sum(np.isfinite(values).sum() for values in numbers) <= room
    alone, together = (
        [e for e in found.runs if e["measure"] == "cka" and (e["pairs"][0][0] == e["pairs"][0][1]) is own]
        for own in (True, False)
    )
    first, last = alone[0]["pairs"][0][0], alone[0]["pairs"][-1][0]
    assert (first, last) == (0, runs - 1)
    assert {0, runs - 1} <= {run for pair in together[0]["pairs"] for run in pair}
    assert len(together[0]["steps"]) >= 2
    shown = len(alone[0]["pairs"]) + len(together[0]["pairs"])
    pairs = sum(
        1
        for i in range(runs)
        for j in range(i, runs)
        if along.settings[along.of[i]].dataset == along.settings[along.of[j]].dataset
    )
    assert found.extents["cka"].left_out == pairs - shown


def test_nothing_computed_and_nothing_begun_have_no_maps():
    assert made(FakeResults(without=("cka", "procrustes")))[0].settings == []
    assert made(FakeResults(snapshots=0))[0].runs == []
